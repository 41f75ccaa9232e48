"The open benchmark: its page, its figures, and what comes from strangers."

import contextlib
import hashlib
import io
import json
import re
import runpy
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

from reflection_connection.cli import main
from reflection_connection.encoder import Encoder
from reflection_connection.evaluation import (
    Entry,
    benchmark_windows,
    encoder_entry,
    random_embeddings,
    read_entry,
    score_entries,
    write_entry,
)

HERE = ROOT / 'benchmarks' / 'real'
PAGE = (HERE / 'README.md').read_text()
RESULTS = json.loads((HERE / 'results.json').read_text())
MAKE = runpy.run_path(str(HERE / 'make.py'))
ENTRIES = sorted((HERE / 'entries').glob('*.npz'))
SURVEYS = ['f3', 'penobscot', 'teapot']


@pytest.fixture(scope='module')
def asked():
    return benchmark_windows()


@pytest.fixture()
def read_once(asked, monkeypatch):
    "The command takes the windows that were read already: reading them takes two seconds."
    monkeypatch.setattr('reflection_connection.evaluation.benchmark_windows', lambda: asked)


def call(*argv):
    "(exit code, standard output, standard error) of refcon benchmark."
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(['benchmark', *map(str, argv)])
        except SystemExit as e:
            code = e.code
    return code, out.getvalue(), err.getvalue()


# the page


def test_tables_of_the_page_are_those_of_the_results():
    assert MAKE['with_tables'](PAGE, RESULTS) == PAGE
    for table in MAKE['tables'](RESULTS).values():
        assert len(table.splitlines()) >= 10 and table in PAGE


def test_the_command_of_the_page_gives_its_results():
    "Takes a minute: every classical descriptor is computed."
    command = shlex.split(re.search(r'^refcon benchmark --baselines .*$', PAGE, re.M)[0])
    files = sorted(ROOT.glob(command[-1]))
    assert files == ENTRIES
    code, out, _ = call(*command[2:-1], *files, '--json')
    assert code == 0
    found = json.loads(out)
    assert set(found['methods']) == set(RESULTS['methods'])
    differ(found, RESULTS)


def differ(found, stored, place='results.json'):
    "Fail where a figure is another; machines may rank near ties otherwise."
    if isinstance(stored, dict):
        assert list(found) == list(stored), place
        for key in stored:
            differ(found[key], stored[key], f'{place} {key}')
    elif isinstance(stored, list) and stored and isinstance(stored[0], float):
        assert found == pytest.approx(stored, abs=0.01, rel=0.02), place
    elif isinstance(stored, float):
        assert found == pytest.approx(stored, abs=0.01, rel=0.02), place
    else:
        assert found == stored, place


def test_the_page_quotes_the_agreement_of_the_data():
    readme = (ROOT / 'data' / 'README.md').read_text()
    quoted = [line for line in PAGE.splitlines() if 'kappa' in line]
    assert len(quoted) == 2 and all(f'{line}\n' in readme for line in quoted)


def test_counts_of_the_page(asked):
    frame = asked.frame
    labelled = frame[frame.part == 'labelled'].reset_index(drop=True)
    surveys = labelled.groupby('label').survey.nunique()
    asking = labelled.label.map(surveys) > 1
    overlap = [
        any(
            i != j and a.section == b.section
            and a.top < b.top + b.height and b.top < a.top + a.height
            and a.left < b.left + b.width and b.left < a.left + a.width
            for j, b in enumerate(labelled.itertuples())
        )
        for i, a in enumerate(labelled.itertuples())
    ]  # fmt: skip
    for number, words in (
        (len(frame), 'There are {} in all'),
        (len(labelled), 'Each of the {} labelled windows'),
        ((frame.part == 'moved').sum(), 'among {} places'),
        (asking.sum(), 'Only {} of the labelled windows ask'),
        ((~asking).sum(), 'The {} others have a class that no other survey has'),
        (sum(overlap), '{} of them overlap another'),
    ):
        assert words.format(number) in PAGE
    assert sorted(surveys.index[surveys > 1]) == list(
        RESULTS['methods']['refcon-synthetic']['by_class']['per_class']
    )


