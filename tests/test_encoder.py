"What the encoder's notebook has no room for: damaged folders, hub layouts, speed as a ratio."

import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch

from reflection_connection.encoder import ARCHITECTURES, Encoder, EncoderError
from reflection_connection.windows import Recipe


@pytest.fixture()
def folder(encoder_folder, tmp_path):
    return shutil.copytree(encoder_folder, tmp_path / 'enc')


@pytest.mark.parametrize('name', ['config.json', 'model.safetensors', 'refcon.json'])
def test_missing_file(folder, name):
    (folder / name).unlink()
    with pytest.raises(EncoderError):
        Encoder.load(folder)


def test_changed_settings_do_not_fit(folder):
    from reflection_connection.storage import read_json, write_json

    write_json(
        folder / 'refcon.json', read_json(folder / 'refcon.json') | {'head_dim': 7}, checked=True
    )
    with pytest.raises(EncoderError, match='do not fit'):
        Encoder.load(folder)


def test_a_newer_format_is_refused(folder):
    from reflection_connection.storage import read_json, write_json

    write_json(
        folder / 'refcon.json', read_json(folder / 'refcon.json') | {'format': 99}, checked=True
    )
    with pytest.raises(EncoderError, match='format 99'):
        Encoder.load(folder)


def test_a_pickled_checkpoint_is_refused(tmp_path):
    "A transformers folder with pytorch_model.bin only: pickled weights are never read."
    from transformers import AutoModel, ViTConfig

    model = AutoModel.from_config(
        ViTConfig(
            hidden_size=24,
            num_attention_heads=2,
            num_hidden_layers=1,
            intermediate_size=48,
            image_size=32,
        )
    )
    model.config.save_pretrained(tmp_path)
    torch.save(model.state_dict(), tmp_path / 'pytorch_model.bin')
    with pytest.raises(EncoderError, match='cannot be read'):
        Encoder.load(tmp_path)


def test_half_precision_file_is_half_the_size_and_close(encoder_folder, tmp_path):
    encoder = Encoder.load(encoder_folder)
    encoder.save(tmp_path / 'half', torch.float16)
    size = lambda p: (p / 'model.safetensors').stat().st_size
    assert size(tmp_path / 'half') < 0.65 * size(encoder_folder)
    images = [np.random.default_rng(i).normal(size=(60, 80)) for i in range(8)]
    np.testing.assert_allclose(
        Encoder.load(tmp_path / 'half').embed(images), encoder.embed(images), atol=5e-3
    )


def test_saving_fails_whole(encoder_folder, tmp_path, monkeypatch):
    "A disk that fills up while saving leaves the old encoder as it was, and no litter."
    encoder = Encoder.load(encoder_folder)
    kept = encoder.save(tmp_path / 'enc')
    before = {p.name: p.read_bytes() for p in kept.iterdir()}

    def full(*args, **kwargs):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr('reflection_connection.encoder.checkpoints.to_safetensors', full)
    with pytest.raises(EncoderError, match='No space'):
        encoder.save(kept)
    assert {p.name: p.read_bytes() for p in kept.iterdir()} == before and sorted(
        p.name for p in tmp_path.iterdir()
    ) == ['.enc.lock', 'enc']


@pytest.mark.parametrize(
    'name', sorted(n for n in ARCHITECTURES if 'base' not in n and 'small' not in n)
)
def test_every_small_architecture_embeds(name):
    z = Encoder.create(name, Recipe(size=(112, 112))).embed(
        [np.random.default_rng(0).normal(size=(70, 50))]
    )
    assert z.shape == (1, 128) and abs(np.linalg.norm(z) - 1) < 1e-5


@pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA device')
def test_cuda_equals_cpu(encoder_folder):
    encoder = Encoder.load(encoder_folder)
    images = [np.random.default_rng(i).normal(size=(60, 80)) for i in range(8)]
    np.testing.assert_allclose(
        encoder.embed(images, device='cuda'), encoder.embed(images, device='cpu'), atol=1e-4
    )


def test_the_bundled_encoder_is_small():
    from torch.utils.flop_counter import FlopCounterMode

    from reflection_connection.encoder import bundled_folder

    encoder = Encoder.load('refcon-tiny')
    with FlopCounterMode(display=False) as count, torch.no_grad():
        encoder.module(torch.zeros(1, 1, 128, 128))
    assert (
        encoder.n_parameters <= 6e6
        and count.get_total_flops() <= 1e9
        and encoder.calibration is not None
    )
    assert sum(p.stat().st_size for p in bundled_folder('refcon-tiny').iterdir()) <= 13e6


