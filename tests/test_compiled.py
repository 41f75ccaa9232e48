"""A compiled network: near enough to PyTorch's, used where it is faster, and only then.

Each case runs in a process of its own: what OpenVINO's threads do there, no other test can meet."""

import contextlib
import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from conftest import forked

from reflection_connection.encoder import Encoder, compiled, encoder, for_inference, precision
from reflection_connection.windows import Recipe

pytest.importorskip('openvino', reason='the extra openvino is not installed')


class Machine:
    """A machine where PyTorch and OpenVINO take the seconds that it is given.

    `made`, `measured` and `calls` say what became of that."""

    def __init__(self, folder):
        self.made, self.measured, self.calls = [], [], []
        self.patch = patch = pytest.MonkeyPatch()  # the process ends with the case
        patch.delenv('REFCON_PRECISION', raising=False)
        patch.setenv('XDG_CACHE_HOME', str(folder / 'cache'))
        patch.setattr(precision, '_told', set())
        seconds = dict(fp32=1.0, bf16=9.0, measured='D')
        patch.setattr(precision, 'measure', lambda training: seconds)
        patch.setattr(precision, '_known', {})
        patch.setattr(compiled, 'MANY', 100)
        made, calls = self.made, self.calls

        class Watched(compiled.CompiledModule):
            def __init__(self, *args):
                made.append(args[1:])
                super().__init__(*args)

            def __call__(self, x):
                calls.append(len(x))
                return super().__call__(x)

        patch.setattr(compiled, 'CompiledModule', Watched)

    def takes(self, in_torch, in_openvino):
        found = dict(torch=in_torch, openvino=in_openvino, measured='D')
        record = lambda networks, size: self.measured.append(size) or found
        self.patch.setattr(compiled, 'compare_engines', record)
        return self


def small(seed=0):
    sizes = dict(embedding_size=8, hidden_sizes=[8, 16, 32, 64], depths=[1, 1, 1, 1])
    return Encoder.create('resnet-tiny', Recipe(size=(48, 48)), head_dim=32, seed=seed, **sizes)


def noise(n=100):
    return list(np.random.default_rng(0).normal(size=(n, 48, 48)).astype('f4'))


def the_bundled_encoder_compiled(folder):
    from reflection_connection.synthetic import labelled_windows

    bundled = Encoder.load('refcon-tiny')
    x = bundled.recipe.batch(list(labelled_windows(3, seed=5)[0]))
    ready, _ = for_inference(bundled.module, torch.device('cpu'))
    with torch.inference_mode():
        want = ready(x).double()
    for half, most in ((None, 1e-6), (torch.bfloat16, 1e-4)):
        found = compiled.CompiledModule(ready, (96, 96), half)(x).double()
        assert found.shape == want.shape
        assert (1 - (found * want).sum(1)).abs().max() < most


def what_is_faster_is_used(folder):
    machine = Machine(folder).takes(2.0, 1.0)
    windows, tiny = noise(), small()
    with contextlib.redirect_stdout(io.StringIO()) as said:
        found = tiny.embed(windows)
    assert machine.made == [((48, 48), None)]
    assert 'network: OpenVINO, 2 times as fast as PyTorch here, measured D' in said.getvalue()
    np.testing.assert_allclose(found, tiny.embed(windows, precision='fp32'), atol=1e-4)
    tiny.embed(windows)  # compiled once
    calls = len(machine.calls)
    tiny.embed(windows[:3])  # it is there already, so it is used for a few windows too
    assert len(machine.calls) == calls + 1
    assert len(machine.made) == len(machine.measured) == 1
    with torch.no_grad():
        tiny.module.head.weight.mul_(-1)
    np.testing.assert_allclose(
        tiny.embed(windows), tiny.embed(windows, precision='fp32'), atol=1e-4
    )
    assert len(machine.made) == 2  # the weights are others


def what_is_slower_is_not(folder):
    machine = Machine(folder).takes(1.0, 1.0)
    windows, tiny = noise(), small()
    calls = []
    machine.patch.setattr(compiled.CompiledModule, '__call__', lambda self, x: calls.append(x))
    assert np.array_equal(tiny.embed(windows), tiny.embed(windows, precision='fp32'))
    assert len(machine.measured) == 1 and not calls


def few_windows_and_what_is_asked_for(folder):
    machine = Machine(folder).takes(2.0, 1.0)
    tiny = small()
    tiny.embed(noise(99))
    tiny.embed(noise(), precision='fp32')
    machine.patch.setenv('REFCON_PRECISION', 'fp32')
    tiny.embed(noise())
    machine.patch.delenv('REFCON_PRECISION')
    machine.patch.setattr(compiled, 'openvino_version', lambda: '')
    tiny.embed(noise())
    assert not machine.made and not machine.measured


def it_is_measured_once_for_a_machine(folder):
    machine = Machine(folder).takes(2.0, 1.0)
    for _ in range(2):
        small().embed(noise())
    assert len(machine.made) == 2 and len(machine.measured) == 1
    small(seed=1).embed(noise())
    assert len(machine.measured) == 2  # another network
    assert encoder.may_compile is compiled.may_compile


def threads_get_what_they_asked_for(folder):
    "As a page does that is asked while its survey is being embedded."
    ready, _ = for_inference(small().module, torch.device('cpu'))
    network = compiled.CompiledModule(ready, (48, 48))
    questions = torch.from_numpy(np.stack(noise(800))).view(8, 100, 1, 48, 48)
    wanted = [network(windows) for windows in questions]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            for found, want in zip(pool.map(network, questions), wanted, strict=True):
                np.testing.assert_allclose(found, want, atol=1e-5)


CASES = (
    the_bundled_encoder_compiled,
    what_is_faster_is_used,
    what_is_slower_is_not,
    few_windows_and_what_is_asked_for,
    it_is_measured_once_for_a_machine,
    threads_get_what_they_asked_for,
)


@pytest.mark.parametrize('case', CASES, ids=lambda case: case.__name__)
def test_case(case, tmp_path):
    done = forked(case, tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
