"""What was computed once is computed again: the same seed gives the same earth in every version.

Figures in the documentation and the weights that ship depend on it. Where a change is meant,
REFCON_WRITE_REFERENCE=1 pytest tests/test_reference.py writes reference.npz anew, and the commit
says why.
"""

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from reflection_connection.evaluation import BASELINES
from reflection_connection.synthetic import (
    Survey,
    labelled_windows,
    random_recording,
    random_style,
    survey_style,
    synthetic_section,
    window_image,
    window_style,
)
from reflection_connection.training import Augment
from reflection_connection.windows import Recipe

FILE = Path(__file__).with_name('reference.npz')
WRITE = os.environ.get('REFCON_WRITE_REFERENCE') == '1'
_written = {}


def thinned(data, step=8):
    "Every eighth sample and trace, in units of the standard deviation."
    data = np.asarray(data, np.float64)
    return (data / data.std())[..., ::step, ::step].astype(np.float32)


def check(name, values, tolerance=2e-3):
    "Compare with what is kept, or keep it."
    values = np.asarray(values)
    if WRITE:
        _written[name] = values.astype(np.float16) if values.dtype.kind == 'f' else values
        np.savez_compressed(FILE, **_written)
        return
    with np.load(FILE) as kept:
        expected = kept[name]
    if values.dtype.kind == 'f':
        np.testing.assert_allclose(values, expected, rtol=tolerance, atol=tolerance)
    else:
        np.testing.assert_array_equal(values, expected)


@pytest.mark.parametrize('seed, shape', [(1, (48, 48)), (2, (64, 64)), (3, (96, 64))])
def test_the_same_seed_gives_the_same_windows(seed, shape):
    windows, frame = labelled_windows(24, seed, shape, surveys=24)
    check(f'windows {seed}', np.stack([thinned(w) for w in windows]))
    check(f'loudness {seed}', np.log(windows.std((1, 2))))
    columns = ['id', 'structure', 'wavelet', 'noise']
    check(f'table {seed}', frame[columns].to_numpy(str).astype('U32'))
    check(f'images {seed}', window_image(windows[0], 2 * windows[0].std())[::8, ::8])


def numbers(record):
    "Every number of a dataclass, in the order of its fields."
    fields = dataclasses.asdict(record).values()
    plain = [v for f in fields for v in (f if isinstance(f, tuple) else (f,))]
    return [float(v) if not isinstance(v, str) else float(len(v)) for v in plain]


def test_the_same_seed_gives_the_same_styles_and_recordings():
    drawn = []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        style = random_style(rng)
        records = random_recording(rng), window_style(rng, style, 96), survey_style(rng, 256, 4.0)
        drawn += [numbers(record) for record in (style, *records)]
    told = [f'{v:.5g}' for values in drawn for v in values]
    check('styles', np.array(told, dtype='U12'))


@pytest.mark.parametrize('seed', range(6))
def test_the_same_seed_gives_the_same_survey(seed):
    survey = Survey(seed, n_inlines=8, n_crosslines=128, n_samples=160)
    line = survey.inline(5)
    check(f'survey {seed}', thinned(line.data))
    check(f'classes {seed}', line.classes[::8, ::8])
    section = synthetic_section(seed, (96, 128))
    check(f'section {seed}', thinned(section.data))
    check(f'section classes {seed}', section.classes[::8, ::8])


@pytest.mark.parametrize('level', ['none', 'light', 'heavy'])
def test_the_same_seed_gives_the_same_augmentation(level):
    windows, _ = labelled_windows(2, 4, (64, 64), surveys=2)
    scaled = np.stack([Recipe(size=(64, 64)).scale(w, None) for w in windows])
    x = torch.from_numpy(scaled.astype(np.float32))[:, None]
    seen = [Augment(level)(x, seed=seed).numpy()[:, 0, ::8, ::8] for seed in range(3)]
    check(f'augmented {level}', np.stack(seen), 5e-3)


@pytest.mark.parametrize('name', sorted(set(BASELINES) - {'random'}))
def test_descriptors_are_what_they_were(name):
    windows, _ = labelled_windows(2, 5, (64, 80), surveys=2)
    recipe = Recipe(size=(64, 64))
    described = BASELINES[name]([recipe.scale(w, None) for w in windows])
    check(f'descriptor {name}', np.asarray(described)[:, ::5], 5e-3)
