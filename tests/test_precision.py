"Precision on a processor: chosen by measurement, kept, forced, and near enough to fp32."

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch

from reflection_connection.encoder import (
    Encoder,
    EncoderError,
    PrecisionError,
    pick_precision,
    precision,
)
from reflection_connection.windows import Recipe

FAST, SLOW = (dict(fp32=gain, bf16=1.0, measured='2026-11-26') for gain in (2.9, 0.01))


@pytest.fixture()
def machine(tmp_path, monkeypatch):
    """A machine on which nothing has been measured; machine(found) sets what a measurement gives,
    `.measured` counts them."""
    monkeypatch.delenv('REFCON_PRECISION', raising=False)
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))

    class Machine:
        folder, measured = tmp_path / 'cache' / 'reflection_connection', []

        def __call__(self, found):
            monkeypatch.setattr(
                precision, 'measure', lambda training: self.measured.append(training) or dict(found)
            )

        def forget(self):
            "As in another process."
            monkeypatch.setattr(precision, '_known', {})
            monkeypatch.setattr(precision, '_told', set())

    made = Machine()
    made.forget()
    return made


@pytest.mark.parametrize(
    'found, chosen',
    [
        (FAST, 'bf16'),
        (SLOW, 'fp32'),
        (FAST | {'fp32': 1.31}, 'bf16'),
        (FAST | {'fp32': 1.29}, 'fp32'),
    ],
)
def test_auto_goes_by_the_measurement(machine, found, chosen):
    machine(found)
    assert pick_precision() == chosen and pick_precision(training=True) == chosen
    assert machine.measured == [False, True]


def test_it_is_measured_once_for_a_machine(machine, monkeypatch):
    machine(FAST)
    for _ in range(2):
        machine.forget()
        assert pick_precision() == 'bf16'
    assert machine.measured == [False]
    machine.forget()
    monkeypatch.setattr(precision, 'processor', lambda: {'model': 'another'})
    machine(SLOW)
    assert pick_precision() == 'fp32' and machine.measured == [False, False]


@pytest.mark.parametrize(
    'damage',
    [
        lambda p: p.write_text('{'),
        lambda p: p.write_bytes(b'\xff\xfe'),
        lambda p: p.write_text(p.read_text().replace('2.9', '0.1')),
        lambda p: precision.write_json(p, FAST | {'bf16': 0}, checked=True),
        lambda p: precision.write_json(p, {'fp32': 'fast'}, checked=True),
    ],
)
def test_a_damaged_measurement_is_made_again(machine, damage):
    machine(FAST)
    pick_precision()
    [kept] = machine.folder.glob('*.json')
    damage(kept)
    machine.forget()
    machine(SLOW)
    assert pick_precision() == 'fp32' and machine.measured == [False, False]
    assert precision.read_json(kept)['fp32'] == SLOW['fp32']


def test_nothing_can_be_kept(machine, tmp_path, monkeypatch, capsys):
    (tmp_path / 'cache').write_text('a file, where the folder would be')
    machine(FAST)
    assert pick_precision() == 'bf16'
    monkeypatch.setenv('XDG_CACHE_HOME', 'relative')
    monkeypatch.setattr(
        precision.Path, 'home', lambda: (_ for _ in ()).throw(RuntimeError('no home'))
    )
    machine.forget()
    assert pick_precision() == 'bf16' and machine.measured == [False, False]
    assert capsys.readouterr().out.count('\n') == 2 and not (tmp_path / 'relative').exists()


def test_it_is_said_once_and_by_the_first_process(machine, monkeypatch, capsys):
    machine(FAST)
    for _ in range(3):
        pick_precision()
    assert (
        capsys.readouterr().out
        == 'precision of embedding: bf16 (2.9 times as fast as fp32 here, measured 2026-11-26)\n'
    )
    machine.forget()
    monkeypatch.setenv('RANK', '1')
    pick_precision()
    assert capsys.readouterr().out == ''


def test_what_is_slow_is_said_too(machine, capsys):
    machine(SLOW)
    pick_precision(training=True)
    assert (
        capsys.readouterr().out
        == 'precision of training: fp32 (bf16 takes 100 times as long as fp32 here, measured 2026-11-26)\n'
    )


