"""What headers leave open can be said everywhere and is remembered.

What is doubtful is told by whoever opens a file; volumes that moved are found; a survey is added
without embedding the others again; near duplicates go by position."""

import json
import os
import shutil
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from test_volume import segy

WINDOW = ('--window', 32, 32, '--stride', 16, 16, '--lines', 'inline')
SPACING = 25.0


def amplitudes(n_inlines=8, n_crosslines=48, n_samples=64, seed=0):
    "Layers with a bright spot: (n_inlines*n_crosslines, n_samples), inline by inline."
    rng = np.random.default_rng(seed)
    inline, crossline, sample = np.meshgrid(
        *map(np.arange, (n_inlines, n_crosslines, n_samples)), indexing='ij'
    )
    reflectivity = np.convolve(rng.standard_normal(n_samples + 40), np.hanning(7), 'same')
    shift = 6 * np.sin(crossline / 9) + inline / 2 + 6
    layers = np.interp((sample + shift).ravel(), np.arange(n_samples + 40), reflectivity).reshape(
        shift.shape
    )
    spot = (
        3 * np.exp(-(((crossline - 35) / 5) ** 2) - ((sample - 40) / 6) ** 2) * np.cos(1.3 * sample)
    )
    noise = 0.05 * rng.standard_normal(shift.shape)
    return (1000 * (layers + spot + noise)).astype(np.float32).reshape(-1, n_samples)


def survey(
    path,
    at=(189, 193),
    first=(100, 300),
    by=(1, 1),
    shape=(8, 48, 64),
    seed=0,
    xy=(181, 185),
    **options,
):
    "A small 3-D survey with line numbers and coordinates at the bytes named."
    inline, crossline = (
        a.ravel()
        for a in np.meshgrid(
            *(f + b * np.arange(n) for f, b, n in zip(first, by, shape)), indexing='ij'
        )
    )
    x = 450_000 + SPACING * (crossline - first[1]) / by[1]
    y = 6_200_000 + SPACING * (inline - first[0]) / by[0]
    words = {f'b{at[0]}': inline, f'b{at[1]}': crossline}
    words |= {f'b{xy[0]}': x, f'b{xy[1]}': y, 'b71': 1} if xy else {}
    return segy(path, amplitudes(*shape, seed), **(words | options))


@pytest.fixture(scope='module')
def make(refcon, encoder_folder):
    "make(OUT, SOURCE…, options…): an index; returns what the command said."

    def call(out, *arguments, code=0):  # what stands later counts
        done = refcon('index', '--encoder', encoder_folder, '--out', out, *WINDOW, *arguments)
        assert done.returncode == code, done.stderr
        return done

    return call


BOX = ('--box', 16, 4, 48, 36)


@pytest.fixture(scope='module')
def ask(refcon):
    "ask(INDEX, options…): hits, and what was said beside them."

    def call(index, *options, code=0):
        done = refcon('search', index, *options, '--json')
        assert done.returncode == code, done.stderr
        return SimpleNamespace(
            hits=json.loads(done.stdout) if code == 0 else None, said=done.stderr
        )

    return call


# ---- options everywhere
def test_every_command_that_opens_volumes_has_the_options(refcon):
    from reflection_connection.cli.commands import OPENS
    from reflection_connection.cli.openings import OPENING_OPTIONS
    from reflection_connection.volume.errors import OPENING
    from reflection_connection.volume.readers import DOMAINS, SAMPLE_FORMATS, UNITS

    flags = [flags[0] for flags, _ in OPENING_OPTIONS]
    assert flags == [f"--{name.replace('_', '-')}" for name in OPENING] + ['--for']
    choices = {flags[0]: options.get('choices') for flags, options in OPENING_OPTIONS}
    assert (choices['--domain'], choices['--units'], choices['--sample-format']) == (
        DOMAINS,
        UNITS,
        SAMPLE_FORMATS,
    )
    for command in OPENS:
        told = refcon(command, '--help').stdout
        assert all(flag in told for flag in flags), command


def test_an_index_remembers_how_its_volumes_are_opened(make, ask, tmp_path):
    a = survey(tmp_path / 'a.sgy', at=(17, 25), shape=(8, 48, 64))
    make(tmp_path / 'ix', a, '--iline-byte', 17, '--xline-byte', 25, '--dt', 2, '--t0', -48)
    found = ask(tmp_path / 'ix', '--inline', 104, *BOX, '--k', 2).hits
    assert found and all(
        h['line_kind'] == 'inline' and h['time_ms'] == -48 + 2 * (h['top'] + 16) for h in found
    )
    items = pd.read_parquet(tmp_path / 'ix' / 'items.parquet')
    assert set(items.line) == set(range(100, 108)) and items.xl0.min() == 300
    again = make(tmp_path / 'ix', a)
    assert (
        'nothing to do' in again.stdout
        and '--iline-byte 17' in again.stderr
        and 'ix remembers' in again.stderr
    )
    other = make(tmp_path / 'ix', a, '--iline-byte', 17, '--xline-byte', 25, '--dt', 4)
    assert 'nothing to do' not in other.stdout
    assert ask(tmp_path / 'ix', '--inline', 104, *BOX).hits[0]['time_ms'] % 4 == 0


