"Whole runs, headless: papermill with small parameters, taken up again, and on real windows."

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from conftest import ROOT

SMALL = [
    '-p',
    'steps',
    '4',
    '-p',
    'size',
    '48',
    '-p',
    'per_class',
    '20',
    '-p',
    'every',
    '16',
    '-p',
    'stride',
    '64',
    '-p',
    'track',
    'disabled',
]
MADE = [
    'run_training.ipynb',
    'report.html',
    'params.json',
    'metrics.json',
    'figures/hits.png',
    'encoder/config.json',
    'encoder/model.safetensors',
    'encoder/refcon.json',
    'index/index.faiss',
    'index/items.parquet',
    'index/meta.json',
    'submission.json',
]


def run(refcon, out, *arguments):
    done = refcon('run', 'nbs/run_training.ipynb', *SMALL, *arguments, '--out', out, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    for name in MADE:
        assert (out / name).is_file(), name
    return done.stderr, json.loads((out / 'metrics.json').read_text())


@pytest.fixture(scope='module')
def first(refcon, tmp_path_factory):
    out = tmp_path_factory.mktemp('run') / 'first'
    return out, *run(refcon, out)


def test_run_folder(first):
    out, log, metrics = first
    for method in ('encoder', 'pca', 'untrained'):
        assert (
            0 < metrics[method]['macro_map'] < 1
            and metrics[method]['n_queries'] == metrics['encoder']['n_queries']
        )
    about = json.loads((out / 'params.json').read_text())
    assert (
        about['parameters']['steps'] == 4
        and about['packages']['torch']
        and about['data_fingerprint']
        and 'finished' in about
    )
    assert 'three hits for' in log and str(out / 'report.html') in log


def test_started_again_it_takes_what_is_there(first, refcon):
    out, _, metrics = first
    before = (out / 'encoder' / 'model.safetensors').stat().st_mtime_ns
    log, again = run(refcon, out)
    for stage in ('train', 'survey', 'index'):
        assert f'{stage}: taken from' in log
    assert again == metrics and (out / 'encoder' / 'model.safetensors').stat().st_mtime_ns == before


def test_done_again(first, refcon, tmp_path):
    """From nothing, with the parameters of the folder: the same results to the last digit.

    As a shell starts it: another hash seed. The log tells the stages, and no library warns."""
    out, log, _ = first
    again = ('rerun', out, '--out', tmp_path / 'again', '--json')
    done = refcon(*again, timeout=900, installed=True)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert found['compared'] > 200 and found['results'] == [] and found['circumstances'] == []
    lines = [json.loads(ln) for ln in (tmp_path / 'again' / 'log.jsonl').read_text().splitlines()]
    assert [ln['stage'] for ln in lines if ln['event'] == 'run.stage'] == [
        'train',
        'survey',
        'index',
    ] and {'train.started', 'train.checkpoint', 'embed.shard', 'index.written', 'run.finished'} <= {
        ln['event'] for ln in lines
    }
    assert not [ln for ln in (log + done.stderr).splitlines() if 'warn' in ln.lower()]
    (out / 'metrics.json').rename(tmp_path / 'kept')
    (out / 'metrics.json').write_text('{}')
    done = refcon('rerun', out)
    (tmp_path / 'kept').replace(out / 'metrics.json')
    assert (
        done.returncode == 2
        and 'metrics.json is not as the run left it' in done.stderr
        and not out.with_name('first-again').exists()
    )


def test_real_rock_first_and_the_better_encoder_searches(first, refcon, tmp_path):
    """What `make demo` adds: three boxes on F3 with the bundled encoder, pictures first in the report.

    After four steps of training the bundled encoder is the better one by validation, and searches."""
    out = shutil.copytree(first[0], tmp_path / 'demo')
    log, metrics = run(refcon, out, '-p', 'real', 'true', '-p', 'rival', 'refcon-tiny')
    assert 'train: taken from' in log and 'index: taken from' not in log
    boxes = metrics['real']['boxes']
    for name in ('chaotic band', 'flank of a salt dome', 'reflector cut by faults'):
        hits = boxes[name]['hits']
        assert list(hits) == ['F3', 'Penobscot', 'Teapot Dome']
        assert hits['F3'][0]['probability'] > 0.8
        assert all(hit['survey'].startswith('f3') for hit in hits['F3'])
    assert metrics['choice']['searches'] == 'refcon-tiny'
    by_validation = metrics['choice']['by_validation']
    assert by_validation['refcon-tiny'] > by_validation['encoder'] + 0.2
    meta = json.loads((out / 'index' / 'meta.json').read_text())
    assert meta['encoder_source'] == 'refcon-tiny'
    assert f'explore it: refcon explore {out}/real/index --allow-labels' in log
    page = (out / 'report.html').read_text()
    parts = ['On real rock', 'Three boxes and their nearest windows', 'Did it learn?', 'Tables',
             'Probability of the best hit in each survey', 'How it was made']  # fmt: skip
    places = [page.index(f'{part}<' if part == 'Tables' else part) for part in parts]
    assert places == sorted(places)
    assert (out / 'figures' / 'real.png').stat().st_size > 100_000


def test_a_changed_parameter_trains_again(first, refcon):
    out, _, metrics = first
    log, changed = run(refcon, out, '-p', 'learning_rate', '0.0001')
    assert (
        'train: taken' not in log
        and 'index: taken' not in log
        and changed['encoder'] != metrics['encoder']
        and changed['untrained']['macro_map'] == metrics['untrained']['macro_map']
    )


def test_killed_half_way_it_goes_on(first, refcon, tmp_path):
    """SIGKILL for papermill in the middle of training: no half-written notebook, the kernel ends.

    The same command then resumes, and ends with the results of a run that was left alone."""
    out, log = tmp_path / 'cut', tmp_path / 'cut' / 'log.jsonl'
    deadline = time.time() + 600
    p = subprocess.Popen(
        [
            str(Path(sys.executable).with_name('refcon')),
            'run',
            'nbs/run_training.ipynb',
            *SMALL,
            '--out',
            str(out),
        ],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not (log.is_file() and 'train.checkpoint' in log.read_text()):
        assert p.poll() is None and time.time() < deadline
        time.sleep(0.02)
    p.kill()
    p.wait()
    assert not (out / 'run_training.ipynb').exists() and not (out / 'sha256.json').exists()
    said, metrics = run(refcon, out)
    assert 'going on from checkpoint-' in said or 'train: taken from' in said
    assert metrics == first[2] and not [
        p for p in out.iterdir() if p.name.startswith('.') and p.suffix != '.lock'
    ]


def test_challenge_folder(refcon, tmp_path):
    "The challenge's layout: the corpus is indexed and every query is answered."
    from reflection_connection.evaluation import check_submission
    from reflection_connection.synthetic import write_challenge

    data = write_challenge(tmp_path / 'data', per_class=6, seed=3)
    run(refcon, tmp_path / 'run', '-p', 'data', data)
    check_submission(
        tmp_path / 'run' / 'submission.json',
        [p.name for p in (data / 'query').iterdir()],
        [p.name for p in (data / 'image_corpus').iterdir()],
    )


def test_volume_with_a_table(refcon, tmp_path):
    "A volume and a table of labelled rectangles on it."
    from reflection_connection.synthetic import write_survey

    path = write_survey(tmp_path / 's', seed=1, n_inlines=40, n_crosslines=160, n_samples=256)
    _, metrics = run(
        refcon, tmp_path / 'run', '-p', 'data', path.with_name('labels.csv'), '-p', 'volume', path
    )
    assert metrics['index']['windows'] > 20


def test_real_windows(refcon, shared, tmp_path):
    "Labelled windows cut from real sections, as PNG class folders and as a table."
    from reflection_connection.evaluation import check_submission

    subprocess.run(
        [sys.executable, str(shared / 'make_windows.py'), str(tmp_path / 'png')],
        check=True,
        capture_output=True,
    )
    run(
        refcon,
        tmp_path / 'a',
        '-p',
        'data',
        tmp_path / 'png',
        '-p',
        'table',
        shared / 'windows_dev.csv',
    )
    check_submission(tmp_path / 'a' / 'submission.json')
    run(
        refcon,
        tmp_path / 'b',
        '-p',
        'data',
        shared / 'windows_dev.csv',
        '-p',
        'volume',
        shared / 'sections',
    )


def test_a_failing_cell_is_one_line(refcon, tmp_path):
    done = refcon(
        'run',
        'nbs/run_training.ipynb',
        *SMALL,
        '-p',
        'data',
        tmp_path / 'nowhere',
        '--out',
        tmp_path / 'run',
    )
    last = done.stderr.strip().splitlines()[-1]
    assert (
        done.returncode == 2
        and last.startswith('refcon run: run_training.ipynb stopped in cell')
        and 'no such' in last
    )
    assert (tmp_path / 'run' / 'run_training.ipynb').is_file()


def test_plain_papermill(tmp_path):
    "Without refcon: same notebook, same folder, and the tag is found."
    out = tmp_path / 'plain'
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name('papermill')),
            'nbs/run_training.ipynb',
            str(tmp_path / 'executed.ipynb'),
            '-p',
            'out',
            str(out),
            *SMALL,
            '-p',
            'track',
            'offline',
            '--no-progress-bar',
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert list((out / 'wandb').glob('offline-run-*/*.wandb')), 'tracked offline'
    assert (out / 'report.html').is_file() and 'no parameters' not in done.stderr.lower()


def test_evaluation_run(refcon, tmp_path):
    "The whole report in one command, and the same numbers when it is asked again."
    arguments = [
        'run',
        'nbs/run_evaluation.ipynb',
        '-p',
        'per_class',
        '6',
        '-p',
        'exclude',
        'Channel',
        '-p',
        'pictures',
        '2',
    ]
    metrics = []
    for out, installed in ((tmp_path / 'a', False), (tmp_path / 'b', True)):  # another hash seed
        done = refcon(*arguments, '--out', out, timeout=900, installed=installed)
        assert done.returncode == 0, done.stderr[-3000:]
        for name in (
            'report.html',
            'params.json',
            'figures/best.png',
            'figures/worst.png',
            'figures/confidence.png',
        ):
            assert (out / name).is_file(), name
        metrics.append(json.loads((out / 'metrics.json').read_text()))
    assert (
        metrics[0] == metrics[1]
        and metrics[0]['few_labels']['surveys'] > 2
        and metrics[0]['wavelet']['encoder_ahead']['p'] <= 1
    )


def test_search_run(refcon, tmp_path):
    "Labelled boxes of a synthetic survey; then a table without labels searches the same index."
    import segyio

    out = tmp_path / 'search'
    small = [
        t
        for n, v in dict(
            n_inlines=32,
            n_crosslines=192,
            n_samples=256,
            every=8,
            per_class=1,
            k=5,
            track='disabled',
        ).items()
        for t in ('-p', n, v)
    ]
    done = refcon('run', 'nbs/run_search.ipynb', '--out', out, *small)
    assert done.returncode == 0, done.stderr[-2000:]
    metrics = json.loads((out / 'metrics.json').read_text())
    hits = pd.read_csv(out / 'hits.csv')
    assert (
        metrics['hits'] == len(hits)
        and 0 < metrics['right']['all classes'] <= 1
        and metrics['auroc']['all classes'] > 0.8
    )
    for name in ('report.html', 'figures/hits.png', 'figures/maps.png', 'figures/map.png'):
        assert (out / name).is_file()
    (made,) = (out / 'maps').glob('*.sgy')
    with segyio.open(made) as a, segyio.open(out / 'data' / 'survey.sgy') as b:
        assert (a.ilines == b.ilines).all() and a.trace.raw[:].max() <= 1
    stamp = (out / 'index' / 'index.faiss').stat().st_mtime_ns
    again = refcon('run', 'nbs/run_search.ipynb', '--out', out, *small)
    assert (
        again.returncode == 0
        and (out / 'index' / 'index.faiss').stat().st_mtime_ns == stamp
        and json.loads((out / 'metrics.json').read_text()) == metrics
    )
    (tmp_path / 'boxes.csv').write_text(
        'line_kind,line,top,left,height,width\ninline,1208,20,30,48,48\n'
    )
    asked = refcon(
        'run',
        'nbs/run_search.ipynb',
        '--out',
        tmp_path / 'asked',
        '-p',
        'index',
        out / 'index',
        '-p',
        'queries',
        tmp_path / 'boxes.csv',
        '-p',
        'k',
        3,
        '-p',
        'maps',
        '.npy',
        '-p',
        'track',
        'disabled',
    )
    assert asked.returncode == 0, asked.stderr[-2000:]
    assert (
        'right' not in json.loads((tmp_path / 'asked' / 'metrics.json').read_text())
        and len(pd.read_csv(tmp_path / 'asked' / 'hits.csv')) == 3
    )


def test_bundled_encoder_run(refcon, tmp_path):
    "The recipe of the bundled encoder, in miniature: families held out, shipped folder, resumed."
    from reflection_connection.encoder import Encoder

    arguments = [
        'run',
        'nbs/run_bundled_encoder.ipynb',
        '-p',
        'encoder',
        'resnet-tiny',
        '-p',
        'size',
        '32',
        '-p',
        'fine_size',
        '64',
        '-p',
        'per_class',
        '20',
        '-p',
        'steps',
        '3',
        '-p',
        'fine_steps',
        '2',
        '-p',
        'batch',
        '2',
        '-p',
        'hold_out',
        'flank,subtle',
        '-p',
        'processes',
        '0',
        '-p',
        'parts_per_class',
        '20',
        '-p',
        'parts_steps',
        '2',
        '-p',
        'parts_size',
        '72',
        '-p',
        'structures_per_class',
        '20',
        '-p',
        'structures_steps',
        '2',
        '-p',
        'labels',
        'data/windows.csv',
        '-p',
        'labels_sections',
        'data',
        '--out',
        tmp_path / 'run',
    ]
    done = refcon(*arguments, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    first = json.loads((tmp_path / 'run' / 'metrics.json').read_text())
    assert 0 < first['synthetic']['macro_map'] < 1
    shipped = Encoder.load(tmp_path / 'run' / 'shipped')
    assert shipped.name == 'refcon-tiny' and shipped.calibration
    assert shipped.parts == (64 + 64, 128) and shipped.look == 0.35
    assert shipped.module.branch.stage == 1 and shipped.module.structure_weight == 0.25
    assert shipped.provenance['structures']['real_windows'] == 213
    done = refcon(*arguments, timeout=900)
    assert (
        'train: taken from' in done.stderr
        and json.loads((tmp_path / 'run' / 'metrics.json').read_text()) == first
    )


CODE = """from pathlib import Path
Path(out).mkdir(parents=True, exist_ok=True)
(Path(out)/'v.txt').write_text(repr((n, flag, x, text)), encoding='utf-8')"""


def tiny(path, code=CODE, **kernelspec):
    "A notebook that writes its parameters to v.txt."
    import nbformat

    lines = [
        "out: str = 'runs/tiny'",
        'n: int = 3',
        'flag: bool = False',
        'x: float = 0.5',
        "text: str = ''",
    ]
    cells = [
        nbformat.v4.new_code_cell('\n'.join(lines), metadata={'tags': ['parameters']}),
        nbformat.v4.new_code_cell(code),
    ]
    kernel = {'name': 'python3', 'display_name': 'Python 3', 'language': 'python'} | kernelspec
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={'kernelspec': kernel}), path)
    return path