def test_what_is_forced_is_not_measured(machine, monkeypatch, capsys):
    machine(FAST)
    assert pick_precision('fp32') == 'fp32'
    monkeypatch.setenv('REFCON_PRECISION', 'fp16')
    assert (pick_precision(), pick_precision(windows=1), pick_precision('bf16')) == (
        'fp16',
        'fp16',
        'bf16',
    )
    assert machine.measured == [] and capsys.readouterr().out == ''
    monkeypatch.setenv('REFCON_PRECISION', 'half')
    with pytest.raises(
        PrecisionError,
        match="REFCON_PRECISION in the environment is 'half': expected one of auto, fp32, fp16, bf16",
    ):
        pick_precision()


def test_devices(machine, monkeypatch):
    machine(SLOW)
    monkeypatch.setattr(torch.cuda, 'is_bf16_supported', lambda: False)
    assert (
        pick_precision(device='cuda:1'),
        pick_precision(device='cuda', training=True),
        pick_precision(device='mps'),
    ) == ('fp16', 'fp16', 'fp32')
    monkeypatch.setattr(torch.cuda, 'is_bf16_supported', lambda: True)
    assert pick_precision(device='cuda', training=True) == 'bf16' and machine.measured == []


def test_the_measurement_gives_up_where_bf16_is_slow(monkeypatch):
    "The second look takes twice as long: nothing larger is computed."
    seen = []

    def seconds(networks, x, name):
        seen.append(tuple(x.shape))
        return 2.0 if name == 'bf16' and x.shape[-1] == 96 else 1.0

    monkeypatch.setattr(precision, '_embedding_seconds', seconds)
    assert precision.measure(training=True)['bf16'] == 2.0 and set(seen) == {
        (1, 1, 32, 32),
        (1, 1, 96, 96),
    }


@pytest.mark.skipif(
    sys.platform != 'linux' or os.uname().machine != 'x86_64', reason='an instruction set of x86'
)
def test_an_emulating_processor_stays_in_fp32(tmp_path):
    "oneDNN without the instructions for bf16, as on a processor that has none."
    ask = """
from reflection_connection.encoder import pick_precision
import time
t = time.perf_counter()
print(pick_precision(), pick_precision(training=True), time.perf_counter() - t)
"""
    environment = os.environ | {
        'ONEDNN_MAX_CPU_ISA': 'AVX2',
        'XDG_CACHE_HOME': str(tmp_path),
        'REFCON_PRECISION': '',
        'OMP_NUM_THREADS': '1',
    }
    said = subprocess.run(
        [sys.executable, '-c', ask], env=environment, capture_output=True, text=True, check=True
    ).stdout.split('\n')
    assert said[-2].split()[:2] == ['fp32', 'fp32'] and float(said[-2].split()[2]) < 10


def small(seed=0):
    return Encoder.create(
        'resnet-tiny',
        Recipe(size=(48, 48)),
        head_dim=32,
        embedding_size=8,
        hidden_sizes=[8, 16, 32, 64],
        depths=[1, 1, 1, 1],
        seed=seed,
    )


def test_few_windows_are_embedded_in_fp32(machine):
    machine(FAST)
    encoder, windows = small(), list(np.random.default_rng(0).normal(size=(256, 40, 40)))
    few = encoder.embed(windows[:255])
    assert machine.measured == [] and np.array_equal(
        few, encoder.embed(windows[:255], precision='fp32')
    )
    many = encoder.embed(windows)
    assert machine.measured == [False] and np.array_equal(
        many, encoder.embed(windows, precision='bf16')
    )
    assert not np.array_equal(many[:255], few)
    with pytest.raises(EncoderError, match='expected one of'):
        encoder.embed(windows[:1], precision='fp8')


