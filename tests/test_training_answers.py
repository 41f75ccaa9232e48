"Known answers of training: boundaries of settings, losses by brute force, what seeds give."

import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from answers import in_words, tiny_vit, waves
import torch
import torch.nn.functional as F
from torch import nn

from reflection_connection.encoder import Encoder, EncoderModule, backbone_tokens, random_backbone
from reflection_connection.training import (
    adapt,
    augment,
    average,
    batches,
    centering,
    collapse,
    contrastive,
    dino,
    ibot,
    koleo_loss,
    loop,
    mae,
    masks,
    pretraining,
    settings,
    siamese,
    teacher,
    two_parts,
    views,
)
from reflection_connection.training.batches import Batches, SiameseConfig
from reflection_connection.training.loop import TrainError
from reflection_connection.training.settings import PretrainConfig
from reflection_connection.training.two_parts import SectionWindows, TwoPartsConfig, TwoPartsData
from reflection_connection.windows import Recipe

# what seeds give: mean, standard deviation, and the inner products with two waves
KNOWN = {
    'flip_polarity {}': [1.9429e-10, 0.72362, 0.040383, -3.9759],
    "flip_polarity {'p': 0.2}": [1.9429e-10, 0.72362, 0.040383, -3.9759],
    'gain_with_depth {}': [-0.0066268, 0.74984, -0.095983, -1.8181],
    "gain_with_depth {'strength': 1.5}": [-0.01251, 1.0193, -0.17992, -0.82295],
    'compand {}': [0.0023218, 0.71902, -0.01412, -2.2218],
    "compand {'strength': 1.0}": [0.0061565, 0.71885, 0.062224, -2.1337],
    'coloured_noise {}': [-0.0024789, 0.73824, 0.0116, -2.2446],
    "coloured_noise {'level': 1.0}": [-0.0061972, 0.8096, 0.12274, -2.2298],
    'standardise {}': [-7.1355e-10, 0.99896, -0.082802, -3.0051],
    "standardise {'clip': 1.0}": [-0.0079251, 0.81651, -0.48989, -2.832],
    'reshape_spectrum {}': [-0.017457, 0.72056, -0.033267, -2.7639],
    "reshape_spectrum {'p': 1.0, 'tilt': 1.5}": [0.047093, 0.94664, -0.25516, 1.0617],
    'Augment light window True True': [-0.0012915, 0.98019, -0.042041, 0.34137],
    'Augment heavy window True True': [-0.0025818, 0.94687, 0.034007, 2.7164],
    'Augment light source True True': [-0.0035461, 0.72711, 0.025625, 0.1075],
    'Augment heavy source True True': [0.010583, 0.68432, -0.010482, 2.1771],
    'Augment light window False True': [-0.000878, 0.98018, -0.011661, 2.5165],
    'Augment heavy window False True': [-0.0019401, 0.94575, 0.028579, -4.0747],
    'Augment light source False True': [-2.1783e-05, 0.7401, -0.005415, 1.6823],
    'Augment heavy source False True': [-0.00096603, 0.72587, -0.024748, -3.4553],
    'Augment light window True False': [-0.00033664, 0.98019, -0.039003, 3.6002],
    'Augment heavy window True False': [-0.0014757, 0.94218, 0.012706, 3.0503],
    'Augment light source True False': [0.0050987, 0.7271, 0.0063428, 2.4233],
    'Augment heavy source True False': [0.013193, 0.79673, -0.0046037, 2.0561],
    'low_resolution': [-0.011851, 0.62065, 0.024515, -1.5031],
    'a view of all there is': [0.0, 0.57383, -0.0013075, -0.18953],
    'shared': [0.29045, 0.59508, 0.34511, -0.22112],
    'TwoViews light 1': [0.0010185, 0.97012, -0.018796, -0.45785],
    'TwoViews light 2': [-0.00093057, 0.9694, -0.0043209, 1.5132],
    'TwoViews heavy 1': [0.00275, 0.7469, 0.088723, -2.4632],
    'TwoViews heavy 2': [-0.046734, 0.74872, -0.062254, -0.91741],
    'mask_noise random': [0.51573, 0.27553, -0.26889, 2.5956],
    'mask_noise trace': [3.272, 1.9838, -0.64395, 16.487],
    'block_mask (6, 8)': [0.29167, 0.45453, 0.32121, 1.545],
    'block_mask (12, 5)': [0.5, 0.5, -0.22982, 2.8425],
    'block_mask (10, 10)': [0.2, 0.4, -0.112, 1.1009],
    'block_mask': [0.39394, 0.48862, 0.34852, 1.9961],
    '_random_block': [3.381, 1.2593, 0.74389, 5.0636],
    'masked_tokens vit': [-1.5919e-09, 1.0, 0.23962, -0.02083],
    'visible_tokens vit': [1.2371e-08, 1.0, -0.21645, -0.095128],
    'masked_tokens dinov2': [2.2483e-09, 0.99995, 0.00082729, -0.063498],
    'visible_tokens dinov2': [1.7462e-10, 0.9999, -1.3026, -0.12199],
    'masked_tokens clip': [-0.11439, 2.3163, 0.36893, 1.9081],
    'visible_tokens clip': [-0.055422, 2.1953, 1.5424, 0.37158],
    'discriminative_projection': [0.71828, 0.76226, -0.35146, 3.1903],
    'discriminative_projection more': [0.44689, 0.57338, -0.13433, 1.9818],
    'pick': [7.0625, 7.3449, 0.37471, 34.206],
    'triplets': [8.303, 5.7172, 0.26997, -13.796],
    'crop_view': [-0.051828, 0.60944, 0.78093, -1.0223],
    'collate mae train noise': [0.45974, 0.28164, -0.11427, -0.55629],
    'collate mae train images': [0.0003761, 0.96615, 1.1014, 0.11212],
    'collate dinov2 train local_views': [-0.0010779, 0.96085, -0.95905, -0.30833],
    'collate dinov2 train global_views': [0.00027408, 0.96588, 0.2304, -0.097503],
    'collate dinov2 train masks': [0.13802, 0.34492, 0.20598, -0.44388],
    'collate dinov2 train share': [0.5, 0.0, 0.47767, 0.47767],
    'collate mae valid noise': [0.52261, 0.29219, 0.026904, -0.094796],
    'collate mae valid images': [-0.0013363, 0.19371, -0.051718, 0.12722],
    'collate dinov2 valid local_views': [-0.0037428, 0.19158, -0.035097, -0.2259],
    'collate dinov2 valid global_views': [-0.0012384, 0.19789, 0.062932, -0.17232],
    'collate dinov2 valid masks': [0.125, 0.33072, 0.25178, -0.52782],
    'collate dinov2 valid share': [0.5, 0.0, 0.47767, 0.47767],
    'group': [-5.6545e-08, 0.97671, 0.054529, 0.026627],
    'boxes': [75.0, 36.506, -16.751, 325.41],
    'TwoPartsData': [68.935, 73.494, 38.177, 276.38],
    'reconstruct True random': [-0.00072565, 0.54498, -0.011799, 1.1914],
    'reconstruct False random': [-0.041816, 0.39309, -0.039583, 1.6894],
    'reconstruct True trace': [-0.00063519, 0.61512, -0.0044076, -0.73948],
    'reconstruct False trace': [-0.0016231, 0.53483, -0.004012, -0.343],
}


def numbers(x):
    "Four numbers that change when any value or its place changes."
    x = np.asarray(x, np.float64).ravel()
    k = np.arange(len(x))
    waves = [x @ np.cos(w * k + 0.3) / len(x) ** 0.5 for w in (0.7, 0.0137)]
    return [x.mean(), x.std(), *waves]


def check(name, x):
    "Compare with what was given before."
    np.testing.assert_allclose(numbers(x), KNOWN[name], rtol=2e-3, atol=2e-4, err_msg=name)


refused = in_words(TrainError)


def tiny_encoder(head_dim=4, seed=0, **more):
    return Encoder.create(
        'resnet-tiny',
        Recipe(size=(32, 32)),
        head_dim=head_dim,
        seed=seed,
        embedding_size=4,
        hidden_sizes=[4, 4, 4, 8],
        **more,
    )


# settings


def test_choices_and_fractions_are_told_exactly():
    with refused("color is 'red': expected one of blue, green"):
        settings.check_choices(SimpleNamespace(color='red'), color=('blue', 'green'))
    settings.check_choices(SimpleNamespace(color='green'), color=('blue', 'green'))
    for lr in (0, -1.0, float('inf'), float('nan')):
        with refused(f'lr is {lr}: expected a number above 0'):
            settings.check_lr(lr)
    settings.check_lr(1e-9)
    settings.check_lr(2.0)
    for value in (-0.001, 1, 1.5):
        with refused(f'part is {value}: expected a number from 0 up to, not including, 1'):
            settings.check_fraction('part', value)
    settings.check_fraction('part', 0)
    settings.check_fraction('part', 0.999)


@pytest.mark.parametrize(
    'change, message',
    [
        ({'steps': 0}, 'steps is 0: expected at least 1'),
        ({'batch': 0}, 'batch is 0: expected at least 1'),
        ({'every': 0}, 'every is 0: expected at least 1'),
        ({'n_valid': 0}, 'n_valid is 0: expected at least 1'),
        ({'batch': 65537}, 'batch is 65,537: expected at most 65,536 windows'),
        ({'mask_ratio': 0}, 'mask_ratio is 0: expected a share between 0 and 1'),
        ({'mask_ratio': 1}, 'mask_ratio is 1: expected a share between 0 and 1'),
        ({'momentum': 1}, 'momentum is 1: expected a number from 0 up to, not including, 1'),
        ({'lr': 0}, 'lr is 0: expected a number above 0'),
        ({'student_temperature': 0}, 'temperatures must be above 0'),
        ({'teacher_temperature': (0, 1)}, 'temperatures must be above 0'),
        ({'teacher_temperature': (1, 0)}, 'temperatures must be above 0'),
        *(
            (
                {name: crop},
                f'crops of {crop[0]} to {crop[1]} of a window: expected 0 < lowest <= highest <= 1',
            )
            for name in ('scale', 'local_scale')
            for crop in ((0, 0.5), (0.5, 0.4), (0.5, 1.01))
        ),
        ({'objective': 'x'}, "objective is 'x': expected one of mae, dinov2"),
        ({'mask': 'x'}, "mask is 'x': expected one of random, trace"),
        ({'assignment': 'x'}, "assignment is 'x': expected one of centering, sinkhorn"),
        ({'augment': 'x'}, "augment is 'x': expected one of none, light, heavy"),
        ({'precision': 'x'}, "precision is 'x': expected one of auto, fp32, fp16, bf16"),
    ],
)
def test_pretraining_settings_that_are_refused(change, message):
    with refused(message):
        PretrainConfig(**change)


@pytest.mark.parametrize(
    'change',
    [
        {'steps': 1, 'batch': 1, 'every': 1, 'n_valid': 1},
        {'batch': 65536},
        {'mask_ratio': 0.001},
        {'mask_ratio': 0.999},
        {'momentum': 0.999},
        {'scale': [0.4, 0.4], 'local_scale': [0.001, 1]},
        {'student_temperature': 0.001, 'teacher_temperature': [0.001, 0.001]},
        {'objective': 'mae', 'mask': 'trace', 'assignment': 'centering', 'decoder': [4, 2]},
    ],
)
def test_pretraining_settings_that_are_taken(change):
    found = PretrainConfig(**change)
    for name, value in change.items():
        assert getattr(found, name) == (tuple(value) if isinstance(value, list) else value)


def test_rules_of_a_small_corpus():
    n = settings._n_prototypes
    given = [1, 5120, 10239, 10240, 20480, 1_310_719, 1_310_720, 10**9]
    assert [n(k) for k in given] == [256, 256, 256, 512, 1024, 32768, 65536, 65536]
    default = PretrainConfig(objective='mae')
    widths = [16, 127, 128, 191, 192, 256, 287, 288, 384, 768, 1024]
    found = [settings._decoder(default, w) for w in widths]
    assert [w for w, _ in found] == [64, 64, 64, 64, 96, 128, 128, 128, 192, 384, 512]
    assert [k for _, k in found] == [2, 2, 2, 2, 2, 2, 2, 3, 4, 8, 8]
    own = PretrainConfig(decoder=(48, 0)), PretrainConfig(decoder=(0, 5))
    assert [settings._decoder(c, 384) for c in own] == [(48, 4), (192, 5)]

    def rules(n_windows, size=96, patch=8, **changes):
        return settings.small_corpus_rules(PretrainConfig(**changes), n_windows, size, patch, 192)

    assert rules(99_999) == dict(
        batch=64,
        momentum=0.9,
        prototypes=4096,
        locals=4,
        local_size=40,
        head=(512, 256),
        decoder=(96, 2),
    )
    assert rules(100_000)['locals'] == 8
    assert [rules(k)['batch'] for k in (1, 63, 127, 128, 511, 512, 600)] == [
        8,
        8,
        8,
        16,
        56,
        64,
        64,
    ]
    assert rules(10**6, batch=8)['batch'] == 8
    found = [rules(1, steps=s)['momentum'] for s in (400, 1000, 5000, 5001, 10**6)]
    assert found == pytest.approx([0.9, 0.96, 0.992, 0.992, 0.992])
    assert rules(1, momentum=0.5)['momentum'] == 0.5
    assert rules(1, locals=3)['locals'] == 3
    assert rules(1, prototypes=16384)['head'] == (2048, 256)
    assert rules(1, prototypes=16383)['head'] == (512, 256)
    assert [rules(1, s, p)['local_size'] for s, p in ((32, 16), (224, 14), (224, 16))] == [
        32,
        98,
        96,
    ]


# augmentation


