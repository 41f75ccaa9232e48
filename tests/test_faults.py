"""A corpus of faults: every bad, odd or hostile input ends in a right answer or in one line that
says what is wrong, in bounded memory and time.

All cases run in one process of its own (torch is imported once); one that dies there takes only its
own case with it. What came out of each is written in faults.md: `REFCON_WRITE_FAULTS=1 pytest
tests/test_faults.py` renews it. `REFCON_FUZZ=5000` gives the fuzzers more, and random, examples."""

import contextlib
import faulthandler
import io
import json
import os
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import traceback
from pathlib import Path

import pytest
from faults import CASES
from faults.makers import noise, places_in, run_refcon
from PIL import Image

HERE = Path(__file__).parent
TABLE = HERE / 'faults.md'
SECONDS = 120  # that a case may take
MEMORY = 1 << 30  # bytes that a case may need above what the process had at its start


def _prepare(root):
    "The survey, images and index that cases share; the encoder is there."
    from reflection_connection.synthetic import write_survey

    p = places_in(root)
    write_survey(
        root / 'survey', seed=0, n_inlines=4, n_crosslines=64, n_samples=64, window=(24, 24)
    )
    n = 0
    for folder, classes, each in (
        ('images', ('Fault', 'Salt'), 3),
        ('classes', ('Fault', 'Salt'), 8),
        ('corpus', ('',), 6),
    ):
        for c in classes:
            (root / folder / c).mkdir(parents=True)
            for k in range(each):
                Image.fromarray(noise(n := n + 1)).save(
                    root / folder / c / f'{"abcdefgh"[k] if folder != "corpus" else f"u{k}"}.png'
                )
    run_refcon(
        'index',
        p['s'],
        '--encoder',
        p['e'],
        '--out',
        p['i'],
        '--window',
        24,
        24,
        '--stride',
        20,
        20,
        '--every',
        2,
    )


def _one(case, o, places):
    "What came of a case: exit code, standard output and error."
    o.mkdir()
    name = case.make(o) if case.make else None
    fill = dict(o=str(o), n=name, **places)
    out, err = (
        io.TextIOWrapper(io.BytesIO(), 'utf-8', k, write_through=True)
        for k in ('strict', 'backslashreplace')
    )
    code = None
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            if case.call:
                try:
                    print(case.call(o, places), end='')
                    code = 0
                except ValueError as e:
                    if type(e).__module__.split('.')[0] != 'reflection_connection':
                        raise
                    print(f'refcon library: {type(e).__name__}: {e}', file=sys.stderr)
                    code = 2
            else:
                from reflection_connection.cli import main

                code = main(
                    [
                        fill[a[1:-1]]
                        if a in ('{n}', '{o}')
                        else a.format(**fill)
                        if '{' in a and '--where' not in case.line
                        else a.replace('{i}', fill['i']).replace('{p}', fill['p'])
                        for a in shlex.split(case.line)
                    ]
                )
        except SystemExit as e:
            code = e.code
        except _Late:
            traceback.print_exc()
            code = 'late'
        except BaseException:
            traceback.print_exc()
            code = 'traceback'
    text = [s.buffer.getvalue().decode('utf-8', 'replace') for s in (out, err)]
    return dict(code=code, out=text[0], err=text[1])


class _Late(BaseException):
    pass


def _late(*_):
    raise _Late


def _child(root, first):
    "Run cases from `first` on; a line of JSON each."
    import xarray  # noqa: F401

    import reflection_connection.explore  # noqa: F401
    import reflection_connection.run  # noqa: F401
    import reflection_connection.training  # noqa: F401

    if not (root / 'index').is_dir():
        with contextlib.redirect_stdout(io.StringIO()):
            _prepare(root)
    peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    start, places = peak(), places_in(root)
    data = (
        int(next(ln for ln in open('/proc/self/status') if ln.startswith('VmData')).split()[1])
        * 1024
        if os.path.exists('/proc/self/status')
        else None
    )
    if data:
        resource.setrlimit(
            resource.RLIMIT_DATA, (data + 3 * MEMORY,) * 2
        )  # what asks for more is refused by the system
    signal.signal(signal.SIGALRM, _late)
    with open(root / 'results.jsonl', 'a') as f:
        for k in range(first, len(CASES)):
            if CASES[k].skip:
                continue
            faulthandler.dump_traceback_later(SECONDS + 30, exit=True)
            signal.alarm(SECONDS)
            before = peak()
            try:
                got = _one(CASES[k], root / f'{k:03d}', places)
            except Exception:
                got = dict(code='not made', out='', err=traceback.format_exc())
            signal.alarm(0)
            got['grown'] = peak() - start if peak() > before else 0
            f.write(json.dumps(dict(k=k, **got)) + '\n')
            f.flush()
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture(scope='module')
def results(tmp_path_factory, encoder_folder):
    "What came out of every case, and the folder that they ran in."
    root = tmp_path_factory.mktemp('faults')
    shutil.copytree(encoder_folder, root / 'encoder')
    got, log = {}, root / 'results.jsonl'
    log.touch()
    while True:
        first = max(got, default=-1) + 1
        done = subprocess.run(
            [sys.executable, __file__, str(root), str(first)],
            cwd=HERE.parent,
            capture_output=True,
            text=True,
            timeout=1800,
            env=os.environ
            | {'HF_HUB_OFFLINE': '1', 'OMP_NUM_THREADS': '1', 'PYTHONWARNINGS': 'ignore'},
        )
        got = {r['k']: r for r in map(json.loads, log.read_text().splitlines())}
        if done.returncode == 0:
            return got, root
        k = next((k for k in range(first, len(CASES)) if k not in got and not CASES[k].skip), None)
        assert k is not None and (got or (root / 'index').is_dir()), done.stderr[-3000:]
        got[k] = dict(
            k=k,
            code='died',
            out='',
            err=f'the process died with code {done.returncode}:\n{done.stderr[-3000:]}',
            grown=0,
        )
        with open(log, 'a') as f:
            f.write(json.dumps(got[k]) + '\n')


