"Pretraining as a whole: several processes, killed and started again, real files, handed on to training."

import json
import os
import signal
import sys
import time

import pytest
from conftest import ROOT, Process, forked, run_command
from forked_kernel import fork_kernels
from shared_out import share_out

SMALL = ['--size', '32', '--batch', '16', '--every', '1', '--workers', '0', '--json']


@pytest.fixture(scope='module')
def sections(tmp_path_factory):
    from reflection_connection.synthetic import write_sections

    return write_sections(tmp_path_factory.mktemp('corpus') / 'sections', 40, seed=4)


def command(argv, shared):
    if shared:
        share_out()
    run_command(['pretrain', *argv])


def pretrain(*arguments, processes=1, shared=False):
    done = forked(command, [str(a) for a in arguments], shared, processes=processes, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    'objective, assignment, shared',
    [('mae', 'sinkhorn', False), ('dinov2', 'sinkhorn', False), ('dinov2', 'centering', True)],
)
def test_two_processes_see_what_one_sees(sections, tmp_path, objective, assignment, shared):
    """Same global batch: the same losses step by step, and the same encoder, within float tolerance;
    with all weights in each process, or shared out over them (FSDP)."""
    import torch

    from reflection_connection.encoder import Encoder

    run = lambda n: pretrain(
        sections,
        '--out',
        tmp_path / f'p{n}',
        '--objective',
        objective,
        '--assignment',
        assignment,
        '--steps',
        '6',
        '--lr',
        '3e-4',
        *SMALL,
        processes=n,
        shared=shared and n > 1,
    )
    one, two = run(1), run(2)
    assert len(one['losses']) == 6 and one['losses'] == pytest.approx(two['losses'], rel=2e-4), (
        one,
        two,
    )
    assert one['eval_loss'] == pytest.approx(two['eval_loss'], rel=2e-3)
    a, b = (Encoder.load(tmp_path / f'p{n}').module.state_dict() for n in (1, 2))
    start = Encoder.create('vitc-pico', head_dim=0, seed=0).module.state_dict()
    moved = torch.cat([(a[k] - start[k]).flatten() for k in start]).norm()
    apart = torch.cat([(a[k] - b[k]).flatten() for k in start]).norm()
    assert apart < 0.1 * moved and moved > 0, (apart, moved)


def train(sections, out):
    from reflection_connection.cli import main

    sys.exit(
        main(
            [
                'pretrain',
                str(sections),
                '--out',
                str(out),
                '--objective',
                'dinov2',
                '--steps',
                '8',
                '--size',
                '32',
                '--batch',
                '16',
                '--every',
                '2',
                '--workers',
                '1',
            ]
        )
    )


def test_killed_and_started_again(sections, tmp_path):
    """SIGKILL while training, a process reading windows; started again it resumes, and ends with the
    weights of a run that was left alone. (The masked autoencoder: test_interruption.py.)"""
    from reflection_connection.encoder import Encoder

    with Process(train, sections, tmp_path / 'whole') as whole:
        assert whole.wait() == 0, whole.said[-2000:]
    with Process(train, sections, tmp_path / 'cut') as p:
        deadline = time.time() + 600
        while not list((tmp_path / '.cut.work').glob('*/checkpoint-4/trainer_state.json')):
            assert p.process.exitcode is None and time.time() < deadline, p.said
            time.sleep(0.01)
        p.kill()
    assert not (tmp_path / 'cut').exists()
    with Process(train, sections, tmp_path / 'cut') as again:
        assert again.wait() == 0, again.said[-2000:]
    assert 'going on from checkpoint-' in again.said and 'going on' not in whole.said, again.said
    assert (
        Encoder.load(tmp_path / 'cut').fingerprint()
        == Encoder.load(tmp_path / 'whole').fingerprint()
    )
    assert not list(tmp_path.glob('.*.work')), 'checkpoints are removed at the end'


NOTEBOOK = [
    '-p',
    'size',
    '32',
    '-p',
    'batch',
    '16',
    '-p',
    'steps',
    '4',
    '-p',
    'every',
    '2',
    '-p',
    'sections',
    '8',
    '-p',
    'workers',
    '1',
    '-p',
    'track',
    'disabled',
    '-p',
    'per_class',
    '12',
    '-p',
    'finetune_steps',
    '2',
]