def test_values_are_those_given(refcon, tmp_path):
    "Also where they begin with a minus. With others in the same folder, it says what was there."
    book, out = tiny(tmp_path / 'tiny.ipynb'), tmp_path / 'r'
    done = refcon(
        'run',
        book,
        '-p',
        'n',
        '-3',
        '-p',
        'x',
        '-1e-3',
        '-p',
        'flag',
        'on',
        '-p',
        'text',
        '--k "a" é',
        '--out',
        out,
    )
    assert done.returncode == 0, done.stderr
    assert (out / 'v.txt').read_text(encoding='utf-8') == repr((-3, True, -0.001, '--k "a" é'))
    done = refcon('run', book, '-p', 'n', '1_000', '-p', 'x', '-inf', '--out', out)
    assert done.returncode == 0 and (out / 'v.txt').read_text(encoding='utf-8') == repr(
        (1000, False, float('-inf'), '')
    )
    assert (
        f"{out} holds a run with other parameters "
        "(n was -3, flag was True, x was -0.001, text was '--k \"a\" é')" in done.stderr
    )


@pytest.mark.parametrize(
    'given, why',
    [
        (('n', '1,000'), 'a whole number such as 1000'),
        (('n', '1e3'), 'a whole number'),
        (('x', '0,5'), 'a decimal point such as 0.5'),
        (('x', '-'), 'a number with a decimal point'),
        (('flag', 'maybe'), 'one of true, yes, on, 1, false, no, off, 0'),
        (('flag', '2'), 'one of true'),
        (('n', '--out', 'r'), 'expected 2 arguments'),
    ],
)
def test_values_that_are_none(refcon, tmp_path, given, why):
    done = refcon('run', tiny(tmp_path / 'tiny.ipynb'), '-p', *given)
    assert done.returncode == 2 and why in done.stderr and len(done.stderr.splitlines()) == 1


