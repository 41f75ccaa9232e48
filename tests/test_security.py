"""What SECURITY.md promises, promise by promise.
Hostile files, names, messages and filters, and keys that must not be found anywhere."""

import ast
import asyncio
import http.client
import contextlib
import io
import json
import os
import pickle
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from urllib.parse import urlsplit
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
import torch
from conftest import ROOT
from test_explore import Served, browser, chromium, drag, opened, told  # noqa: F401 (fixtures)

BIN = Path(sys.executable).parent
NAME = '<img src=x onerror=window.ran=1>'


class Bomb:
    "Unpickled by a careless reader it makes a file."

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, 'w')


@pytest.fixture()
def ran(tmp_path):
    "The file that hostile code would make."
    return tmp_path / 'ran'


def refused(capsys, *argv):
    "What `refcon` says when it refuses: one line, exit 2."
    from reflection_connection.cli import main

    capsys.readouterr()
    code = main([str(a) for a in argv])
    said = capsys.readouterr().err.strip().splitlines()
    assert (
        code == 2
        and said
        and said[-1].startswith(f'refcon {argv[0]}: ')
        and 'Traceback' not in '\n'.join(said)
    ), said
    return said[-1]


def images(folder, n=2):
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    for k in range(n):
        Image.fromarray(np.random.default_rng(k).integers(0, 255, (48, 48), dtype=np.uint8)).save(
            folder / f'{k}.png'
        )
    return folder


def test_every_promise_names_a_test_that_exists():
    text = (ROOT / 'SECURITY.md').read_text()
    named = re.findall(r'tests/(test_\w+)\.py::(test_\w+)', text)
    have = {
        (p.stem, n.name)
        for p in (ROOT / 'tests').glob('test_*.py')
        for n in ast.parse(p.read_text()).body
        if isinstance(n, ast.FunctionDef)
    }
    assert set(named) <= have, set(named) - have
    promises = re.findall(
        r'^\d+\. .*?(?=^\d+\. |^#|\Z)',
        text.partition('\n## What is promised')[2].partition('\n## ')[0],
        re.M | re.S,
    )
    assert len(promises) >= 10 and all('tests/test_' in p for p in promises)
    mine = {
        n.name
        for n in ast.parse(Path(__file__).read_text()).body
        if isinstance(n, ast.FunctionDef) and n.name.startswith('test_')
    }
    assert mine <= {n for _, n in named}, mine - {n for _, n in named}


# loading


def dangers(source):
    "Calls and imports that run what they are given, or load what may."
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = (
                [a.name for a in node.names]
                if isinstance(node, ast.Import)
                else [node.module or '']
            )
            found += [
                n
                for n in names
                if n.split('.')[0]
                in (
                    'pickle',
                    'cPickle',
                    'dill',
                    'cloudpickle',
                    'joblib',
                    'marshal',
                    'shelve',
                    'yaml',
                    'h5py',
                )
            ]
        if not isinstance(node, ast.Call):
            continue
        call = ast.unparse(node.func)
        last = call.rpartition('.')[2]
        given = {k.arg: ast.unparse(k.value) for k in node.keywords}
        if call in (
            'eval',
            'exec',
            'compile',
            '__import__',
            'input',
            'os.system',
            'os.popen',
        ) or last in (
            'read_pickle',
            'to_pickle',
            'read_hdf',
            'unpack_archive',
            'extractall',
            'literal_exec',
        ):
            found.append(call)
        if given.get('shell', 'False') != 'False' or given.get('allow_pickle', 'False') != 'False':
            found.append(ast.unparse(node))
        if call == 'torch.load' and given.get('weights_only') != 'True':
            found.append(ast.unparse(node))
        if last in ('from_pretrained', 'from_config') and given.get('trust_remote_code') != 'False':
            found.append(ast.unparse(node))
    return found


def test_the_package_has_no_call_that_runs_data():
    for bad in (
        'eval(x)',
        'exec(x)',
        'import pickle',
        'from joblib import load',
        'pd.read_pickle(f)',
        'os.system(x)',
        'subprocess.run(x, shell=True)',
        'np.load(f, allow_pickle=True)',
        'np.load(f, allow_pickle=a)',
        'torch.load(f)',
        'torch.load(f, weights_only=False)',
        'AutoConfig.from_pretrained(f)',
        'AutoModel.from_config(c, trust_remote_code=None)',
        'yaml.load(f) if 0 else __import__(f)',
        'tar.extractall()',
    ):
        assert dangers(bad), bad
    assert not dangers(
        'model.eval(); np.load(f); torch.load(f, weights_only=True); '
        're.compile(x); ast.literal_eval(x)'
    )
    files = [*(ROOT / 'reflection_connection').rglob('*.py')]
    assert len(files) > 150
    for p in files:
        assert dangers(p.read_text()) == [], p.name
    for p in (ROOT / 'nbs').glob('run_*.ipynb'):
        assert (
            dangers(
                '\n'.join(
                    ''.join(c['source'])
                    for c in json.loads(p.read_text())['cells']
                    if c['cell_type'] == 'code'
                )
            )
            == []
        ), p.name


def test_pickled_arrays_are_refused(ran, tmp_path, capsys):
    from reflection_connection.search import Shards

    bad = np.array([Bomb(ran)] * 2, dtype=object)
    np.save(tmp_path / 'a.npy', bad, allow_pickle=True)
    np.savez(tmp_path / 'b.npz', z=bad, items=bad, report=bad)
    assert 'not numbers' in refused(
        capsys, 'check', tmp_path / 'a.npy'
    ) and 'not numbers' in refused(
        capsys, 'embed', tmp_path / 'a.npy', '--encoder', 'refcon-tiny', '--out', tmp_path / 'c.npz'
    )
    for read in (lambda s: s.embeddings(), lambda s: s.tables(), lambda s: s.tables('report')):
        with pytest.raises(ValueError, match='allow_pickle'):
            list(read(Shards([tmp_path / 'b.npz'])))
    assert not ran.exists()
    with open(tmp_path / 'a.npy', 'rb') as f:
        np.lib.format.read_array(f, allow_pickle=True)
    assert ran.exists()  # it would have


