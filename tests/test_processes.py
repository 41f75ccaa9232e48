"Fine-tuning in several processes: the step of one, shared; taken up by another number of them."

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, forked, run_command
from shared_out import share_out
from transformers import TrainerCallback

BIN = Path(sys.executable).parent


class Cut(TrainerCallback):
    """Says what share of the weights is here.

    Ends the process after a checkpoint, as a scheduler's time limit would."""

    def __init__(self, cut):
        self.cut = cut

    def on_step_end(self, args, state, control, model=None, **kwargs):
        if state.global_step != 5:
            return
        whole = list(model.parameters())
        here = [p.to_local() if hasattr(p, 'to_local') else p for p in whole]
        share = sum(p.numel() for p in here) / sum(p.numel() for p in whole)
        print(f'holds {share:.1f}', flush=True)
        if self.cut:
            sys.exit(7)


def tune(out, how, settings):
    "Fine-tune on waves of four lengths, and write the encoder and the history."
    import torch

    from reflection_connection.encoder import Encoder
    from reflection_connection.training import SiameseConfig, finetune, rank
    from reflection_connection.windows import Recipe

    if 'shared' in how:
        share_out()
    rng = np.random.default_rng(0)
    y = np.repeat(list('abcd'), 12)
    rows = np.arange(32)[:, None]
    waves = {c: np.sin(rows * (0.3 + 0.3 * i)) for i, c in enumerate('abcd')}
    windows = np.stack([waves[c] + rng.normal(size=(32, 32)) for c in y])
    x = torch.tensor(windows, dtype=torch.float32)[:, None]
    encoder = Encoder.create('vitc-pico', Recipe(size=(32, 32)), 'mean', 16, seed=0)
    usual = dict(steps=8, classes=4, per_class=4, eval_every=4, augment='none', lr=3e-4)
    config = SiameseConfig(**usual | settings)

    def score(z):
        products = [(z[i] @ z[j]) for i in range(4) for j in range(4)]
        return {'macro_map': float(np.mean(products))}

    told = [Cut('cut' in how)]
    history = finetune(encoder, x, y, config, x[:8], score, f'{out}-checkpoints', callbacks=told)
    if rank() == 0:
        encoder.save(out)
        out.with_suffix('.json').write_text(json.dumps(history, default=float))


def run(out, processes, how='whole', **settings):
    return forked(tune, out, how, settings, processes=processes, timeout=600)


def weights(out):
    import torch

    from reflection_connection.encoder import Encoder

    return torch.cat([v.flatten() for v in Encoder.load(out).module.state_dict().values()]).numpy()


def losses(out):
    return [r['loss'] for r in json.loads(out.with_suffix('.json').read_text()) if 'loss' in r]


@pytest.fixture(scope='module')
def start():
    import torch

    from reflection_connection.encoder import Encoder
    from reflection_connection.windows import Recipe

    return torch.cat(
        [
            v.flatten()
            for v in Encoder.create('vitc-pico', Recipe(size=(32, 32)), 'mean', 16, seed=0)
            .module.state_dict()
            .values()
        ]
    ).numpy()


@pytest.fixture(scope='module')
def one(tmp_path_factory):
    "A single process, left alone."
    out = tmp_path_factory.mktemp('one') / 'one'
    done = run(out, 1, loss='supcon')
    assert done.returncode == 0, done.stderr[-3000:]
    return out


def test_two_processes_take_the_step_of_one(tmp_path, start, one):
    """Gathered, the loss and the weights are those of a single process.

    Apart, they are others, and training still works."""
    for name, gather in (('two', True), ('apart', False)):
        done = run(tmp_path / name, 2, loss='supcon', gather=gather)
        assert done.returncode == 0, done.stderr[-3000:]
    moved = np.linalg.norm(weights(one) - start)
    near, far = (np.linalg.norm(weights(one) - weights(tmp_path / n)) for n in ('two', 'apart'))
    assert (
        losses(one) == pytest.approx(losses(tmp_path / 'two'), rel=1e-3)
        and near < 0.1 * moved < far
    ), (near, far, moved)
    assert np.isfinite(losses(tmp_path / 'apart')).all()