def test_augmentations_are_what_seeds_say():
    x = waves(16, 24, 20)
    changes = dict(
        flip_polarity=[{}, {'p': 0.2}],
        gain_with_depth=[{}, {'strength': 1.5}],
        compand=[{}, {'strength': 1.0}],
        coloured_noise=[{}, {'level': 1.0}],
        standardise=[{}, {'clip': 1.0}],
        reshape_spectrum=[{}, {'p': 1.0, 'tilt': 1.5}],
    )
    for name, givens in changes.items():
        for given in givens:
            torch.manual_seed(5)
            check(f'{name} {given}', getattr(augment, name)(x, **given))


def test_a_gain_is_its_exponential():
    x = torch.ones(200, 1, 5, 2)
    torch.manual_seed(0)
    gain = augment.gain_with_depth(x, 0.7)[:, 0, :, 0].log()
    assert torch.allclose(gain[:, 2], torch.zeros(200), atol=1e-6)
    assert torch.allclose(gain[:, 0], -gain[:, 4], atol=1e-5)
    assert torch.allclose(gain[:, 1] * 2, gain[:, 0], atol=1e-5)
    assert -0.7 <= gain[:, 4].min() < -0.6 and 0.6 < gain[:, 4].max() <= 0.7


def test_companding_is_a_power_between_its_bounds():
    torch.manual_seed(0)
    g = augment.compand(torch.full((300, 1, 1, 1), -2.0), 0.5)
    assert (g < 0).all()
    exponent = torch.log(torch.log2(-g)).ravel()
    assert -0.5 <= exponent.min() < -0.45 and 0.45 < exponent.max() <= 0.5
    assert augment.compand(torch.zeros(1, 1, 2, 2)).abs().max() == 0


def test_noise_is_a_share_of_the_windows_own():
    torch.manual_seed(1)
    x = waves(400, 64, 32)
    noise = augment.coloured_noise(x, 0.4) - x
    share = noise.std((1, 2, 3)) / x.std((1, 2, 3))
    assert share.max() < 0.45
    assert 0.17 < share.mean() < 0.23
    a, b = noise[:, 0, 1:].flatten(1), noise[:, 0, :-1].flatten(1)
    smooth = F.cosine_similarity(a, b, dim=1) > 0.5
    assert 0.4 < smooth.float().mean() < 0.6


def test_standardised_windows():
    x = augment.standardise(3 + 7 * waves(5, 24, 20), 100.0)
    assert x.mean((1, 2, 3)).abs().max() < 1e-5
    assert (x.std((1, 2, 3)) - 1).abs().max() < 1e-4
    assert augment.standardise(waves(5, 24, 20), 0.5).abs().max() == 0.5
    assert augment.standardise(torch.full((1, 1, 4, 4), 2.0)).abs().max() == 0


def test_the_spectrum_of_few_windows_changes():
    x = waves(40, 24, 20)
    torch.manual_seed(2)
    changed = (augment.reshape_spectrum(x, 0.4) != x).flatten(1).any(1)
    assert 8 < changed.sum() < 24
    assert augment.reshape_spectrum(x, 0.0) is x


@pytest.mark.parametrize('level', ['none', 'light', 'heavy'])
@pytest.mark.parametrize('scaling', ['window', 'source'])
@pytest.mark.parametrize('crop, frame', [(True, True), (False, True), (True, False)])
def test_augmented_batches_are_what_seeds_say(level, scaling, crop, frame):
    x, state = waves(12, 32, 32), torch.random.get_rng_state()
    change = augment.Augment(level, scaling, 1.5, crop=crop, frame=frame)
    y = change(x, seed=11)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(y, change(x, seed=11))
    if level == 'none':
        assert y is x
        return
    assert y.abs().max() <= 1.5 < x.abs().max()
    assert not torch.equal(y, change(x, seed=12))
    check(f'Augment {level} {scaling} {crop} {frame}', y)


def test_augmentation_refuses_and_remembers():
    with refused("level is 'x': expected one of ('none', 'light', 'heavy')", ValueError):
        augment.Augment('x')
    for shape in ((2, 3, 8, 8), (1, 8, 8)):
        with refused(f'expected a batch (B, 1, H, W), got shape {shape}', ValueError):
            augment.Augment('light')(torch.zeros(shape))
    light, heavy = augment.Augment('light'), augment.Augment('heavy')
    assert light.crop((8, 9)) is light.crop((8, 9))
    assert light.crop((8, 9))._param_generator.scale == (0.85, 1.0)
    assert heavy.crop((8, 9))._param_generator.scale == (0.75, 1.0)
    assert heavy.crop((8, 9))._param_generator.ratio == (0.8, 1.25)
    x = waves(40, 17, 15)
    torch.manual_seed(0)
    coarse = heavy.low_resolution(x)
    changed = (coarse != x).flatten(1).any(1)
    assert 4 < changed.sum() < 17
    assert heavy.low_resolution(x, 0).equal(x)
    check('low_resolution', heavy.low_resolution(x, 1.1))


def places(n=1, side=64):
    "Windows whose amplitude is the place along a trace, or across: -1 to 1."
    along = (torch.arange(side) + 0.5) / side * 2 - 1
    return along.expand(n, 1, side, side), along[:, None].expand(n, 1, side, side)


def test_two_views_show_what_the_frame_says():
    across, down = places(3)
    look = augment.TwoViews(32, 'none', move=0.0, zoom=0.0, stretch=0.0)
    frame = torch.eye(2).expand(3, 2, 2)
    middle = (torch.arange(32) + 0.5) / 32 - 0.5
    found = look.cut(across, frame)
    assert torch.allclose(found, middle.expand(3, 1, 32, 32), atol=1e-5)
    assert torch.allclose(look.cut(down, frame), middle[:, None].expand(3, 1, 32, 32), atol=1e-5)
    mirrored = look.cut(across, frame * torch.tensor([[-1.0, 1.0], [1.0, 1.0]]))
    assert torch.allclose(mirrored, -found, atol=1e-5)
    small, _ = places(1, 16)
    whole = augment.TwoViews(32, 'none', move=0.0, zoom=0.0).cut(small, frame[:1])
    assert whole.min() < -0.9
    check('a view of all there is', whole)


def test_frames_keep_their_bounds():
    torch.manual_seed(0)
    f = augment.TwoViews(8, stretch=0.25).shared(4000, 'cpu')
    wide, high = f[:, 0, 0], f[:, 1, 1]
    assert (wide < 0).float().mean() == pytest.approx(0.5, abs=0.03)
    for seen in (wide.abs(), high):
        assert 0.75 <= seen.min() < 0.76 and seen.max() == 1
        assert (seen == 1).float().mean() == pytest.approx(0.5, abs=0.03)
    for lean, most in ((f[:, 0, 1], 0.2), (f[:, 1, 0], 0.1)):
        assert 0.95 * most < lean.max() <= most and -most <= lean.min() < -0.95 * most
        assert (lean == 0).float().mean() == pytest.approx(0.5, abs=0.03)
    check('shared', f[:50])


def test_views_move_and_zoom_within_their_bounds():
    n = 3000
    across, down = places(n)
    frame = torch.eye(2).expand(n, 2, 2)
    torch.manual_seed(0)
    moving = augment.TwoViews(32, 'none', move=0.1, zoom=0.0, stretch=0.0)
    centre = moving.cut(across, frame).mean((1, 2, 3))
    assert 0.047 < centre.max() <= 0.0501 and -0.0501 <= centre.min() < -0.047
    zooming = augment.TwoViews(32, 'none', move=0.0, zoom=0.2, stretch=0.0)
    for x in (across, down):
        seen = zooming.cut(x, frame)
        size = seen.amax((1, 2, 3)) - seen.amin((1, 2, 3))
        full = 31 / 32
        assert 0.8 * full <= size.min() + 1e-4 < 0.81 * full
        assert 1.19 * full < size.max() - 1e-4 <= 1.2 * full


@pytest.mark.parametrize('level, scaling', [('light', 'window'), ('heavy', 'source')])
def test_two_views_are_what_seeds_say(level, scaling):
    x, state = waves(6, 40, 44), torch.random.get_rng_state()
    pair = augment.TwoViews(32, level, scaling, 1.5)
    first, second = pair(x, 4)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert first.shape == second.shape == (6, 1, 32, 32)
    assert not torch.equal(first, second)
    assert all(map(torch.equal, pair(x, 4), (first, second)))
    check(f'TwoViews {level} 1', first)
    check(f'TwoViews {level} 2', second)


# masks


def test_noise_and_blocks_are_what_seeds_say():
    rng = np.random.default_rng(1)
    check('mask_noise random', masks.mask_noise((5, 7), rng))
    check('mask_noise trace', masks.mask_noise((5, 7), rng, 'trace'))
    for grid, share in (((6, 8), 0.3), ((12, 5), 0.5), ((10, 10), 0.2)):
        mask = masks.block_mask(grid, share, np.random.default_rng(2))
        assert mask.shape == grid
        assert 0 < mask.sum() <= int(share * mask.size)
        check(f'block_mask {grid}', mask)
    given = dict(smallest=2, aspect=(0.5, 2.0))
    check('block_mask', masks.block_mask((9, 11), 0.4, np.random.default_rng(3), **given))
    rng = np.random.default_rng(0)
    for _ in range(200):
        check_blocks = masks.block_mask((3, 9), 0.5, rng)
        assert 1 <= check_blocks.sum() <= 13
        assert masks.block_mask((2, 2), 0.1, rng).sum() == 1
    blocks = [masks._random_block((4, 9), 20, 4, (0.3, 3.3), rng) for _ in range(500)]
    assert {h for h, _ in blocks} == {1, 2, 3, 4}
    assert {w for _, w in blocks} == set(range(1, 9))
    check('_random_block', np.array(blocks))
    for share in (0, 0.501):
        with refused(f'a share of {share}: expected above 0 and up to 0.5'):
            masks.block_mask((4, 4), share, rng)


def test_traces_are_hidden_whole():
    noise = masks.mask_noise((4, 6), np.random.default_rng(0), 'trace').view(4, 6)
    order = noise.mean(0).argsort()
    kept = noise.ravel().argsort()[: masks.n_kept((4, 6), 0.5, 'trace')]
    assert set((kept % 6).tolist()) == set(order[:3].tolist())
    assert noise.dtype == torch.float32


def test_how_many_patches_stay():
    assert masks.n_kept((4, 6), 0.75) == 6
    assert masks.n_kept((3, 3), 0.75) == 2
    assert masks.n_kept((3, 3), 0.001) == 8
    assert masks.n_kept((3, 3), 0.88) == 1
    assert masks.n_kept((4, 6), 0.75, 'trace') == 8
    assert masks.n_kept((4, 6), 0.99, 'trace') == 4
    assert masks.n_kept((4, 6), 0.01, 'trace') == 20
    remedy = 'choose another mask_ratio or smaller patches'
    with refused(f'hiding 75% of 1 x 3 patches leaves 0: {remedy}'):
        masks.n_kept((1, 3), 0.75)
    with refused(f'hiding 0% of 1 x 3 patches leaves 3: {remedy}'):
        masks.n_kept((1, 3), 0.0)
    with refused(f'hiding 50% of 3 x 1 patches leaves 3: {remedy}'):
        masks.n_kept((3, 1), 0.5, 'trace')


def test_hidden_patches_are_blank():
    x = torch.ones(2, 1, 4, 6)
    hidden = torch.tensor([[1, 0, 0, 0, 0, 1], [0, 0, 1, 0, 0, 0]], dtype=torch.bool)
    found = masks._blank(x, hidden, 2)
    assert found[0, 0].tolist() == [[0, 0, 1, 1, 1, 1]] * 2 + [[1, 1, 1, 1, 0, 0]] * 2
    assert found[1, 0].tolist() == [[1, 1, 1, 1, 0, 0]] * 2 + [[1] * 6] * 2
    kept = torch.tensor([[1, 2, 3, 4], [0, 1, 5, 4]])
    every = masks._all_but(kept, x, 2)
    assert every.tolist() == [
        [True, False, False, False, False, True],
        [False, False, True, True, False, False],
    ]


@pytest.mark.parametrize('kind', ['vit', 'dinov2', 'clip'])
def test_some_tokens_only(kind):
    backbone, x = tiny_vit(kind).eval(), waves(3, 32, 32)
    token = torch.linspace(-1, 1, 16)
    none, some = torch.zeros(3, 16, dtype=torch.bool), torch.zeros(3, 16, dtype=torch.bool)
    some[0, 3] = some[1, 5] = some[1, 6] = True
    with torch.no_grad():
        cls, patches = backbone_tokens(backbone, x)
        for found in (
            masks.masked_tokens(backbone, x, none, token),
            masks.visible_tokens(backbone, x, torch.arange(16).expand(3, 16)),
        ):
            assert torch.allclose(found[0], cls, atol=1e-5)
            assert torch.allclose(found[1], patches, atol=1e-5)
        hid_cls, hid = masks.masked_tokens(backbone, x, some, token)
        assert torch.allclose(hid[2], patches[2], atol=1e-5)
        assert not torch.allclose(hid[0], patches[0], atol=1e-5)
        y = x.clone()
        y[0, 0, 0:8, 24:32] = 5
        assert torch.equal(masks.masked_tokens(backbone, y, some, token)[1], hid)
        check(f'masked_tokens {kind}', torch.cat([hid_cls[:, None], hid], 1))
        kept = torch.tensor([[0, 3, 7], [15, 1, 2], [4, 5, 6]])
        cls, few = masks.visible_tokens(backbone, x, kept)
        y = x.clone()
        y[0, 0, 0:8, 8:24] = 5
        assert torch.equal(masks.visible_tokens(backbone, y, kept)[1][0], few[0])
        assert few.shape == (3, 3, 16)
        check(f'visible_tokens {kind}', torch.cat([cls[:, None], few], 1))
        assert torch.equal(backbone_tokens(backbone, x)[1], patches)