def test_pickled_tables_are_refused(ran, tmp_path, capsys):
    "Parquet with a type that older readers unpickled, and a pickle that is called a table."
    import pyarrow as pa
    import pyarrow.parquet as pq

    kind = pa.field(
        'label',
        pa.string(),
        metadata={
            b'ARROW:extension:name': b'arrow.py_extension_type',
            b'ARROW:extension:metadata': pickle.dumps(Bomb(ran)),
        },
    )
    pq.write_table(pa.table([pa.array(['Salt'])], schema=pa.schema([kind])), tmp_path / 'a.parquet')
    (tmp_path / 'b.parquet').write_bytes(pickle.dumps(Bomb(ran)))
    (tmp_path / 'c.csv').write_bytes(pickle.dumps(Bomb(ran)))
    assert 'are missing' in refused(
        capsys, 'evaluate', tmp_path / 'a.parquet', '--encoder', 'refcon-tiny'
    )
    assert pa.__version__.split('.') > ['14']
    for name in ('b.parquet', 'c.csv'):
        refused(capsys, 'evaluate', tmp_path / name, '--encoder', 'refcon-tiny')
    assert not ran.exists()


def test_a_zarr_store_with_pickled_chunks_is_refused(ran, tmp_path, capsys):
    zarr = pytest.importorskip('zarr', reason="pip install 'reflection_connection[mdio]'")
    from reflection_connection.volume import open_volume

    def made(name):
        store = tmp_path / f'{name}.zarr'
        group = zarr.open_group(store, mode='w', zarr_format=2)
        for n, shape, dims in (
            ('amplitude', (3, 4, 16), ('inline', 'crossline', 'time')),
            ('inline', (3,), ('inline',)),
            ('crossline', (4,), ('crossline',)),
            ('time', (16,), ('time',)),
        ):
            a = group.create_array(n, shape=shape, dtype='f4', chunks=shape, compressors=None)
            a[...] = np.arange(np.prod(shape)).reshape(shape) + 1
            a.attrs['_ARRAY_DIMENSIONS'] = list(dims)
        return store

    assert open_volume(made('good')).shape == (3, 4, 16)
    codec = {'id': 'pickle', 'protocol': 5}
    for k, (array, change) in enumerate(
        [
            (a, c)
            for a in ('amplitude', 'time')
            for c in (
                dict(filters=[codec]),
                dict(compressor=codec),
                dict(filters=[{'id': 'zlib', 'level': 1}, codec]),
                dict(dtype='|O', fill_value=0, filters=[codec]),
            )
        ]
    ):
        store = made(f'bad{k}')
        about = store / array / '.zarray'
        about.write_text(json.dumps(json.loads(about.read_text()) | change))
        for chunk in (store / array).glob('[0-9]*'):
            chunk.write_bytes(pickle.dumps(Bomb(ran)))
        assert 'Zarr' in refused(capsys, 'check', store)
    assert not ran.exists()