def test_options_of_a_volume_beside_others(make, ask, tmp_path):
    a, b = (
        survey(tmp_path / 'a.sgy', at=(17, 25)),
        survey(tmp_path / 'b.sgy', dt=0, tr_dt=0, seed=1),
    )
    make(tmp_path / 'ix', a, '--iline-byte', 17, '--xline-byte', 25)
    made = make(tmp_path / 'ix', a, b, '--dt', 8, '--for', b)
    items = pd.read_parquet(tmp_path / 'ix' / 'items.parquet').set_index('survey')
    assert set(items.loc['a'].line) == set(range(100, 108)), 'a is opened as the index remembers'
    assert set(items.loc['b'].time_ms) == {8.0 * (t + 16) for t in (0, 16, 32)} and set(
        items.loc['a'].time_ms
    ) == {4.0 * (t + 16) for t in (0, 16, 32)}
    assert 'remembers' in made.stderr and 'no sample interval' not in made.stderr


def test_a_search_may_give_times_but_not_another_file(make, ask, tmp_path):
    a = survey(tmp_path / 'a.sgy', dt=0, tr_dt=0)
    made = make(tmp_path / 'ix', a)
    assert 'no sample interval' in made.stderr and 'pass --dt' in made.stderr
    plain = ask(tmp_path / 'ix', '--inline', 104, *BOX, '--k', 3)
    assert 'pass --dt' in plain.said and plain.hits[0]['time_ms'] == plain.hits[0]['top'] + 16
    assert 'no sample interval' in plain.hits[0]['problems'][0]
    right = ask(tmp_path / 'ix', '--inline', 104, *BOX, '--k', 3, '--dt', 4, '--t0', 100)
    assert [h['id'] for h in right.hits] == [h['id'] for h in plain.hits]
    assert (
        all(h['time_ms'] == 100 + 4 * (h['top'] + 16) and h['problems'] == [] for h in right.hits)
        and 'no sample interval' not in right.said
    )
    late = ask(
        tmp_path / 'ix', '--inline', 104, *BOX, '--dt', 4, '--t0', 100, '--where', 'time_ms > 250'
    ).hits
    assert late and all(h['time_ms'] > 250 for h in late)
    refused = ask(
        tmp_path / 'ix', '--inline', 104, *BOX, '--xline-byte', 197, '--iline-byte', 193, code=2
    ).said
    assert '--xline-byte 197' in refused and 'build the index again' in refused


def test_labels_and_pixels_by_the_options(refcon, encoder_folder, tmp_path):
    "Labels given as inline numbers of a survey whose lines lie elsewhere in the headers."
    a = survey(tmp_path / 'a.sgy', at=(17, 25), shape=(12, 48, 64))
    rows = [f'inline,{100 + k},{8 * (k % 4)},{k % 8},32,32,{"AB"[k % 2]}' for k in range(12)]
    (tmp_path / 'l.csv').write_text(
        'line_kind,line,top,left,height,width,label\n' + '\n'.join(rows) + '\n'
    )
    score = ('evaluate', tmp_path / 'l.csv', '--sections', a, '--encoder', encoder_folder, '--json')
    refused = refcon(*score, '--iline-byte', 181, '--xline-byte', 237)
    assert (
        refused.returncode == 2
        and '--iline-byte' in refused.stderr
        and 'iline_byte' not in refused.stderr
    )
    done = refcon(*score, '--iline-byte', 17, '--xline-byte', 25)
    assert done.returncode == 0 and json.loads(done.stdout)['encoder']['n_queries'] == 12, (
        done.stderr
    )
    from reflection_connection.volume import open_volume
    from reflection_connection.windows import load_windows

    reader = load_windows(tmp_path / 'l.csv', a, opening='iline_byte=17 xline_byte=25')
    pixels, volume = reader[3][0], open_volume(a, iline_byte=17, xline_byte=25)
    assert (
        np.array_equal(pixels, volume.section('inline', 103)[24:56, 3:35])
        and reader.frame.xl0[3] == 303
    )


def test_training_and_pretraining_take_the_options(refcon, tmp_path):
    a = survey(tmp_path / 'a.sgy', at=(17, 25), dt=0, tr_dt=0, shape=(8, 128, 64))
    opening = ('--iline-byte', 17, '--xline-byte', 25)
    few = ('--steps', 1, '--batch', 8, '--size', 32, '--workers', 0, '--objective', 'mae', '--json')
    done = refcon('pretrain', a, '--out', tmp_path / 'e', *few, *opening)
    assert done.returncode == 0 and done.stderr.count('no sample interval') == 1, done.stderr
    assert 'no sample interval' in json.loads(done.stdout)['problems'][str(a)][0]