def _said(got):
    return [ln for ln in got['err'].splitlines() if ln.startswith('refcon')]


def _tokens(case, o):
    words = shlex.split(case.line)[1:]
    return {
        Path(a.format(o='', n='', **places_in(Path('/')))).name if '--where' not in case.line else a
        for a in words
        if len(a) > 1
    } | {'filter', case.says}


@pytest.mark.parametrize(
    'k',
    range(len(CASES)),
    ids=lambda k: f'{CASES[k].group}: {CASES[k].name}'.encode('ascii', 'backslashreplace').decode()[
        :90
    ],
)
def test_fault(k, results):
    case = CASES[k]
    if case.skip:
        pytest.skip(case.skip)
    got, root = results
    r, o = got[k], root / f'{k:03d}'
    assert r['code'] in (0, 2) and 'Traceback' not in r['err'], (
        f'{case.line}\n{r["code"]}\n{r["err"]}'
    )
    assert r['grown'] < MEMORY, f'{r["grown"] / 1e6:.0f} MB'
    assert not (o / 'ran').exists(), 'a file ran code'
    if case.says:
        assert r['code'] == 2 and r['out'] == '' and len(_said(r)) == 1, (
            f'{case.line}\n{r["code"]} {r["out"][:500]}\n{r["err"]}'
        )
        line = _said(r)[0]
        assert len(line) > 20 and case.says in line, line
        assert any(t and t in line for t in _tokens(case, o)), (
            f'{line}: names neither file nor argument'
        )
    else:
        assert r['code'] == 0, f'{case.line}\n{r["err"]}'
        assert case.right(
            json.loads(r['out']) if '--json' in case.line and not case.call else r['out'], o
        ), r['out'][:2000]


def _tidy(text, root, o):
    "A line without the names of temporary folders."
    for path in (f'{o.resolve()}', f'{o}', f'{root.resolve()}', f'{root}'):
        text = text.replace(path + '/', '').replace(path, 'FOLDER')
    for what, instead in (
        (r'\b[0-9a-f]{16}\b', 'FINGERPRINT'),
        (r'(\d\.\d{3})\d+', r'\1…'),
        (r'0x[0-9a-f]{6,}', '0x…'),
        (r'conflicting sizes for dimension.*\)', 'conflicting sizes for dimension …)'),
        (r'position \d+(-\d+)?', 'position …'),
        (r'\bprocess \d+ on [\w.-]+', 'process … on …'),
    ):
        text = re.sub(
            what, instead, text
        )  # they differ from run to run, or from machine to machine
    return text


def _cell(text):
    return ''.join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def faults_table(results):
    "All cases and what came of them, as Markdown."
    got, root = results
    out = [
        '# Faults and what comes of them',
        '',
        f'{len(CASES)} cases, written by `REFCON_WRITE_FAULTS=1 pytest tests/test_faults.py` '
        'and compared with each run of it. Every one ends in a right answer, or in exit code '
        '2 with the line given here.',
    ]
    last = None
    short = dict(
        s='survey.sgy',
        i='INDEX',
        g='IMAGES',
        p='image.png',
        c='CLASSES',
        k='CORPUS',
        e='ENCODER',
        n='NAME',
    )
    for k, case in enumerate(CASES):
        if case.group != last:
            out += ['', f'## {case.group}', '', '| case | command | outcome |', '|---|---|---|']
            last = case.group
        line = case.line
        for p, name in short.items():
            line = line.replace('{%s}' % p, name)
        line = line.replace('{o}/', '').replace('{o}', 'FOLDER')
        line = line if len(line) < 140 else line[:120] + '…'
        if case.there:
            outcome = case.there
        elif case.says:
            outcome = 'refused: ' + _tidy(
                (_said(got[k]) or [str(got[k]['code'])])[0].split(': ', 1)[-1],
                root,
                root / f'{k:03d}',
            )
        else:
            outcome = 'right: ' + case.words
        out.append(
            '| '
            + ' | '.join(
                _cell(v).replace('|', '\\|')
                for v in (
                    case.name,
                    f'`{line}`',
                    outcome if len(outcome) < 400 else outcome[:380] + '…',
                )
            )
            + ' |'
        )
    return '\n'.join(out) + '\n'


def test_the_table_of_faults_is_as_committed(results):
    made = faults_table(results)
    if os.environ.get('REFCON_WRITE_FAULTS'):
        TABLE.write_text(made)
    assert TABLE.is_file() and made == TABLE.read_text(), (
        'outcomes differ from tests/faults.md: look at them, then renew it with '
        'REFCON_WRITE_FAULTS=1 pytest tests/test_faults.py'
    )
    assert len(CASES) >= 150


if __name__ == '__main__':
    _child(Path(sys.argv[1]), int(sys.argv[2]))