def test_a_kernel_of_another_machine(refcon, tmp_path):
    "Its name is unknown here, or its program is gone: this Python runs the notebook, and says so."
    import json

    done = refcon(
        'run', tiny(tmp_path / 'a.ipynb', name='conda-env-geo-py'), '--out', tmp_path / 'a'
    )
    assert (
        done.returncode == 0
        and "a.ipynb asks for the kernel 'conda-env-geo-py', which is not installed here: "
        f"running it with {sys.executable}"
        in done.stderr
    )
    gone = tmp_path / 'jupyter' / 'kernels' / 'gone'
    gone.mkdir(parents=True)
    (gone / 'kernel.json').write_text(
        json.dumps(
            dict(
                argv=['/nowhere/python', '-f', '{connection_file}'],
                display_name='gone',
                language='python',
            )
        )
    )
    done = refcon(
        'run',
        tiny(tmp_path / 'b.ipynb', name='gone'),
        '--out',
        tmp_path / 'b',
        JUPYTER_PATH=str(tmp_path / 'jupyter'),
    )
    assert done.returncode == 0 and "asks for the kernel 'gone'" in done.stderr, done.stderr
    done = refcon(
        'run', tiny(tmp_path / 'c.ipynb', name='ir', language='R'), '--out', tmp_path / 'c'
    )
    assert (
        done.returncode == 2
        and 'c.ipynb is written in R (kernel ir): expected a notebook in Python' in done.stderr
    )