class Three(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.w = torch.nn.Parameter(torch.zeros(()))

    def forward(self, x):
        return {'loss': ((self.w - 3 + 0 * x) ** 2).mean()}


def trained(folder, steps):
    from reflection_connection.training import LoopTrainer, arguments, fit

    return fit(
        LoopTrainer(
            Three(),
            arguments(folder, steps, 0.3, 2, per_device_train_batch_size=4, seed=0),
            train_dataset=[{'x': torch.zeros(())}] * 64,
        )
    )


def test_a_checkpoint_with_code_is_not_taken_up(ran, tmp_path):
    """The pickled files of an interrupted training's checkpoint.
    training_args.bin is written and never read."""
    from reflection_connection.storage import manifest
    from reflection_connection.training import TrainError

    trained(tmp_path / 'work', 4)
    planted = []
    for name in sorted(
        p.name
        for p in (tmp_path / 'work' / 'checkpoint-4').iterdir()
        if p.suffix in ('.pt', '.pth', '.bin')
    ):
        folder = shutil.copytree(tmp_path / 'work', tmp_path / name)
        bad = folder / 'checkpoint-4' / name
        torch.save(Bomb(ran), bad)
        manifest(bad.parent)
        planted.append(name)
        if name == 'training_args.bin':
            assert trained(folder, 6)[-1]['step'] == 6
            continue
        with pytest.raises(
            TrainError,
            match=f'{re.escape(name)}: damaged, or not what training writes.*checkpoint before it',
        ) as e:
            trained(folder, 6)
        assert '\n' not in str(e.value)
        bad.write_bytes(pickle.dumps(Bomb(ran)))
        manifest(bad.parent)  # without the archive around it
        with pytest.raises(TrainError, match='damaged, or not what training writes'):
            trained(folder, 6)
    assert {'optimizer.pt', 'scheduler.pt', 'rng_state.pth', 'training_args.bin'} <= set(
        planted
    ) and not ran.exists()
    torch.load(bad.with_name('training_args.bin'), weights_only=False)
    torch.save(Bomb(ran), bad)
    torch.load(bad, weights_only=False)
    assert ran.exists()  # it would have


def test_pickled_weights_are_refused(ran, tmp_path, capsys):
    data = images(tmp_path / 'images')
    for k, write in enumerate(
        (
            lambda f: torch.save(Bomb(ran), f),
            lambda f: torch.save({'state_dict': {'conv_proj.weight': Bomb(ran)}}, f),
            lambda f: f.write_bytes(pickle.dumps(Bomb(ran))),
        )
    ):
        for suffix in ('.pt', '.pth', '.safetensors'):
            write(tmp_path / f'{k}{suffix}')
            assert 'not a readable file of weights' in refused(
                capsys,
                'embed',
                data,
                '--encoder',
                tmp_path / f'{k}{suffix}',
                '--out',
                tmp_path / 'z.npz',
            )
    assert not ran.exists()


CODE = """open({ran!r}, 'w')
from transformers import PretrainedConfig, PreTrainedModel
class C(PretrainedConfig): model_type = {kind!r}
class M(PreTrainedModel): config_class = C
"""


def test_a_model_that_brings_code_is_refused(ran, tmp_path, capsys, encoder_folder, monkeypatch):
    """auto_map in config.json, in a folder of transformers' and in one of ours.
    Nobody is asked whether to trust it."""
    from reflection_connection.storage import read_json

    asked = []
    monkeypatch.setattr('builtins.input', lambda *a: asked.append(a) or 'y')
    data = images(tmp_path / 'images')
    monkeypatch.setenv('HF_HOME', str(tmp_path / 'hf'))

    def foreign(name, kind):
        folder = tmp_path / name
        folder.mkdir()
        return folder, kind

    def ours(name, kind):
        folder = shutil.copytree(encoder_folder, tmp_path / name)
        about = read_json(folder / 'refcon.json')
        (folder / 'refcon.json').write_text(
            json.dumps(about | {'format': 1, 'sha256': about['sha256']['model.safetensors']})
        )
        return folder, kind  # as earlier versions wrote it, without a checksum of config.json

    for make, name in ((foreign, 'foreign'), (ours, 'ours')):
        folder, kind = make(name, 'evil')
        config = (
            json.loads((folder / 'config.json').read_text())
            if (folder / 'config.json').is_file()
            else {}
        )
        (folder / 'config.json').write_text(
            json.dumps(
                config
                | {'model_type': kind, 'auto_map': {'AutoConfig': 'code.C', 'AutoModel': 'code.M'}}
            )
        )
        (folder / 'code.py').write_text(CODE.format(ran=str(ran), kind=kind))
        assert 'brings its own code' in refused(
            capsys, 'embed', data, '--encoder', folder, '--out', tmp_path / 'z.npz'
        )
    from reflection_connection.encoder import Encoder

    known, _ = ours('known', '')
    config = json.loads((known / 'config.json').read_text())
    (known / 'config.json').write_text(
        json.dumps(config | {'auto_map': {'AutoConfig': 'code.C', 'AutoModel': 'code.M'}})
    )
    (known / 'code.py').write_text(CODE.format(ran=str(ran), kind=config['model_type']))
    assert (
        Encoder.load(known).fingerprint() == Encoder.load(encoder_folder).fingerprint()
    )  # a kind that transformers knows: its own class, not the folder's
    assert not asked and not ran.exists()


TEXT = "\"'); open('{ran}', 'w') #\n\\\"'''{{data}}"


def notebook(path, parameters, code='pass'):
    import nbformat

    nbformat.write(
        nbformat.v4.new_notebook(
            cells=[
                nbformat.v4.new_code_cell(parameters, metadata={'tags': ['parameters']}),
                nbformat.v4.new_code_cell(code),
            ],
            metadata={
                'kernelspec': {'name': 'python3', 'display_name': 'python3', 'language': 'python'}
            },
        ),
        path,
    )
    return path


@pytest.fixture(scope='module')
def leaky(tmp_path_factory):
    """A notebook whose parameter looks like code, while W&B listens: (its folder, what was said).
    It prints the environment, and dies of an error that repeats it."""
    from reflection_connection.run import RunError, run_notebook

    folder = tmp_path_factory.mktemp('leaky')
    code = """from reflection_connection.run import Run
import os, sys
run = Run(out, {}, 'x', 'offline')
print('seen', repr(data)); print(os.environ); print(dict(os.environ), file=sys.stderr)
run.wandb.log({'a': 1})
raise RuntimeError(dict(os.environ))"""
    path = notebook(folder / 'leaky.ipynb', 'out: str = "x"\ndata: str = "a"', code)
    said = io.StringIO()
    with (
        pytest.MonkeyPatch.context() as m,
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(said),
    ):
        for n, v in KEYS.items():
            m.setenv(n, v)
        with pytest.raises(RunError, match='RuntimeError') as e:
            run_notebook(path, {'data': TEXT.format(ran=folder / 'ran')}, folder / 'run')
    return folder, said.getvalue() + str(e.value)


def test_parameters_are_values(leaky, ran, tmp_path):
    "Text that looks like code arrives as text; a default that is no constant is refused."
    from reflection_connection.run import RunError, notebook_parameters

    folder, said = leaky
    assert f"seen {TEXT.format(ran=folder / 'ran')!r}" in said and not (folder / 'ran').exists()
    for bad in (
        f"data: str = open({str(ran)!r}, 'w')",
        'data: str = __import__("os").getcwd()',
        'data: str = (',
        'data = 1',
    ):
        with pytest.raises(RunError, match='parameters'):
            notebook_parameters(notebook(tmp_path / 'b.ipynb', bad))
    assert not ran.exists()


# names and places


def test_names_in_a_table_stay_in_their_folder(tmp_path, capsys):
    (tmp_path / 'in').mkdir()
    np.save(tmp_path / 'outside.npy', np.random.default_rng(0).normal(size=(64, 64)).astype('f4'))
    shutil.copy(tmp_path / 'outside.npy', tmp_path / 'in' / 'inside.npy')
    (tmp_path / 'in' / 'link.npy').symlink_to(tmp_path / 'outside.npy')
    from reflection_connection.windows import WindowError, labelled_table

    row = dict(row0=0, row1=32, col0=0, col1=32, label='Salt')
    for column in ('section', 'source'):
        for name, good in (
            ('../outside', False),
            ('../outside.npy', False),
            ('x/../../outside.npy', False),
            ('inside', True),
            ('link.npy', True),
            (str(tmp_path / 'outside.npy'), True),
        ):
            pd.DataFrame([row | {column: name}]).to_csv(tmp_path / 'in' / 't.csv', index=False)
            if good:
                assert len(labelled_table(tmp_path / 'in' / 't.csv')) == 1
            else:
                with pytest.raises(WindowError, match='leads out of the folder'):
                    labelled_table(tmp_path / 'in' / 't.csv')
    pd.DataFrame([row | {'section': '../outside'}]).to_csv(tmp_path / 'in' / 't.csv', index=False)
    assert 'leads out' in refused(
        capsys, 'evaluate', tmp_path / 'in' / 't.csv', '--encoder', 'refcon-tiny'
    )


@pytest.fixture(scope='module')
def small(tmp_path_factory):
    "An index of a few random windows, without encoder."
    from reflection_connection.search import Index

    z = np.random.default_rng(0).normal(size=(40, 8)).astype('f4')
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    out = {}
    for kind in ('flat', 'fp16', 'hnsw'):
        index = Index(8, kind=kind)
        index.add(
            z,
            pd.DataFrame(
                {'id': [f'w{i}' for i in range(40)], 'source': '/etc/passwd', 'line_kind': 'image'}
            ),
        )
        out[kind] = index.save(tmp_path_factory.mktemp('index') / kind)
    return out


def sealed(folder, **changes):
    "Change meta.json, and make all checksums right."
    from reflection_connection.storage import file_sha256, read_json, write_json

    meta = read_json(folder / 'meta.json')
    write_json(
        folder / 'meta.json',
        meta
        | {'sha256': {f: file_sha256(folder / f) for f in ('index.faiss', 'items.parquet')}}
        | changes,
        checked=True,
    )
    return folder


def test_an_index_names_only_its_own_files(small, tmp_path, monkeypatch):
    from reflection_connection.search import Index, SearchError

    folder = shutil.copytree(small['flat'], tmp_path / 'i')
    assert len(Index.load(folder)) == 40
    sums = json.loads((folder / 'meta.json').read_text())['sha256']
    read = []
    monkeypatch.setattr(
        'reflection_connection.search.saving.file_sha256', lambda p: read.append(str(p))
    )
    for names in (
        sums | {'../../secret': 'x'},
        {'/etc/passwd': 'x'},
        {},
        {'index.faiss': sums['index.faiss']},
    ):
        with pytest.raises(SearchError, match='other files'):
            Index.load(sealed(folder, sha256=names))
    assert read == []


def test_an_index_file_cannot_claim_more_than_it_holds(small, tmp_path):
    """Counts in the head of index.faiss, by which FAISS makes room.
    They are compared with the tables and the file's size first."""
    from reflection_connection.search import Index, SearchError

    for kind, source in small.items():
        good = Index.load(source)
        raw = (source / 'index.faiss').read_bytes()
        assert len(good) == 40 and good.kind == kind
        tail = len(raw) - 40 * good.faiss.sa_code_size() - 8 if kind != 'hnsw' else None
        for at, size, value in (
            (4, 4, 2**30),
            (8, 8, 2**45),
            (8, 8, 41),
            *([(tail, 8, 2**38), (tail, 8, 10**15)] if tail else []),
        ):
            folder = shutil.copytree(source, tmp_path / 'i')
            (folder / 'index.faiss').write_bytes(
                raw[:at] + value.to_bytes(size, 'little') + raw[at + size :]
            )
            with pytest.raises(SearchError, match='does not hold 40 windows of 8 numbers'):
                Index.load(sealed(folder))
            shutil.rmtree(folder)
        if tail:
            folder = shutil.copytree(source, tmp_path / 'i')
            (folder / 'index.faiss').write_bytes(raw[:-4])
        if tail:
            with pytest.raises(SearchError, match='does not hold'):
                Index.load(sealed(folder))
            shutil.rmtree(folder)
        for dim in (0, 10**9):
            folder = shutil.copytree(source, tmp_path / 'i')
            with pytest.raises(SearchError, match='dim is'):
                Index.load(sealed(folder, dim=dim))
            shutil.rmtree(folder)


def test_places_in_an_index_are_read_as_pictures_and_volumes_only(small, encoder_folder):
    from reflection_connection.encoder import Encoder
    from reflection_connection.search import Index, Searcher
    from reflection_connection.windows import WindowError

    encoder, index = Encoder.load(encoder_folder), Index.load(small['flat'])
    index.encoder = encoder.fingerprint()
    searcher = Searcher(index, encoder)
    with pytest.raises(WindowError, match='not a readable image') as e:
        searcher.indexed('w3')  # its source is /etc/passwd
    assert 'root' not in str(e.value)
    with pytest.raises(ValueError, match='the index has the volumes'):
        searcher.volume('/etc/passwd')


def test_names_that_are_written_hold_no_separators(tmp_path):
    import matplotlib.pyplot as plt

    from reflection_connection.run import Run, RunError

    run = Run(tmp_path / 'run', {}, 'x', track='disabled')
    for name in ('../out', 'a/b', '/tmp/out'):
        with pytest.raises(RunError, match='cannot lead out'):
            run.figure(name, plt.figure())
    plt.close('all')
    assert not list(tmp_path.rglob('*.png'))


# filters


@pytest.mark.parametrize(
    'expression',
    [
        '__import__("os").system("touch {ran}") == 0',
        'open("{ran}", "w") == 1',
        'id.__class__ == 1',
        'id.str.len() > 1',
        '(lambda: open("{ran}", "w"))() == 1',
        '[x for x in id] == 1',
        'f"{{open(chr(47))}}" == "a"',
        '(x := 1) == 1',
        'id[0] == "a"',
        '(id if id else id) == 1',
        '@id == 1',
        'id; id',
        'import os',
        'line in (open("{ran}", "w"),)',
        'line > 1 or exec("1")',
        'not open("{ran}", "w")',
        '`line` > 1',
        'not ' * 100_000 + 'line > 1',
        'line > ' + '-' * 100_000 + '1',
        '(' * 5_000 + 'line' + ')' * 5_000 + ' > 1',
        'line in ' + '[' * 5_000 + ']' * 5_000,
        'time_ms > 1' + '0' * 400,
        'line > ' + '9' * 5_000,
        'line\0 > 1',
        'id == "\ud800"',
        'line == [1, 2, 3]',
        '',
    ],
    ids=lambda e: repr(e[:24]),
)
def test_a_filter_is_parsed_not_run(expression, ran):
    from reflection_connection.search import SearchError, milvus_filter, where
    from reflection_connection.windows import window_table

    table = window_table([dict(id='a', source='s', line_kind='inline', line=1, time_ms=3.0)] * 1)
    for ask in (lambda e: where(table, e), milvus_filter):
        if ask is milvus_filter and not expression.isprintable():
            continue
        with pytest.raises(SearchError) as e:
            ask(
                expression.format(ran=ran)
                if 'ran}' in expression or '{{' in expression
                else expression
            )
        assert '\n' not in str(e.value) and len(str(e.value)) < 500
    assert not ran.exists()


# the explorer


@pytest.fixture(scope='module')
def hostile(tmp_path_factory):
    "An index of a survey whose name is HTML, with such a label."
    from reflection_connection.encoder import Encoder
    from reflection_connection.explore import LABEL_COLUMNS
    from reflection_connection.search import build_index
    from reflection_connection.synthetic import write_survey
    from reflection_connection.windows import Grid

    folder = tmp_path_factory.mktemp('hostile')
    path = write_survey(folder / 'survey', seed=4, n_inlines=16, n_crosslines=96, n_samples=128)
    named = path.rename(folder / f'{NAME}.sgy')
    index, _, _ = build_index(
        Encoder.load('refcon-tiny'),
        named,
        folder / 'index',
        Grid((48, 48), (24, 24), 'inline', every=4),
        encoder_source='refcon-tiny',
    )
    rows = index.items.head(3).assign(label=NAME)
    rows[list(LABEL_COLUMNS)].to_csv(folder / 'index_labels.csv', index=False)
    return folder


@pytest.fixture(scope='module')
def served(hostile):
    with Served(hostile / 'index', '--allow-labels', installed=True) as s:
        yield s


def test_names_show_as_text(browser, served, hostile):  # noqa: F811
    page = opened(browser, served.url)
    drag(page, '.rc-section', (0.3, 0.3), (0.8, 0.8))
    told(page, 'hits in')
    page.fill('.rc-name', NAME + '2')
    page.locator('.rc-hit .rc-label').nth(0).click()
    told(page, f'is {NAME}2')
    assert (
        NAME in page.text_content('.rc-survey')
        and f'{NAME}2 (labelled)' in page.text_content('.rc-gallery')
        and page.locator('.rc-hit .rc-go').count() > 0
    )
    page.locator('.rc-hit .rc-go').first.click()
    page.wait_for_timeout(500)
    assert (
        page.evaluate('window.ran') is None
        and page.locator('img[src="x"]').count() == 0
        and page.said == []
    )
    assert f'{NAME}2' in pd.read_csv(hostile / 'index_labels.csv').label.tolist()
    page.close()


def test_the_report_shows_names_as_text(tmp_path):
    from reflection_connection.plot import show_curves
    from reflection_connection.run import Run

    run = Run(tmp_path / 'run', {'data': NAME}, NAME, track='disabled')
    run.figure('f', show_curves([{'step': 0, 'loss': 1.0}, {'step': 1, 'loss': 1.0}]), f'"{NAME}')
    run.table(NAME, pd.DataFrame({NAME: [NAME]}, index=pd.Index([NAME], name=NAME)))
    run.describe(**{NAME: NAME})
    page = run.finish(NAME, NAME).read_text()
    assert (
        page.count('&lt;img src=x onerror=window.ran=1&gt;') >= 10
        and '<img src=x' not in page
        and 'alt="&quot;&lt;img' in page
    )


def get(url, data=None, timeout=60):
    "Status of an answer, and its text."
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data), timeout=timeout) as r:
            return r.status, r.read().decode(errors='replace')
    except urllib.error.HTTPError as e:
        return e.code, ''


