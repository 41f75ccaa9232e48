"What the encoder's notebook has no room for: damaged folders, hub layouts, speed as a ratio."
import json
import shutil

import numpy as np
import pytest
import torch

from reflection_connection.encoder import ARCHITECTURES, Encoder, EncoderError
from reflection_connection.windows import Recipe


@pytest.fixture()
def folder(encoder_folder, tmp_path): return shutil.copytree(encoder_folder, tmp_path/'enc')


@pytest.mark.parametrize('name', ['config.json', 'model.safetensors', 'refcon.json'])
def test_missing_file(folder, name):
    (folder/name).unlink()
    with pytest.raises(EncoderError): Encoder.load(folder)


def test_changed_settings_do_not_fit(folder):
    about = json.loads((folder/'refcon.json').read_text()); about['head_dim'] = 7; (folder/'refcon.json').write_text(json.dumps(about))
    with pytest.raises(EncoderError, match='do not fit'): Encoder.load(folder)


def test_a_newer_format_is_refused(folder):
    about = json.loads((folder/'refcon.json').read_text()); about['format'] = 99; (folder/'refcon.json').write_text(json.dumps(about))
    with pytest.raises(EncoderError, match='format 99'): Encoder.load(folder)


def test_a_pickled_checkpoint_is_refused(tmp_path):
    "A transformers folder with pytorch_model.bin only: pickled weights are never read."
    from transformers import AutoModel, ViTConfig
    model = AutoModel.from_config(ViTConfig(hidden_size=24, num_attention_heads=2, num_hidden_layers=1, intermediate_size=48, image_size=32))
    model.config.save_pretrained(tmp_path); torch.save(model.state_dict(), tmp_path/'pytorch_model.bin')
    with pytest.raises(EncoderError, match='cannot be read'): Encoder.load(tmp_path)


def test_half_precision_file_is_half_the_size_and_close(encoder_folder, tmp_path):
    encoder = Encoder.load(encoder_folder); encoder.save(tmp_path/'half', torch.float16)
    size = lambda p: (p/'model.safetensors').stat().st_size
    assert size(tmp_path/'half') < .65*size(encoder_folder)
    images = [np.random.default_rng(i).normal(size=(60, 80)) for i in range(8)]
    np.testing.assert_allclose(Encoder.load(tmp_path/'half').embed(images), encoder.embed(images), atol=5e-3)


def test_saving_fails_whole(encoder_folder, tmp_path, monkeypatch):
    "A disk that fills up while saving leaves the old encoder as it was, and no litter."
    encoder = Encoder.load(encoder_folder); kept = encoder.save(tmp_path/'enc'); before = {p.name: p.read_bytes() for p in kept.iterdir()}
    def full(*args, **kwargs): raise OSError(28, 'No space left on device')
    monkeypatch.setattr('reflection_connection.encoder.save_file', full)
    with pytest.raises(OSError, match='No space'): encoder.save(kept)
    assert {p.name: p.read_bytes() for p in kept.iterdir()} == before and [p.name for p in tmp_path.iterdir()] == ['enc']


@pytest.mark.parametrize('name', sorted(n for n in ARCHITECTURES if 'base' not in n and 'small' not in n))
def test_every_small_architecture_embeds(name):
    z = Encoder.create(name, Recipe(size=(112, 112))).embed([np.random.default_rng(0).normal(size=(70, 50))])
    assert z.shape == (1, 128) and abs(np.linalg.norm(z) - 1) < 1e-5


@pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA device')
def test_cuda_equals_cpu(encoder_folder):
    encoder = Encoder.load(encoder_folder); images = [np.random.default_rng(i).normal(size=(60, 80)) for i in range(8)]
    np.testing.assert_allclose(encoder.embed(images, device='cuda'), encoder.embed(images, device='cpu'), atol=1e-4)
