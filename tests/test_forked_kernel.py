"Kernels that are forked (tests/forked_kernel.py) are as those that a shell starts."

import json
import os
import time

import psutil
import pytest
from conftest import ROOT, Process, forked, run_command
from test_runs import tiny

TOLD = """import json, os, signal, sys
from pathlib import Path
about = dict(
    pid=os.getpid(), parent=os.getppid(), leads=os.getpgid(0) == os.getpid() == os.getsid(0),
    folder=os.getcwd(), given=os.environ.get('GIVEN'), imported='torch' in sys.modules,
    files=sorted(os.path.realpath(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd')),
)
print('what a cell says')
Path(out).mkdir(parents=True, exist_ok=True)
(Path(out) / 'about.json').write_text(json.dumps(about))"""


def run(book, out):
    os.environ['GIVEN'] = 'by its parent'
    with open(__file__):
        run_command(['run', str(book), '--out', str(out)])


def test_a_kernel_is_a_child_in_a_session_of_its_own(tmp_path):
    "It has its parent's folder and environment, none of its files, and what cells say is shown."
    book = tiny(tmp_path / 'told.ipynb', TOLD)
    done = forked(run, book, tmp_path / 'out')
    assert done.returncode == 0, done.stderr
    about = json.loads((tmp_path / 'out' / 'about.json').read_text())
    assert about['leads'] and about['imported']
    assert about['folder'] == str(ROOT) and about['given'] == 'by its parent'
    assert __file__ not in about['files']
    assert 'what a cell says' in done.stderr
    assert not psutil.pid_exists(about['pid'])


def test_a_kernel_ends_with_its_parent(tmp_path):
    book = tiny(tmp_path / 'told.ipynb', f'{TOLD}\nimport time\ntime.sleep(120)')
    told = tmp_path / 'out' / 'about.json'
    with Process(run_forking, book, tmp_path / 'out') as p:
        end = time.time() + 100
        while not (told.is_file() and told.stat().st_size):
            assert p.process.exitcode is None and time.time() < end, p.said
            time.sleep(0.02)
        about = json.loads(told.read_text())
        assert about['parent'] == p.pid and about['imported']
        p.kill()
    end = time.time() + 20
    while psutil.pid_exists(about['pid']):
        assert time.time() < end
        time.sleep(0.05)


def run_forking(book, out):
    from forked_kernel import fork_kernels

    fork_kernels()
    run(book, out)


@pytest.mark.parametrize('code', [0, 3])
def test_processes_end_as_torchrun_ends_them(code, tmp_path):
    "All of them run with a rank of their own; where one fails, so does the whole."
    done = forked(rank, tmp_path, code, processes=2)
    assert (done.returncode == 0) == (code == 0), done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ['0 of 2', '1 of 2']


def rank(folder, code):
    (folder / f"{os.environ['RANK']} of {os.environ['WORLD_SIZE']}").touch()
    if code and os.environ['RANK'] == '1':
        raise SystemExit(code)
    time.sleep(0.2 + 5 * bool(code))  # the other one would go on for long