def test_registers_stay_visible():
    torch.manual_seed(0)
    from transformers import AutoConfig, AutoModel

    config = AutoConfig.for_model(
        'dinov2_with_registers',
        hidden_size=16,
        num_attention_heads=2,
        num_hidden_layers=1,
        image_size=32,
        patch_size=8,
        num_channels=1,
        num_register_tokens=3,
    )
    backbone, x = AutoModel.from_config(config).eval(), waves(2, 32, 32)
    with torch.no_grad():
        cls, patches = backbone_tokens(backbone, x)
        found = masks.visible_tokens(backbone, x, torch.arange(16).expand(2, 16))
    assert torch.allclose(found[0], cls, atol=1e-5)
    assert torch.allclose(found[1], patches, atol=1e-5)
    assert patches.shape == (2, 16, 16)


def test_networks_without_patches_are_refused():
    with refused(
        'resnet has no sequence of patches: pretraining needs a ViT-like backbone '
        '(vit-…, vitmae-…, dinov2-…, clip-…)'
    ):
        masks.embedding_layers(tiny_encoder().module.backbone)
    convnext = random_backbone('convnextv2-atto', hidden_sizes=[8, 8, 8, 8], depths=[1, 1, 1, 1])
    with refused(
        'convnextv2 has no sequence of patches: pretraining needs a ViT-like backbone '
        '(vit-…, vitmae-…, dinov2-…, clip-…)'
    ):
        masks.embedding_layers(convnext)


# losses


def test_soft_cross_entropy_by_hand():
    logits = torch.tensor([[0.1, 0.2, -0.3], [0.0, 1.0, 2.0]])
    target = torch.tensor([[0.5, 0.25, 0.25], [0.0, 0.0, 1.0]])
    for temperature in (0.1, 0.7):
        want = []
        for row, q in zip(logits.tolist(), target.tolist()):
            e = [math.exp(v / temperature) for v in row]
            want.append(-sum(p * math.log(v / sum(e)) for p, v in zip(q, e)))
        found = dino.soft_cross_entropy(logits, target, temperature)
        assert found.tolist() == pytest.approx(want, rel=1e-3)
    assert dino.soft_cross_entropy(logits.half(), target).dtype == torch.float32


def test_the_loss_of_views_is_the_mean_over_pairs():
    assert dino.view_pairs(2, 4) == [(0, 1), (0, 2), (0, 3), (1, 0), (1, 2), (1, 3)]
    torch.manual_seed(0)
    student = [torch.randn(3, 5) for _ in range(3)]
    said = [torch.randn(3, 5).softmax(-1) for _ in range(2)]
    pairs = [(0, 1), (0, 2), (1, 0), (1, 2)]
    want = sum(
        -(said[t] * (student[s] / 0.3).log_softmax(-1)).sum() / 3 / len(pairs) for t, s in pairs
    )
    assert float(dino.dino_loss(student, said, 0.3)) == pytest.approx(float(want), rel=1e-5)
    with refused('a single view: there is nothing to compare it with; use two global views'):
        dino.dino_loss(student[:1], said[:1])


def test_the_head_gives_cosines():
    torch.manual_seed(0)
    head = dino.DINOHead(6, 7, hidden=12, bottleneck=5)
    assert [tuple(p.shape) for p in head.parameters()] == [
        (7, 5),
        (7, 1),
        (12, 6),
        (12,),
        (12, 12),
        (12,),
        (5, 12),
        (5,),
    ]
    assert all(not m.bias.any() for m in head.mlp if isinstance(m, nn.Linear))
    assert all(0.01 < m.weight.std() < 0.03 for m in head.mlp if isinstance(m, nn.Linear))
    assert 0.01 < head.prototypes.std() < 0.03
    assert head.last_layer() == (head.prototypes, head.gain)
    x = torch.randn(4, 6)
    with torch.no_grad():
        head.gain[2] = 3.0
        z = head.mlp(x)
        want = F.cosine_similarity(z[:, None], head.prototypes[None], dim=-1)
        want[:, 2] *= 3
        assert torch.allclose(head(x), want, atol=1e-5)
        tiny = dino.DINOHead(6, 7, hidden=12, bottleneck=5)
        tiny.mlp[-1].weight.mul_(1e-6)
        length = tiny(x).norm(dim=-1) / tiny(x * 2).norm(dim=-1)
        assert torch.allclose(length, torch.ones(4), atol=0.1)
        nothing = dino.DINOHead(6, 7, hidden=12, bottleneck=5).half()
        nothing.mlp[-1].weight.zero_()
        assert torch.isfinite(nothing(x.half())).all()


def test_hidden_patches_weigh_by_view():
    torch.manual_seed(0)
    mask = torch.tensor([[1, 1, 0], [0, 0, 0], [1, 0, 0], [0, 1, 1]], dtype=torch.bool)
    student, said = torch.randn(5, 4), torch.randn(5, 4).softmax(-1)
    each = dino.soft_cross_entropy(student, said, 0.2)
    want = ((each[0] + each[1]) / 2 + each[2] + (each[3] + each[4]) / 2) / 4
    found = ibot.ibot_loss(student, said, mask, 0.2)
    assert float(found) == pytest.approx(float(want), rel=1e-6)
    with refused('no patch is masked: iBOT has nothing to predict'):
        ibot.ibot_loss(student[:0], said[:0], mask & False)


def test_spreading_goes_by_the_nearest():
    z = torch.tensor([[2.0, 0.0], [0.0, 3.0], [-1.0, 1.0]])
    d = [2**0.5, (2 - 2**0.5) ** 0.5, (2 - 2**0.5) ** 0.5]
    assert float(koleo_loss.koleo(z)) == pytest.approx(-np.log(d).mean(), rel=1e-5)
    same = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    assert float(koleo_loss.koleo(same, eps=1e-3)) == pytest.approx(-math.log(1e-3), rel=1e-3)
    opposite = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    assert float(koleo_loss.koleo(opposite)) == pytest.approx(-math.log(2), rel=1e-4)
    with refused('KoLeo of a single embedding: it has no neighbour; use a batch of at least 2'):
        koleo_loss.koleo(z[:1])


def test_pairs_that_are_alike():
    codes = torch.tensor([2, -1, 2, -1, 0])
    assert contrastive.same(codes).nonzero().tolist() == [[0, 0], [0, 2], [2, 0], [2, 2], [4, 4]]
    assert contrastive.off_diagonal(codes[:3, None]).int().tolist() == [
        [0, 1, 1],
        [1, 0, 1],
        [1, 1, 0],
    ]


def contrast_by_hand(z, alike, among, temperature):
    "Khosla et al. 2020, equation 2, pair by pair."
    n, losses = len(z), []
    s = (z @ z.T / temperature).double().exp()
    for i in range(n):
        others = [j for j in range(n) if j != i and among[i, j]]
        positives = [j for j in others if alike[i, j]]
        if positives:
            whole = sum(s[i, j] for j in others)
            losses.append(-sum(torch.log(s[i, p] / whole) for p in positives) / len(positives))
        else:
            losses.append(torch.tensor(0.0).double())
    with_positives = [v for v in losses if v != 0]
    return float(sum(losses) / max(1, len(with_positives)))


def test_the_contrast_by_hand():
    torch.manual_seed(1)
    z = F.normalize(torch.randn(7, 4), dim=-1)
    alike = contrastive.same(torch.tensor([0, 0, 1, 1, 1, 2, -1]))
    every = torch.ones(7, 7, dtype=torch.bool)
    among = contrastive.same(torch.tensor([0, 0, 0, 0, 1, 1, 1]))
    for t in (0.1, 0.5):
        found = contrastive.contrast(z, alike, temperature=t)
        assert float(found) == pytest.approx(contrast_by_hand(z, alike, every, t), rel=1e-4)
        found = contrastive.contrast(z, alike, among, t)
        assert float(found) == pytest.approx(contrast_by_hand(z, alike, among, t), rel=1e-4)
    assert float(contrastive.contrast(z, alike & False)) == 0


def test_centres_follow_the_mean():
    center = centering.Centering(3, 0.8)
    logits = torch.tensor([[1.0, 2.0, 3.0], [3.0, 2.0, 4.0]])
    first = center(logits, 0.5)
    assert torch.allclose(first, (logits / 0.5).softmax(-1))
    assert torch.allclose(center.center, 0.2 * logits.mean(0))
    second = center(logits, 0.5)
    assert torch.allclose(second, ((logits - 0.2 * logits.mean(0)) / 0.5).softmax(-1))
    assert torch.allclose(center.center, 0.36 * logits.mean(0))
    kept = center.center.clone()
    center(logits[:0], 0.5)
    assert torch.equal(center.center, kept)
    center.eval()(logits, 0.5)
    assert torch.equal(center.center, kept)
    assert centering.Centering(2).momentum == 0.9


def test_sinkhorn_by_hand():
    torch.manual_seed(0)
    logits = torch.randn(6, 4)
    for n in (1, 2, 3):
        q = (logits.double() / 0.4).exp()
        for _ in range(n):
            q = q / q.sum(0)
            q = q / q.sum(1, keepdim=True)
        assert torch.allclose(centering.sinkhorn(logits, 0.4, n).double(), q, atol=1e-5)
    even = centering.sinkhorn(logits, 0.4, 100)
    assert torch.allclose(even.sum(0), torch.full((4,), 1.5), atol=1e-3)
    assert centering.sinkhorn(logits[:0], 0.4).shape == (0, 4)
    assert torch.isfinite(centering.sinkhorn(logits * 1000, 0.01)).all()
    assert centering._maximum(torch.zeros(2, 0), 1).tolist() == [[-math.inf], [-math.inf]]
    assert centering._maximum(logits, 0).shape == (1, 4)


def test_collapse_is_measured():
    z = torch.tensor([[2.0, 0.0], [0.0, 5.0]])
    assert float(collapse.spread(z)) == pytest.approx(0.5**0.5)
    assert float(collapse.spread(z[:1])) == 0
    rank = float(collapse.effective_rank(torch.eye(5)))
    assert rank == pytest.approx(4, rel=1e-4)
    torch.manual_seed(0)
    x = torch.randn(9, 4)
    u = (x / x.norm(dim=1, keepdim=True)).double()
    s = torch.linalg.svdvals(u - u.mean(0))
    p = s / s.sum()
    want = float(torch.exp(-(p * p.log()).sum()))
    assert float(collapse.effective_rank(x)) == pytest.approx(want, rel=1e-4)
    one_hot = torch.eye(4)
    assert [float(v) for v in collapse.assignment_entropy(one_hot)] == pytest.approx([1, 1])
    flat = torch.full((4, 4), 0.25)
    assert [float(v) for v in collapse.assignment_entropy(flat)] == pytest.approx([1, 0], abs=1e-6)
    half = torch.tensor([[0.5, 0.5, 0, 0], [0.5, 0.5, 0, 0]])
    assert [float(v) for v in collapse.assignment_entropy(half)] == pytest.approx([0.5, 0.5])


def test_a_collapse_stops_the_run_in_time():
    guard = collapse.CollapseGuard(PretrainConfig(lr=0.25, koleo=0.125))
    flat = {'usage': 0.0199, 'certainty': 0.00199, 'spread': 0.0199, 'rank': 1.49}
    fine = {'usage': 0.02, 'certainty': 0.002, 'spread': 0.02, 'rank': 1.5}

    def said(step, most, logs):
        guard.on_log(None, SimpleNamespace(global_step=step, max_steps=most), None, logs)

    said(19, 100, flat)
    said(39, 400, flat)
    said(40, 400, fine)
    said(40, 400, {'loss': 0.0})
    with refused(
        'embeddings have collapsed at step 20: usage 0.0199 (below 0.02), '
        'certainty 0.00199 (below 0.002), spread 0.0199 (below 0.02), rank 1.49 (below 1.5); '
        'lower lr (0.25), raise koleo (0.125) or momentum, or use assignment sinkhorn'
    ):
        said(20, 100, flat)
    for name in flat:
        with pytest.raises(TrainError, match=f'at step 40: {name}'):
            said(40, 400, fine | {name: flat[name]})


# averages


def test_the_average_follows():
    module = EncoderModule(tiny_encoder().module.backbone, 'gem', neck=True)
    model = average.Averaged(module, SimpleNamespace(average=0.5))
    assert model.kept is model.average
    assert not any(p.requires_grad for p in model.average.parameters())
    model.train()
    assert model.encoder.training and not model.average.training
    with torch.no_grad():
        model.encoder.gem_p.fill_(4.0)
        model.encoder.neck.running_mean.fill_(1.0)
        model.encoder.neck.num_batches_tracked.fill_(7)
    model.follow(0)
    assert float(model.average.gem_p) == pytest.approx(3.9)
    assert float(model.average.neck.running_mean[0]) == pytest.approx(0.9)
    assert int(model.average.neck.num_batches_tracked) == 7
    model.follow(1)
    assert float(model.average.gem_p) == pytest.approx(4 - 0.1 * 2 / 11)
    before = float(model.average.gem_p)
    with torch.no_grad():
        model.encoder.gem_p.fill_(8.0)
    average.AverageFollows(model).on_step_end(None, SimpleNamespace(global_step=100), None)
    assert float(model.average.gem_p) == pytest.approx((before + 8) / 2)
    alone = average.Averaged(module, SimpleNamespace(average=0.0))
    assert alone.average is None and alone.kept is alone.encoder is module
    assert alone.train() is alone and alone.encoder.training
    assert not alone.eval().encoder.training


def test_between_start_and_end():
    for look in (False, True):
        start, end = tiny_encoder(seed=1), tiny_encoder(seed=2)
        if look:
            start.add_look(4, seed=1), end.add_look(4, seed=2)
        a = {k: v.clone() for k, v in start.module.state_dict().items()}
        b = {k: v.clone() for k, v in end.module.state_dict().items()}
        assert average.toward(start, end, 0.25) is end
        for name, v in end.module.state_dict().items():
            want = a[name] + 0.25 * (b[name] - a[name]) if v.is_floating_point() else b[name]
            assert torch.allclose(v, want, atol=1e-6), name
            assert torch.equal(start.module.state_dict()[name], a[name])
    for share in (0.0, 1.0):
        start, end = tiny_encoder(seed=1), tiny_encoder(seed=2)
        want = (start, end)[int(share)].module.head.weight.clone()
        average.toward(start, end, share)
        assert torch.allclose(end.module.head.weight, want)
    for share in (-0.01, 1.01):
        with refused(f'share is {share}: expected a number from 0 to 1'):
            average.toward(start, end, share)


