"""A survey without an index: searched in stages, each window embedded once, kept, and an index in the end."""

import json
import os
import signal
import threading
import time

import numpy as np
import pytest
from conftest import Process
from PIL import Image

WINDOWS = dict(window=(32, 32), stride=(16, 16), lines='inline')
OPTIONS = '--window 32 32 --stride 16 16 --lines inline'.split()
BOX = '40 30 72 62'.split()


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    "A survey, and an encoder that embeds fast."
    from reflection_connection.encoder import Encoder
    from reflection_connection.synthetic import write_survey

    folder = tmp_path_factory.mktemp('live')
    write_survey(folder, seed=4, n_inlines=24, n_crosslines=80, n_samples=112)
    Encoder.create('resnet-tiny').save(folder / 'encoder')
    return folder


def grow(site, out, **options):
    from reflection_connection.search import open_any
    from reflection_connection.windows import Grid

    return open_any(site / 'survey.sgy', site / 'encoder', out=out, grid=Grid(**WINDOWS), **options)


@pytest.fixture(scope='module')
def at_once(site):
    "The index that `refcon index` makes."
    from reflection_connection.encoder import Encoder
    from reflection_connection.search import build_index
    from reflection_connection.windows import Grid

    encoder = Encoder.load(site / 'encoder')
    return build_index(encoder, site / 'survey.sgy', site / 'at-once', Grid(**WINDOWS)).index


def everything(searcher):
    return np.arange(len(searcher.survey.places))


def same(index, other):
    np.testing.assert_array_equal(index.items.id, other.items.id)
    np.testing.assert_allclose(index.embeddings(), other.embeddings(), atol=1e-4)


def refcon(*argv):
    from reflection_connection.cli import main

    return main(list(map(str, argv)))