def test_links_of_the_page_lead_somewhere():
    links = re.findall(r'\]\(([^)#:]+)\)', PAGE)
    assert len(links) > 8
    for path in links:
        assert (HERE / path).exists(), path


def test_entries_are_small():
    sizes = [path.stat().st_size for path in ENTRIES]
    assert len(sizes) >= 5 and max(sizes) < 500_000 and sum(sizes) < 3_000_000


def test_the_bundled_encoder_is_the_one_that_was_entered(asked):
    entry, _ = read_entry(HERE / 'entries' / 'refcon-tiny.npz', asked)
    now = encoder_entry(Encoder.load('refcon-tiny'), asked)
    assert (entry.embeddings * now.embeddings).sum(1).min() > 0.999
    assert entry.taught == now.taught


def test_what_was_taught_is_marked():
    methods = RESULTS['methods']
    tiny, before, adapted = (methods[f'refcon-{n}'] for n in ('tiny', 'synthetic', 'adapted'))
    assert tiny['flatters']['by_class'] == tiny['flatters']['moved'] == SURVEYS
    assert before['flatters']['by_class'] == adapted['flatters']['by_class'] == []
    assert adapted['held_out'] == SURVEYS and before['chosen_on'] == SURVEYS
    assert methods['pca']['flatters'] == dict(by_class=[], moved=SURVEYS, re_recorded=SURVEYS)
    for table in list(MAKE['tables'](RESULTS).values())[1:]:
        rows = {line.split(' | ')[0].strip('| '): line for line in table.splitlines()}
        assert rows['refcon-tiny'].count('*') == 5 and '*' not in rows['refcon-synthetic']
        names = list(rows)
        assert names.index('chance') < names.index('refcon-tiny')


# the windows


def test_windows_are_the_same_in_every_folder(tmp_path):
    command = [str(Path(sys.executable).with_name('refcon')), 'benchmark', '--write', 'w.npz']
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert (done.returncode, 'assumed' in done.stderr) == (0, False), done.stderr
    assert done.stdout.startswith('w.npz: 888 windows (213 labelled, 225 candidates')
    assert call('--write', tmp_path / 'again.npz')[0] == 0
    first, again = (hashlib.sha256((tmp_path / f).read_bytes()) for f in ('w.npz', 'again.npz'))
    assert first.digest() == again.digest()
    with np.load(tmp_path / 'w.npz', allow_pickle=False) as windows:
        assert not any('/' in i or '\\' in i for i in windows['ids'])


def test_windows_are_those_that_were_scored(asked):
    "Other sections, moves or recordings would make every entry worthless."
    strength = RESULTS['asked']['strength']
    for part, rows in asked.frame.groupby('part'):
        now = np.mean([np.nanmean(np.abs(asked.pixels[i])) / rows['scale'][i] for i in rows.index])
        assert now == pytest.approx(strength[part], abs=2e-4), part
    with np.load(HERE / 'entries' / 'refcon-tiny.npz') as entry:
        assert entry['ids'].tolist() == asked.frame.id.tolist()


# entries