def test_a_kernel_that_dies_is_one_line(refcon, tmp_path):
    done = refcon(
        'run',
        tiny(tmp_path / 'a.ipynb', 'import os\nos.kill(os.getpid(), 9)'),
        '--out',
        tmp_path / 'a',
    )
    assert done.returncode == 2 and 'Traceback' not in done.stderr
    assert done.stderr.splitlines()[-1].startswith(
        'refcon run: a.ipynb: its kernel did not start, or died'
    )


def test_where_nothing_can_be_written_but_the_run(refcon, tmp_path):
    """Without a usable home, caches or temporary folder, in an ASCII locale.

    Names have spaces and letters of other alphabets."""
    nowhere = {
        n: '/proc/none'
        for n in (
            'HOME',
            'XDG_CACHE_HOME',
            'XDG_CONFIG_HOME',
            'XDG_DATA_HOME',
            'XDG_RUNTIME_DIR',
            'TMPDIR',
        )
    }
    done = refcon(
        'run',
        tiny(tmp_path / 'my runs é' / 'a b.ipynb'),
        '-p',
        'text',
        'é',
        '--out',
        tmp_path / 'my runs é' / 'out 1',
        **nowhere,
        LC_ALL='C',
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / 'my runs é' / 'out 1' / 'v.txt').read_text(
        encoding='utf-8'
    ) == "(3, False, 0.5, 'é')"