def test_each_window_is_embedded_once_in_whatever_order(site, at_once, tmp_path, monkeypatch):
    from reflection_connection.search import growing_survey

    seen = []
    embed = growing_survey.embed_readers

    def counted(encoder, readers, *a, **k):
        made = embed(encoder, readers, *a, **k)
        seen.extend(made.items.id)
        return made

    monkeypatch.setattr(growing_survey, 'embed_readers', counted)
    searcher = grow(site, tmp_path / 'grown')
    places = np.random.default_rng(0).permutation(everything(searcher))
    half = places[: len(places) // 2]
    threads = [
        threading.Thread(target=lambda p=p: list(searcher.survey.grow(p)))
        for p in (half, half[::-1])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    list(searcher.survey.grow(places))
    assert len(seen) == len(set(seen)) == len(at_once)
    same(searcher.survey.build().index, at_once)


def test_command_line(site, at_once, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    line = str(int(at_once.items.line.iloc[len(at_once) // 2]))
    ask = ['--inline', line, '--box', *BOX, '--k', '3', '--json']
    survey = [site / 'survey.sgy', '--encoder', site / 'encoder', *OPTIONS]
    assert refcon('search', *survey, *ask) == 0
    said = capsys.readouterr()
    assert len(json.loads(said.out)) == 3
    assert 'line: ' in said.err and 'coarse: ' in said.err and 'rest: ' not in said.err
    assert list(tmp_path.glob('.survey-index.work/*/*.npz'))
    assert not (tmp_path / 'survey-index').exists()

    sources = [site / 'survey.sgy', '--encoder', site / 'encoder', '--out', 'survey-index']
    assert refcon('index', *sources, *OPTIONS) == 0  # takes over
    from reflection_connection.search import Index

    same(Index.load('survey-index'), at_once)
    assert not (tmp_path / '.survey-index.work').exists()
    capsys.readouterr()
    assert refcon('search', *survey, *ask) == 0
    again = capsys.readouterr()
    assert 'coarse: ' not in again.err  # the index is there
    assert refcon('search', site / 'at-once', '--encoder', site / 'encoder', *ask) == 0
    indexed = json.loads(capsys.readouterr().out)
    found = json.loads(again.out)
    assert [hit['id'] for hit in found] == [hit['id'] for hit in indexed]
    assert refcon('search', *survey, *ask, '--stride', '8', '16') == 0  # another grid
    assert 'an index that was made otherwise' in capsys.readouterr().err
    same(Index.load('survey-index'), at_once)


def test_whole_survey_from_the_command_line(site, at_once, tmp_path, capsys):
    from reflection_connection.search import Index

    line = str(int(at_once.items.line.iloc[0]))
    survey = [site / 'survey.sgy', '--encoder', site / 'encoder', *OPTIONS]
    ask = ['--inline', line, '--box', *BOX, '--whole', '--index-out', tmp_path / 'whole']
    assert refcon('search', *survey, *ask) == 0
    assert 'rest: ' in capsys.readouterr().err
    same(Index.load(tmp_path / 'whole'), at_once)
    assert not (tmp_path / '.whole.work').exists()


def test_images_are_not_searched_without_an_index(site, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'images').mkdir()
    noise = np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)
    Image.fromarray(noise).save(tmp_path / 'images' / 'a.png')
    both = [site / 'survey.sgy', 'images']
    assert refcon('search', *both, *OPTIONS, '--inline', '1', '--box', *BOX) == 2
    assert 'make one (refcon index)' in capsys.readouterr().err


def test_a_folder_that_cannot_be_written(site, tmp_path, capsys):
    (tmp_path / 'file').touch()
    searcher = grow(site, tmp_path / 'file' / 'index')
    assert 'the search goes on in memory' in capsys.readouterr().out
    list(searcher.survey.grow(everything(searcher)[:40]))
    assert searcher.catch_up() == 40
    list(searcher.survey.grow(everything(searcher)))
    assert searcher.survey.build() is None


def embed_until_killed(site, out):
    from reflection_connection.search import kept_pieces

    kept_pieces.PIECE_SECONDS = 0  # a piece a batch
    searcher = grow(site, out)
    searcher.survey.batch = lambda p: p[~searcher.survey.taken[p]][:16]
    for _ in searcher.survey.grow(everything(searcher)):
        print('embedded', searcher.survey.done, flush=True)
        time.sleep(0.02)


def test_killed_at_any_moment_it_resumes(site, at_once, tmp_path):
    out, before = tmp_path / 'index', 0
    for _ in range(2):
        process = Process(embed_until_killed, site, out)
        patience = time.monotonic() + 60
        while len(list(tmp_path.glob('.index.work/*/*.npz'))) < before + 2:
            assert time.monotonic() < patience
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
        process.process.join()
        before = len(list(tmp_path.glob('.index.work/*/*.npz')))
    searcher = grow(site, out)
    there = len(searcher.index)
    assert 0 < there < len(at_once)
    list(searcher.survey.grow(everything(searcher)))
    same(searcher.survey.build().index, at_once)


def test_neighbours_that_are_not_there_neither_help_nor_harm(site, tmp_path):
    from reflection_connection.search import coarse_places

    searcher = grow(site, tmp_path / 'index')
    grid = searcher.survey.places.grids[0]
    list(searcher.survey.grow(coarse_places(grid, 8, 2)))
    searcher.catch_up()
    constant = np.full(len(searcher.index), 0.7, np.float32)
    np.testing.assert_allclose(searcher.smoothed(constant), 0.7, atol=1e-6)
    one = np.zeros(len(searcher.index), np.float32)
    one[0] = 1
    smoothed = searcher.smoothed(one)
    assert smoothed[0] > 0.9  # the next windows that are there are too far to count
    np.testing.assert_allclose(smoothed[1:], 0, atol=0.1)


# the explorer


@pytest.fixture
def explorer(site, tmp_path):
    from reflection_connection.explore import Explorer
    from reflection_connection.windows import Grid

    made = Explorer(
        site / 'survey.sgy', encoder=site / 'encoder', out=tmp_path / 'ix', grid=Grid(**WINDOWS)
    )
    made.searcher.survey.batch = lambda p: p[~made.searcher.survey.taken[p]][:24]
    yield made
    made.end()


def wait(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def box(explorer, top=40):
    explorer.act(dict(action='ask', box=[top, 30, top + 32, 62]))


def test_explorer_answers_while_it_embeds(explorer, at_once, tmp_path):
    from reflection_connection.search import Index

    stages, sizes = [], []
    explorer.observe(lambda change: stages.append(change['new']['stage']), 'stages')
    explorer.observe(lambda change: sizes.append(len(explorer.searcher.index)), 'hits')
    box(explorer)
    wait(lambda: not explorer.growth.running)
    assert list(dict.fromkeys(stages)) == ['line', 'coarse', 'near', 'rest']
    line = (at_once.items.line == explorer._where[2]).sum()
    assert line in sizes  # hits of this line, before anything else was embedded
    assert explorer.stages['running'] is False and explorer.stages['done'] == len(at_once)
    assert explorer.status['kind'] == 'info' and explorer.heat['png']
    assert len(explorer.cloud['points']) == len(explorer.shades) == len(at_once)
    same(Index.load(tmp_path / 'ix'), at_once)


def test_explorer_can_be_stopped_and_goes_on(explorer):
    explorer.searcher.survey.batch = lambda p: p[~explorer.searcher.survey.taken[p]][:8]
    box(explorer)
    wait(lambda: explorer.hits)
    explorer.act(dict(action='cancel'))
    wait(lambda: not explorer.growth._thread.is_alive(), 5)
    done = explorer.searcher.survey.done
    assert 0 < done < len(explorer.searcher.survey.places)
    assert explorer.stages['running'] is False and 'stopped' in explorer.status['text']
    assert explorer.hits
    explorer.act(dict(action='show', number=int(explorer._where[2]) + 1))
    assert explorer.status['kind'] == 'info'
    first = explorer.growth._thread
    box(explorer, 60)
    assert explorer.growth._thread is not first
    wait(lambda: explorer.searcher.survey.done > done)
    assert explorer.query['boxes'][0]['box'][0] == 60


def test_explorer_embeds_the_line_that_is_shown_next(explorer):
    survey = explorer.searcher.survey
    order = []
    embed = survey.embed

    def told(places):
        order.append(int(survey.places.grids[0].at(places[:1])[0][0]))
        return embed(places)

    survey.embed = told
    box(explorer)
    wait(lambda: len(order) > 8)
    last = int(survey.places.grids[0].numbers[-1])
    explorer.act(dict(action='show', number=last))
    n = len(order)
    wait(lambda: len(order) > n + 3)
    assert len(survey.places.grids[0].numbers) - 1 in order[n : n + 3]


def test_explorer_closes_cleanly(site, tmp_path):
    from reflection_connection.explore import Explorer
    from reflection_connection.windows import Grid

    before = threading.active_count()
    survey = dict(out=tmp_path / 'ix', grid=Grid(**WINDOWS))
    explorer = Explorer([site / 'survey.sgy'], encoder=site / 'encoder', **survey)
    explorer.searcher.survey.batch = lambda p: p[~explorer.searcher.survey.taken[p]][:8]
    box(explorer)
    wait(lambda: explorer.searcher.survey.done)
    explorer.end()
    assert not explorer.growth._thread.is_alive()
    assert threading.active_count() <= before
    kept = grow(site, tmp_path / 'ix')
    assert len(kept.index) == len(explorer.searcher.survey) > 0


def test_several_volumes_grow_together(site, tmp_path):
    from reflection_connection.encoder import Encoder
    from reflection_connection.search import build_index, open_any
    from reflection_connection.synthetic import write_survey
    from reflection_connection.windows import Grid

    other = write_survey(tmp_path / 'o', seed=5, n_inlines=8, n_crosslines=64, n_samples=96)
    both = [site / 'survey.sgy', other.rename(other.with_name('other.sgy'))]
    grid = Grid(**WINDOWS, every=4)
    searcher = open_any(both, site / 'encoder', out=tmp_path / 'both-index', grid=grid)
    list(searcher.survey.grow(everything(searcher)[::-1]))
    grown = searcher.survey.build().index
    whole = build_index(Encoder.load(site / 'encoder'), both, tmp_path / 'at-once', grid).index
    same(grown, whole)
    assert grown.meta['parts'] == whole.meta['parts']
    assert grown.items.source.nunique() == 2
