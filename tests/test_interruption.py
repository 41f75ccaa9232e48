"""What a kill, a full disk, a read-only folder and a second process do to what is made here: nothing."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import Process

SEED = int(
    os.environ.get(
        'REFCON_KILLS',
        random.SystemRandom().randrange(10**6) if os.environ.get('REFCON_SLOW') else 0,
    )
)
slow = pytest.mark.skipif(
    not os.environ.get('REFCON_SLOW'),
    reason='50 kills and more take minutes: make slow, or '
    'REFCON_SLOW=1 pytest tests/test_interruption.py',
)


# What is done, each in a process of its own.
# site: folder with what there is to work on; here: folder to work in


def _shards_said():
    from reflection_connection.search import surveys

    write = surveys.write_shard

    def told(file, *a, **k):
        n = write(file, *a, **k)
        print('made', Path(file).name, flush=True)
        return n

    surveys.write_shard = told


def train(site, here):
    from reflection_connection.run import train_encoder

    train_encoder(
        site / 'data' / 'train',
        'resnet-tiny',
        folder=here / 'out',
        steps=6,
        eval_every=2,
        classes=4,
        per_class=2,
        average=0.5,
        augment='light',
    )


def pretrain(site, here):
    from reflection_connection.run import pretrain_encoder

    pretrain_encoder(
        [site / 'sections'],
        'vitc-pico',
        here / 'out',
        32,
        objective='mae',
        steps=6,
        every=2,
        batch=8,
        n_valid=8,
        workers=0,
        augment='none',
    )


def iterate(site, here):
    from reflection_connection.labelling import Rules
    from reflection_connection.run import iterate_labels, loop_windows

    windows = loop_windows(site / 'data', corpus=site / 'data' / 'image_corpus')
    iterate_labels(
        windows,
        str(site / 'small'),
        here / 'out',
        Rules(min_probability=0.1, min_evidence=0, min_margin=0, cap=2),
        rounds=2,
        patience=9,
        what='all',
        steps=4,
        eval_every=2,
        classes=4,
        per_class=2,
    )


def embed(site, here):
    from reflection_connection.encoder import Encoder
    from reflection_connection.search import embed_file
    from reflection_connection.windows import Grid

    _shards_said()
    embed_file(
        Encoder.load(site / 'small'),
        site / 'survey' / 'survey.sgy',
        here / 'out.npz',
        Grid((48, 48), (16, 16), 'inline'),
        chunk=8,
    )


def index(site, here, kind='flat'):
    from reflection_connection.encoder import Encoder
    from reflection_connection.search import build_index
    from reflection_connection.windows import Grid

    _shards_said()
    build_index(
        Encoder.load(site / 'small'),
        site / 'survey' / 'survey.sgy',
        here / 'out',
        Grid((48, 48), (16, 16), 'inline'),
        kind,
        chunk=8,
    )


def hnsw(site, here):
    index(site, here, 'hnsw')


def row(k):
    return dict(
        id=f'w{k}',
        survey='s',
        source='s.sgy',
        line_kind='inline',
        line=k,
        top=0,
        left=0,
        height=48,
        width=48,
    )


def labels(site, here, names='w', label='Salt'):
    from reflection_connection.explore import LabelTable

    table = LabelTable(here / 'out.csv')
    for k in range(60):
        if table.of(f'{names}{k}') is None:
            table.add(row(k) | {'id': f'{names}{k}'}, label)


def others(site, here):
    labels(site, here, 'v', 'Fault')


def report(site, here):
    import matplotlib.pyplot as plt

    from reflection_connection.run import Run

    run = Run(here / 'out', {'parts': 4}, 'run_parts', track='disabled')
    for k in range(4):
        if run.todo(f'part{k}'):
            run.done(score=k / 3)
        run.record(**{f'part{k}': run.results(f'part{k}')})
        fig, ax = plt.subplots(figsize=(2, 1))
        ax.plot([0, k])
        run.figure(f'part{k}', fig)
    run.finish('Parts', 'four of them')


def overwrite(site, here):
    "Index and encoder replaced again and again by one of two."
    from reflection_connection.encoder import Encoder
    from reflection_connection.search import Index

    pairs = [(Index.load(site / f'{n}-index'), Encoder.load(site / n)) for n in ('small', 'older')]
    for k in range(10**6):
        i, e = pairs[k % 2]
        i.save(here / 'index')
        e.save(here / 'encoder')
        print(k, flush=True)


def command(site, here, *argv):
    from reflection_connection.cli import main

    sys.exit(main([str(a) for a in argv]))


# What came of it. Each reads all that is there under its name, and fails on what is damaged


def _encoder(folder):
    from reflection_connection.encoder import Encoder

    e = Encoder.load(folder)
    told = json.loads(json.dumps(e.provenance))
    told.get('pretraining', {}).pop('data_wait', None)  # a time
    return e.fingerprint(), e.calibration, told


def _index(folder):
    from reflection_connection.search import Index

    i = Index.load(folder)
    return i.meta['sha256'], i.meta.get('build'), i.kind, len(i)


def _arrays(file):
    with np.load(file) as f:
        return {n: (a.shape, a.tobytes()) for n, a in f.items()}


def _loop(folder):
    from PIL import Image

    from reflection_connection.storage import read_json, read_table

    found = {
        p.relative_to(folder).as_posix(): _arrays(p) for p in folder.glob('embeddings/[!.]*')
    } | {p.name: _encoder(p) for p in folder.glob('round*')}
    for p in folder.glob('review/[!.]*.png'):
        Image.open(p).load()
        found[p.name] = p.read_bytes()
    for p in folder.glob('review/[!.]*.csv'):
        found[p.name] = pd.read_csv(p, keep_default_na=False).to_dict('records')
    if (folder / 'labels.parquet').is_file():
        found['labels'] = read_table(folder / 'labels.parquet').to_json()
    if (folder / 'loop.json').is_file():
        found['rounds'] = read_json(folder / 'loop.json', since=2)['rounds']
    return found


def _run(folder):
    from PIL import Image

    from reflection_connection.storage import check_manifest, read_json

    found = {
        n: read_json(folder / n, since=None)
        for n in ('metrics.json', 'params.json', 'stages.json')
        if (folder / n).is_file()
    }
    found.pop('params.json', None)
    for s in found.get('stages.json', {}).get('stages', {}).values():
        s.pop('seconds')
    if (folder / 'sha256.json').is_file():
        found['changed since'] = check_manifest(folder)
    for p in folder.glob('figures/[!.]*.png'):
        Image.open(p).load()
        found[p.name] = p.read_bytes()
    if (folder / 'report.html').is_file():
        page = (folder / 'report.html').read_text()
        assert page.endswith('</html>')
        found['report'] = page.split('<summary>How it was made')[0]
    return found


def _labels(file):
    from reflection_connection.explore import LabelTable

    return LabelTable(file).frame[['id', 'label']].to_numpy(str).tolist()


def complete(here):
    "The newest complete checkpoint of each training."
    from reflection_connection.storage import check_manifest

    found = {}
    for p in sorted(
        (m.parent for m in here.rglob('checkpoint-*/sha256.json')),
        key=lambda p: int(p.name.split('-')[1]),
    ):
        if not check_manifest(p):
            found[p.parent] = p.name
    return found


def files(here, *patterns):
    return {p: p.stat().st_mtime_ns for t in patterns for p in here.glob(t)}


class Work:
    "What is done, what it leaves, and what must not be done twice."

    def __init__(self, do, out, read, older=None, begun=None):
        self.do, self.out, self.read, self.older, self.begun = do, out, read, older, begun

    def state(self, here):
        return self.read(here / self.out) if (here / self.out).exists() else None

    def prepare(self, site, here):
        shutil.rmtree(here, ignore_errors=True)
        here.mkdir(parents=True)
        if self.older:
            (shutil.copytree if (site / self.older).is_dir() else shutil.copy2)(
                site / self.older, here / self.out
            )


def goes_on(here):
    "Checkpoints: the next run says from which it resumes."
    there = complete(here)
    return lambda said: [n for folder, n in there.items() if f'going on from {n}' not in said]


def made_once(here):
    "Shards: not made again."
    there = [p.name for p in files(here, '.out*.work/*/[!.]*.npz')]
    return lambda said: [n for n in there if f'made {n}' in said]


def kept(here):
    "Embeddings and encoders of rounds: not touched again."
    there = files(here / 'out', 'embeddings/[!.]*', 'round*/model.safetensors')
    return lambda said: [
        p.name for p, t in there.items() if not p.is_file() or p.stat().st_mtime_ns != t
    ]


def taken(here):
    "Stages: taken from the folder."
    path = here / 'out' / 'stages.json'
    there = list(json.loads(path.read_text())['stages']) if path.is_file() else []
    return lambda said: [n for n in there if f'{n}: taken from' not in said]


def stays(here):
    "Labels: still there, in the same order."
    there = _labels(here / 'out.csv')
    return lambda said: [] if _labels(here / 'out.csv')[: len(there)] == there else ['rows']


WORKS = {
    w.do.__name__: w
    for w in (
        Work(train, 'out', _encoder, 'older', goes_on),
        Work(pretrain, 'out', _encoder, 'older', goes_on),
        Work(iterate, 'out', _loop, None, kept),
        Work(embed, 'out.npz', _arrays, 'older.npz', made_once),
        Work(index, 'out', _index, 'older-index', made_once),
        Work(hnsw, 'out', _index, 'older-index', made_once),
        Work(labels, 'out.csv', _labels, None, stays),
        Work(report, 'out', _run, None, taken),
    )
}
WHOLE = ('train', 'pretrain', 'embed', 'index', 'hnsw')  # one artefact: old or new, nothing else


@pytest.fixture(scope='module')
def site(tmp_path_factory, encoder_folder):
    "Images, a survey, sections, two encoders, an index by each, embeddings."
    from reflection_connection.encoder import Encoder
    from reflection_connection.search import build_index
    from reflection_connection.synthetic import write_challenge, write_sections, write_survey
    from reflection_connection.windows import Grid, Recipe

    site = tmp_path_factory.mktemp('site')
    shutil.copytree(encoder_folder, site / 'small')
    write_challenge(site / 'data', 8, 0, (48, 48))
    write_survey(site / 'survey', 0, 8, 64, 64)
    write_sections(site / 'sections', 2, 0, (128, 160))
    Encoder.create(
        'resnet-tiny',
        Recipe(size=(48, 48)),
        head_dim=32,
        seed=1,
        embedding_size=8,
        hidden_sizes=[8, 16, 32, 64],
        depths=[1, 1, 1, 1],
    ).save(site / 'older')
    for n in ('small', 'older'):
        build_index(
            Encoder.load(site / n),
            site / 'survey' / 'survey.sgy',
            site / f'{n}-index',
            Grid((48, 48), (32, 32), 'inline'),
            'flat',
            str(site / n),
        )
    np.savez(site / 'older.npz', ids=np.array(['a']), embeddings=np.ones((1, 1), np.float32))
    return site


def tree(here):
    return {p.relative_to(here).as_posix() for p in here.rglob('*') if p.suffix != '.lock'}


def changes(here, process, until=10**9):
    "Count the changes of names under a folder while a process works, up to so many."
    seen, n = tree(here), 0
    while n < until and process.process.exitcode is None:
        try:
            now = tree(here)
        except FileNotFoundError:
            continue  # a folder went while it was listed
        n += now != seen
        seen = now
        time.sleep(0.0005)
    return n


@pytest.fixture(scope='module')
def alone(site, tmp_path_factory):
    "What comes of each when nobody disturbs it: (state, names of files, seconds, changes)."
    known = {}
    with Process(print) as p:
        assert p.wait() == 0  # from here on processes begin with everything imported

    def of(name):
        if name not in known:
            w, here = WORKS[name], tmp_path_factory.mktemp('alone') / name
            w.prepare(site, here)
            began = time.time()
            with Process(w.do, site, here) as p:
                n = changes(here, p)
                assert p.wait() == 0, p.said[-3000:]
            known[name] = w.state(here), tree(here), time.time() - began, n
        return known[name]

    return of


def disturb(name, site, here, alone, kills, rng):
    """Kill a job so many times, now at a random moment, now near a write; then let it end.

    What is there is looked at each time. Returns the moments."""
    w, (end, names, seconds, n_changes) = WORKS[name], alone(name)
    w.prepare(site, here)
    old, moments, begun, vain = w.state(here), [], None, 0
    while len(moments) < kills:
        with Process(w.do, site, here) as p:
            if (len(moments) + vain) % 2:
                at = rng.uniform(0, seconds)
                p.process.join(at)
                moment = f'{at:.3f} s'
            else:
                at = rng.randint(1, n_changes)
                changes(here, p, at)
                time.sleep(delay := rng.uniform(0, 0.004))
                moment = f'change {at} and {1000 * delay:.1f} ms'
            code = p.kill()
            now = w.state(here)
        where = f'{name}, seed {SEED}, killed at {[*moments, moment]}: {p.said[-1500:]}'
        if name in WHOLE:
            assert now in (old, end), where
        if code == 0:  # it ended before
            assert now == end and tree(here) == names, where
            w.prepare(site, here)
            begun = None
            vain += 1
            assert vain < 60, where
            continue
        assert code == -signal.SIGKILL, where
        moments.append(moment)
        begun = w.begun(here)
    with Process(w.do, site, here) as p:
        code = p.wait()
    where = f'{name}, seed {SEED}, killed at {moments}: {p.said[-3000:]}'
    assert code == 0, where
    assert begun is None or not (twice := begun(p.said)), f'done again: {twice}; {where}'
    assert w.state(here) == end, where
    assert tree(here) == names, (
        f'left over: {tree(here) - names}, missing: {names - tree(here)}; {where}'
    )
    return moments


@pytest.mark.parametrize('name', [n for n in WORKS if n != 'hnsw'])
def test_killed_twice(name, site, alone, tmp_path):
    "Killed, and killed again while it recovers: old or new whole, and the end is the same."
    assert len(disturb(name, site, tmp_path / name, alone, 2, random.Random(f'{SEED} {name}'))) == 2


@slow
@pytest.mark.parametrize('name', WORKS)
def test_killed_again_and_again(name, site, alone, tmp_path, capsys):
    "The same at many moments: one, two, and four kills in a row."
    rng = random.Random(f'{SEED} {name} slow')
    moments = [
        m for kills in (1, 2, 1, 4) for m in disturb(name, site, tmp_path / name, alone, kills, rng)
    ]
    with capsys.disabled():
        print(
            f"\n{name}: {len(moments)} kills (REFCON_KILLS={SEED}), "
            f"{sum(m.startswith('change') for m in moments)} near writes: {', '.join(moments)}"
        )
    assert len(moments) == 8


def test_cut_off_at_the_very_end(site, tmp_path):
    "Where only tidying up was interrupted, the next run tidies, and has nothing else to do."

    def go(do, here):
        with Process(do, site, here) as p:
            assert p.wait() == 0, p.said[-3000:]
        return tree(here), files(here / 'out', '[!.]*.*', 'round*/*')

    for do, left in (
        (index, ('.out.abcdefgh.new', '.out.work/x')),
        (iterate, ('out/.round0.abcdefgh.new', 'out/work/0-abc/checkpoint-2')),
    ):
        here = tmp_path / do.__name__
        here.mkdir()
        was = go(do, here)
        for n in left:
            (here / n).mkdir(parents=True)
            (here / n / 'part').write_text('half')
        assert go(do, here) == was


def test_a_round_counts_when_its_review_is_there(tmp_path):
    from types import SimpleNamespace

    from reflection_connection.labelling import LabelLoop

    def cut_off(*_):
        raise KeyboardInterrupt

    loop = SimpleNamespace(rounds=[], key='k', on_round=cut_off, _state=tmp_path / 'loop.json')
    with pytest.raises(KeyboardInterrupt):
        LabelLoop.put(loop, {'round': 0})
    assert not loop._state.exists()
    loop.on_round = None
    LabelLoop.put(loop, {'round': 0})
    assert loop._state.is_file()


def test_readers_see_one_of_two(site, tmp_path):
    "While index and encoder are replaced again and again, readers get a whole one, and never none."
    index, encoder = (
        {json.dumps(read(site / f'{n}{end}'), sort_keys=True) for n in ('small', 'older')}
        for read, end in ((lambda f: _index(f)[0], '-index'), (lambda f: _encoder(f)[0], ''))
    )
    seen = set(), set()
    with Process(overwrite, site, tmp_path) as p:
        until = time.time() + 300
        while p.said.count('\n') < 2:
            assert p.process.exitcode is None and time.time() < until, p.said
            time.sleep(0.01)
        for _ in range(60):
            seen[0].add(json.dumps(_index(tmp_path / 'index')[0], sort_keys=True))
            seen[1].add(json.dumps(_encoder(tmp_path / 'encoder')[0]))
        assert p.process.exitcode is None, p.said
    assert seen == (index, encoder)


def test_two_write_labels_and_a_reader(site, tmp_path):
    "Two processes add to one table: all labels are there; a reader sees a whole table that only grows."
    with Process(labels, site, tmp_path) as a, Process(others, site, tmp_path) as b:
        rows = []
        while a.process.exitcode is None or b.process.exitcode is None:
            now = _labels(tmp_path / 'out.csv')
            assert now[: len(rows)] == rows
            rows = now
        assert a.wait() == b.wait() == 0, a.said + b.said
    assert sorted(_labels(tmp_path / 'out.csv')) == sorted(
        [[f'w{k}', 'Salt'] for k in range(60)] + [[f'v{k}', 'Fault'] for k in range(60)]
    )


# Commands that write: (arguments, what they write, how it is read, what was there before)

GRID = ('--window', 48, 48, '--stride', 16, 16)


def asked(name, site, here):
    out = here / 'out'
    return {
        'index': (
            'index',
            site / 'survey' / 'survey.sgy',
            '--encoder',
            site / 'small',
            '--out',
            out,
            *GRID,
            '--lines',
            'inline',
        ),
        'hnsw': (
            'index',
            site / 'survey' / 'survey.sgy',
            '--encoder',
            site / 'small',
            '--out',
            out,
            *GRID,
            '--lines',
            'inline',
            '--kind',
            'hnsw',
        ),
        'embed': (
            'embed',
            site / 'survey' / 'survey.sgy',
            '--encoder',
            site / 'small',
            '--out',
            here / 'out.npz',
            *GRID,
        ),
        'train': (
            'train',
            site / 'data' / 'train',
            '--encoder',
            'resnet-tiny',
            '--out',
            out,
            '--steps',
            2,
        ),
        'head': ('train', site / 'data' / 'train', '--encoder', site / 'small', '--out', out),
        'pretrain': (
            'pretrain',
            site / 'sections',
            '--out',
            out,
            '--objective',
            'mae',
            '--size',
            32,
            '--steps',
            2,
            '--batch',
            8,
            '--every',
            1,
            '--workers',
            0,
        ),
        'iterate': (
            'iterate',
            site / 'data',
            '--encoder',
            site / 'small',
            '--out',
            out,
            '--rounds',
            1,
            '--min-probability',
            0.1,
            '--min-margin',
            0,
            '--what',
            'head',
        ),
        'submit': (
            'submit',
            '--queries',
            site / 'data' / 'query',
            '--corpus',
            site / 'data' / 'image_corpus',
            '--encoder',
            site / 'small',
            '--out',
            here / 'out.json',
        ),
        'npy': (
            'search',
            site / 'small-index',
            '--inline',
            1204,
            '--box',
            0,
            0,
            48,
            48,
            '--map',
            here / 'out.npy',
        ),
        'sgy': (
            'search',
            site / 'small-index',
            '--inline',
            1204,
            '--box',
            0,
            0,
            48,
            48,
            '--map',
            here / 'out.sgy',
        ),
        'zarr': (
            'search',
            site / 'small-index',
            '--inline',
            1204,
            '--box',
            0,
            0,
            48,
            48,
            '--map',
            here / 'out.zarr',
        ),
        'synth': ('synth', out, '--per-class', 1),
    }[name]


def plainly(site, here, name):
    "What is no command, refused as a command would."
    try:
        globals()[name](site, here)
    except (ValueError, OSError) as e:
        print(f"refcon {name}: {' '.join(str(e).split())}", file=sys.stderr)
        sys.exit(2)


def survey(site, here):
    from reflection_connection.synthetic import write_survey

    write_survey(here / 'out', 0, 4, 160, 256)


WRITERS = {
    'index': 'older-index',
    'hnsw': 'older-index',
    'embed': 'older.npz',
    'train': 'older',
    'head': 'older',
    'pretrain': 'older',
    'iterate': None,
    'submit': None,
    'npy': None,
    'sgy': None,
    'zarr': None,
    'synth': None,
    'labels': None,
    'report': None,
    'survey': None,
}
ENDINGS = {
    'embed': '.npz',
    'labels': '.csv',
    'submit': '.json',
    'npy': '.npy',
    'sgy': '.sgy',
    'zarr': '.zarr',
}


def start(name, site, here, room=None):
    if name in ('labels', 'report', 'survey'):
        return Process(plainly, site, here, name, room=room)
    return Process(command, site, here, *asked(name, site, here), room=room)


def lay(name, site, here):
    "What was there before."
    here.mkdir(parents=True, exist_ok=True)
    if older := WRITERS[name]:
        (shutil.copytree if (site / older).is_dir() else shutil.copy2)(
            site / older, here / f'out{ENDINGS.get(name, "")}'
        )


def content(here):
    return {
        p.relative_to(here).as_posix(): p.read_bytes()
        for p in here.rglob('*')
        if p.is_file() and not any(t.startswith('.') for t in p.relative_to(here).parts)
    }


def refused(name, site, here, *says, room=None):
    "One line, exit code 2, and what was there is there."
    was = content(here) if here.is_dir() else {}
    with start(name, site, here, room) as p:
        code = p.wait()
    word = asked(name, site, here)[0] if name not in ('labels', 'report', 'survey') else name
    lines = [n for n in p.said.splitlines() if n.startswith('refcon ')]
    assert (
        code == 2
        and len(lines) == 1
        and lines[0].startswith(f'refcon {word}: ')
        and any(s in lines[0] for s in says)
    ), f'{name}, {code}: {p.said[-3000:]}'
    assert 'Traceback' not in p.said and 'Exception ignored' not in p.said, p.said[-3000:]
    if here.is_dir():
        now = content(here)
        assert {n: now.get(n) for n in was} == was, f'{name}: changed'
    return lines[0]


ROOM = ('no room', 'File too large', 'No space left')


@pytest.mark.parametrize('name', WRITERS)
def test_no_room(name, site, tmp_path):
    """Files may not grow beyond a few bytes, or some thousands, as on a full disk.

    One line is said, and the old is intact; with room again, the job resumes and ends."""
    here = tmp_path / 'here'
    lay(name, site, here)
    for room in (0, 150):
        line = refused(name, site, here, *ROOM, room=room)
        assert 'cannot be written (' in line and 'make room on the disk' in line, line
    if name in ('synth', 'survey'):
        return  # nothing to go on from
    with start(name, site, here) as p:
        assert p.wait() == 0, p.said[-3000:]
    left = {n for n in tree(here) if any(t.startswith('.') for t in Path(n).parts)}
    assert not left, left


def test_no_room_for_a_checkpoint(site, tmp_path):
    "Room for a checkpoint's weights, not for the optimiser: torch's writer has an error of its own."
    with start('train', site, tmp_path / 'alone') as p:
        assert p.wait() == 0, p.said[-3000:]
    size = (tmp_path / 'alone' / 'out' / 'model.safetensors').stat().st_size
    lay('train', site, tmp_path / 'here')
    assert 'checkpoint-' in refused(
        'train', site, tmp_path / 'here', *ROOM, room=size // 2
    ) and 'checkpoint-' in refused('train', site, tmp_path / 'here', *ROOM, room=3 * size // 2)
    assert not list(
        (tmp_path / 'here').rglob('checkpoint-*')
    )  # half a checkpoint would take the room that is missing


@contextmanager
def disk(folder, size):
    "A small disk of its own."
    folder.mkdir()
    if (
        not hasattr(os, 'geteuid')
        or os.geteuid()
        or subprocess.run(
            ['mount', '-t', 'tmpfs', '-o', f'size={size}', 'tmpfs', str(folder)],
            capture_output=True,
        ).returncode
    ):
        pytest.skip('no disk can be mounted here: root is needed')
    try:
        yield folder
    finally:
        subprocess.run(['umount', '-l', str(folder)], check=True)


def test_full_disk(site, tmp_path):
    "The same on a disk that is full, and on one with room for the beginning of the work."
    with disk(tmp_path / 'disk', '64m') as folder:
        for name in WRITERS:
            lay(name, site, folder / name)
        for left in (0, 40_960):
            with open(folder / 'filler', 'wb') as f:
                free = os.statvfs(folder)
                f.write(bytes(max(0, free.f_bavail * free.f_frsize - left)))
            for name in WRITERS:
                if not left or name in ('index', 'train', 'pretrain', 'survey'):
                    refused(name, site, folder / name, *ROOM)
            os.remove(folder / 'filler')
        for name in ('index', 'train', 'labels'):
            with start(name, site, folder / name) as p:
                assert p.wait() == 0, p.said[-3000:]


def test_full_disk_under_mapped_memory(site, tmp_path):
    """Room for the header of classes.npy, not for an inline.

    It is said before the file is written through memory, where the system would end the process."""
    with disk(tmp_path / 'disk', '4m') as folder:
        with open(folder / 'filler', 'wb') as f:
            free = os.statvfs(folder)
            f.write(bytes(free.f_bavail * free.f_frsize - 24_576))
        (folder / 'here').mkdir()
        refused('survey', site, folder / 'here', *ROOM)


def test_read_only(site, tmp_path):
    "A disk that may be read only: refused in one line; what only reads, reads."
    with disk(tmp_path / 'disk', '64m') as folder:
        for name in WRITERS:
            lay(name, site, folder / name)
        shutil.copytree(site / 'small-index', folder / 'small-index')
        subprocess.run(['mount', '-o', 'remount,ro', str(folder)], check=True)
        for name in WRITERS:
            refused(name, site, folder / name, 'Read-only file system')
        with Process(
            command,
            site,
            folder,
            'search',
            folder / 'small-index',
            '--inline',
            1204,
            '--box',
            0,
            0,
            48,
            48,
        ) as p:
            assert p.wait() == 0, p.said[-3000:]


@pytest.mark.skipif(
    not hasattr(os, 'geteuid') or not os.geteuid(),
    reason='root may write everywhere: see test_read_only',
)
@pytest.mark.parametrize('name', WRITERS)
def test_folder_of_others(name, site, tmp_path):
    lay(name, site, tmp_path / 'here')
    (tmp_path / 'here').chmod(0o555)
    try:
        refused(name, site, tmp_path / 'here', 'Permission denied')
    finally:
        (tmp_path / 'here').chmod(0o755)


@pytest.mark.parametrize('name', WRITERS)
def test_below_a_file(name, site, tmp_path):
    (tmp_path / 'file').write_text('this is no folder')
    refused(
        name, site, tmp_path / 'file', 'Not a directory', 'is a file', 'no folder', 'File exists'
    )
    assert (tmp_path / 'file').read_text() == 'this is no folder'


@pytest.mark.parametrize(
    'name', ['index', 'embed', 'train', 'head', 'pretrain', 'iterate', 'report']
)
def test_the_second_is_told(name, site, tmp_path):
    "While one writes, here paused in the middle, another is told who is there; the first ends well."
    (tmp_path / 'here').mkdir()
    with start(name, site, tmp_path / 'here') as first:
        until = time.time() + 300
        said = f'process {first.pid} on'
        while not any(said in p.read_text() for p in tmp_path.rglob('.*.lock')):
            assert first.process.exitcode is None and time.time() < until, first.said
        os.kill(first.pid, signal.SIGSTOP)
        try:
            refused(
                name,
                site,
                tmp_path / 'here',
                f'is being written by another process ({said}',
                f'is in use by another process ({said}',
            )
        finally:
            os.kill(first.pid, signal.SIGCONT)
        assert first.wait() == 0, first.said[-3000:]
    with start(name, site, tmp_path / 'here') as again:
        assert again.wait() == 0, again.said[-3000:]