def test_only_what_was_added_may_be_new():
    start, end = tiny_encoder(seed=1), tiny_encoder(seed=2).add_look(4).add_structure(3)
    look = end.module.look.layers[0].weight.clone()
    structure = end.module.structure.weight.clone()
    average.toward(start, end, 0.0)
    assert torch.equal(end.module.look.layers[0].weight, look)
    assert torch.equal(end.module.structure.weight, structure)
    assert torch.allclose(end.module.head.weight, start.module.head.weight)
    different = 'the two encoders have different weights: expected the start of this fine-tuning'
    with refused(different):
        average.toward(end, tiny_encoder())
    with refused(different):
        average.toward(tiny_encoder(head_dim=5), tiny_encoder())
    with refused(different):
        average.toward(tiny_encoder(head_dim=0), tiny_encoder())


# adaptation


def test_a_projection_stretches_what_tells_labels_apart():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(40, 5)) * [1, 0.2, 0.2, 0.2, 0.2]
    labels = np.where(z[:, 0] > 0, 'a', 'b')
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    found = adapt.discriminative_projection(z, labels, strength=2.0)
    assert np.allclose(found, found.T)
    size, turn = np.linalg.eigh(found)
    assert size[-1] == pytest.approx(3) and np.allclose(size[:-1], 1)
    assert abs(turn[0, -1]) > 0.9
    three = np.array(['a', 'b', 'c'])[rng.integers(0, 3, 40)]
    check('discriminative_projection', adapt.discriminative_projection(z, three))
    given = dict(strength=1.5, regularity=5.0)
    check('discriminative_projection more', adapt.discriminative_projection(z, three, **given))
    with refused('40 embeddings but 39 labels'):
        adapt.discriminative_projection(z, labels[1:])
    with refused('only one class (a): a comparison needs two'):
        adapt.discriminative_projection(z, ['a'] * 40)


@pytest.mark.parametrize('head_dim, bias', [(0, False), (4, True), (4, False)])
def test_a_stretched_head(head_dim, bias):
    encoder = tiny_encoder(head_dim)
    encoder.calibration = {'a': 1}
    dim = head_dim or 8
    m = encoder.module
    if head_dim:
        m.head = nn.Linear(8, 4, bias=bias)
    a = np.random.default_rng(0).normal(size=(dim, dim))
    x = torch.randn(3, 8)
    before = x if m.head is None else m.head(x)
    assert adapt.stretch_head(encoder, a) is encoder
    assert torch.allclose(m.head(x), before @ torch.as_tensor(a).float(), atol=1e-5)
    assert (m.head.bias is not None) == bias
    assert encoder.calibration is None and not m.head.training
    with refused(f'the stretch has shape ({dim}, 3): expected ({dim}, {dim})'):
        adapt.stretch_head(encoder, a[:, :3])


# batches


@pytest.mark.parametrize(
    'change, message',
    [
        *(
            (
                {'classes': p, 'per_class': k},
                f'a batch of {p} classes x {k} windows has no {what}: both must be at least 2',
            )
            for p, k, what in ((1, 8, 'negatives'), (8, 1, 'positives'), (1, 1, 'negatives'))
        ),
        ({'views': 0}, 'views is 0: expected at least 1'),
        ({'mining': 'random', 'views': 2}, 'random triplets have one view of each window'),
        ({'mining': 'random', 'loss': 'supcon'}, "random triplets need loss 'triplet'"),
        (
            {'mining': 'random', 'gather': True},
            'random triplets are complete in themselves: nothing to gather',
        ),
        ({'average': 1}, 'average is 1: expected a number from 0 up to, not including, 1'),
        ({'within': -0.1, 'views': 2}, 'within and look are weights: expected 0 or more'),
        ({'look': -0.1}, 'within and look are weights: expected 0 or more'),
        ({'within': 0.1}, 'within compares two views of a window: set views=2'),
        ({'steps': 0}, 'steps and eval_every must be at least 1'),
        ({'eval_every': 0}, 'steps and eval_every must be at least 1'),
        ({'lr': 0}, 'lr is 0: expected a number above 0'),
        ({'accumulate': 0}, 'accumulate is 0: expected at least 1'),
        ({'loss': 'x'}, "loss is 'x': expected one of triplet, supcon"),
        ({'mining': 'x'}, "mining is 'x': expected one of all, semihard, hard, random"),
        ({'augment': 'x'}, "augment is 'x': expected one of none, light, heavy"),
        ({'precision': 'x'}, "precision is 'x': expected one of auto, fp32, fp16, bf16"),
    ],
)
def test_fine_tuning_settings_that_are_refused(change, message):
    with refused(message):
        SiameseConfig(**change)


@pytest.mark.parametrize(
    'change',
    [
        {'classes': 2, 'per_class': 2, 'views': 1, 'steps': 1, 'eval_every': 1, 'accumulate': 1},
        {'within': 0.0, 'look': 0.0, 'average': 0.0},
        {'within': 0.5, 'views': 2, 'average': 0.9},
        {'mining': 'random'},
        {'loss': 'supcon', 'gather': True, 'views': 2},
        {'not_anchors': ['a', 'b']},
    ],
)
def test_fine_tuning_settings_that_are_taken(change):
    found = SiameseConfig(**change)
    for name, value in change.items():
        assert getattr(found, name) == (tuple(value) if isinstance(value, list) else value)


def test_classes_that_cannot_be_compared():
    with refused('3 windows but 2 labels'):
        batches._class_members(['a', 'b'], 3)
    with refused('only one class (a): a comparison needs two'):
        batches._class_members(['a', 'a'], 2)
    with refused(
        'class b has a single window: a positive needs a second one; add windows or drop the class'
    ):
        batches._class_members(['a', 'b', 'a', 'c'], 4)
    names, members = batches._class_members(['b', 'a', 'b', 'a', 'b'], 5)
    assert names.tolist() == ['a', 'b']
    assert [m.tolist() for m in members] == [[1, 3], [0, 2, 4]]
    assert batches._anchors(['a', 'b', 'c'], ('b',)).tolist() == [True, False, True]
    with refused("not_anchors names ['x', 'z']: not among the classes a, b"):
        batches._anchors(['a', 'b'], ('z', 'x', 'a'))


def test_how_processes_share_a_batch():
    def shared(p, k, n_classes, processes, **more):
        config = SiameseConfig(classes=p, per_class=k, **more)
        return batches._shared_by_class(config, n_classes, processes)

    assert shared(8, 8, 8, 1) and shared(8, 8, 8, 2) and shared(8, 8, 8, 4)
    assert not shared(8, 8, 7, 2)
    assert not shared(2, 4, 9, 2)
    assert shared(2, 4, 9, 2, gather=True)
    assert not shared(3, 2, 9, 2, gather=True)
    assert not shared(3, 3, 9, 2, mining='random')
    with refused(
        '2 classes of 2 windows cannot be dealt out to 2 processes with at least 2 classes or '
        'windows of each class: make per_class a multiple of 2, or gather'
    ):
        shared(2, 2, 9, 2)
    with refused(
        '3 classes of 3 windows cannot be dealt out to 2 processes with at least 1 class or '
        'window: make per_class a multiple of 2'
    ):
        shared(5, 3, 3, 2, gather=True)
    with pytest.raises(TrainError, match='3 classes of 5 windows'):
        shared(3, 5, 9, 2)


def lettered(sizes, **config):
    "Batches over classes of these sizes, whose windows hold their row."
    labels = [c for c, n in zip('abcdefgh', sizes) for _ in range(n)]
    x = torch.arange(len(labels)).float().view(-1, 1, 1, 1)
    processes = config.pop('processes', 1)
    return Batches(x, labels, SiameseConfig(**config), processes)


def test_batches_are_what_seeds_say():
    data = lettered([3, 6, 2, 9, 4], classes=3, per_class=4, steps=5, accumulate=2, seed=7)
    assert len(data) == 10
    assert data.names.tolist() == list('abcde')
    item = data[3]
    assert int(item['batch_seed']) == (7 * 1_000_003 + 3) % 2**31
    far = lettered([3, 6], steps=5, seed=5000)[1]
    assert int(far['batch_seed']) == (5000 * 1_000_003 + 1) % 2**31
    y = np.repeat(range(5), [3, 6, 2, 9, 4])
    rows = item['images'].ravel().int().numpy()
    assert item['images'].dtype == torch.float32
    assert (y[rows] == item['labels'].numpy()).all()
    for k in range(20):
        rows, labels = data.pick(k)
        assert len(set(labels)) == 3 and (labels.reshape(3, 4) == labels[::4, None]).all()
        for c in set(labels):
            mine = rows[labels == c]
            assert len(set(mine)) == 4 or (y == c).sum() < 4
    check('pick', np.concatenate([np.concatenate(data.pick(k)) for k in range(6)]))
    other = lettered([3, 6, 2, 9, 4], classes=3, per_class=4, seed=8)
    assert any((data.pick(k)[0] != other.pick(k)[0]).any() for k in range(3))


def test_random_triplets_are_triplets():
    data = lettered(
        [3, 6, 2, 9], classes=5, per_class=7, mining='random', not_anchors=('b',), seed=2
    )
    y = np.repeat(range(4), [3, 6, 2, 9])
    for k in range(10):
        rows, labels = data.pick(k)
        assert (y[rows] == labels).all()
        (a, p, _), (ya, yp, yn) = rows.reshape(3, 11), labels.reshape(3, 11)
        assert (ya == yp).all() and (ya != yn).all() and (a != p).all()
        assert 1 not in ya and {1} <= set(yn)
    check('triplets', np.concatenate([data.pick(k)[0] for k in range(6)]))


@pytest.mark.parametrize(
    'config, by_class',
    [
        (dict(classes=4, per_class=4), True),
        (dict(classes=3, per_class=4), False),
        (dict(classes=5, per_class=7, mining='random'), False),
    ],
)
def test_two_processes_see_a_batch_between_them(config, by_class):
    both = lettered([8, 8, 8, 8, 8], steps=3, processes=2, **config)
    alone = lettered([8, 8, 8, 8, 8], steps=3, **config)
    assert len(both) == 2 * len(alone) == 6 and both.by_class == by_class
    for k in range(3):
        rows, y = alone.part(k)
        first, second = both.part(2 * k), both.part(2 * k + 1)
        if config.get('mining') == 'random':
            cut = [part[0].reshape(3, -1) for part in (first, second)]
            whole = rows.reshape(3, -1)
            assert whole.shape[1] == 11
            assert (cut[0] == whole[:, 0:10:2]).all() and (cut[1] == whole[:, 1:10:2]).all()
            continue
        grid, names = rows.reshape(-1, 4), y.reshape(-1, 4)
        for r, (mine, labels) in enumerate((first, second)):
            want = (slice(r, None, 2),) if by_class else (slice(None), slice(r, None, 2))
            assert (mine == grid[want].ravel()).all()
            assert (labels == names[want].ravel()).all()


# what pretraining sees


class Windows:
    "A corpus whose windows are made of seed, part and number."

    n_windows, sources = 400, ['a', 'b', 'c']

    def window(self, i, seed, part):
        rng = np.random.default_rng([i, seed, part == 'valid'])
        pixels = rng.normal(size=(40 + i % 3, 50)).astype(np.float32)
        live = np.ones(pixels.shape, bool)
        live[: i % 4] = False
        return SimpleNamespace(pixels=pixels, live=live)

    def scale(self, w):
        return 2.0 + w.pixels.shape[0] / 40


def test_crops_are_places():
    assert [views._crop_length(100, a, r) for a, r in ((1, 1), (0.25, 1), (0.5, 2), (0, 1))] == [
        100,
        50,
        100,
        2,
    ]
    assert views._crop_length(100, 4, 1) == 100
    across, _ = places(1, 60)
    window, rng = across[0, 0], np.random.default_rng(0)
    seen = [views.crop_view(window, (0.25, 0.25), 30, rng, aspect=(1, 1)) for _ in range(300)]
    assert seen[0].shape == (1, 30, 30)
    width = torch.stack([v[0, 0, -1] - v[0, 0, 0] for v in seen])
    assert torch.allclose(width, torch.full_like(width, 29 / 30), atol=1e-3)
    left = torch.stack([v[0, 0, 0] for v in seen])
    assert left.min() == pytest.approx(-59 / 60, abs=1e-3)
    assert left.max() == pytest.approx(1 / 60, abs=1e-3)
    window = waves(1, 50, 70)[0, 0]
    check('crop_view', torch.stack([views.crop_view(window, (0.1, 0.9), 16, rng) for _ in '1234']))