def asked(url, **headers):
    "Status of an answer, its headers and its text; redirects are not followed."
    at = urlsplit(url)
    connection = http.client.HTTPConnection(at.hostname, at.port, timeout=60)
    connection.request('GET', f'{at.path}?{at.query}', headers=headers)
    answer = connection.getresponse()
    text = answer.read().decode(errors='replace')
    connection.close()
    return answer.status, answer.headers, text


def test_the_explorer_listens_on_loopback_and_asks_for_its_token(served):
    address, _, token = served.url.partition('?token=')
    process = psutil.Process(served.pid)
    assert process.children() == []
    listens = [c for c in process.net_connections('inet') if c.status == psutil.CONN_LISTEN]
    assert listens and {c.laddr.ip for c in listens} == {'127.0.0.1'}
    assert token not in ' '.join(process.cmdline())
    code, headers, _ = asked(served.url)
    cookie = headers['Set-Cookie'].partition(';')[0]
    assert code == 302 and headers['Location'] == './' and token not in cookie
    assert 'HttpOnly' in headers['Set-Cookie'] and 'SameSite=Lax' in headers['Set-Cookie']
    code, headers, text = asked(address, Cookie=cookie)
    assert code == 200 and 'page.js' in text and token not in text
    assert "default-src 'none'" in headers['Content-Security-Policy']
    assert headers['X-Content-Type-Options'] == 'nosniff'
    for path in ('', 'page.js', 'explore.js', 'socket', 'nothing'):
        for query in ('', '?token=', f'?token={token}x', f'?token={token[:-1]}'):
            code, _, text = asked(address + path + query, Cookie=f'{cookie}x')
            assert code == 403 and 'refcon' not in text, path  # a form that asks for it
        code, _, _ = asked(address + path, Cookie=cookie, Host='evil.example')
        assert code == 403, path  # a name that somebody lets point to this machine
    for path in (
        'server.py',
        'static/page.js',
        'page.js/../../server.py',
        '../server.py',
        '%2e%2e/%2e%2e/etc/passwd',
        '/etc/passwd',
        'index_labels.csv',
        'api/contents',
    ):
        code, _, text = asked(address + path, Cookie=cookie)
        assert code == 404 and 'root:' not in text and token not in text, path
    assert get(address, b'x' * 100)[0] == 403
    with pytest.raises((urllib.error.URLError, ConnectionError, AssertionError)):
        assert get(address, b'x' * 2_000_000)[0] != 400
    with ThreadPoolExecutor(1) as thread:  # the browser's loop has this thread
        socket = address.replace('http', 'ws') + 'socket'
        thread.submit(lambda: asyncio.run(messages(socket, token, cookie))).result(180)
    assert token not in served.said.replace(served.url, '')