def test_bundled_embeddings_agree():
    "The tolerance that `Encoder.embed` states, and identical windows at distance 0."
    from reflection_connection.synthetic import labelled_windows

    windows = list(labelled_windows(8, seed=5)[0])
    encoder = Encoder.load('refcon-tiny')
    single, half = (
        encoder.embed(windows, precision=p).astype(np.float64) for p in ('fp32', 'bf16')
    )
    assert 0 < (1 - (single * half).sum(1)).max() < 1e-4
    again = encoder.embed(windows[:5], precision='bf16')
    assert abs(1 - (again * half[:5]).sum(1)).max() < 1e-6


@pytest.mark.parametrize('name', ['convnextv2-atto', 'vitc-pico', 'vitmae-pico', 'dinov2-pico'])
def test_other_backbones_agree(name):
    encoder = Encoder.create(name, Recipe(size=(64, 64)), 'mean')
    windows = list(np.random.default_rng(0).normal(size=(4, 64, 64)))
    single, half = (encoder.embed(windows, precision=p) for p in ('fp32', 'bf16'))
    assert (single * half).sum(1).min() > 0.999


def finetuned(folder, name, steps=20, **more):
    from reflection_connection.training import SiameseConfig, finetune

    encoder, rng = small(), np.random.default_rng(0)
    labels = np.repeat(['a', 'b', 'c'], 8)
    x = (
        torch.from_numpy(rng.normal(size=(24, 1, 48, 48)).cumsum(-1).astype(np.float32) / 4)
        + torch.arange(3).repeat_interleave(8)[:, None, None, None]
    )
    config = SiameseConfig(
        steps=steps,
        classes=3,
        per_class=4,
        loss='supcon',
        eval_every=5,
        precision=name,
        augment='none',
        **more,
    )
    dtypes = []
    encoder.module.backbone.register_forward_hook(
        lambda m, i, o: dtypes.append(o.last_hidden_state.dtype)
    )
    score = lambda z: {'macro_map': float(z[8:].mean() - z[:8].mean())}
    history = finetune(encoder, x, labels, config, x, score, folder)
    return np.array([r['loss'] for r in history if 'loss' in r]), set(dtypes), encoder


def test_training_in_bf16_agrees_with_fp32(tmp_path):
    """The backbone computes in bf16, in validation too; weights stay in fp32, and losses of 20 steps
    agree within 1 % (0.2 % measured)."""
    single, types, _ = finetuned(tmp_path / 'fp32', 'fp32')
    assert types == {torch.float32}
    half, types, encoder = finetuned(tmp_path / 'bf16', 'bf16')
    assert types == {torch.bfloat16} and {p.dtype for p in encoder.module.parameters()} == {
        torch.float32
    }
    np.testing.assert_allclose(half, single, rtol=0.01)
    assert single[-1] < 0.9 * single[0] and not np.array_equal(half, single)


def test_auto_trains_by_the_measurement(machine, tmp_path):
    machine(FAST)
    assert finetuned(tmp_path / 'a', 'auto', 5)[1] == {torch.bfloat16} and machine.measured == [
        True
    ]


def test_a_checkpoint_is_taken_up_in_another_precision(tmp_path):
    whole = finetuned(tmp_path / 't', 'bf16')[0]
    shutil.rmtree(tmp_path / 't' / 'checkpoint-20')
    resumed, types, _ = finetuned(tmp_path / 't', 'fp32')
    assert types == {torch.float32} and resumed[:3].tolist() == whole[:3].tolist()
    np.testing.assert_allclose(resumed[3:], whole[3:], rtol=0.01)


def test_pretraining_in_bf16(tmp_path):
    "Both objectives learn, and validate, in bf16; their losses agree with fp32."
    from reflection_connection.run import pretrain_encoder

    for objective in ('mae', 'dinov2'):
        losses = {}
        for name in ('fp32', 'bf16'):
            out = tmp_path / f'{objective}-{name}'
            _, history = pretrain_encoder(
                'synthetic',
                'vitc-pico',
                out,
                32,
                sections=4,
                objective=objective,
                steps=4,
                every=2,
                batch=8,
                n_valid=8,
                workers=0,
                augment='none',
                precision=name,
            )
            losses[name] = [r[k] for r in history for k in ('loss', 'eval_loss') if k in r]
        assert losses['bf16'] != losses['fp32']
        np.testing.assert_allclose(losses['bf16'], losses['fp32'], rtol=0.03)