def test_a_second_one_at_the_same_time_is_refused(refcon, tmp_path):
    from reflection_connection.storage import locked

    with locked(tmp_path / 'r' / 'tiny.ipynb'):
        done = refcon('run', tiny(tmp_path / 'tiny.ipynb'), '--out', tmp_path / 'r')
    assert (
        done.returncode == 2
        and 'is being written by another process' in done.stderr
        and len(done.stderr.splitlines()) == 1
    )


def test_bundled_notebooks_are_found_by_name(tmp_path, monkeypatch):
    "All of them are in the help; a file of the same name comes first."
    from reflection_connection.cli import parser
    from reflection_connection.run import bundled_notebooks, find_notebook

    monkeypatch.chdir(tmp_path)
    found = bundled_notebooks()
    assert {p.name for p in found.values()} == {p.name for p in (ROOT / 'nbs').glob('run_*.ipynb')}
    commands = next(a for a in parser()._actions if a.dest == 'command').choices
    help = ' '.join(commands['run'].format_help().split())
    for name, path in found.items():
        assert name in help and find_notebook(name) == find_notebook(f'{name}.ipynb') == path
    (tmp_path / 'run_training').mkdir()
    assert find_notebook('run_training') == found['run_training']
    tiny(tmp_path / 'run_training.ipynb')
    assert find_notebook('run_training.ipynb') == Path('run_training.ipynb')