async def messages(url, token, cookie):
    "The websocket: not without the token, not for other sites, nothing large."
    from tornado.httpclient import HTTPClientError, HTTPRequest
    from tornado.websocket import websocket_connect

    def request(**headers):
        return HTTPRequest(url, headers=headers)

    for refused in (
        request(),
        request(Cookie=f'{cookie}x'),
        request(Cookie=cookie, Origin='http://evil.example'),
        request(Cookie=cookie, Host='evil.example', Origin='http://evil.example'),
    ):
        with pytest.raises(HTTPClientError) as e:
            await websocket_connect(refused)
        assert e.value.code == 403
    socket = await websocket_connect(request(Cookie=cookie))
    await socket.write_message(json.dumps(dict(set=dict(info={}), action='tell', text='x')))
    while True:
        said = json.loads(await asyncio.wait_for(socket.read_message(), 60))['set']
        if 'the page asks for' in said.get('status', {}).get('text', ''):
            break
    await socket.write_message('x' * 2_000_000)
    while (await asyncio.wait_for(socket.read_message(), 30)) is not None:
        continue
    assert socket.close_code == 1009
    socket = await websocket_connect(f'{url}?token={token}')
    await socket.write_message('no JSON')
    while (await asyncio.wait_for(socket.read_message(), 30)) is not None:
        continue
    assert socket.close_code == 1003


