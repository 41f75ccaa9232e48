"Shared fixtures. Real data is optional: tests that want it are skipped, visibly, where it is not."

import multiprocessing
import multiprocessing.connection
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
from forked_kernel import fork_kernels

ROOT = Path(__file__).resolve().parents[1]
os.environ.setdefault('MPLBACKEND', 'Agg')
# results are the same on every machine; tests/test_precision.py asks for others
os.environ['REFCON_PRECISION'] = 'fp32'
if 'PYTEST_XDIST_WORKER' in os.environ:
    os.environ.setdefault('OMP_NUM_THREADS', '1')  # as many workers as cores


@pytest.fixture(scope='session')
def shared():
    "Folder with real sections and SEG-Y files."
    folder = ROOT.parent / 'shared' / 'data'
    if not folder.is_dir():
        pytest.skip('no real data beside the repository')
    return folder


_warm = None


def warm():
    "Processes that begin with everything imported, which takes most of a small command's time."
    global _warm
    if _warm is None:
        os.environ['OMP_NUM_THREADS'] = '1'
        _warm = multiprocessing.get_context('forkserver')
        _warm.set_forkserver_preload(
            [
                'matplotlib.pyplot',
                'ipykernel.kernelapp',
                'papermill',
                'sklearn.linear_model',
                'sklearn.model_selection',
                'transformers.trainer',
                'transformers.models.resnet.modeling_resnet',
                *(
                    f'reflection_connection.{m}'
                    for m in ('cli.commands', 'run', 'training', 'explore', 'search')
                ),
            ]
        )
    return _warm


def _speak():
    "Streams as Python opens them: what goes to standard error is told line by line."
    sys.stdout = os.fdopen(1, 'w', closefd=False)
    sys.stderr = os.fdopen(2, 'w', 1, errors='backslashreplace', closefd=False)


def _child(do, said, room, given):
    os.dup2(said.fileno(), 1)
    os.dup2(said.fileno(), 2)
    said.close()
    _speak()
    if room is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
    do(*given)


class Process:
    """Calls do(*given) in a process that has imported everything already.

    Files may not grow beyond `room` bytes there; what it says is in `.said`."""

    def __init__(self, do, *given, room=None):
        mine, its = multiprocessing.Pipe(duplex=False)
        self.said = ''
        self.process = warm().Process(target=_child, args=(do, its, room, given))
        self.process.start()
        its.close()
        self.pid = self.process.pid
        self._reader = threading.Thread(target=self._read, args=(mine,), daemon=True)
        self._reader.start()

    def _read(self, pipe):
        while part := os.read(pipe.fileno(), 65536):
            self.said += part.decode(errors='replace')
        pipe.close()

    def wait(self, timeout=300):
        self.process.join(timeout)
        assert self.process.exitcode is not None, f'it hangs; it said {self.said[-2000:]}'
        self._reader.join(30)
        return self.process.exitcode

    def kill(self):
        self.process.kill()
        self.process.join()
        self._reader.join(1)
        return self.process.exitcode  # its own processes may hold the pipe open

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()


def _as_torchrun(do, given, processes):
    "What torchrun does, but that its processes are forked from this one."
    from torch.distributed.launcher.api import elastic_launch
    from torch.distributed.run import config_from_args, parse_args

    store = ['--rdzv-backend', 'c10d', '--rdzv-endpoint', 'localhost:0']
    asked = parse_args([*store, '--nproc-per-node', str(processes), 'no script'])
    config, _, _ = config_from_args(asked)
    config.start_method = 'fork'
    elastic_launch(config, do)(*given)


def _apart(do, given, processes, environment, *streams):
    for number, name in enumerate(streams, 1):
        file = os.open(name, os.O_WRONLY | os.O_CREAT)
        os.dup2(file, number)
        os.close(file)
    _speak()
    os.chdir(ROOT)
    os.environ.clear()
    os.environ.update(environment)
    if measured := 'coverage' in sys.modules and sys.modules['coverage'].Coverage.current():
        measured.switch_context(environment['PYTEST_CURRENT_TEST'])  # see tests/mutants
    fork_kernels()
    _as_torchrun(do, given, processes) if processes > 1 else do(*given)


def forked(do, *given, processes=1, timeout=300, **env):
    """Call do(*given) in a process that has imported everything -> CompletedProcess.

    With several processes, as torchrun would start them."""
    with tempfile.TemporaryDirectory() as said:
        streams = [Path(said) / n for n in ('stdout', 'stderr')]
        arguments = (do, given, processes, dict(os.environ) | env, *streams)
        p = warm().Process(target=_apart, args=arguments)
        p.start()
        p.join(timeout)
        try:
            end = streams[1].read_text(errors='replace')[-2000:]
            assert p.exitcode is not None, (
                f'{do.__name__}{given}: not done after {timeout} s: {end}'
            )
        finally:
            p.kill()
            p.join()
        return subprocess.CompletedProcess(
            [do.__name__, *given], p.exitcode, *(f.read_text() for f in streams)
        )


def run_command(argv):
    "What the command `refcon` does."
    from reflection_connection.cli import main

    if code := main(argv):
        sys.exit(code)


@pytest.fixture(scope='session')
def refcon():
    """Run the command: refcon(*arguments) -> CompletedProcess.

    With `installed`, or an environment of its own, as a shell would start it;
    else in a process that has imported everything, and so have the kernels of its notebooks."""

    def call(*argv, timeout=300, installed=False, **env):
        argv = [str(a) for a in argv]
        if not installed and not env:
            return forked(run_command, argv, timeout=timeout)
        return subprocess.run(
            [str(Path(sys.executable).with_name('refcon')), *argv],
            capture_output=True,
            text=True,
            timeout=timeout,
            cwd=ROOT,
            env=os.environ | env,
        )

    return call


@pytest.fixture(scope='session')
def encoder_folder(tmp_path_factory):
    "A small untrained encoder with a calibration, saved."
    from reflection_connection.encoder import Encoder
    from reflection_connection.search import fit_probability
    from reflection_connection.windows import Recipe

    encoder = Encoder.create(
        'resnet-tiny',
        Recipe(size=(48, 48)),
        head_dim=32,
        embedding_size=8,
        hidden_sizes=[8, 16, 32, 64],
        depths=[1, 1, 1, 1],
    )
    encoder.calibration = fit_probability(
        [0.01, 0.02, 0.03, 0.2, 0.3], [True, True, False, False, False]
    )
    return encoder.save(tmp_path_factory.mktemp('encoder') / 'small')


SLOW = (
    'test_benchmark',
    'test_runs',
    'test_pretrain',
    'test_iterate',
    'test_interruption',
    'test_cli',
    'test_security',
    'test_processes',
    'test_explore',
    'test_faults',
    'test_reproducible',
    'test_cluster',
    'test_memory',
    'test_wheel',
    'test_live',
    'test_opening',
    'test_docs',
    'test_mutants',
    'test_stores',
)  # files that take longest begin first, so that no worker is left alone with one


def pytest_collection_modifyitems(items):
    items.sort(key=lambda i: SLOW.index(i.path.stem) if i.path.stem in SLOW else len(SLOW))
