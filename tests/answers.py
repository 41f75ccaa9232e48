"What the tests of known answers share."

import re

import numpy as np
import pytest
import torch

FALLING = dict(kind='platt', scale='distance', a=10.0, b=-3.0, metric='cosine')  # a calibration


def in_words(usual):
    "A check: what follows raises an error, of the usual type or one that is named, in these words."

    def says(text, error=usual):
        return pytest.raises(error, match=f'^{re.escape(text)}$')

    return says


def refusal(usual):
    "A check: a call raises an error, of the usual type or one that is named, in these words."

    def refused(said, ask, *given, error=usual, **named):
        with pytest.raises(error) as e:
            ask(*given, **named)
        assert str(e.value) == said

    return refused


def waves(n=4, height=32, width=32, seed=0):
    "(n, 1, height, width) windows that have neither mirror nor turning symmetry."
    rng = np.random.default_rng(seed)
    i, j = np.mgrid[:height, :width]
    a, b, c = rng.uniform(0.2, 0.9, (3, n, 1, 1))
    x = np.sin(a * i + 0.3 * b * j + c) + 0.02 * i * c - 0.03 * j * b
    return torch.from_numpy((x - x.mean((1, 2), keepdims=True))[:, None]).float()


def tiny_vit(kind='vit', **changes):
    "A ViT of one small layer with known weights."
    from reflection_connection.encoder.backbones import random_backbone

    changes = {
        'hidden_size': 16,
        'num_attention_heads': 2,
        'num_hidden_layers': 1,
        'image_size': 32,
        'patch_size': 8,
    } | changes
    torch.manual_seed(3)
    return random_backbone(f'{kind}-pico', **changes).eval()