@pytest.mark.parametrize('objective', ['mae', 'dinov2'])
@pytest.mark.parametrize('part, scaling', [('train', 'window'), ('valid', 'source')])
def test_what_is_seen_is_what_seeds_say(objective, part, scaling):
    config = PretrainConfig(objective=objective, steps=4, seed=3, scale=(0.3, 0.9))
    sizes = {'batch': 16, 'local_size': 16, 'locals': 3}
    recipe = Recipe(scaling, (32, 32), 2.0)
    data = views.PretrainData(Windows(), recipe, config, 8, sizes, part)
    assert len(data) == 64
    assert len(views.PretrainData(Windows(), recipe, config, 8, sizes, part, n=5)) == 5
    assert data.grid == (4, 4)
    w = Windows().window(6, 3, part)
    scale = Windows().scale(w) if scaling == 'source' else 1.0
    assert torch.equal(data.window(6), torch.from_numpy(recipe.scale(w.pixels, w.live, scale)))
    batch = data.collate([data[i] for i in range(32, 44)])
    if objective == 'mae':
        assert batch.keys() == {'images', 'noise'}
        assert batch['images'].shape == (12, 1, 32, 32)
        assert torch.equal(batch['noise'][9], data[41]['noise'])
        rng = data.rng(32, 5)
        crop = views.crop_view(data.window(32), (0.3, 0.9), 32, rng)
        assert torch.equal(crop, data[32]['images'])
    else:
        assert batch.keys() == {'global_views', 'local_views', 'masks', 'share'}
        assert batch['global_views'].shape == (12, 2, 1, 32, 32)
        assert batch['local_views'].shape == (12, 3, 1, 16, 16)
        assert float(batch['share']) == 0.5
        assert batch['masks'].shape == (12, 2, 16)
        assert (batch['masks'].any(2).sum(1) == 1).all()
        assert torch.equal(batch['masks'][8:], data.masks(40, 4))
    again = data.collate([data[i] for i in range(40, 44)])
    for name, value in batch.items():
        if name != 'share':
            assert torch.equal(again[name], value[8:])
        check(f'collate {objective} {part} {name}', value)


def test_hidden_shares_are_spread_evenly():
    config = PretrainConfig(steps=4)
    data = views.PretrainData(Windows(), Recipe(size=(128, 128)), config, 4, {'batch': 8})
    shares = data.masks(0, 8).float().sum(1).mean(1).sort().values
    edges = 0.1 + 0.05 * torch.arange(9)
    assert (shares >= edges[:-1] - 0.002).all() and (shares <= edges[1:]).all()


def test_pretraining_needs_a_square_of_whole_patches():
    for size in ((32, 40), (36, 36)):
        with refused(
            f'input {size} in patches of 8: '
            'pretraining needs a square input that is a multiple of the patch'
        ):
            views.PretrainData(Windows(), Recipe(size=size), PretrainConfig(), 8, {'batch': 8})


# kind and look


@pytest.mark.parametrize(
    'change, message',
    [
        *(
            (c, 'classes and per_class must be at least 2: a comparison needs others')
            for c in ({'classes': 1}, {'per_class': 1})
        ),
        *(
            ({name: 0}, 'steps, eval_every, neighbours and structures must be at least 1')
            for name in ('steps', 'eval_every', 'neighbours', 'structures')
        ),
        *(
            ({name: -1}, 'labelled and unlabelled count windows: expected 0 or more')
            for name in ('labelled', 'unlabelled')
        ),
        ({'average': 1}, 'average is 1: expected a number from 0 up to, not including, 1'),
        ({'lr': 0}, 'lr is 0: expected a number above 0'),
        ({'augment': 'x'}, "augment is 'x': expected one of none, light, heavy"),
        ({'precision': 'x'}, "precision is 'x': expected one of auto, fp32, fp16, bf16"),
    ],
)
def test_settings_of_two_parts_that_are_refused(change, message):
    with refused(message):
        TwoPartsConfig(**change)


def test_settings_of_two_parts_that_are_taken():
    least = dict(classes=2, per_class=2, labelled=0, unlabelled=0)
    least |= dict(steps=1, eval_every=1, neighbours=1, structures=1)
    found = TwoPartsConfig(**least)
    assert {name: getattr(found, name) for name in least} == least


def test_a_lively_window_is_nine_tenths_live():
    section = np.zeros((10, 20))
    section[:9, :10] = np.arange(1, 91).reshape(9, 10)
    assert two_parts.lively(section, (0, 0, 10, 10))
    section[3, 4] = np.nan
    assert not two_parts.lively(section, (0, 0, 10, 10))
    assert two_parts.lively(section, (0, 0, 9, 10))
    assert not two_parts.lively(section, (1, 0, 10, 10))
    assert not two_parts.lively(section, (0, 11, 10, 10))
    assert not two_parts.lively(np.ones((5, 5)), (0, 0, 5, 5))


def test_windows_get_the_margin_that_there_is():
    assert [two_parts._room(*given) for given in ((50, 100, 300, 0.08), (3, 100, 300, 0.08))] == [
        8,
        3,
    ]
    assert two_parts._room(195, 100, 300, 0.08) == 5
    assert two_parts._room(220, 100, 300, 0.08) == 0
    section = np.arange(60 * 80).reshape(60, 80)
    asked = []

    class Volume:
        def section(self, kind, line):
            asked.append((kind, line))
            return section

    rows = pd.DataFrame(
        dict(source='v', line_kind='inline', line=7, top=[20, 1], left=[10, 40])
        | dict(height=[20, 20], width=[30, 30])
    )
    reader = SimpleNamespace(frame=rows, volume=lambda source: Volume())
    first, second = two_parts.roomy(reader, 0.1)
    assert asked == [('inline', 7)] * 2
    assert (first == section[18:42, 7:43]).all()
    assert (second == section[0:22, 37:73]).all()
    assert two_parts.roomy(reader)[0].shape == (24, 34)


def test_windows_lie_side_by_side():
    assert list(two_parts._starts(3, 10, 40)) == [3, 13, 23]
    assert list(two_parts._starts(31, 10, 40)) == [0, 10, 20, 30]
    assert list(two_parts._starts(35, 10, 40)) == [4, 14, 24]
    assert list(two_parts._starts(5, 40, 40)) == [0]
    assert list(two_parts._starts(5, 50, 40)) == []


def lines(*shapes):
    "Sections of these shapes whose amplitudes are their place."
    return [
        1 + np.arange(h * w, dtype=np.float32).reshape(h, w) + 1e6 * k
        for k, (h, w) in enumerate(shapes)
    ]


def test_unlabelled_windows_come_in_groups():
    sections = lines((200, 300), (64, 64))
    look = SectionWindows(sections, Recipe(size=(8, 8)), (60, 70), (64, 80))
    assert look.odds == pytest.approx([(60000**0.5) / (60000**0.5 + 64), 64 / (60000**0.5 + 64)])
    rng = np.random.default_rng(0)
    sizes = set()
    for _ in range(300):
        boxes = look.boxes(rng, sections[0])
        sizes |= {box[2:] for box in boxes}
        assert len({box[2:] for box in boxes}) == 1
        tops = sorted({t for t, *_ in boxes})
        assert (np.diff(tops) == boxes[0][2]).all()
        assert max(t for t, *_ in boxes) + boxes[0][2] <= 200
        assert max(l for _, l, *_ in boxes) + boxes[0][3] <= 300
    assert {h for h, _ in sizes} == set(range(60, 71))
    assert {w for _, w in sizes} == set(range(64, 81))
    small = [box for _ in range(50) for box in look.boxes(rng, sections[1])]
    assert {h for *_, h, _ in small} == set(range(60, 65)) and {box[3] for box in small} == {64}
    check('group', look.group(np.random.default_rng(5), 7))
    check('boxes', np.array(look.boxes(np.random.default_rng(6), sections[0])))
    assert look.group(rng, 3).shape == (3, 1, 8, 8)
    with refused('the sections have hardly a window that is nine tenths live: leave dead ones out'):
        SectionWindows([np.zeros((64, 64))], Recipe()).group(rng, 1)
    for k, bad in ((0, np.zeros((63, 64))), (1, np.zeros((64, 63))), (1, np.zeros((64, 64, 64)))):
        given = [np.zeros((64, 64))] * k + [bad]
        with refused(
            f'section {k} has shape {bad.shape}: expected at least 64 samples by 64 traces'
        ):
            SectionWindows(given, Recipe())


def test_a_group_goes_round_its_section():
    section = np.random.default_rng(0).normal(size=(130, 260))
    seen = []

    class Keeps:
        size = (8, 8)

        def batch(self, chosen):
            seen.append(chosen)
            return torch.zeros(len(chosen), 1, 8, 8)

    look = SectionWindows([section], Keeps(), (64, 64), (64, 64))
    for seed in range(10):
        look.group(np.random.default_rng(seed), 4)
    for chosen in seen:
        first = {c.tobytes() for c in chosen}
        assert len(chosen) == 4
        assert all(c.shape == (64, 64) for c in chosen)
        assert len(first) >= 3


def two_parts_data(**more):
    frame = pd.DataFrame(
        dict(
            label=['b'] * 8 + ['a'] * 6 + ['d'] * 4 + ['e'],
            structure=[*'ppqqrrss', *'pppqqq', *'pppp', 'p'],
        )
    )
    x = torch.arange(19.0).view(-1, 1, 1, 1).half()
    real = 100 + torch.arange(5.0).view(-1, 1, 1, 1)
    config = TwoPartsConfig(
        **dict(classes=3, per_class=5, structures=2, labelled=7, unlabelled=5, neighbours=2)
        | dict(steps=6, seed=9)
        | more.pop('config', {})
    )
    more.setdefault('labelled', (real, ['a', 'c', 'c', 'd', 'c']))
    return TwoPartsData(x, frame, config, **more), frame


def test_a_batch_of_four_sources():
    class Sections:
        asked = []

        def group(self, rng, n):
            self.asked.append(n)
            return torch.full((n, 1, 1, 1), 200.0)

    data, frame = two_parts_data(sections=Sections(), processes=2)
    assert len(data) == 12
    assert data.names.tolist() == list('abcde')
    assert data.classes == [0, 1, 3] and data.real_classes == [0, 2, 3]
    for k in range(12):
        Sections.asked.clear()
        item = data[k]
        assert Sections.asked == [2, 2, 1]
        assert int(item['batch_seed']) == (9 * 1_000_003 + k) % 2**31
        x, y, s = (item[n].ravel().numpy() for n in ('images', 'labels', 'structures'))
        assert len(x) == len(y) == len(s) == 15 + 7 + 5
        rows = x[:15].astype(int)
        assert (frame.label[rows].to_numpy() == data.names[y[:15]]).all()
        assert sorted(y[:15]) == [0] * 5 + [1] * 5 + [3] * 5
        assert (s[:15] == data.structures[rows]).all()
        for c in (0, 1, 3):
            mine, codes = rows[y[:15] == c], s[:15][y[:15] == c]
            counts = sorted(np.unique(codes, return_counts=True)[1])
            assert counts == ([5] if c == 3 else [2, 3])
            assert c == 3 or len(set(mine)) == 5 or c == 1
        real = x[15:22].astype(int) - 100
        assert (np.array([0, 2, 2, 3, 2])[real] == y[15:22]).all()
        assert {0, 2, 3} == set(y[15:18]) == set(y[18:21])
        assert (s[15:] == -1).all() and (y[22:] == -1).all() and (x[22:] == 200).all()
    check('TwoPartsData', np.concatenate([data[k]['images'].ravel() for k in range(4)]))
    # a class of two structures keeps them apart from another class's of the same name
    assert len(set(data.structures)) == 4 + 2 + 1 + 1
    far, _ = two_parts_data(config={'seed': 5000})
    assert int(far[1]['batch_seed']) == (5000 * 1_000_003 + 1) % 2**31


def test_parts_of_a_batch_may_be_missing():
    data, frame = two_parts_data(labelled=None)
    assert len(data[0]['images']) == 15 and len(data) == 6
    data, _ = two_parts_data(config={'labelled': 0})
    assert len(data[0]['images']) == 15
    x = torch.zeros(19, 1, 1, 1)
    bare = TwoPartsData(x, frame[['label']], TwoPartsConfig(classes=3, per_class=5))
    assert (bare[0]['structures'] == -1).all()
    with refused('18 windows but 19 rows in the table'):
        TwoPartsData(x[1:], frame, TwoPartsConfig())
    with refused('2 labelled windows but 1 labels'):
        TwoPartsData(x, frame, TwoPartsConfig(), (x[:2], ['a']))
    with refused('only one class (b): a comparison needs two'):
        TwoPartsData(x[:8], frame[:8], TwoPartsConfig())
    assert two_parts._members(np.array([1, 0, 1]), 3)[1].tolist() == [0, 2]


@pytest.mark.parametrize('apart', [True, False])
def test_the_four_comparisons_by_hand(apart):
    torch.manual_seed(0)
    config = TwoPartsConfig(
        size=8, temperature=0.3, look_temperature=0.6, structure=0.7, instance=0.2, look=0.4
    )
    module = tiny_encoder().add_look(4).module
    model = two_parts.TwoPartsModel(module, config)
    n = 10
    kind, structure, look = (F.normalize(torch.randn(n, 4), dim=-1) for _ in range(3))
    labels = torch.tensor([0, 0, 0, 0, 1, 1, 1, -1, -1, 1])
    structures = torch.tensor([0, 0, 1, -1, 2, 2, 2, -1, 5, -1])
    spots = torch.tensor([0, 1, 2, 3, 4, 0, 4, 5, 5, 4])
    out = model.objective(kind, structure if apart else None, look, labels, structures, spots)
    s = structure if apart else kind
    equal = contrastive.same
    known = labels >= 0
    within = equal(labels[known])
    told = (structures[known] >= 0)[:, None] & (structures[known] >= 0)[None]
    every = torch.ones(n, n, dtype=torch.bool)
    want = {
        'class': contrast_by_hand(kind[known], within, every, 0.3),
        'structure': contrast_by_hand(s[known], equal(structures[known]), within & told, 0.3),
        'instance': contrast_by_hand(s[known], equal(spots[known]), within, 0.3),
        'look': contrast_by_hand(look, equal(spots), every, 0.6),
    }
    for name, value in want.items():
        assert float(out[f'{name}_loss']) == pytest.approx(value, rel=1e-3), name
    weights = {'class': 1, 'structure': 0.7, 'instance': 0.2, 'look': 0.4}
    total = sum(weights[name] * value for name, value in want.items())
    assert float(out['loss']) == pytest.approx(total, rel=1e-3)