def test_the_script_of_the_page_makes_an_entry(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert call('--write', 'windows.npz')[0] == 0
    script = re.search(r'```python\n(.*?)```', PAGE, re.S)[1]
    exec(script, dict(encode=lambda w: np.abs(np.fft.rfft2(w, (64, 64))[:8, :8]).ravel()))
    code, out, err = call('mine.npz', '--json')
    mine = json.loads(out)['methods']['mine']
    assert (code, mine['taught'], mine['seen'], mine['flatters']['moved']) == (0, [], [], [])
    assert mine['by_class']['macro_map'] > RESULTS['methods']['chance']['by_class']['macro_map']
    assert 'divided by their lengths' not in err
    code, out, _ = call('mine.npz')
    assert code == 0 and 'same place, moved: recall@1, chance 0.004' in out


def answers(frame):
    "Embeddings that know every label and every place."
    place = frame.id.str.rsplit(':', n=1).str[0]
    known = place.where(frame.part != 'labelled', frame.label)
    return (known.to_numpy()[:, None] == np.unique(known)[None]).astype(np.float32)


def headline(methods, name):
    m = methods[name]
    return [m['by_class']['macro_map'], m['moved']['recall_1'], m['re_recorded']['recall_1']]


def test_perfect_random_and_swapped(asked, tmp_path):
    z, n = answers(asked.frame), len(asked.frame)
    ids = asked.frame.id.to_numpy(str)
    rng = np.random.default_rng(0)
    order = rng.permutation(n)
    some = np.flatnonzero(asked.frame.part == 'labelled')[:40]
    swap = np.arange(n)
    swap[some] = rng.permutation(some)
    for name, i, e in (
        ('perfect', ids[order], z[order]),
        ('swapped', ids[swap], z),
        ('drawn', ids, random_embeddings(n, 64)),
    ):
        np.savez(tmp_path / f'{name}.npz', ids=i, embeddings=e, taught=[], seen=[])
    entries = [read_entry(tmp_path / f'{n}.npz', asked)[0] for n in ('perfect', 'swapped', 'drawn')]
    methods = score_entries(entries, asked, n_boot=20)['methods']
    assert headline(methods, 'perfect') == [1, 1, 1]
    assert methods['perfect']['by_class']['macro_map_ci'] == [1, 1]
    assert headline(methods, 'drawn') == pytest.approx(headline(methods, 'chance'), abs=0.03)
    assert headline(methods, 'swapped')[0] < 0.95
    assert headline(methods, 'swapped')[1:] == [1, 1]
    np.savez(tmp_path / 'long.npz', ids=ids, embeddings=7 * z)
    assert 'long.npz: embeddings were divided by their lengths' in call(tmp_path / 'long.npz')[2]


def test_a_fold_answers_only_for_its_survey(asked, tmp_path):
    "Embeddings that know everything in the survey held out, and nothing elsewhere."
    n, z = len(asked.frame), answers(asked.frame)
    for held_out in SURVEYS:
        others = tuple(s for s in SURVEYS if s != held_out)
        mine = (asked.frame.survey == held_out).to_numpy()
        labels = (asked.frame.part == 'labelled').to_numpy()
        known = np.where((mine | labels)[:, None], z, random_embeddings(n, z.shape[1]))
        entry = Entry('folds', known, others, others, (), held_out)
        write_entry(tmp_path / f'{held_out}.npz', entry, asked)
    files = [tmp_path / f'{s}.npz' for s in SURVEYS]
    code, out, _ = call(*files, '--json')
    methods = json.loads(out)['methods']
    assert code == 0 and headline(methods, 'folds') == [1, 1, 1]
    assert methods['folds']['flatters'] == dict(by_class=[], moved=[], re_recorded=[])
    code, out, _ = call(*files[:2])
    row = next(line for line in out.splitlines() if line.startswith('folds'))
    assert row.split() == ['folds', 'labels', 'of', 'the', 'others', '-', '1.00', '1.00', '-', '-']
    code, _, err = call(files[0], files[0])
    assert code == 2 and "more than one entry is called 'folds'" in err


# what strangers may send


@pytest.fixture(scope='module')
def plain(asked):
    n = len(asked.frame)
    return dict(ids=asked.frame.id.to_numpy(str), embeddings=random_embeddings(n, 8))


def put(array, i, value):
    array = array.copy()
    array[i] = value
    return array


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


WRONG = {
    'missing': (lambda p: {k: v[1:] for k, v in p.items()}, 'windows without embedding'),
    'twice': (lambda p: {k: np.concatenate([v, v[:1]]) for k, v in p.items()}, 'occur twice'),
    'unknown': (lambda p: p | dict(ids=put(p['ids'], 3, 'x')), "ids that no window has: 'x'"),
    'nan': (lambda p: p | dict(embeddings=put(p['embeddings'], 3, np.nan)), '1 of 888 embeddings'),
    'infinite': (lambda p: p | dict(embeddings=put(p['embeddings'], 3, np.inf)), 'infinite'),
    'zero': (lambda p: p | dict(embeddings=put(p['embeddings'], 3, 0)), 'are all zero'),
    'fewer': (lambda p: p | dict(embeddings=p['embeddings'][:5]), '5 embeddings for 888 ids'),
    'flat': (lambda p: p | dict(embeddings=p['embeddings'][:, 0]), 'shape (888,)'),
    'deep': (lambda p: p | dict(embeddings=p['embeddings'][..., None]), 'shape (888, 8, 1)'),
    'scalar': (lambda p: p | dict(embeddings=np.array(1.0)), 'shape ()'),
    'empty': (lambda p: p | dict(embeddings=p['embeddings'][:, :0]), 'shape (888, 0)'),
    'text': (lambda p: p | dict(embeddings=p['embeddings'].astype(str)), 'type <U'),
    'numbers': (lambda p: p | dict(ids=np.arange(888)), 'ids have shape (888,) and type int64'),
    'bytes': (lambda p: p | dict(ids=p['ids'].astype('S')), 'as text'),
    'no ids': (lambda p: dict(embeddings=p['embeddings']), "no array 'ids'"),
    'misspelt': (lambda p: p | dict(tought=['f3']), "an array 'tought'"),
    'name': (lambda p: p | dict(name='a\x1b[31m'), 'printable'),
    'long': (lambda p: p | dict(notes='a' * 1001), 'notes is no line of 1 to 1000'),
    'taught': (lambda p: p | dict(taught='f3'), 'taught is no list of surveys'),
    'held out': (lambda p: p | dict(held_out='volve', taught=[]), "held_out is 'volve'"),
    'own labels': (lambda p: p | dict(held_out='f3', taught=['F3']), 'taught names f3'),
    'not said': (lambda p: p | dict(held_out='f3'), 'taught is not said'),
    'chance': (lambda p: p | dict(name='chance'), "called 'chance'"),
}


@pytest.mark.usefixtures('read_once')
@pytest.mark.parametrize('name', WRONG)
def test_refusals(name, plain, tmp_path):
    change, says = WRONG[name]
    file = tmp_path / 'F.npz'
    np.savez(file, **change(plain))
    code, out, err = call(file)
    assert (code, out) == (2, '')
    lines = err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith('refcon benchmark: ') and says in lines[0]
    np.savez(file, **plain)
    assert call(file, '--json')[0] == 0  # without the fault it is scored


@pytest.mark.usefixtures('read_once')
def test_pickles_are_refused_and_not_run(plain, tmp_path):
    ran, file = tmp_path / 'ran', tmp_path / 'F.npz'
    bad = np.array([Bomb(ran)] * len(plain['ids']), dtype=object)
    for field in ('embeddings', 'ids', 'notes'):
        np.savez(file, **plain | {field: bad})
        code, _, err = call(file)
        assert code == 2 and 'is no entry (Object arrays cannot be loaded' in err
        assert not ran.exists()
    with np.load(file, allow_pickle=True) as arrays:
        arrays['notes']
    assert ran.exists()  # it would have


def damaged(kind, good):
    "An archive that is none, or that would fill the memory."
    made = io.BytesIO()
    header = io.BytesIO()
    with zipfile.ZipFile(made, 'w', zipfile.ZIP_DEFLATED) as archive:
        if kind == 'shape':  # a header that asks for a terabyte
            np.lib.format.write_array_header_1_0(
                header, dict(descr='<f4', fortran_order=False, shape=(888, 1 << 28))
            )
            archive.writestr('embeddings.npy', header.getvalue())
        if kind == 'large':
            with archive.open('embeddings.npy', 'w', force_zip64=True) as member:
                for _ in range(1100):
                    member.write(bytes(1 << 20))
        if kind == 'raw':
            archive.writestr('embeddings', b'not an array')
            archive.writestr('ids', b'neither')
        if kind == 'header':
            archive.writestr('embeddings.npy', b"\x93NUMPY\x01\x00\x10\x00{'descr': (((((((")
    whole = good.read_bytes()
    return {'cut': whole[:-3000], 'none': b'', 'csv': b'ids,embeddings\n'}.get(
        kind, made.getvalue()
    )


@pytest.mark.usefixtures('read_once')
@pytest.mark.parametrize('kind', ['cut', 'none', 'csv', 'shape', 'large', 'raw', 'header'])
def test_damaged_and_hostile_archives(kind, plain, tmp_path):
    file = tmp_path / 'F.npz'
    np.savez_compressed(file, **plain)
    assert call(file, '--json')[0] == 0
    file.write_bytes(damaged(kind, file))
    code, out, err = call(file)
    lines = err.strip().splitlines()
    assert (code, out, len(lines)) == (2, '', 1)
    assert 'is no entry' in err or 'has an array' in err


@pytest.mark.usefixtures('read_once')
def test_a_file_that_is_not_there(tmp_path):
    assert call(tmp_path / 'no.npz')[::2] == (
        2,
        f'refcon benchmark: {tmp_path}/no.npz: no such file\n',
    )
    assert call(tmp_path)[0] == 2


@pytest.mark.parametrize(
    'argv, says',
    [
        ([], 'nothing to score'),
        (['--write', 'w.npz', '--baselines'], 'give it alone'),
        (['--baselines', '--out', 'e.npz'], 'give both'),
        (['--write', 'w.csv'], 'expected a name ending in .npz'),
        (['--write', 'nowhere/w.npz'], 'cannot be written'),
        (['--encoder', 'nothing'], 'no bundled encoder has that name'),
    ],
)
def test_options_that_do_not_go_together(argv, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = call(*argv)
    assert (code, out, len(err.strip().splitlines())) == (2, '', 1) and says in err
    assert not list(tmp_path.iterdir())


def test_an_encoder_is_scored_and_kept(encoder_folder, tmp_path):
    file = tmp_path / 'kept.npz'
    code, out, _ = call('--encoder', encoder_folder, '--out', file, '--json')
    name, method = next(iter(json.loads(out)['methods'].items()))
    assert (code, method['taught'], method['seen'], method['dimensions']) == (0, [], [], 32)
    code, again, _ = call(file, '--json')
    kept = json.loads(again)['methods'][name]
    assert code == 0 and headline({name: kept}, name) == pytest.approx(
        headline({name: method}, name), abs=0.01
    )


def test_figures_equal_an_independent_count(asked):
    "Average precision by scikit-learn, and the nearest place by argmax."
    from sklearn.metrics import average_precision_score

    entry, _ = read_entry(HERE / 'entries' / 'refcon-synthetic.npz', asked)
    frame, z = asked.frame, entry.embeddings.astype(float)
    rows = frame[frame.part == 'labelled']
    similarity = z[rows.index] @ z[rows.index].T
    found = []
    for i, (label, survey) in enumerate(zip(rows.label, rows.survey)):
        other = (rows.survey != survey).to_numpy()
        right = (rows.label == label).to_numpy()[other]
        if right.any():
            found.append((label, average_precision_score(right, similarity[i, other])))
    by_class = {label: np.mean([ap for name, ap in found if name == label]) for label, _ in found}
    there = z[frame.part == 'candidates']
    nearest = {p: (z[frame.part == p] @ there.T).argmax(1) for p in ('moved', 're_recorded')}
    recall = [(n == np.arange(len(there))).mean() for n in nearest.values()]
    assert len(found) == 151 and sorted(by_class) == sorted(
        RESULTS['methods']['refcon-synthetic']['by_class']['per_class']
    )
    assert headline(RESULTS['methods'], 'refcon-synthetic') == pytest.approx(
        [np.mean(list(by_class.values())), *recall], abs=0.005
    )