def test_the_page_may_ask_only_for_what_it_needs(hostile, tmp_path):
    from reflection_connection.explore import Explorer

    explorer = Explorer(hostile / 'index', labels=tmp_path / 'labels.csv')
    act = lambda **message: (
        explorer.act(message) or (explorer.status['kind'], explorer.status['text'])
    )
    assert act(action='ask', box=[20, 20, 68, 68])[0] == 'info'
    before = sorted(p.name for p in tmp_path.iterdir())
    for message in (
        dict(action='export', path=str(tmp_path / 'x.npy')),
        dict(action='export', suffix='.npy', path=str(tmp_path / 'x.npy')),
        dict(action='export', suffix='/../../x.npy'),
        dict(action='export', suffix='.exe'),
        dict(action='export', suffix=''),
        dict(action='show', source='/etc/passwd'),
        dict(action='show', source='x' * 5000),
        dict(action='show', source=['a']),
        dict(action='show', kind={'a': 1}),
        dict(action='show', number='1'),
        dict(action='show', number=1e300),
        dict(action='look', gain='1'),
        dict(action='look', gain=True),
        dict(action='look', cmap='jet'),
        dict(action='look', heat=['x']),
        dict(action='ask'),
        dict(action='ask', box='abcd'),
        dict(action='ask', box=[1, 2, 3]),
        dict(action='ask', box=[1.5, 2, 60, 60]),
        dict(action='ask', box=[0] * 10_000),
        dict(action='refine', place=0),
        dict(action='refine', place='0', sign=1),
        dict(action='follow', place=True),
        dict(action='follow', place=-1),
        dict(action='filter', expression='line > 1 or ' * 2000 + 'line > 1'),
        dict(action='filter', expression=3),
        dict(action='lasso', rows=list(range(200_000))),
        dict(action='lasso', rows=[0, 'a']),
        dict(action='lasso', rows=[0.5]),
        dict(action='lasso', rows={'a': 1}),
        dict(action='label', name='a' * 201, place=0),
        dict(action='label', name='=1+1', place=0),
        dict(action='label', name='\t@x', place=0),
        dict(action='label', name='\u202e-x', place=0),
        dict(action='label', name='\x00\x07', place=0),
        dict(action='label', name=['a'], place=0),
        dict(action='label', name='x', place=0, row={}),
        dict(action='undo', path='x'),
        dict(action='tell', text='x'),
        dict(action='act', content={}),
        dict(action='_save'),
        dict(action='__init__'),
        dict(action=['show']),
        dict(),
        dict(action=None),
        dict(action='clear', self='x'),
    ):
        kind, said = act(**message)
        assert (
            kind == 'error'
            and '\n' not in said
            and 'fault of the program' not in said
            and len(said) < 700
        ), (message, said)
    for message in ([], 'show', None, 3):
        explorer.act(message)
        assert explorer.status['kind'] == 'error'
    assert sorted(p.name for p in tmp_path.iterdir()) == before and not list(
        hostile.glob('*_similarity_*')
    )
    assert act(action='label', name='salt\x00\x1b[31m  wall\u202e', place=0)[
        0
    ] == 'info' and pd.read_csv(tmp_path / 'labels.csv').label.tolist() == ['salt[31m wall']
    assert act(action='show', number=None)[0] == act(action='look', gain=2)[0] == 'info'