def test_two_views_of_a_batch_are_compared():
    encoder = tiny_encoder().add_look(4).add_structure(3)
    config = TwoPartsConfig(size=32, augment='light')
    model = two_parts.TwoPartsModel(encoder.module, config, 'source', 1.0)
    assert model.views.record.scaling == 'source' and model.views.record.clip == 1.0
    said = {}
    model.objective = lambda *given: said.update(given=given) or {}
    x, y, s = waves(3, 38, 38), torch.tensor([0, 1, -1]), torch.tensor([4, 5, -1])
    model.eval()(x, y, s, torch.tensor(6))
    kind, structure, look, *codes = said['given']
    assert [c.tolist() for c in codes] == [[0, 1, -1] * 2, [4, 5, -1] * 2, [0, 1, 2] * 2]
    want = encoder.module.eval().aspects(torch.cat(model.views(x, 6)))
    for found, expected in zip((kind, structure, look), want):
        assert torch.allclose(found, expected, atol=1e-5)
    model(x, y, s)
    with refused('the encoder has one part: give it a look first (Encoder.add_look)'):
        two_parts.TwoPartsModel(tiny_encoder().module, config)


# comparison of classes


def siamese_model(encoder=None, metric='cosine', **config):
    encoder = encoder or tiny_encoder()
    allowed = config.pop('allowed', [True, True, True])
    return siamese.SiameseModel(
        encoder.module, SiameseConfig(**config), torch.tensor(allowed), metric, 'source', 2.0
    )


def embedded(n=9, seed=0):
    torch.manual_seed(seed)
    return F.normalize(torch.randn(n, 4), dim=-1), torch.arange(n) % 3


def triplets_by_hand(z, y, margin, keep, euclidean=False, swap=False):
    "(loss over triplets that break the margin, share of these)."
    d = torch.cdist(z, z) if euclidean else 1 - z @ z.T
    n, values = len(y), []
    for a in range(n):
        for p in range(n):
            for k in range(n):
                if a != p and y[a] == y[p] != y[k] and keep(a, p, k, d):
                    nearest = min(d[a, k], d[p, k]) if swap else d[a, k]
                    values.append(float(d[a, p] - nearest + margin))
    broken = [v for v in values if v > 0]
    return sum(broken) / max(1, len(broken)), len(broken) / max(1, len(values))


@pytest.mark.parametrize('metric', ['cosine', 'euclidean'])
@pytest.mark.parametrize('swap', [False, True])
@pytest.mark.parametrize('mining', ['all', 'semihard', 'hard'])
def test_the_triplet_loss_by_hand(metric, swap, mining):
    z, y = embedded()
    allowed = [True, False, True]
    model = siamese_model(
        None, metric, mining=mining, margin=0.3, swap=swap, allowed=allowed, augment='none'
    )
    euclidean = metric == 'euclidean'

    def hardest(a, p, k, d):
        mine = [j for j in range(9) if j != a and y[j] == y[a]]
        others = [j for j in range(9) if y[j] != y[a]]
        return d[a, p] == max(d[a, j] for j in mine) and d[a, k] == min(d[a, j] for j in others)

    def anchor(a, p, k, d):
        return allowed[y[a]]

    chosen = {
        'all': anchor,
        'semihard': lambda *g: anchor(*g) and 0 < g[3][g[0], g[2]] - g[3][g[0], g[1]] <= 0.3,
        'hard': lambda *g: anchor(*g) and hardest(*g),
    }[mining]
    out = model.objective(z, y)
    want, _ = triplets_by_hand(z, y, 0.3, chosen, euclidean, swap)
    assert float(out['loss']) == pytest.approx(want, rel=1e-3)
    _, share = triplets_by_hand(z, y, 0.3, anchor, euclidean)
    assert float(out['active_share']) == pytest.approx(share, abs=1e-6)


def test_random_triplets_are_taken_as_drawn():
    z, _ = embedded()
    y = torch.tensor([0, 1, 2, 0, 1, 2, 1, 2, 0])
    model = siamese_model(mining='random', margin=0.4)
    assert [t.tolist() for t in model.triplets(y)] == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    d = 1 - z @ z.T
    values = [float(d[k, k + 3] - d[k, k + 6] + 0.4) for k in range(3)]
    broken = [v for v in values if v > 0]
    out = model.objective(z, y)
    assert float(out['loss']) == pytest.approx(sum(broken) / len(broken), rel=1e-4)
    assert float(out['active_share']) == pytest.approx(len(broken) / 3)


def test_nothing_to_compare_is_nothing_active():
    z, _ = embedded(3)
    found = siamese_model().active(z, (torch.zeros(0, dtype=torch.long),) * 3)
    assert float(found) == 0
    even = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    one = tuple(torch.tensor([k]) for k in range(3))
    assert float(siamese_model(margin=0.0).active(even, one)) == 0
    assert float(siamese_model(margin=0.1).active(even, one)) == 1


def test_the_supervised_contrast_by_hand():
    z, y = embedded()
    model = siamese_model(loss='supcon', temperature=0.3, allowed=[True, False, True])
    a1, p, a2, n = model.pairs(y)
    pairs = {(int(a), int(b)) for a, b in zip(a1, p)}
    assert pairs == {(a, b) for a in range(9) for b in range(9) if a != b and y[a] == y[b] != 1}
    pairs = {(int(a), int(b)) for a, b in zip(a2, n)}
    assert pairs == {(a, b) for a in range(9) for b in range(9) if y[a] != y[b] and y[a] != 1}
    alike, every = contrastive.same(y), torch.ones(9, 9, dtype=torch.bool)
    rows = [k for k in range(9) if y[k] != 1]
    total = contrast_by_hand(z, alike & (y != 1)[:, None], every, 0.3)
    assert len(rows) == 6
    assert float(model.objective(z, y)['loss']) == pytest.approx(total, rel=1e-3)


@pytest.mark.parametrize('loss', ['triplet', 'supcon'])
def test_places_within_a_class_by_hand(loss):
    torch.manual_seed(3)
    z = F.normalize(torch.randn(8, 4), dim=-1)
    y, spots = torch.tensor([0, 0, 1, 1] * 2), torch.arange(4).repeat(2)
    model = siamese_model(loss=loss, views=2, within=0.5, margin=0.3, temperature=0.4, mining='all')
    found = float(model.within_classes(z, y, spots))
    if loss == 'supcon':
        want = contrast_by_hand(z, contrastive.same(spots), contrastive.same(y), 0.4)
    else:
        d, values = 1 - z @ z.T, []
        for a in range(8):
            for p in range(8):
                for k in range(8):
                    if a != p and spots[a] == spots[p] != spots[k] and y[a] == y[k]:
                        values.append(float(d[a, p] - d[a, k] + 0.3))
        broken = [v for v in values if v > 0]
        want = sum(broken) / len(broken)
    assert found == pytest.approx(want, rel=1e-3)


@pytest.mark.parametrize('gather', [False, True])
def test_what_is_compared_in_a_batch(gather, monkeypatch):
    monkeypatch.setenv('RANK', '2')
    gathered = []
    monkeypatch.setattr(siamese, 'gather_rows', lambda x: gathered.append(x) or x)
    encoder = tiny_encoder().add_look(4)
    model = siamese_model(
        encoder, views=2, within=0.5, look=0.25, gather=gather, augment='light', loss='supcon'
    ).eval()
    x, y = waves(4, 32, 32), torch.tensor([0, 0, 1, 1])
    with torch.no_grad():
        out = model(x, y, torch.tensor(8))
        views_ = augment.Augment('light', 'source', 2.0)(torch.cat([x, x]), seed=8)
        kind, look = encoder.module.parts(views_)
        labels, spots = y.repeat(2), torch.arange(4).repeat(2)
        first = model.objective(kind, labels)['loss']
        within = contrastive.contrast(kind, contrastive.same(spots), contrastive.same(labels))
        looks = contrastive.contrast(look, contrastive.same(spots))
    assert float(out['within']) == pytest.approx(float(within), rel=1e-4)
    assert float(out['look']) == pytest.approx(float(looks), rel=1e-4)
    total = first + 0.5 * within + 0.25 * looks
    assert float(out['loss']) == pytest.approx(float(total), rel=1e-4)
    if gather:
        z, names, spots, looks = gathered
        assert torch.allclose(z, kind, atol=1e-5) and torch.allclose(looks, look, atol=1e-5)
        assert names.tolist() == labels.tolist()
        assert spots.tolist() == [8, 9, 10, 11] * 2
    else:
        assert not gathered
    once = siamese_model(encoder, augment='none', look=0.25).eval()(x, y)
    assert once.keys() == {'loss', 'active_share'}
    alone = siamese_model(views=2, augment='none', gather=gather)
    assert alone.eval()(x, y).keys() == {'loss', 'active_share'}
    assert alone.embedded(x)[1] is None


def test_a_run_is_checked_and_validated_or_not():
    for valid, score in ((1, None), (None, 1)):
        with refused('valid and score belong together'):
            siamese.check_run('f', 'folder', valid, score)
    with refused('f needs a folder for its checkpoints'):
        siamese.check_run('f', None, None, None)
    siamese.check_run('f', 'folder', None, None)
    siamese.check_run('f', 'folder', 1, 1)
    assert siamese.validation_arguments(None) == {'eval_strategy': 'no'}
    assert siamese.validation_arguments(1) == dict(
        eval_strategy='steps',
        load_best_model_at_end=True,
        metric_for_best_model='eval_macro_map',
        greater_is_better=True,
    )


# pretraining


@pytest.mark.parametrize('normalise', [True, False])
@pytest.mark.parametrize('mask', ['random', 'trace'])
def test_what_is_hidden_is_drawn_and_judged(normalise, mask):
    config = PretrainConfig(
        objective='mae', normalise=normalise, mask=mask, mask_ratio=0.5 if mask == 'trace' else 0.7
    )
    module = EncoderModule(tiny_vit(), 'cls')
    torch.manual_seed(1)
    model = mae.MAEModel(module, 32, config, (64, 2)).eval()
    assert model.encoder is module
    decoder = model.mae.config
    assert (decoder.decoder_hidden_size, decoder.decoder_num_hidden_layers) == (64, 2)
    assert (decoder.decoder_num_attention_heads, decoder.decoder_intermediate_size) == (2, 256)
    assert (decoder.num_hidden_layers, decoder.num_channels) == (0, 1)
    assert mae._decoder_config(module.backbone.config, 32, True, 31, 1).num_hidden_layers == 0
    small = mae._decoder_config(module.backbone.config, 32, True, 31, 1)
    assert small.decoder_num_attention_heads == 1
    assert (small.num_attention_heads, small.intermediate_size) == (1, 8)
    x = waves(3, 32, 32)
    noise = torch.stack(
        [masks.mask_noise((4, 4), np.random.default_rng(k), mask) for k in range(3)]
    )
    n = masks.n_kept((4, 4), config.mask_ratio, mask)
    hidden = noise.argsort(1).argsort(1) >= n
    masked, drawn = model.reconstruct(x, noise)
    where = hidden.view(3, 1, 4, 4).repeat_interleave(8, 2).repeat_interleave(8, 3)
    assert torch.equal(masked.isnan(), where)
    assert torch.equal(masked[~where], x[~where]) and torch.equal(drawn[~where], x[~where])
    error = drawn - x
    if normalise:
        cut = x.unfold(2, 8, 8).unfold(3, 8, 8).flatten(4)
        spread = (cut.var(-1) + 1e-6).sqrt()
        error = error / spread.repeat_interleave(8, 2).repeat_interleave(8, 3)
    want = (error[where] ** 2).mean()
    with torch.no_grad():
        loss = model(x, noise)['loss']
    assert float(loss) == pytest.approx(float(want), rel=1e-3)
    check(f'reconstruct {normalise} {mask}', drawn)
    with refused('input of 36 pixels in patches of 8: the size must be a multiple of the patch'):
        mae.MAEModel(module, 36, config)


def test_schedules():
    found = [teacher.cosine(2.0, 6.0, s) for s in (-1, 0, 1 / 3, 0.5, 1, 2)]
    assert found == pytest.approx([2, 2, 3, 4, 6, 6])
    found = [teacher.linear_then_flat(2.0, 6.0, s, 0.5) for s in (0, 0.25, 0.5, 0.9)]
    assert found == pytest.approx([2, 4, 6, 6])
    assert teacher.linear_then_flat(2.0, 6.0, 0.0, 0.0) == 6


def dino_model(**config):
    torch.manual_seed(0)
    given = dict(student_temperature=0.3, ibot=0.7, koleo=0.2, teacher_temperature=(0.2, 0.6))
    config = PretrainConfig(**given | {'teacher_warmup': 0.5} | config)
    module = EncoderModule(tiny_vit(), 'cls')
    return teacher.DINOModel(module, config, 12, (20, 6), 0.9)


