"Who searches imports nothing of an optional extra, and what is missing is said before the work."

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT

from reflection_connection import evaluation as ev
from reflection_connection.cli import main
from reflection_connection.cli.commands import NEEDS
from reflection_connection.run import Run, RunError, loop_windows, score_encoder
from reflection_connection.search import SearchError
from reflection_connection.storage import EXTRAS, ExtraError, need_extra

SECTION = ROOT / 'data' / 'f3d75s.sgy'
SEARCHING = """
import json, sys
from reflection_connection.cli import main
for command in json.loads(sys.argv[1]):
    assert main(command) == 0, command
    print('LOADED', json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))
"""


@pytest.fixture()
def hide(monkeypatch):
    "A function that makes Python do without the modules of an extra."

    def hidden(extra):
        for name in EXTRAS[extra]:
            monkeypatch.setitem(sys.modules, name, None)

    return hidden


def loaded_by(*commands, cwd):
    "Top-level modules that are imported when each command has run, all in one process."
    asked = json.dumps([[str(word) for word in command] for command in commands])
    done = subprocess.run(
        [sys.executable, '-c', SEARCHING, asked], cwd=cwd, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [line for line in done.stdout.splitlines() if line.startswith('LOADED ')]
    return [set(json.loads(line.removeprefix('LOADED '))) for line in lines]


def test_checking_and_searching_load_what_they_need(tmp_path):
    grid = ('--window', 96, 96, '--stride', 96, 96, '--encoder', 'refcon-tiny')
    check, index, search = loaded_by(
        ('check', SECTION),
        ('index', SECTION, *grid, '--out', 'index'),
        ('search', 'index', '--line', 0, '--box', 0, 0, 96, 96, '--k', 3),
        cwd=tmp_path,
    )
    networks = {'torch', 'transformers', 'faiss', 'matplotlib'}
    assert not check & networks and networks <= search  # both tests can fail
    # where accelerate is installed, transformers imports it
    optional = {m for modules in EXTRAS.values() for m in modules} - {'accelerate'}
    others = {'wandb', 'jupyterlab', 'jupyter_server', 'papermill', 'nbformat', 'IPython'}
    assert not (check | index | search) & (optional | others)


@pytest.mark.parametrize('command', NEEDS)
def test_a_command_says_what_it_lacks_before_it_reads_anything(command, hide, capsys):
    hide(NEEDS[command])
    asked = {
        'evaluate': ['nowhere', '--encoder', 'nobody'],
        'explore': ['nowhere'],
    }.get(command, ['nowhere', '--out', 'out'])
    assert main([command, *asked]) == 2
    said = capsys.readouterr()
    lacking = EXTRAS[NEEDS[command]]
    listed, verb = ', '.join(lacking), 'are' if len(lacking) > 1 else 'is'
    assert said.out == '' and said.err == (
        f'refcon {command}: this command needs {listed}, which {verb} not installed: '
        f"pip install 'reflection_connection[{NEEDS[command]}]'\n"
    )


@pytest.mark.parametrize('wing, extra', [('training', 'train'), ('explore', 'explore')])
def test_a_wing_says_what_it_lacks(wing, extra, tmp_path):
    code = f"""
import sys
sys.modules[{EXTRAS[extra][0]!r}] = None
try:
    import reflection_connection.{wing}
except ImportError as e:
    print(e)
print('torch' in sys.modules)
"""
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    said, torch = done.stdout.splitlines()
    assert f'needs {EXTRAS[extra][0]}, which is not installed: pip install' in said, done.stderr
    assert f"'reflection_connection[{extra}]'" in said
    assert torch == 'False'  # said before anything heavy is imported


@pytest.mark.parametrize('name', sorted(set(ev.BASELINES) - {'random'}))
def test_a_baseline_says_what_it_lacks(name, hide):
    hide('evaluate')
    images = list(np.random.default_rng(0).normal(size=(4, 32, 32)))
    with pytest.raises(ExtraError, match=r"\[evaluate\]'$"):
        ev.BASELINES[name](images)


def test_an_encoder_is_judged_without_the_baselines_extra(hide):
    hide('evaluate')
    frame = pd.DataFrame({'id': range(8), 'label': list('aabbaabc'), 'survey': list('xxxxyyyy')})
    z = ev.unit_rows(np.random.default_rng(0).normal(size=(8, 4)))
    summary, _ = ev.evaluate_embeddings(z, frame, 'none', n_boot=10)
    assert (
        0 <= summary['unknown']['auroc'] <= 1 and summary['macro_map'] > 0
    )  # c has nothing to find


def test_long_work_is_refused_at_once(hide):
    hide('train')
    with pytest.raises(ExtraError, match='self-training needs kornia'):
        loop_windows('nowhere')
    hide('evaluate')
    with pytest.raises(ExtraError, match='scoring beside the baselines needs skimage'):
        score_encoder(None, None)


def test_a_run_is_tracked_only_where_wandb_is_installed(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, 'wandb', None)
    run = Run(tmp_path / 'auto', {}, 'run_search', 'auto')
    assert run.wandb is None and run.report_to() == ()
    assert 'this run is not tracked: W&B is not installed' in capsys.readouterr().out
    with pytest.raises(RunError, match=r"track='offline' needs wandb, .*\[train\]'$"):
        Run(tmp_path / 'offline', {}, 'run_search', 'offline')


def test_who_asks_gets_an_error_of_his_own():
    with pytest.raises(SearchError, match=r"^a needs nowhere_, which is .*\[mdio\]', or b$"):
        need_extra('mdio', 'a', 'nowhere_', error=SearchError, otherwise='b')
    with pytest.raises(KeyError):
        need_extra('mdoi', 'a')