def test_taken_up_by_another_number_of_processes(tmp_path, start, one):
    """Two processes, cut off after step 5.

    One resumes from the checkpoint of step 4 and ends where an undisturbed process ends."""
    cut = run(tmp_path / 'cut', 2, 'cut', loss='supcon', gather=True)
    assert (
        cut.returncode != 0
        and not (tmp_path / 'cut').exists()
        and (tmp_path / 'cut-checkpoints' / 'checkpoint-4' / 'trainer_state.json').is_file()
    )
    again = run(tmp_path / 'cut', 1, loss='supcon', gather=True)
    assert again.returncode == 0 and 'going on from checkpoint-4' in again.stdout, again.stderr[
        -3000:
    ]
    assert np.linalg.norm(weights(one) - weights(tmp_path / 'cut')) < 0.1 * np.linalg.norm(
        weights(one) - start
    )


def test_weights_shared_out(tmp_path, start):
    """FSDP: every process holds half of the weights.

    Cut off and taken up by four, validation and weights are those of a single process.
    Without FSDP, its checkpoint is refused."""
    settings = dict(loss='supcon', average=0.5)
    cut = run(tmp_path / 'cut', 2, 'shared cut', gather=True, **settings)
    assert (
        cut.returncode != 0
        and 'holds 0.5' in cut.stdout
        and (tmp_path / 'cut-checkpoints' / 'checkpoint-4' / 'pytorch_model_fsdp.bin').is_file()
    ), cut.stderr[-3000:]
    bare = run(tmp_path / 'cut', 1, **settings)
    assert bare.returncode != 0 and 'go on with --use_fsdp' in bare.stderr
    done = run(tmp_path / 'cut', 4, 'shared', gather=True, **settings)
    assert (
        done.returncode == 0
        and 'going on from checkpoint-4' in done.stdout
        and 'holds 0.2' in done.stdout
    ), done.stderr[-3000:]
    done = run(tmp_path / 'one', 1, **settings)
    assert done.returncode == 0 and 'holds 1.0' in done.stdout, done.stderr[-3000:]
    assert np.linalg.norm(
        weights(tmp_path / 'one') - weights(tmp_path / 'cut')
    ) < 0.1 * np.linalg.norm(weights(tmp_path / 'one') - start)
    one, two = (
        [
            r[k]
            for r in json.loads((tmp_path / f'{n}.json').read_text())
            for k in ('loss', 'eval_macro_map')
            if k in r
        ]
        for n in ('one', 'cut')
    )
    assert len(one) == 4 and one == pytest.approx(two, rel=1e-3)


def test_accumulated_gradients(tmp_path, one):
    "Two batches a step: as many steps, other gradients."
    done = run(tmp_path / 'accumulated', 1, loss='supcon', accumulate=2)
    assert done.returncode == 0, done.stderr[-3000:]
    assert [
        json.loads(o.with_suffix('.json').read_text())[-1]['step']
        for o in (one, tmp_path / 'accumulated')
    ] == [8, 8] and not np.allclose(weights(one), weights(tmp_path / 'accumulated'))


def test_command_line(tmp_path):
    """torchrun starts the command twice; one encoder is written, one answer printed.

    A number of processes that does not fit is one line."""
    from reflection_connection.synthetic import write_challenge

    data = write_challenge(tmp_path / 'data', 8, 0) / 'train'
    train = ['train', str(data), '--encoder', 'resnet-tiny', '--steps', '4', '--json']
    train += ['--out', str(tmp_path / 'encoder')]
    torchrun = [str(BIN / 'torchrun'), '--standalone', '--nproc-per-node', '2', '--no-python']
    done = subprocess.run(
        [*torchrun, str(BIN / 'refcon'), *train, '--gather'],
        capture_output=True,
        text=True,
        timeout=600,
        env=os.environ | {'OMP_NUM_THREADS': '1'},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert (
        json.loads(done.stdout)['what'] == 'all'
        and (tmp_path / 'encoder' / 'refcon.json').is_file()
    )
    done = forked(run_command, train, processes=2, ACCELERATE_USE_FSDP='true')
    said = done.stderr.replace(str(ROOT), '')
    assert (
        done.returncode != 0
        and 'over GPUs only: leave it out' in said
        and 'reflection_connection/' not in said
    ), said
    bad = forked(run_command, train, processes=3)
    said = bad.stderr.replace(str(ROOT), '')
    assert (
        bad.returncode != 0
        and 'cannot be dealt out to 3 processes' in said
        and 'reflection_connection/' not in said
    ), said