@pytest.mark.parametrize('assignment', ['sinkhorn', 'centering'])
def test_the_loss_of_student_and_teacher(assignment):
    model = dino_model(assignment=assignment).train()
    assert model.student.training and not model.teacher.training
    assert not any(p.requires_grad for p in model.teacher.parameters())
    assert model.encoder is model.teacher['module']
    assert model.mask_token.shape == (16,) and not model.mask_token.any()
    with torch.no_grad():
        for p in model.student.parameters():
            p.add_(0.05 * torch.randn_like(p))
        model.mask_token.normal_()
        model.cls_center.center.normal_()
        model.patch_center.center.normal_()
    model.eval()
    wide = waves(8, 32, 32).view(4, 2, 1, 32, 32)
    narrow = waves(12, 16, 16, seed=1).view(4, 3, 1, 16, 16)
    hidden = torch.zeros(4, 2, 16, dtype=torch.bool)
    hidden[0, 0, 3] = hidden[1, 1, 4] = hidden[1, 1, 5] = hidden[2, 0, 9] = hidden[3, 1, 1] = True
    with torch.no_grad():
        out = model(wide, narrow, hidden, torch.tensor(0.25))
        temperature = 0.4
        say = (
            (lambda z, c: centering.sinkhorn(z, temperature))
            if assignment == 'sinkhorn'
            else (lambda z, c: ((z - c.center) / temperature).softmax(-1))
        )
        views_ = torch.cat([wide[:, 0], wide[:, 1]])
        where = torch.cat([hidden[:, 0], hidden[:, 1]])
        cls, patches = backbone_tokens(model.teacher['module'].backbone, views_)
        head = model.teacher['head']
        of_views = say(head(cls), model.cls_center)
        of_patches = say(head(patches[where]), model.patch_center)
        backbone, head = model.student['module'].backbone, model.student['head']
        s_cls, s_patches = masks.masked_tokens(backbone, views_, where, model.mask_token)
        crops = torch.cat([narrow[:, k] for k in range(3)])
        l_cls, _ = backbone_tokens(backbone, crops)
        student = [*head(s_cls).split(4), *head(l_cls).split(4)]
        of_dino = dino.dino_loss(student, list(of_views.split(4)), 0.3)
        of_ibot = ibot.ibot_loss(head(s_patches[where]), of_patches, where, 0.3)
        of_koleo = koleo_loss.koleo(s_cls[:4]) + koleo_loss.koleo(s_cls[4:])
        usage, certainty = collapse.assignment_entropy(of_views)
    want = dict(
        dino=of_dino,
        ibot=of_ibot,
        koleo=of_koleo,
        loss=of_dino + 0.7 * of_ibot + 0.2 * of_koleo,
        usage=usage,
        certainty=certainty,
        spread=collapse.spread(cls),
        rank=collapse.effective_rank(cls),
    )
    assert out.keys() == want.keys()
    for name, value in want.items():
        assert float(out[name]) == pytest.approx(float(value), rel=1e-3, abs=1e-6), name


def test_the_teacher_follows_and_prototypes_wait():
    model = dino_model(freeze_last=0.1)
    s, t = model.student['head'].gain, model.teacher['head'].gain
    with torch.no_grad():
        s.fill_(3.0)
    model.follow(1.0)
    assert torch.all(t == 1)
    model.follow(0.75)
    assert torch.allclose(t, torch.full_like(t, 1.5))
    model.follow(0.0)
    assert torch.allclose(t, s)
    follows = teacher.TeacherFollows(model)
    with torch.no_grad():
        t.fill_(1.0)
    follows.on_optimizer_step(None, SimpleNamespace(global_step=20, max_steps=40), None)
    assert torch.allclose(t, torch.full_like(t, 1 + 2 * 0.05))
    for step, most, kept in (
        (0, 40, True),
        (3, 40, True),
        (4, 40, False),
        (0, 4, True),
        (1, 4, False),
    ):
        for p in model.student.parameters():
            p.grad = torch.ones_like(p)
        follows.on_pre_optimizer_step(None, SimpleNamespace(global_step=step, max_steps=most), None)
        still = [p.grad is None for p in model.student['head'].last_layer()]
        assert still == [kept, kept]
        assert all(p.grad is not None for p in model.student['head'].mlp.parameters())
    groups = [{'weight_decay': 0.04}, {'weight_decay': 0.0}]
    optimizer = SimpleNamespace(param_groups=groups)
    for step, want in ((0, 0.04), (20, 0.22), (40, 0.4)):
        state = SimpleNamespace(global_step=step, max_steps=40)
        follows.on_step_begin(None, state, None, optimizer)
        assert groups[0]['weight_decay'] == pytest.approx(want)
        assert groups[1]['weight_decay'] == 0


def test_sizes_fit_the_processes(monkeypatch):
    encoder = SimpleNamespace(
        module=SimpleNamespace(backbone=tiny_vit()), recipe=Recipe(size=(32, 32))
    )
    corpus = SimpleNamespace(n_windows=100)
    found = pretraining._sizes(encoder, corpus, PretrainConfig(batch=64))
    assert found['batch'] == 8 and found['local_size'] == 16 and found['decoder'] == (64, 2)
    monkeypatch.setenv('WORLD_SIZE', '2')
    with refused(
        'a batch of 8 windows over 2 processes: expected a multiple of 16 (reduced from 64: '
        'the corpus has room for 100 windows only; give it more)'
    ):
        pretraining._sizes(encoder, corpus, PretrainConfig(batch=64))
    with refused('a batch of 8 windows over 2 processes: expected a multiple of 16'):
        pretraining._sizes(encoder, corpus, PretrainConfig(batch=8))
    corpus.n_windows = 10**6
    assert pretraining._sizes(encoder, corpus, PretrainConfig(batch=32))['batch'] == 32


def test_how_each_training_runs(tmp_path, monkeypatch):
    config = PretrainConfig(
        objective='mae', lr=0.25, steps=40, every=7, warmup=0.3, weight_decay=0.3, workers=0
    )
    a = pretraining._arguments(tmp_path, config, {'batch': 24}, ())
    assert (a.max_steps, a.learning_rate, a.save_steps, a.logging_steps, a.eval_steps) == (
        40,
        0.25,
        7,
        7,
        7,
    )
    assert (a.warmup_steps, a.per_device_train_batch_size, a.weight_decay) == (12, 24, 0.3)
    assert (a.adam_beta2, a.dataloader_num_workers, a.dataloader_persistent_workers) == (
        0.95,
        0,
        False,
    )
    assert a.eval_strategy == 'steps' and a.ddp_find_unused_parameters is True
    assert (a.max_grad_norm, a.save_total_limit, a.lr_scheduler_type) == (3.0, 2, 'cosine')
    assert a.train_sampling_strategy == 'sequential' and a.save_strategy == 'steps'
    assert a.restore_callback_states_from_checkpoint is True
    assert a.remove_unused_columns is False and a.disable_tqdm is True
    assert a.report_to == [] and a.log_level == 'error' and a.use_cpu is True
    assert a.output_dir == str(tmp_path) and a.seed == 0
    assert not a.bf16 and not a.fp16
    config = PretrainConfig(steps=4, every=7, weight_decay=0.3, workers=2, seed=5)
    b = pretraining._arguments(tmp_path, config, {'batch': 24}, ())
    assert (b.weight_decay, b.adam_beta2, b.seed, b.save_steps) == (0.04, 0.999, 5, 4)
    assert b.dataloader_persistent_workers is True and b.dataloader_num_workers == 2
    given = dict(steps=20, lr=0.125, eval_every=5, warmup=0.2, weight_decay=0.4, seed=6)
    for config in (SiameseConfig(**given), TwoPartsConfig(**given)):
        more = dict(gradient_accumulation_steps=3)
        c = siamese.learning_arguments(tmp_path, config, torch.zeros(1), (), **more)
        assert (c.max_steps, c.learning_rate, c.save_steps, c.warmup_steps) == (20, 0.125, 5, 4)
        assert (c.weight_decay, c.seed, c.per_device_train_batch_size) == (0.4, 6, 1)
        assert c.gradient_accumulation_steps == 3
        assert c.ddp_find_unused_parameters is True and c.load_best_model_at_end is True
        assert c.metric_for_best_model == 'eval_macro_map'
        assert siamese.learning_arguments(tmp_path, config, None, ()).eval_strategy == 'no'
    with refused('precision is fp16, in which only GPUs train: choose bf16, fp32 or auto'):
        loop.mixed_precision('fp16')
    assert loop.mixed_precision('bf16') == {'bf16': True, 'fp16': False}
    assert loop.mixed_precision('fp32') == {'bf16': False, 'fp16': False}
    with pytest.raises(TrainError, match='precision is'):
        loop.mixed_precision('fp8')


def test_the_model_of_an_objective():
    encoder = SimpleNamespace(
        module=EncoderModule(tiny_vit(), 'mean', head_dim=3), recipe=Recipe(size=(32, 32))
    )
    sizes = dict(decoder=(64, 1), prototypes=9, head=(7, 5), momentum=0.75)
    state = torch.random.get_rng_state()
    a = pretraining._model(encoder, PretrainConfig(objective='mae', seed=4), sizes)
    b = pretraining._model(encoder, PretrainConfig(seed=4), sizes)
    again = pretraining._model(encoder, PretrainConfig(seed=4), sizes)
    other = pretraining._model(encoder, PretrainConfig(seed=5), sizes)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert isinstance(a, mae.MAEModel) and isinstance(b, teacher.DINOModel)
    assert a.encoder.backbone is encoder.module.backbone and a.encoder.head is None
    assert a.encoder.pooling == b.encoder.pooling == 'mean'
    assert a.mae.config.decoder_hidden_size == 64 and b.momentum == 0.75
    assert b.student['head'].prototypes.shape == (9, 5)
    assert torch.equal(b.student['head'].prototypes, again.student['head'].prototypes)
    assert not torch.equal(b.student['head'].prototypes, other.student['head'].prototypes)


@pytest.mark.parametrize('scaling', ['window', 'source'])
def test_whole_windows_are_scaled(scaling):
    encoder = SimpleNamespace(recipe=Recipe(scaling, (16, 16)))
    found = pretraining.whole_windows(encoder, Windows(), 2, 5, 'valid')
    some = [Windows().window(k, 2, 'valid') for k in range(5)]
    scales = [Windows().scale(w) for w in some] if scaling == 'source' else None
    want = encoder.recipe.batch([w.pixels for w in some], [w.live for w in some], scales)
    assert torch.equal(found, want) and found.shape == (5, 1, 16, 16)


@pytest.mark.parametrize('objective', ['mae', 'dinov2'])
def test_a_short_pretraining(objective, tmp_path, capsys):
    torch.manual_seed(0)
    encoder = Encoder(EncoderModule(tiny_vit(), 'cls', 3), Recipe(size=(32, 32)))
    encoder.provenance = {'start': 'x'}
    encoder.calibration = {'a': 1}
    seen, before = [], encoder.module.backbone.layernorm.weight.clone()
    config = PretrainConfig(
        objective=objective, steps=3, batch=8, every=2, n_valid=9, workers=0, prototypes=16
    )
    history = pretraining.pretrain(
        encoder, Windows(), config, tmp_path / 'run', picture=lambda *given: seen.append(given)
    )
    steps = [r['step'] for r in history if 'eval_loss' in r]
    assert steps == [2] or steps == [2, 3]
    for r in history:
        if 'eval_loss' in r:
            assert {'eval_spread', 'eval_rank'} <= r.keys()
            assert 0 < r['eval_spread'] < 1 and r['eval_rank'] >= 1
    assert 'step 2/3  loss ' in capsys.readouterr().out
    assert encoder.module.head is None and encoder.module.neck is not None
    assert not encoder.module.training and encoder.calibration is None
    assert all(p.requires_grad for p in encoder.module.parameters())
    assert not torch.equal(encoder.module.backbone.layernorm.weight, before)
    record = encoder.provenance['pretraining']
    assert encoder.provenance['trained'] is True and encoder.provenance['start'] == 'x'
    assert record['windows_seen'] == 24 and record['surveys'] == 3
    assert 0 <= record['data_wait'] <= 1 and record['objective'] == objective
    assert record['local_size'] == 16
    if objective == 'mae':
        step, images, masked, drawn = seen[0]
        assert step == 2 and images.shape == masked.shape == drawn.shape == (6, 1, 32, 32)
    else:
        assert not seen
    with refused('pretrain needs a folder for its checkpoints'):
        pretraining.pretrain(encoder, Windows(), config)


# the loop


class Line(nn.Module):
    "Two numbers that learn; says a second number beside its loss."

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.tensor([1.0, -1.0]))

    def forward(self, x):
        return {'loss': (self.w * x).square().mean(), 'more': self.w.sum() + x.mean()}


def line_trainer(folder, steps=4, every=2, values=None, **more):
    data = values or [{'x': torch.tensor([1.0, float(k)])} for k in range(steps)]
    args = loop.arguments(
        folder, steps, 0.1, every, per_device_train_batch_size=1, eval_strategy='no', **more
    )
    return loop.LoopTrainer(Line(), args, train_dataset=data, data_collator=lambda b: b[0])


def test_a_run_of_the_loop(tmp_path, capsys):
    trainer = line_trainer(tmp_path / 'a' / 'b', 5, 2)
    assert trainer.wait_share == 0.0 and trainer.extras == {}
    history = loop.fit(trainer)
    assert [r['step'] for r in history] == [2, 4]
    assert all(0 <= r['data_wait'] <= 1 and {'loss', 'more'} <= r.keys() for r in history)
    assert not any('train_runtime' in r for r in history)
    out = capsys.readouterr().out.splitlines()
    assert len(out) == 2
    loss, more = history[0]['loss'], history[0]['more']
    assert out[0].startswith(f'step 2/5  loss {loss:.4g}  ') and f'  more {more:.4g}' in out[0]
    assert 'grad_norm' not in out[0] and 'epoch' not in out[0]
    assert trainer.extras.keys() == {'more'} and len(trainer.extras['more']) == 1
    folders = sorted(p.name for p in (tmp_path / 'a' / 'b').iterdir())
    assert folders == ['checkpoint-4', 'checkpoint-5']
    assert loop.last_checkpoint(tmp_path / 'a' / 'b').name == 'checkpoint-5'
    assert loop.fit(line_trainer(tmp_path / 'a' / 'b', 5, 2))[:1] == history[:1]
    assert 'going on from checkpoint-5' in capsys.readouterr().out
    weights = tmp_path / 'a' / 'b' / 'checkpoint-5' / 'model.safetensors'
    weights.write_bytes(weights.read_bytes()[:-1] + b'x')
    (tmp_path / 'a' / 'b' / 'checkpoint-12').mkdir()
    assert loop.last_checkpoint(tmp_path / 'a' / 'b').name == 'checkpoint-4'
    said = capsys.readouterr().out
    assert said.startswith('checkpoint-5 is passed over: ')
    assert said.endswith(' is not as it was written\n') and 'model.safetensors' in said
    assert loop.last_checkpoint(tmp_path / 'nothing') is None