def test_keys_change_with_the_options(tmp_path):
    from reflection_connection.encoder import Encoder
    from reflection_connection.search import plan_windows, work_key
    from reflection_connection.windows import Corpus, Grid, data_fingerprint, load_windows

    a = survey(tmp_path / 'a.sgy', shape=(8, 128, 64))
    encoder, grid = Encoder.create('resnet-tiny'), Grid((32, 32), (16, 16))

    def keys(opening):
        return work_key(encoder, plan_windows(a, grid, opening).depends(), grid), Corpus(
            [a], opening=opening
        ).fingerprint()

    plain, other = keys(None), keys(dict(dt=2))
    assert all(p != o for p, o in zip(plain, other))
    (tmp_path / 'l.csv').write_text(
        'line_kind,line,top,left,height,width,label\ninline,104,0,0,32,32,A\n'
    )
    prints = {
        data_fingerprint(r.frame, opening=r.opening)
        for r in (
            load_windows(tmp_path / 'l.csv', a, opening=o) for o in (None, dict(dt=2), dict(dt=3))
        )
    }
    assert len(prints) == 3


# ---- what is doubtful is told
def test_problems_are_told_once_and_kept(make, ask, refcon, encoder_folder, tmp_path):
    np.save(tmp_path / 'cube.npy', amplitudes().reshape(8, 48, 64))
    said = make(tmp_path / 'ix', tmp_path / 'cube.npy', '--json')
    facts = json.loads(said.stdout)
    assert said.stderr.count('no sample interval') == 1 and 'pass --dt' in said.stderr
    assert (
        facts['windows'] == 48
        and facts['worked']
        and 'no sample interval' in facts['problems'][str(tmp_path / 'cube.npy')][0]
        and facts['left_out'] == []
    )
    asked = ask(tmp_path / 'ix', '--inline', 2, *BOX, '--k', 1)
    assert (
        asked.said.count('no sample interval') == 1
        and 'no sample interval' in asked.hits[0]['problems'][0]
    )
    from PIL import Image

    Image.fromarray(np.random.default_rng(0).integers(0, 255, (48, 48), np.uint8)).save(
        tmp_path / 'q.png'
    )
    assert (
        'no sample interval' in ask(tmp_path / 'ix', '--image', tmp_path / 'q.png', '--k', 1).said
    )
    kept = json.loads((tmp_path / 'ix' / 'meta.json').read_text())['volumes'][
        str(tmp_path / 'cube.npy')
    ]
    assert 'no sample interval' in kept['problems'][0]['problem'] and kept['opening'] == {}
    embedded = refcon(
        'embed',
        tmp_path / 'cube.npy',
        '--encoder',
        encoder_folder,
        '--out',
        tmp_path / 'e.npz',
        '--window',
        32,
        32,
        '--stride',
        32,
        32,
    )
    assert embedded.stderr.count('no sample interval') == 1
    settled = refcon(
        'embed',
        tmp_path / 'cube.npy',
        '--encoder',
        encoder_folder,
        '--out',
        tmp_path / 'f.npz',
        '--window',
        32,
        32,
        '--stride',
        32,
        32,
        '--dt',
        4,
    )
    assert settled.returncode == 0 and 'no sample interval' not in settled.stderr


def test_the_page_shows_what_is_doubtful(make, tmp_path):
    from reflection_connection.explore import Explorer

    np.save(tmp_path / 'cube.npy', amplitudes().reshape(8, 48, 64))
    make(tmp_path / 'ix', tmp_path / 'cube.npy')
    page = Explorer(tmp_path / 'ix')
    assert len(page.info['problems']) == 1 and 'no sample interval' in page.info['problems'][0]
    assert Explorer(tmp_path / 'ix', opening=dict(dt=2)).info['problems'] == []


def test_windows_of_different_sizes_are_said(make, ask, tmp_path):
    a, b = survey(tmp_path / 'a4.sgy', dt=4000), survey(tmp_path / 'b1.sgy', dt=1000, tr_dt=1000)
    said = make(tmp_path / 'ix', a, b).stderr
    assert '32 ms in b1' in said and '128 ms in a4' in said and '--unit metric' in said
    assert '128 ms in a4' in ask(tmp_path / 'ix', '--inline', 104, *BOX, '--volume', 'a4').said
    same = make(
        tmp_path / 'metric', a, b, '--window', 64, 800, '--stride', 64, 800, '--unit', 'metric'
    )
    heights = (
        pd.read_parquet(tmp_path / 'metric' / 'items.parquet')
        .groupby('survey')[['height', 'width']]
        .first()
    )
    assert (
        heights.height.to_dict() == {'a4': 16, 'b1': 64}
        and set(heights.width) == {32}
        and 'windows of' not in same.stderr
    )


def test_time_beside_depth_is_said(make, tmp_path):
    a, b = survey(tmp_path / 'a.sgy'), survey(tmp_path / 'b.sgy', seed=1)
    said = make(tmp_path / 'ix', a, b, '--domain', 'depth', '--for', b).stderr
    assert 'time and depth' in said and '128 ms in a' in said and '128 m in b' in said