def test_the_bundled_encoder_finds_across_real_surveys(shared):
    "Every window asks the other surveys; ahead of every classical descriptor, tuned ones too, by a paired test."
    from reflection_connection.run import score_encoder
    from reflection_connection.windows import load_windows

    found = score_encoder(
        Encoder.load('refcon-tiny'),
        load_windows(shared / 'windows_dev.csv', shared / 'sections'),
        'survey',
        ('Channel',),
    )
    assert (
        found['encoder']['macro_map'] > 0.75
        and min(v['map'] for v in found['encoder']['per_survey'].values()) > 0.7
    )
    for name, summary in found.items():
        if name != 'encoder':
            assert (
                summary['encoder_ahead']['p'] < 0.001
                and summary['encoder_ahead']['difference'] > 0.4
            ), name


def test_the_bundled_encoder_orders_structures_of_surveys_that_it_never_saw():
    "Windows of its class from other surveys: the same structure first, by its own part and by kind."
    from reflection_connection.evaluation import structure_within_class
    from reflection_connection.synthetic import labelled_windows

    encoder = Encoder.load('refcon-tiny')
    windows, table = labelled_windows(40, seed=77, shape=(96, 96), surveys=16)
    z = encoder.embed(list(windows))
    for part, gain in (('structure', 0.15), ('kind', 0.1)):
        found = structure_within_class(encoder.part(z, part), table, n_boot=2)
        assert found['macro_map'] > found['chance']['macro_map'] + gain, part


def test_a_few_labels_from_other_surveys_do_no_harm(shared):
    from reflection_connection.run import adapt_in_turn
    from reflection_connection.windows import load_windows

    turns, promise = adapt_in_turn(
        Encoder.load('refcon-tiny'),
        load_windows(shared / 'windows_dev.csv', shared / 'sections'),
        ('Channel',),
    )
    gain = turns.after - turns.before
    assert gain.mean() > 0 and gain.min() > -0.05 and promise['error'] < 0.15, (
        turns
    )  # queries with nothing to find count as wrong


def test_torchvision_layout_from_the_hub(tmp_path):
    "A model card with another library's config.json and torchvision's weights, as the hub's cache keeps it; offline."
    import os
    import subprocess
    import sys

    from safetensors.torch import save_file

    d, snapshot = 64, tmp_path / 'hub' / 'models--owner--seismic-vit' / 'snapshots' / 'a1'
    draw = lambda *s: 0.1 * torch.randn(*s)
    state = {
        'conv_proj.weight': draw(d, 1, 8, 8),
        'conv_proj.bias': draw(d),
        'class_token': draw(1, 1, d),
        'encoder.pos_embedding': draw(1, 17, d),
        'encoder.ln.weight': draw(d),
        'encoder.ln.bias': draw(d),
    }
    for k, s in {
        'ln_1': (d,),
        'ln_2': (d,),
        'self_attention.in_proj_': (3 * d, d),
        'self_attention.out_proj': (d, d),
        'mlp.0': (2 * d, d),
        'mlp.3': (d, 2 * d),
    }.items():
        for e, shape in (('weight', s), ('bias', s[:1])):
            state[f'encoder.layers.encoder_layer_0.{k}{"" if k.endswith("_") else "."}{e}'] = draw(
                *shape
            )
    snapshot.mkdir(parents=True)
    save_file(state, snapshot / 'model.safetensors')
    (snapshot / 'config.json').write_text('{"image_size": 32, "patch_size": 8}')
    (snapshot.parents[1] / 'refs').mkdir()
    (snapshot.parents[1] / 'refs' / 'main').write_text('a1')
    code = "from reflection_connection.encoder import Encoder; print(Encoder.load('owner/seismic-vit'))"
    done = subprocess.run(
        [sys.executable, '-c', code],
        capture_output=True,
        text=True,
        env=os.environ
        | dict(HF_HOME=str(tmp_path), HF_HUB_CACHE=str(tmp_path / 'hub'), HF_HUB_OFFLINE='1'),
    )
    assert done.returncode == 0 and 'vit, 0.0' in done.stdout and '(32, 32)' in done.stdout, (
        done.stderr[-1500:]
    )


NARROW = """
import torch
from reflection_connection.encoder import Encoder
from reflection_connection.windows import Recipe
narrow = dict(embedding_size=8, hidden_sizes=[8, 16, 32, 64])
encoder = Encoder.create('resnet-tiny', Recipe(size=(48, 48)), head_dim=32, **narrow)
encoder.module.train()
for step in range(60):
    encoder.module(torch.randn(63, 1, 48, 48)).square().mean().backward()
"""


def test_a_narrow_network_trains_in_odd_batches():
    "oneDNN writes past the end of a buffer there if channels come last: a crash, so in a subprocess."
    done = subprocess.run([sys.executable, '-c', NARROW], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-500:]