def test_the_means_that_are_logged(tmp_path):
    values = [{'x': torch.tensor([1.0, float(k)])} for k in range(2)]
    trainer = line_trainer(tmp_path, 2, 2, values)
    seen = []
    forward = trainer.model.forward

    def keeps(x):
        out = forward(x)
        seen.append(float(out['more'].detach()))
        return out

    trainer.model.forward = keeps
    history = loop.fit(trainer)
    assert history[0]['more'] == pytest.approx(sum(seen) / 2)
    assert trainer.extras == {}


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path):
    values = [{'x': torch.tensor([1.0, v])} for v in (1.0, math.nan)]
    trainer = line_trainer(tmp_path, 2, 2, values)
    with refused('the loss became nan at step 2: lower the learning rate (0.1)'):
        loop.fit(trainer)
    out = trainer.compute_loss(Line(), {'x': torch.ones(2)}, return_outputs=True)
    assert isinstance(out, tuple) and out[0] is out[1]['loss']
    assert trainer.compute_loss(Line(), {'x': torch.ones(2)}).ndim == 0


def test_a_checkpoint_that_cannot_be_written_leaves_nothing(tmp_path, monkeypatch):
    trainer = line_trainer(tmp_path, 2, 2)

    def full(*args):
        (tmp_path / 'checkpoint-0').mkdir()
        raise RuntimeError('No space left on device')

    monkeypatch.setattr(loop.Trainer, '_save_checkpoint', full)
    with pytest.raises(TrainError, match='No space left'):
        trainer._save_checkpoint(None, None)
    assert list(tmp_path.iterdir()) == []


def test_checkpoints_hold_numbers_only(tmp_path):
    folder = tmp_path / 'checkpoint-3'
    folder.mkdir()
    torch.save({'a': torch.zeros(2)}, folder / 'a.pt')
    (folder / 'training_args.bin').write_bytes(b'never read')
    (folder / 'other.json').write_bytes(b'{')
    loop.only_numbers(folder)
    for name in ('b.pt', 'b.pth', 'b.bin'):
        (folder / name).write_bytes(b'nothing')
        with pytest.raises(TrainError) as said:
            loop.only_numbers(folder)
        text = str(said.value)
        assert text.startswith(f'{folder / name}: damaged, or not what training writes (')
        assert text.endswith('): remove checkpoint-3 to go on from the checkpoint before it')
        (folder / name).unlink()


def test_shared_out_weights_stay_so(tmp_path):
    loop._check_sharing(tmp_path, False)
    with refused(
        f'{tmp_path} was written with weights on every device: '
        'go on without --use_fsdp, or choose another folder'
    ):
        loop._check_sharing(tmp_path, True)
    (tmp_path / 'pytorch_model_fsdp.bin').touch()
    loop._check_sharing(tmp_path, True)
    with refused(
        f'{tmp_path} was written with weights shared out: '
        'go on with --use_fsdp, or choose another folder'
    ):
        loop._check_sharing(tmp_path, False)


def test_weights_without_moments_sit_out_the_reading(tmp_path, monkeypatch):
    model, seen = Line(), []
    model.b, model.c = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))
    model.c.requires_grad_(False)
    torch.save({'state': {'w': {}}}, tmp_path / 'optimizer.bin')

    def read(self, checkpoint):
        seen.append([p.requires_grad for p in (model.w, model.b, model.c)])

    monkeypatch.setattr(loop.Trainer, '_load_optimizer_and_scheduler', read)
    trainer = object.__new__(loop.LoopTrainer)
    trainer.model, trainer.is_fsdp_enabled = model, True
    trainer._load_optimizer_and_scheduler(str(tmp_path))
    trainer._load_optimizer_and_scheduler(None)
    trainer.is_fsdp_enabled = False
    trainer._load_optimizer_and_scheduler(str(tmp_path / 'none'))
    assert seen == [[True, False, False], [True, True, False], [True, True, False]]
    assert [p.requires_grad for p in (model.w, model.b, model.c)] == [True, True, False]
    with trainer.whole() as whole:
        assert whole is model
    trainer.is_fsdp_enabled, trainer.twin = True, Line()
    trainer.args = SimpleNamespace(device='cpu')
    trainer.model = Line()
    with torch.no_grad():
        trainer.model.w.fill_(5.0)
    with trainer.whole() as whole:
        assert whole is trainer.twin and whole.w.tolist() == [5, 5]


def test_sharing_out_needs_gpus(monkeypatch):
    added = []
    monkeypatch.setattr(loop.LoopTrainer, 'is_fsdp_enabled', False, raising=False)
    monkeypatch.setattr(loop.Trainer, '__init__', lambda self: None)
    monkeypatch.setattr(loop.Trainer, 'remove_callback', lambda self, c: added.append(c))
    monkeypatch.setattr(loop.Trainer, 'add_callback', lambda self, c: added.append(type(c)))
    monkeypatch.setenv('ACCELERATE_USE_FSDP', 'true')
    monkeypatch.delenv('WORLD_SIZE', raising=False)
    loop.LoopTrainer()
    assert added == [loop.PrinterCallback, loop.LogLines, loop.Checksums]
    monkeypatch.setenv('WORLD_SIZE', '2')
    with refused('weights can be shared out (--use_fsdp) over GPUs only: leave it out'):
        loop.LoopTrainer()
    monkeypatch.setenv('ACCELERATE_USE_FSDP', 'false')
    loop.LoopTrainer()


def test_layers_that_are_shared_out(tmp_path):
    class Some(nn.Module):
        _no_split_modules = ['InnerLayer', 'Other', 'AbsentLayer']

    class InnerLayer(nn.Module):
        pass

    class Other(nn.Module):
        pass

    whole = Some()
    whole.a, whole.b = InnerLayer(), Other()
    assert loop._layer_classes(whole) == ['InnerLayer']
    assert loop._layer_classes(Other()) == []

    def plugin(version=2, wrap=None):
        said = []
        return SimpleNamespace(
            fsdp_version=version,
            transformer_cls_names_to_wrap=wrap,
            auto_wrap_policy=None,
            state_dict_config=1,
            optim_state_dict_config=1,
            cpu_ram_efficient_loading=True,
            set_state_dict_type=said.append,
            said=said,
        )

    given = plugin()
    twin = loop.share_out(whole, given)
    assert twin is not whole and isinstance(twin, Some)
    assert given.transformer_cls_names_to_wrap == ['InnerLayer']
    assert given.auto_wrap_policy.__name__ == 'transformer_auto_wrap_policy'
    assert given.state_dict_config is None and given.optim_state_dict_config is None
    assert given.said == ['FULL_STATE_DICT'] and given.cpu_ram_efficient_loading is False
    chosen = plugin(wrap=['X'])
    loop.share_out(whole, chosen)
    assert chosen.transformer_cls_names_to_wrap == ['X'] and chosen.auto_wrap_policy is None
    none = plugin()
    loop.share_out(Other(), none)
    assert none.transformer_cls_names_to_wrap is None and none.auto_wrap_policy is None
    with refused(
        'weights are shared out by FSDP2 only: accelerate launch --use_fsdp --fsdp_version 2'
    ):
        loop.share_out(whole, plugin(1))


def test_what_processes_sum(monkeypatch):
    x = torch.tensor([[1.0, 2.0]])
    assert loop.total(x) is x and loop.largest(x) is x and loop.gather_rows(x) is x
    assert not loop.several()
    monkeypatch.setattr(loop.dist, 'is_initialized', lambda: True)
    monkeypatch.setattr(loop.dist, 'get_world_size', lambda: 1)
    assert not loop.several()
    monkeypatch.setattr(loop.dist, 'get_world_size', lambda: 2)
    monkeypatch.setattr(loop.dist, 'get_rank', lambda: 1)
    assert loop.several()

    def reduce(y, op=None):
        y.copy_(y + 10 if op is None else torch.maximum(y, torch.tensor(1.5)))

    def gather(out, y):
        out[0].copy_(y + 100)
        out[1].copy_(y)

    monkeypatch.setattr(loop.dist, 'all_reduce', reduce)
    monkeypatch.setattr(loop.dist, 'all_gather', gather)
    assert loop.total(x).tolist() == [[11, 12]] and loop.largest(x).tolist() == [[1.5, 2]]
    assert x.tolist() == [[1, 2]]
    y = x.clone().requires_grad_()
    rows = loop.gather_rows(y)
    assert rows.tolist() == [[101, 102], [1, 2]]
    (rows * torch.tensor([[2.0], [3.0]])).sum().backward()
    assert y.grad.tolist() == [[13, 13]]
    with loop.each_alone():
        assert not loop.several()
        assert loop.total(x) is x
    assert loop.several()
    assert loop.world_size() == 1 and loop.rank() == 0
    monkeypatch.setenv('WORLD_SIZE', '4')
    monkeypatch.setenv('RANK', '3')
    assert loop.world_size() == 4 and loop.rank() == 3


def test_only_the_first_process_speaks(capsys):
    first = SimpleNamespace(is_world_process_zero=True, global_step=3, max_steps=9)
    other = SimpleNamespace(is_world_process_zero=False, global_step=3, max_steps=9)
    logs = dict(loss=0.123456, note='x', epoch=1, grad_norm=2.0, total_flos=3, train_loss=4, n=7)
    lines_ = loop.LogLines()
    lines_.on_log(None, other, None, logs)
    lines_.on_log(None, first, None, {'epoch': 1, 'train_runtime': 2.0})
    assert capsys.readouterr().out == ''
    lines_.on_log(None, first, None, logs)
    assert capsys.readouterr().out == 'step 3/9  loss 0.1235  n 7\n'


# fine-tuning


@pytest.mark.parametrize('average_', [0.0, 0.9])
def test_a_short_fine_tuning(average_, tmp_path):
    encoder = tiny_encoder()
    encoder.calibration = {'a': 1}
    encoder.provenance = {'start': 'x'}
    before = {k: v.clone() for k, v in encoder.module.state_dict().items()}
    x, labels = waves(8, 32, 32), list('aabbaabb')
    asked = []

    def score(z):
        asked.append(z)
        return {'macro_map': [0.2, 0.9, 0.3][min(len(asked), 3) - 1]}

    config = SiameseConfig(
        steps=3,
        classes=2,
        per_class=2,
        eval_every=1,
        average=average_,
        train_backbone=average_ > 0,
        lr=0.01,
        augment='light',
    )
    history = siamese.finetune(encoder, x, labels, config, x[:5], score, tmp_path)
    found = [r['eval_macro_map'] for r in history if 'eval_macro_map' in r]
    assert found == [0.2, 0.9, 0.3]
    assert all(z.shape == (5, 4) and z.dtype == np.float32 for z in asked)
    after = encoder.module.state_dict()
    assert not torch.equal(after['head.weight'], before['head.weight'])
    same = torch.equal(
        after['backbone.embedder.embedder.convolution.weight'],
        before['backbone.embedder.embedder.convolution.weight'],
    )
    assert same == (average_ == 0)
    record = encoder.provenance['fine_tuning']
    assert encoder.provenance['trained'] is True and encoder.provenance['start'] == 'x'
    assert record['windows'] == 8 and record['classes'] == ['a', 'b']
    assert record['best_step'] == 2 and record['lr'] == 0.01
    assert encoder.calibration is None and not encoder.module.training
    assert all(p.requires_grad for p in encoder.module.parameters())
    with torch.no_grad():
        assert np.allclose(encoder.module(x[:5]).numpy(), asked[1], atol=1e-5)


def test_patience_ends_a_fine_tuning(tmp_path):
    scores = iter([0.5, 0.4, 0.3, 0.2, 0.1, 0.0])
    config = SiameseConfig(
        steps=6, classes=2, per_class=2, eval_every=1, patience=2, augment='none'
    )
    x = waves(4, 32, 32)
    history = siamese.finetune(
        tiny_encoder(),
        x,
        list('aabb'),
        config,
        x,
        lambda z: {'macro_map': next(scores)},
        tmp_path / 'a',
    )
    assert [r['eval_macro_map'] for r in history if 'eval_macro_map' in r] == [0.5, 0.4, 0.3]
    config = SiameseConfig(steps=1, classes=2, per_class=2, patience=2, augment='none')
    siamese.finetune(tiny_encoder(), x, list('aabb'), config, folder=tmp_path / 'b')
    with refused('finetune needs a folder for its checkpoints'):
        siamese.finetune(tiny_encoder(), x, list('aabb'), config)


def test_a_short_lesson_in_two_parts(tmp_path):
    encoder = tiny_encoder().add_look(4)
    encoder.provenance = {'start': 'x'}
    frame = pd.DataFrame(dict(label=list('aabb'), structure=list('pqpq')))
    x = waves(4, 38, 38)
    config = TwoPartsConfig(
        steps=2, size=32, classes=2, per_class=2, labelled=2, unlabelled=1, eval_every=1
    )
    sections = SectionWindows([waves(1, 80, 80)[0, 0].numpy()], Recipe(size=(38, 38)))
    history = two_parts.teach_two_parts(
        encoder,
        x,
        frame,
        config,
        labelled=(x[:3], list('aab')),
        sections=sections,
        folder=tmp_path / 'a',
    )
    assert [r['step'] for r in history] == [1, 2]
    record = encoder.provenance['two_parts']
    assert encoder.provenance['trained'] is True and encoder.provenance['start'] == 'x'
    assert record['windows'] == 4 and record['labelled'] == 3 and record['sections'] == 1
    assert record['classes'] == ['a', 'b'] and record['size'] == 32
    config = TwoPartsConfig(steps=1, size=32, classes=2, per_class=2)
    two_parts.teach_two_parts(encoder, x, frame, config, folder=tmp_path / 'b')
    record = encoder.provenance['two_parts']
    assert record['labelled'] == 0 and record['sections'] == 0
    with refused('teach_two_parts needs a folder for its checkpoints'):
        two_parts.teach_two_parts(encoder, x, frame, config)