# ---- the grid had to go
def test_no_window_runs_over_a_join(encoder_folder, tmp_path):
    from reflection_connection.encoder import Encoder
    from reflection_connection.search import Searcher, SearchError, build_index
    from reflection_connection.volume import open_volume
    from reflection_connection.windows import (
        Corpus,
        Grid,
        Shapes,
        WindowError,
        labelled_table,
        volume_windows,
    )

    trace = np.arange(8 * 48)
    along, beside = 25 * (trace % 48), 300 * (trace // 48)  # a survey turned by 30 degrees
    turned = dict(
        b181=450_000 + 0.866 * along - 0.5 * beside, b185=6_200_000 + 0.5 * along + 0.866 * beside
    )
    path = segy(tmp_path / 'fake.sgy', amplitudes(), **turned, b71=1)
    joins = [(k, k + 48) for k in range(0, 8 * 48, 48)]
    volume = open_volume(path)
    assert volume.segments == joins and not volume.has_geometry
    inside = lambda left, width: any(
        first <= left and left + width <= stop for first, stop in joins
    )
    table = volume_windows(volume, (32, 32), (16, 16))
    assert (
        len(table) == 8 * 2 * 3
        and all(map(inside, table.left, table.width))
        and table.il0.isna().all()
        and table.xl1.isna().all()
    )
    places = [most for _, _, most in Grid((32, 32), (16, 16)).over(volume)]
    assert places == [len(table)]
    corpus = Corpus([path], Shapes([(32, 32)]), valid=0.2)
    drawn = [corpus.window(k, part=part) for k in range(40) for part in ('train', 'valid')]
    assert all(inside(w.left, w.pixels.shape[1]) for w in drawn)
    (tmp_path / 'l.csv').write_text('top,left,height,width,label\n0,8,32,32,A\n0,40,32,32,B\n')
    with pytest.raises(WindowError, match='row 2 runs over the join'):
        labelled_table(tmp_path / 'l.csv', path)
    encoder = Encoder.load(encoder_folder)
    index, _, _ = build_index(encoder, path, tmp_path / 'ix', Grid((32, 32), (16, 16)))
    searcher = Searcher(index, encoder)
    assert searcher.box('line', 0, (0, 48, 32, 80)).place['left'] == 48
    with pytest.raises(SearchError, match='over the join'):
        searcher.box('line', 0, (0, 40, 32, 72))


# ---- units
def feet(path):
    return survey(path, shape=(6, 40, 64), dt=20000, tr_dt=20000)


def test_depth_m_is_metres(make, ask, refcon, tmp_path):
    a = feet(tmp_path / 'a.sgy')
    make(tmp_path / 'ix', a, '--domain', 'depth', '--units', 'ft', '--t0', 1000)
    asked = ask(
        tmp_path / 'ix', '--inline', 102, '--box', 0, 0, 32, 32, '--k', 9, '--min-separation', 0
    ).hits
    assert asked and all(
        h['depth_m'] == pytest.approx(0.3048 * (1000 + 20 * (h['top'] + 16)))
        and h['time_ms'] is None
        for h in asked
    )
    shallow = ask(
        tmp_path / 'ix',
        '--inline',
        102,
        '--box',
        0,
        0,
        32,
        32,
        '--k',
        99,
        '--min-separation',
        0,
        '--where',
        'depth_m < 450',
    ).hits
    assert shallow and {h['top'] for h in shallow} == {0}
    body = ask(
        tmp_path / 'ix', '--inline', 102, '--box', 0, 0, 32, 32, '--bodies', '--min-confidence', 0
    ).hits[0]
    assert body['unit'] == 'ft' and body['z0'] == 1000 + 20 * 0
    shown = refcon(
        'search', tmp_path / 'ix', '--inline', 102, '--box', 0, 0, 32, 32, '--k', 2
    ).stdout
    assert 'depth_m' in shown
    from reflection_connection.explore import Explorer

    page = Explorer(tmp_path / 'ix', separation=(0, 0))
    page.show(str(a), 'inline', 102)
    page.ask([0, 0, 32, 32])
    assert (
        page.section['zname'] == 'depth (ft)'
        and page.hits
        and all(h['place'].endswith(f" {1000 + 20 * (h['top'] + 16)} ft") for h in page.hits)
    )


def test_metric_windows_in_feet_and_degrees(tmp_path):
    from reflection_connection.volume import open_volume
    from reflection_connection.windows import WindowError, in_samples

    volume = open_volume(feet(tmp_path / 'a.sgy'), domain='depth', units='ft')
    as_feet = SimpleNamespace(
        lines=volume.lines,
        xy=volume.xy,
        dt=volume.dt,
        unit=volume.unit,
        path=volume.path,
        name='a',
        xy_unit='ft',
    )
    assert in_samples(as_feet, 'inline', (0.3048 * 20 * 8, 0.3048 * SPACING * 12)) == (8, 12)
    assert in_samples(
        SimpleNamespace(**vars(as_feet) | dict(xy_unit='m')),
        'inline',
        (0.3048 * 20 * 8, SPACING * 12),
    ) == (8, 12)
    with pytest.raises(
        WindowError, match='metres cannot be counted in degrees: give sizes in samples and traces'
    ):
        in_samples(SimpleNamespace(**vars(as_feet) | dict(xy_unit='degrees')), 'inline', (100, 300))


def test_the_page_names_the_unit_of_coordinates():
    from reflection_connection.explore import position_text, with_unit

    hit = dict(x=4.5123, y=54.1)
    of = lambda unit: SimpleNamespace(xy_unit=unit)
    assert position_text(hit, of('degrees')) == '4.51230, 54.10000 degrees'
    assert (
        position_text(dict(x=1000.0, y=2000.0), of('ft')) == '1000, 2000 ft'
        and position_text(dict(x=1000.0, y=2000.0), of(None)) == '1000, 2000'
    )
    assert with_unit('x, y', None) == 'x, y' and with_unit('x, y', 'ft') == 'x, y (ft)'


# ---- near duplicates
def test_lines_are_counted_not_numbers(make, ask, tmp_path):
    shape = (24, 40, 64)
    a = survey(tmp_path / 'a.sgy', first=(1000, 2000), by=(10, 4), shape=shape)
    b = survey(tmp_path / 'b.sgy', first=(100, 200), by=(1, 1), shape=shape)
    make(tmp_path / 'ia', a, '--lines', 'both')
    make(tmp_path / 'ib', b, '--lines', 'both')
    for more in ((), ('--min-separation', 4, '--min-samples', 8), ('--min-separation', 0)):
        found = [
            ask(tmp_path / f'i{n}', '--inline', line, *BOX, '--k', 8, *more).hits
            for n, line in (('a', 1100), ('b', 110))
        ]
        place = lambda h, first, by: (
            (h['line'] - first[h['line_kind'] == 'crossline']) // by[h['line_kind'] == 'crossline'],
            h['line_kind'],
            h['top'],
            h['left'],
        )
        assert [place(h, (1000, 2000), (10, 4)) for h in found[0]] == [
            place(h, (100, 200), (1, 1)) for h in found[1]
        ]
        if '--min-separation' not in more:
            assert not any(
                h['line_kind'] == 'inline'
                and abs(h['line'] - 1100) <= 20
                and abs(h['left'] - 4) < 16
                and h['top'] == 16
                for h in found[0]
            )
    make(tmp_path / 'both', a, b, '--lines', 'both')
    here = ask(tmp_path / 'both', '--inline', 1100, *BOX, '--k', 40, '--volume', 'a').hits
    mine = [h for h in here if h['survey'] == 'a' and h['line_kind'] == 'inline']
    for i, h in enumerate(mine):
        near = [
            o
            for o in mine[:i]
            if abs(o['line'] - h['line']) <= 20 and o['top'] == h['top'] and o['left'] == h['left']
        ]
        assert not near, 'two increments in one index'


def test_steps_of_indexes_that_do_not_tell(tmp_path):
    from reflection_connection.search import line_steps
    from reflection_connection.volume import open_volume
    from reflection_connection.windows import volume_windows

    v = open_volume(survey(tmp_path / 'a.sgy', first=(1000, 2000), by=(10, 4)))
    both = line_steps(volume_windows(v, (32, 8), (32, 8)))
    assert both == {str(v.path): {'inline': 10, 'crossline': 4}}
    alone = volume_windows(v, (32, 32), (32, 16), 'inline', every=2)
    assert line_steps(alone, every=2) == {str(v.path): {'inline': 10, 'crossline': 4}}


# ---- 2-D lines
def test_two_d_lines_name_cdp_numbers(encoder_folder, tmp_path):
    from reflection_connection.encoder import Encoder
    from reflection_connection.search import Question, Searcher, build_index
    from reflection_connection.windows import Grid

    path = segy(
        tmp_path / 'line.sgy',
        amplitudes(1, 80),
        b21=1001 + 2 * np.arange(80),
        b181=400_000 + 12 * np.arange(80),
        b185=5_000_000 + 5 * np.arange(80),
        b71=1,
    )
    encoder = Encoder.load(encoder_folder)
    index, _, _ = build_index(
        encoder, path, tmp_path / 'ix', Grid((32, 32), (16, 16)), encoder_source=str(encoder_folder)
    )
    searcher = Searcher(index, encoder)
    found = searcher.hits(Question(searcher, searcher.box('line', 0, (16, 0, 48, 32))), 3)
    assert (
        len(found)
        and (found.cdp0 == 1001 + 2 * found.left).all()
        and (found.cdp1 == 1001 + 2 * (found.left + 31)).all()
    )
    assert found.il0.isna().all() and found.xl0.isna().all()
    far = index.hits(index.embeddings([0])[0], 9, min_separation=20, min_samples=5)
    assert all(
        abs(a - b) > 20 or s != t
        for i, (a, s) in enumerate(zip(far.left, far.top))
        for b, t in list(zip(far.left, far.top))[:i]
    )


def test_the_way_to_ask_is_named(make, ask, tmp_path):
    a = survey(tmp_path / 'a.sgy')
    make(tmp_path / 'ix', a)
    assert '--inline N' in ask(tmp_path / 'ix', '--line', 7, *BOX, code=2).said
    line = segy(tmp_path / 'line.sgy', amplitudes(1, 80))
    make(tmp_path / 'il', line)
    assert '--line 0' in ask(tmp_path / 'il', '--inline', 7, *BOX, code=2).said


# ---- moved volumes
@pytest.fixture
def moved(make, tmp_path):
    "A project folder with a volume and an index, moved since."
    (tmp_path / 'proj').mkdir()
    survey(tmp_path / 'proj' / 'b.sgy')
    make(tmp_path / 'proj' / 'ib', tmp_path / 'proj' / 'b.sgy')
    os.rename(tmp_path / 'proj', tmp_path / 'proj2')
    return tmp_path / 'proj2'


def test_a_project_that_moved_answers(moved, ask, tmp_path):
    found = ask(moved / 'ib', '--inline', 104, *BOX, '--k', 2).hits
    assert found and {h['source'] for h in found} == {str(moved / 'b.sgy')}
    assert ask(moved / 'ib', '--like', 'b:inline104:16:0', '--k', 1).hits
    assert (
        ask(moved / 'ib', '--inline', 104, *BOX, '--k', 1, '--volume', moved / 'b.sgy').hits
        == found[:1]
    )
    assert (
        ask(moved / 'ib', '--inline', 104, *BOX, '--map', tmp_path / 'm.sgy').hits
        and (tmp_path / 'm.sgy').is_file()
    )
    from reflection_connection.explore import Explorer

    assert Explorer(moved / 'ib').info['sources'] == [str(moved / 'b.sgy')]


def test_a_volume_that_went_elsewhere_is_pointed_to(
    moved, ask, make, refcon, encoder_folder, tmp_path
):
    search = ('--inline', 104, *BOX, '--k', 1)
    (tmp_path / 'disk' / 'deep').mkdir(parents=True)
    os.rename(moved / 'b.sgy', tmp_path / 'disk' / 'deep' / 'b.sgy')
    lost = ask(moved / 'ib', *search, code=2).said
    assert '--volume b.sgy=NEW' in lost and '--volume FOLDER' in lost and lost.count('\n') == 1
    there = tmp_path / 'disk' / 'deep' / 'b.sgy'
    for say in (
        f'b.sgy={there}',
        f'b={there}',
        there,
        there.parent,
        tmp_path / 'disk',
        f'b.sgy={there.parent}',
    ):
        assert ask(moved / 'ib', *search, '--volume', say).hits[0]['source'] == str(there), say
    os.rename(there, tmp_path / 'other name.sgy')
    assert ask(moved / 'ib', *search, '--volume', tmp_path / 'other name.sgy').hits
    survey(tmp_path / 'disk' / 'b.sgy', seed=9)
    another = ask(
        moved / 'ib', *search, '--volume', f"b.sgy={tmp_path / 'disk' / 'b.sgy'}", code=2
    ).said
    assert 'another volume than the b.sgy that was indexed' in another
    assert (
        'no such file'
        in ask(moved / 'ib', *search, '--volume', f'b.sgy={tmp_path}/nowhere.sgy', code=2).said
    )
    from reflection_connection.explore import Explorer

    page = Explorer(moved / 'ib', places=[tmp_path / 'other name.sgy'], separation=(0, 0))
    page.ask([16, 4, 48, 36])
    assert page.hits and page.status['kind'] == 'info'


def test_another_file_under_the_old_name_is_not_taken(moved, ask, tmp_path):
    "The old place holds another survey, the index's folder has the right one."
    (tmp_path / 'proj').mkdir()
    survey(tmp_path / 'proj' / 'b.sgy', seed=5)
    assert ask(moved / 'ib', '--inline', 104, *BOX, '--k', 1).hits[0]['source'] == str(
        moved / 'b.sgy'
    )


def test_links(make, ask, tmp_path):
    a = survey(tmp_path / 'a.sgy')
    (tmp_path / 'link.sgy').symlink_to(a)
    make(tmp_path / 'il', tmp_path / 'link.sgy')
    for name in (tmp_path / 'link.sgy', a, 'a.sgy', 'a'):
        assert ask(tmp_path / 'il', '--inline', 104, *BOX, '--k', 1, '--volume', name).hits


def test_which_volume_is_meant(make, ask, tmp_path):
    survey(tmp_path / 'a.sgy')
    survey(tmp_path / 'b.sgy', seed=3)
    make(tmp_path / 'ix', tmp_path / 'a.sgy', tmp_path / 'b.sgy')
    refused = ask(tmp_path / 'ix', '--inline', 104, *BOX, code=2).said
    assert '--volume' in refused and 'a.sgy, b.sgy' in refused
    named = [
        ask(tmp_path / 'ix', '--inline', 104, *BOX, '--k', 2, '--volume', v).hits
        for v in ('b', 'b.sgy', tmp_path / 'b.sgy')
    ]
    assert named[0] == named[1] == named[2]
    assert (
        'c is none of them: the index has the volumes a.sgy, b.sgy'
        in ask(tmp_path / 'ix', '--inline', 104, *BOX, '--volume', 'c', code=2).said
    )


def test_a_volume_that_is_there_is_not_taken_for_a_lost_one(make, ask, tmp_path):
    a, b = survey(tmp_path / 'a.sgy'), survey(tmp_path / 'b.sgy', seed=3)
    make(tmp_path / 'ix', a, b)
    (tmp_path / 'new').mkdir()
    os.rename(b, tmp_path / 'new' / 'renamed.sgy')
    box = ('--inline', 104, *BOX, '--k', 1)
    lost = ask(tmp_path / 'ix', *box, '--volume', a, code=2).said
    assert 'b.sgy is not there any more' in lost and '--volume b.sgy=NEW' in lost
    assert ask(
        tmp_path / 'ix',
        *box,
        '--volume',
        a,
        '--volume',
        f"b.sgy={tmp_path / 'new' / 'renamed.sgy'}",
    ).hits
    wrong = ask(tmp_path / 'ix', *box, '--volume', f'b.sgy={a}', code=2).said
    assert 'a.sgy is another volume than the b.sgy' in wrong


def test_a_volume_named_twice_counts_once(make, tmp_path):
    (tmp_path / 'd').mkdir()
    a = survey(tmp_path / 'd' / 'a.sgy')
    (tmp_path / 'link.sgy').symlink_to(a)
    for k, sources in enumerate(([a, a], [tmp_path / 'd', a], [tmp_path / 'link.sgy', a])):
        made = make(tmp_path / f'i{k}', *sources)
        assert 'Index of 48 windows' in made.stdout, made.stdout


def test_options_for_a_file_that_is_not_read_are_refused(make, ask, refcon, tmp_path):
    a, b = survey(tmp_path / 'a.sgy'), survey(tmp_path / 'b.sgy', seed=3)
    index = tmp_path / 'ix'
    for other in (b, tmp_path / 'nowhere.sgy'):
        assert f'--for {other}: no' in make(index, a, '--dt', 2, '--for', other, code=2).stderr
        checked = refcon('check', a, '--dt', 2, '--for', other)
        assert checked.returncode == 2 and f'--for {other}: no' in checked.stderr
    make(index, tmp_path, '--dt', 2, '--for', a)
    assert {
        h['survey']: h['time_ms'] / (h['top'] + 16)
        for h in ask(index, '--like', 'a:inline104:16:0').hits
    } == {'a': 2, 'b': 4}
    make(tmp_path / 'one', a)
    assert (
        f'--for {b}: none of the volumes that are read: a.sgy'
        in ask(tmp_path / 'one', '--like', 'a:inline104:16:0', '--dt', 2, '--for', b, code=2).said
    )


def test_a_polygon_off_the_survey_is_said(make, ask, tmp_path):
    "Coordinates exchanged, without a header that could tell."
    make(tmp_path / 'ix', survey(tmp_path / 'a.sgy'))
    right = [(450_000, 6_199_990), (451_200, 6_199_990), (451_200, 6_200_200), (450_000, 6_200_200)]
    for corners, there in ((right, True), ([c[::-1] for c in right], False)):
        (tmp_path / 'p.csv').write_text('\n'.join(f'{x},{y}' for x, y in corners) + '\n')
        found = ask(tmp_path / 'ix', '--like', 'a:inline104:16:0', '--polygon', tmp_path / 'p.csv')
        assert bool(found.hits) == there
        assert (
            'no window lies inside; windows of the index have x 450400 … 450800, y 6200000 … 6200175'
            in found.said
        ) != there


def test_an_empty_folder_takes_an_index(make, tmp_path):
    (tmp_path / 'ix').mkdir()
    make(tmp_path / 'ix', survey(tmp_path / 'a.sgy'))
    assert (tmp_path / 'ix' / 'meta.json').is_file()


# ---- a survey more, a survey less
@pytest.fixture
def counted(monkeypatch):
    "Windows that were embedded."
    from reflection_connection.encoder import Encoder

    seen, stream = [], Encoder.stream

    def counting(self, batches, *more):
        for z in stream(self, batches, *more):
            seen.append(len(z))
            yield z

    monkeypatch.setattr(Encoder, 'stream', counting)
    return seen


@pytest.mark.parametrize('kind', ['flat', 'fp16', 'hnsw', 'ivf'])
def test_a_survey_that_is_added_is_embedded_alone(encoder_folder, tmp_path, counted, kind):
    from reflection_connection.encoder import Encoder
    from reflection_connection.search import Index, build_index
    from reflection_connection.windows import Grid

    survey(tmp_path / 'a.sgy')
    b = survey(tmp_path / 'b.sgy', seed=3)
    encoder, grid = Encoder.load(encoder_folder), Grid((32, 32), (8, 8))
    build = lambda name, *sources: build_index(
        encoder, [tmp_path / s for s in sources], tmp_path / name, grid, kind
    )
    one = len(build('ix', 'a.sgy')[0])
    counted.clear()
    both, _, worked = build('ix', 'a.sgy', 'b.sgy')
    assert worked and sum(counted) == len(both) - one > 0
    assert not build('ix', 'a.sgy', 'b.sgy')[2] and sum(counted) == len(both) - one, (
        'the third call does nothing'
    )
    fresh = build('fresh', 'a.sgy', 'b.sgy')[0]
    read = lambda name, file: (tmp_path / name / file).read_bytes()
    assert read('ix', 'items.parquet') == read('fresh', 'items.parquet') and np.array_equal(
        both.embeddings(), fresh.embeddings()
    )
    if kind in ('flat', 'fp16'):
        assert read('ix', 'index.faiss') == read('fresh', 'index.faiss')
    counted.clear()
    build('ix', 'b.sgy')
    build('alone', 'b.sgy')
    assert (
        read('ix', 'items.parquet') == read('alone', 'items.parquet')
        and sum(counted) == len(fresh) - one
    ), 'one that is taken away costs nothing'
    assert set(Index.load(tmp_path / 'ix').meta['volumes']) == {str(b)}


def test_a_moved_survey_is_not_embedded_again(encoder_folder, tmp_path, counted):
    from reflection_connection.encoder import Encoder
    from reflection_connection.search import build_index
    from reflection_connection.windows import Grid

    (tmp_path / 'p').mkdir()
    survey(tmp_path / 'p' / 'a.sgy')
    encoder, grid = Encoder.load(encoder_folder), Grid((32, 32), (16, 16))
    build_index(encoder, tmp_path / 'p' / 'a.sgy', tmp_path / 'p' / 'ix', grid)
    shutil.move(tmp_path / 'p', tmp_path / 'q')
    counted.clear()
    index, _, worked = build_index(encoder, tmp_path / 'q' / 'a.sgy', tmp_path / 'q' / 'ix', grid)
    assert worked and not counted and set(index.items.source) == {str(tmp_path / 'q' / 'a.sgy')}


def test_adding_that_is_cut_off_leaves_the_old_index(encoder_folder, tmp_path, counted):
    from reflection_connection.encoder import Encoder
    from reflection_connection.search import Index, build_index
    from reflection_connection.windows import Grid

    a, b = survey(tmp_path / 'a.sgy'), survey(tmp_path / 'b.sgy', seed=3)
    encoder, grid = Encoder.load(encoder_folder), Grid((32, 32), (8, 8))
    build_index(encoder, a, tmp_path / 'ix', grid)
    before = (tmp_path / 'ix' / 'meta.json').read_bytes()

    def cut_off(done, total):
        if done > 40:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_index(encoder, [a, b], tmp_path / 'ix', grid, chunk=16, progress=cut_off)
    assert (tmp_path / 'ix' / 'meta.json').read_bytes() == before and len(
        Index.load(tmp_path / 'ix')
    ) > 0
    there = len(list((tmp_path / '.ix.work').rglob('*.npz')))
    counted.clear()
    both, _, _ = build_index(encoder, [a, b], tmp_path / 'ix', grid, chunk=16)
    assert there and sum(counted) < len(both) // 2 - 16 and not (tmp_path / '.ix.work').exists()


def test_indexes_of_earlier_versions_are_read(make, ask, tmp_path):
    from reflection_connection.storage import read_json, write_json

    survey(tmp_path / 'a.sgy', first=(1000, 2000), by=(10, 4), shape=(24, 48, 64))
    make(tmp_path / 'ix', tmp_path / 'a.sgy')
    new = ask(tmp_path / 'ix', '--inline', 1100, *BOX, '--k', 5).hits
    meta = read_json(tmp_path / 'ix' / 'meta.json')
    old = {k: v for k, v in meta.items() if k not in ('volumes', 'parts', 'sizes')} | {'format': 3}
    write_json(tmp_path / 'ix' / 'meta.json', old, checked=True)
    assert ask(tmp_path / 'ix', '--inline', 1100, *BOX, '--k', 5).hits == new


def test_the_same_sentence_is_told_about_a_few_files_only(tmp_path, capsys):
    from reflection_connection.volume.opening import MANY, Openings, _told

    _told.clear()
    for k in range(20):
        np.save(tmp_path / f'{k:02d}.npy', np.zeros((40, 3)))
    openings = Openings()
    for k in range(20):
        openings.open(tmp_path / f'{k:02d}.npy')
    said = [line for line in capsys.readouterr().out.splitlines() if 'no sample interval' in line]
    assert len(said) == MANY + 1 and 'and maybe others' in said[-1]
    assert len(openings.problems) == 20  # none is lost to who asks
