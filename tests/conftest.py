"Shared fixtures. Real data is optional: tests that want it are skipped, visibly, where it is not."
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
os.environ.setdefault('MPLBACKEND', 'Agg')
if 'PYTEST_XDIST_WORKER' in os.environ: os.environ.setdefault('OMP_NUM_THREADS', '1')      # as many workers as cores


@pytest.fixture(scope='session')
def shared():
    "Folder with real sections and SEG-Y files."
    folder = ROOT.parent/'shared'/'data'
    if not folder.is_dir(): pytest.skip('no real data beside the repository')
    return folder


@pytest.fixture(scope='session')
def refcon():
    "Run the installed command: refcon(*arguments) -> CompletedProcess."
    def call(*argv, timeout=300, **env):
        return subprocess.run([str(Path(sys.executable).with_name('refcon')), *map(str, argv)], capture_output=True, text=True, timeout=timeout, cwd=ROOT, env=os.environ | env)
    return call


@pytest.fixture(scope='session')
def encoder_folder(tmp_path_factory):
    "A small untrained encoder with a calibration, saved."
    from reflection_connection.confidence import fit_probability
    from reflection_connection.encoder import Encoder
    from reflection_connection.windows import Recipe
    encoder = Encoder.create('resnet-tiny', Recipe(size=(48, 48)), head_dim=32, embedding_size=8, hidden_sizes=[8, 16, 32, 64], depths=[1, 1, 1, 1])
    encoder.calibration = fit_probability([.01, .02, .03, .2, .3], [True, True, False, False, False])
    return encoder.save(tmp_path_factory.mktemp('encoder')/'small')


SLOW = ('test_runs', 'test_interruption', 'test_iterate', 'test_security', 'test_cli', 'test_reproducible', 'test_explore', 'test_faults', 'test_processes', 'test_cluster', 'test_memory')     # files that take longest begin first, so that no worker is left alone with one


def pytest_collection_modifyitems(items):
    items.sort(key=lambda i: SLOW.index(i.path.stem) if i.path.stem in SLOW else len(SLOW))