def test_read_only_cannot_be_left_by_messages(hostile, tmp_path):
    from reflection_connection.explore import Explorer

    explorer = Explorer(hostile / 'index', labels=tmp_path / 'labels.csv', allow_labels=False)
    explorer.set_state(
        {
            'info': explorer.info | {'allow_labels': True},
            'labels': {},
            'allow_labels': True,
            'table': 'x',
        }
    )  # what a page can send beside actions
    explorer.act(dict(action='ask', box=[20, 20, 68, 68]))
    assert explorer.hits and explorer.allow_labels is False
    for message in (
        dict(action='label', name='x', place=0),
        dict(action='undo'),
        dict(action='export', suffix='.npy'),
        dict(action='export', suffix='.npy', path=str(tmp_path / 'x.npy')),
    ):
        explorer.act(message)
        assert explorer.status['kind'] == 'error' and explorer._thread is None, message
    assert list(tmp_path.iterdir()) == []


# keys

KEYS = dict(
    WANDB_API_KEY='0123456789abcdef0123456789abcdef01234567',
    HF_TOKEN='hf_' + 'AbCdEfGhIjKlMnOpQrStUvWxYz01234567',
    HUGGING_FACE_HUB_TOKEN='hf_' + 'zYxWvUtSrQpOnMlKjIhGfEdCbA76543210',
    MILVUS_TOKEN='user:milvus-pass-phrase-4711',
)
SMALL = [
    '-p',
    'steps',
    '4',
    '-p',
    'size',
    '48',
    '-p',
    'per_class',
    '8',
    '-p',
    'every',
    '16',
    '-p',
    'stride',
    '64',
    '-p',
    'track',
    'offline',
]


def leaks(folder):
    return [
        (p.relative_to(folder), n)
        for p in Path(folder).rglob('*')
        if p.is_file()
        for n, v in KEYS.items()
        for raw in [p.read_bytes()]
        if v.encode() in raw
    ]


@pytest.fixture(scope='module')
def with_keys(refcon, tmp_path_factory):
    "A run folder made with keys in the environment, and what was printed."
    out = tmp_path_factory.mktemp('keys') / 'run'
    done = refcon('run', 'nbs/run_training.ipynb', *SMALL, '--out', out, timeout=900, **KEYS)
    assert done.returncode == 0, done.stderr[-2000:]
    return out, done.stdout + done.stderr


def test_keys_are_not_in_a_run_folder(with_keys):
    out, said = with_keys
    assert (
        list(out.rglob('*.wandb'))
        and leaks(out) == []
        and not any(v in said for v in KEYS.values())
    )


def test_keys_are_not_in_what_a_failed_run_leaves(leaky):
    "Of a cell that prints the environment, an error that repeats it, and W&B that listens."
    folder, said = leaky
    assert (
        '[HF_TOKEN]' in said
        and '[HF_TOKEN]' in (folder / 'run' / 'leaky.ipynb').read_text()
        and list((folder / 'run').rglob('*.wandb'))
    )
    assert leaks(folder) == [] and not any(v in said for v in KEYS.values())


def test_an_address_with_a_password_is_refused(tmp_path, capsys, encoder_folder, small):
    from reflection_connection.search import Index, MilvusIndex, SearchError, open_milvus

    data = images(tmp_path / 'images')
    for uri in (
        'http://user:pass-4711@127.0.0.1:1',
        'https://pass-4711@127.0.0.1:1/db',
        'http://127.0.0.1:1?token=pass-4711',
    ):
        said = refused(
            capsys,
            'index',
            data,
            '--encoder',
            encoder_folder,
            '--out',
            tmp_path / 'out',
            '--milvus',
            uri,
        )
        assert (
            'MILVUS_TOKEN' in said and 'pass-4711' not in said and not (tmp_path / 'out').exists()
        )
        for make in (
            lambda: MilvusIndex(uri),
            lambda: MilvusIndex.create(uri, Index.load(small['flat'])),
        ):
            with pytest.raises(SearchError, match='MILVUS_TOKEN') as e:
                make()
            assert 'pass-4711' not in str(e.value)
        folder = shutil.copytree(small['flat'], tmp_path / 'old', dirs_exist_ok=True)
        sealed(folder, milvus=dict(uri=uri, collection='x'), calibration=None)
        with pytest.raises(SearchError, match='MILVUS_TOKEN'):
            open_milvus(folder)  # as an earlier version may have written it