def test_notebook_compares_and_is_taken_up(refcon, tmp_path):
    "Both objectives beside random weights; a second start computes nothing; the encoder goes on into run_training."
    go = lambda *more: refcon(
        'run',
        'nbs/run_pretraining.ipynb',
        *NOTEBOOK,
        '-p',
        'compare',
        'true',
        *more,
        '--out',
        tmp_path / 'run',
        timeout=900,
    )
    first = go()
    assert first.returncode == 0, first.stderr[-3000:]
    metrics = json.loads((tmp_path / 'run' / 'metrics.json').read_text())
    assert (
        [r['start'] for r in metrics['frozen']]
        == ['random', 'dinov2', 'mae']
        == [r['start'] for r in metrics['fine_tuned']]
    )
    assert all(
        0 < r['macro_map synthetic'] < 1 and 0 <= r['few_5 synthetic'] <= 1
        for r in metrics['frozen'] + metrics['fine_tuned']
    )
    assert metrics['pretraining']['windows_seen'] == 32 and 'data_wait' in metrics['pretraining']
    for name in (
        'report.html',
        'params.json',
        'figures/curves.png',
        'figures/worth.png',
        'figures/mae-0_4.png',
        'encoder/model.safetensors',
        'encoders/mae-0/refcon.json',
    ):
        assert (tmp_path / 'run' / name).is_file(), name
    second = go()
    assert second.returncode == 0, second.stderr[-3000:]
    for stage in ('pretrain dinov2-0', 'pretrain mae-0', 'probe', 'fine-tune random-0'):
        assert f'{stage}: taken from' in second.stderr
    assert json.loads((tmp_path / 'run' / 'metrics.json').read_text()) == metrics
    on = refcon(
        'run',
        'nbs/run_training.ipynb',
        '-p',
        'encoder',
        tmp_path / 'run' / 'encoder',
        '-p',
        'steps',
        '4',
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
        '--out',
        tmp_path / 'on',
        timeout=900,
    )
    assert on.returncode == 0, on.stderr[-3000:]
    assert (
        'pretraining'
        in json.loads((tmp_path / 'on' / 'encoder' / 'refcon.json').read_text())['provenance']
    )


def papermill(argv):
    "What the command `papermill` does, without refcon."
    from papermill.cli import papermill as command

    os.chdir(ROOT)
    fork_kernels()
    command(argv)


@pytest.mark.parametrize('objective', ['mae', 'dinov2'])
def test_real_files_through_plain_papermill(shared, tmp_path, objective):
    """SEG-Y files of a folder: what can be read is used, what cannot is named; then a probe on real
    windows. Killed in the middle, it resumes."""
    out = tmp_path / 'run'
    command = [
        'nbs/run_pretraining.ipynb',
        str(tmp_path / 'done.ipynb'),
        '-p',
        'out',
        str(out),
        '-p',
        'objective',
        objective,
        '-p',
        'sources',
        str(shared / 'segy'),
        '-p',
        'real',
        str(shared / 'windows_dev.csv'),
        '-p',
        'real_sections',
        str(shared / 'sections'),
        '-p',
        'exclude',
        'Channel',
        '-p',
        'mask',
        'trace',
        *NOTEBOOK,
        '-p',
        'steps',
        '8',
        '-p',
        'finetune_steps',
        '0',
        '--no-progress-bar',
        '--log-output',
    ]
    with Process(papermill, command) as p:
        deadline = time.time() + 600
        while not list((out / 'checkpoints').glob('*/checkpoint-4/trainer_state.json')):
            assert p.process.exitcode is None and time.time() < deadline, 'no checkpoint'
            time.sleep(0.02)
        assert p.kill() == -signal.SIGKILL
    done = forked(papermill, command, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    assert (
        'going on from checkpoint-' in done.stderr + done.stdout
        or 'pretrain ' + objective in done.stderr
    ), done.stderr[-2000:]
    assert 'left out broken.sgy' in done.stderr and 'left out shot-gather.sgy' in done.stderr
    frozen = json.loads((out / 'metrics.json').read_text())['frozen']
    assert [r['start'] for r in frozen] == ['random', objective] and all(
        0 < r['macro_map real'] < 1 for r in frozen
    )