def test_a_folder_cannot_have_the_milvus_token_sent_elsewhere(tmp_path, small, monkeypatch):
    from reflection_connection.search import MilvusIndex, SearchError, open_milvus

    folder = sealed(
        shutil.copytree(small['flat'], tmp_path / 'i'),
        milvus=dict(uri='http://127.0.0.1:1', collection='x'),
    )
    asked = []
    monkeypatch.setattr(MilvusIndex, '__init__', lambda self, **where: asked.append(where))
    monkeypatch.delenv('MILVUS_URI', raising=False)
    open_milvus(folder)
    assert len(asked) == 1  # nothing to send
    monkeypatch.setenv('MILVUS_TOKEN', 'user:pass-4711')
    for other in (None, 'http://127.0.0.1:2'):
        if other:
            monkeypatch.setenv('MILVUS_URI', other)
        with pytest.raises(SearchError, match='MILVUS_URI') as e:
            open_milvus(folder)
        assert len(asked) == 1 and 'pass-4711' not in str(e.value)
    monkeypatch.setenv('MILVUS_URI', 'http://127.0.0.1:1')
    open_milvus(folder)
    assert len(asked) == 2


# files and packages


def test_nothing_is_written_for_everybody_to_write(with_keys, hostile):
    for folder in (with_keys[0], hostile):
        assert not [
            p for p in folder.rglob('*') if not p.is_symlink() and p.stat().st_mode & stat.S_IWOTH
        ]


def test_files_are_as_private_as_the_user_asks(tmp_path):
    "Under a umask of 077 nobody else reads what is written."
    from reflection_connection.encoder import Encoder
    from reflection_connection.evaluation import write_submission
    from reflection_connection.plot import save_figure, show_curves
    from reflection_connection.search import Index

    index = Index(2)
    index.add(np.eye(2, dtype='f4'), pd.DataFrame({'id': ['a', 'b']}))
    encoder = Encoder.create('resnet-tiny')
    for mask, modes in ((0o077, {0o600, 0o700}), (0o022, {0o644, 0o755})):
        folder, was = tmp_path / oct(mask), os.umask(mask)
        try:
            folder.mkdir()
            encoder.save(folder / 'encoder')
            index.save(folder / 'index')
            save_figure(
                show_curves([{'step': 0, 'loss': 1.0}, {'step': 1, 'loss': 1.0}]), folder / 'f.png'
            )
            write_submission(
                folder / 's.json',
                {'q.png': [{'label': f'{k}.png', 'confidence': 0.9 - k / 10} for k in range(3)]},
            )
        finally:
            os.umask(was)
        made = [p for p in folder.rglob('*') if p.suffix != '.lock']
        assert len(made) >= 10 and {stat.S_IMODE(p.stat().st_mode) for p in made} == modes


def test_known_vulnerabilities():
    """pip-audit over the pinned packages, where its database answers.
    A version with a known hole tells whether it does."""
    if not (BIN / 'pip-audit').is_file():
        pytest.skip('no pip-audit here: pip install pip-audit')
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / 'probe.txt').write_text('jinja2==2.4.1\n')
        try:
            probe = subprocess.run(
                [
                    str(BIN / 'pip-audit'),
                    '-r',
                    f'{folder}/probe.txt',
                    '--no-deps',
                    '--disable-pip',
                    '--progress-spinner',
                    'off',
                    '--format',
                    'json',
                    '--timeout',
                    '5',
                ],
                capture_output=True,
                text=True,
                timeout=60,
            )
        except subprocess.TimeoutExpired:
            pytest.skip('the database of known vulnerabilities does not answer')
    if not re.search(r'"id": "(PYSEC|GHSA|CVE)-', probe.stdout):
        pytest.skip(
            'the database of known vulnerabilities cannot be reached from here: '
            'make audit where it can'
        )
    done = subprocess.run(
        audit_command(),
        cwd=ROOT,
        shell=True,
        capture_output=True,
        text=True,
        timeout=900,
        env=os.environ | {'PATH': f"{BIN}:{os.environ['PATH']}"},
    )
    assert done.returncode == 0, done.stdout + done.stderr


def audit_command():
    "What `make audit` runs."
    return (
        re.search(r'^audit:.*\n\t(.*)$', (ROOT / 'Makefile').read_text(), re.M)
        .group(1)
        .replace('$$', '$')
    )


def test_exceptions_of_the_audit_have_reasons(tmp_path):
    """Every line of audit-ignored.txt is a comment, or an identifier with its reason.
    The command takes the identifiers from there."""
    lines = [
        n
        for n in (ROOT / 'audit-ignored.txt').read_text().splitlines()
        if n and not n.startswith('#')
    ]
    for n in lines:
        assert re.fullmatch(r'(PYSEC|GHSA|CVE)-[\w-]+ {2,}\S.{20,}', n), n
    (tmp_path / 'audit-ignored.txt').write_text(
        '# a comment\nGHSA-aaaa-bbbb-cccc  no fix yet, and the function is not called\n'
        'CVE-2026-1  another reason\n'
    )
    (tmp_path / 'pip-audit').write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / 'pip-audit').chmod(0o755)
    said = subprocess.run(
        audit_command(),
        cwd=tmp_path,
        shell=True,
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {'PATH': f"{tmp_path}:{os.environ['PATH']}"},
    ).stdout
    assert (
        '--strict' in said
        and '-r constraints.txt' in said
        and said.count('--ignore-vuln') == 2
        and '--ignore-vuln GHSA-aaaa-bbbb-cccc --ignore-vuln CVE-2026-1' in said
    )
