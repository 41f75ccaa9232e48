"Known answers of encoders: networks by their parts, files by their forms, exact refusals."

import json
import math
import re
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from answers import in_words, tiny_vit, waves
import torch
import torch.nn.functional as F
from torch import nn
from transformers.utils import logging

from reflection_connection.encoder import (
    Encoder,
    EncoderError,
    EncoderModule,
    LookHead,
    backbones,
    checkpoints,
    hub,
    inference,
    module,
    novelty,
    parts,
    precision,
)
from reflection_connection.encoder import encoder as encoders
from reflection_connection.windows import Recipe


refused = in_words(EncoderError)


def tiny(head_dim=4, seed=0, size=(32, 32), **more):
    return Encoder.create(
        'resnet-tiny',
        Recipe(size=size),
        head_dim=head_dim,
        seed=seed,
        embedding_size=4,
        hidden_sizes=[4, 4, 4, 8],
        **more,
    )


# backbones


def test_architectures_are_what_they_are_called():
    for size, width, heads, layers in (
        ('pico', 192, 3, 4),
        ('tiny', 192, 3, 12),
        ('small', 384, 6, 12),
        ('base', 768, 12, 12),
    ):
        for kind, called in (('vit', 'vit'), ('vitmae', 'vit_mae'), ('clip', 'clip_vision_model')):
            patch, image = (8, 64) if size == 'pico' else (16, 224)
            assert backbones.ARCHITECTURES[f'{kind}-{size}'] == (
                called,
                dict(
                    hidden_size=width,
                    num_attention_heads=heads,
                    num_hidden_layers=layers,
                    intermediate_size=4 * width,
                    patch_size=patch,
                    image_size=image,
                ),
            )
        kind, values = backbones.ARCHITECTURES[f'dinov2-{size}']
        assert kind == 'dinov2' and 'intermediate_size' not in values
        assert values['patch_size'] == (8 if size == 'pico' else 14)
    assert backbones.ARCHITECTURES['vitc-pico'][1]['patch_size'] == 16
    assert all(backbones.ARCHITECTURES[f'vitc-{s}'][1]['conv_stem'] for s in ('pico', 'tiny'))
    with pytest.raises(EncoderError, match="^'x' is no architecture: expected one of clip-base, "):
        backbones.random_backbone('x')


def test_a_stem_halves_until_one_token_is_left():
    stem = backbones.ConvStem(64, 8, channels=2)
    convs = [m for m in stem.layers if isinstance(m, nn.Conv2d)]
    assert [(c.in_channels, c.out_channels) for c in convs] == [
        (2, 24),
        (24, 32),
        (32, 64),
        (64, 64),
    ]
    assert [(c.kernel_size[0], c.stride[0], c.padding[0]) for c in convs] == [(3, 2, 1)] * 3 + [
        (1, 1, 0)
    ]
    assert [c.bias is None for c in convs] == [True] * 3 + [False]
    norms = [m for m in stem.layers if isinstance(m, nn.GroupNorm)]
    assert [m.num_groups for m in norms] == [8] * 3
    assert stem(torch.zeros(2, 2, 32, 16)).shape == (2, 64, 4, 2)
    assert stem.weight is convs[0].weight
    assert backbones.ConvStem(32, 2)(torch.zeros(1, 1, 4, 4)).shape == (1, 32, 2, 2)
    for patch in (0, 1, 3, 12):
        with refused(
            'a convolutional stem halves the input again and again: '
            f'patch {patch} is not a power of two'
        ):
            backbones.ConvStem(32, patch)
    model = tiny_vit('vitc', hidden_size=24)
    projection = model.embeddings.patch_embeddings.projection
    assert isinstance(projection, backbones.ConvStem)
    assert projection.layers[0].in_channels == 1
    assert not isinstance(tiny_vit().embeddings.patch_embeddings.projection, backbones.ConvStem)


@pytest.mark.parametrize('bias', [True, False])
def test_one_channel_sees_what_three_saw(bias):
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 5, 4, stride=2, padding=1, bias=bias)
    model = nn.Sequential(nn.Sequential(conv), nn.Conv2d(5, 2, 1))
    model.config = SimpleNamespace(num_channels=3)
    model[0].num_channels = 3
    x = torch.randn(2, 1, 9, 9)
    want = model(x.repeat(1, 3, 1, 1))
    assert backbones.to_one_channel(model) is model
    assert torch.allclose(model(x), want, atol=1e-5)
    assert model.config.num_channels == 1 and model[0].num_channels == 1
    assert model[0][0].in_channels == 1 and (model[0][0].bias is not None) == bias
    kept = model[0][0]
    backbones.to_one_channel(model)
    assert model[0][0] is kept
    with refused(
        'Linear has no convolution over pixels: not a vision backbone that this package knows'
    ):
        backbones.to_one_channel(nn.Linear(2, 2))
    half = backbones._summed(nn.Conv2d(3, 2, 1).double())
    assert half.weight.dtype == torch.float64


def test_tokens_of_every_kind():
    x = waves(2)
    with torch.no_grad():
        for kind in ('vit', 'dinov2', 'clip', 'vitmae'):
            model = tiny_vit(kind)
            cls, patches = backbones.backbone_tokens(model, x)
            assert cls.shape == (2, 16) and patches.shape == (2, 16, 16)
            wide = backbones.backbone_tokens(model, waves(2, 32, 48))[1]
            assert wide.shape == (2, 24, 16)
            assert not backbones.has_stages(model) and backbones.token_width(model) == 16
        ratio = model.config.mask_ratio
        assert ratio == 0.75
        again = backbones.backbone_tokens(model, x)
        assert torch.equal(again[0], cls) and model.config.mask_ratio == ratio
        ranks = model(x, noise=torch.arange(16.0).expand(2, 16)).last_hidden_state
        assert ranks.shape == (2, 5, 16)
        resnet = tiny().module.backbone
        cls, patches = backbones.backbone_tokens(resnet, waves(2, 64, 96))
        assert cls is None and patches.shape == (2, 6, 8)
        assert backbones.has_stages(resnet) and backbones.token_width(resnet) == 8
        whole = resnet(waves(2, 64, 96)).last_hidden_state
        assert torch.equal(patches[:, 4], whole[:, :, 1, 1])


def test_siglip_has_no_class_token():
    from transformers import SiglipVisionConfig, SiglipVisionModel

    config = SiglipVisionConfig(
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=32,
        patch_size=8,
        num_channels=1,
    )
    model = SiglipVisionModel(config).eval()
    with torch.no_grad():
        cls, patches = backbones.backbone_tokens(model, waves(2))
    assert cls is None and patches.shape == (2, 16, 16)
    assert hub._default_pooling(model) == 'mean'
    assert hub._default_pooling(tiny_vit()) == 'cls'
    assert hub._default_pooling(tiny().module.backbone) == 'mean'


def test_how_tokens_lie():
    grids = [
        ((12, (30, 40)), (3, 4)),
        ((12, (40, 30)), (4, 3)),
        ((12, (10, 120)), (1, 12)),
        ((12, (120, 10)), (12, 1)),
        ((16, (32, 32)), (4, 4)),
    ]
    for given, want in grids:
        assert backbones.token_grid(*given) == want


def test_channels_last_only_where_wide():
    wide = SimpleNamespace(config=SimpleNamespace(hidden_sizes=[16, 32], embedding_size=16))
    narrow = SimpleNamespace(config=SimpleNamespace(hidden_sizes=[16, 32], embedding_size=15))
    thin = SimpleNamespace(config=SimpleNamespace(hidden_sizes=[15, 32]))
    plain = SimpleNamespace(config=SimpleNamespace(hidden_sizes=[16, 32]))
    vit = SimpleNamespace(config=SimpleNamespace(hidden_size=16))
    x, two = torch.arange(24.0).view(2, 1, 3, 4), torch.zeros(2, 2, 3, 4)
    for of in (wide, plain):
        y = backbones.fast_layout(of, x)
        assert torch.equal(x, y) and y.stride() == (12, 1, 4, 1)
        assert backbones.fast_layout(of, two) is two
    for of in (narrow, thin, vit):
        assert backbones.fast_layout(of, x) is x
    turned = x.transpose(2, 3)
    assert torch.equal(backbones.fast_layout(wide, turned), turned)


# modules


@pytest.mark.parametrize(
    'change, message',
    [
        ({'pooling': 'x'}, "pooling is 'x': expected one of ('cls', 'mean', 'gem')"),
        ({'scales': ()}, 'scales is (): expected one or more numbers above 0'),
        ({'scales': (1, 0)}, 'scales is (1, 0): expected one or more numbers above 0'),
        *(
            ({name: value}, f'{name} is {value}: expected a number from 0 to 1')
            for name in ('look_weight', 'structure_weight')
            for value in (-0.01, 1.01)
        ),
    ],
)
def test_modules_that_are_refused(change, message):
    given = {'pooling': 'mean'} | change
    with refused(message):
        EncoderModule(tiny().module.backbone, **given)


def test_what_a_module_is_made_of():
    backbone = tiny().module.backbone
    for weight in (0, 1):
        EncoderModule(backbone, 'mean', look_weight=weight, structure_weight=weight)
    plain = EncoderModule(backbone, 'mean')
    assert (plain.class_dim, plain.kind_dim, plain.dim) == (8, 8, 8)
    assert plain.neck is plain.head is plain.look is plain.structure is plain.gem_p is None
    whole = EncoderModule(
        backbone, 'gem', 5, True, True, [1, 0.5], look_dim=6, look_grid=2, structure_dim=3
    )
    assert (whole.class_dim, whole.kind_dim, whole.dim) == (5, 8, 14)
    assert whole.scales == (1, 0.5) and whole.mirror is True and whole.gem_p.item() == 3
    assert whole.neck.num_features == 8 and not whole.neck.affine
    assert whole.look.grid == 2 and whole.look.layers[0].in_features == 32
    with refused("resnet has no class token: use pooling 'mean' or 'gem'"):
        EncoderModule(backbone, 'cls').eval()(waves(1))


def test_pooling_by_hand():
    backbone = tiny().module.backbone
    cls, patches = torch.tensor([[7.0, 8.0]]), torch.tensor([[[1.0, -2.0], [3.0, 4.0]]])
    pooled = {name: EncoderModule(backbone, name).pool(cls, patches) for name in ('cls', 'mean')}
    assert pooled['cls'] is cls and pooled['mean'].tolist() == [[2, 1]]
    gem = EncoderModule(backbone, 'gem')
    want = [14 ** (1 / 3), 32 ** (1 / 3)]
    assert gem.pool(None, patches)[0].tolist() == pytest.approx(want, rel=1e-4)
    with torch.no_grad():
        gem.gem_p.fill_(0.1)
        assert gem.pool(None, patches)[0].tolist() == pytest.approx([2, 2], rel=1e-4)
        gem.gem_p.fill_(99.0)
        want = [((1 + 3**10) / 2) ** 0.1, (4**10 / 2) ** 0.1]
        assert gem.pool(None, patches)[0].tolist() == pytest.approx(want, rel=1e-4)


def test_a_look_knows_where_things_lie():
    look = LookHead(2, 5, grid=2, hidden=7).eval()
    assert [type(m).__name__ for m in look.layers] == ['Linear', 'BatchNorm1d', 'ReLU', 'Linear']
    assert look.layers[0].bias is None and look.layers[0].weight.shape == (7, 8)
    tokens = torch.arange(24.0).view(1, 12, 2)
    placed = look.placed(tokens, (30, 40))
    grid = tokens[0].view(3, 4, 2)
    cells = [grid[r : r + 2, c : c + 2].mean((0, 1)) for r in (0, 1) for c in (0, 2)]
    assert torch.allclose(placed.view(2, 4), torch.stack(cells, 1))
    with torch.no_grad():
        assert torch.allclose(look(placed).norm(dim=1), torch.ones(1))
    assert LookHead(2, 5).layers[0].out_features == 512


def test_two_parts_side_by_side():
    a, b = torch.tensor([[0.6, 0.8]]), torch.tensor([[1.0]])
    assert module.beside(a, None, 0.3) is a
    found = module.beside(a, b, 0.25)[0]
    assert found.tolist() == pytest.approx([0.6 * 0.75**0.5, 0.8 * 0.75**0.5, 0.5])


@pytest.mark.parametrize('scales', [(1.0,), (1.0, 0.5, 1.5)])
@pytest.mark.parametrize('mirror', [False, True])
def test_an_embedding_by_hand(scales, mirror):
    backbone = tiny().module.backbone
    torch.manual_seed(0)
    m = EncoderModule(
        backbone,
        'mean',
        5,
        neck=True,
        mirror=mirror,
        scales=scales,
        look_dim=6,
        look_weight=0.3,
        look_grid=2,
        structure_dim=3,
        structure_weight=0.2,
    ).eval()
    m.neck.running_mean.normal_()
    m.neck.running_var.uniform_(0.5, 2)
    x = waves(3, 64, 64)
    with torch.no_grad():
        seen, placed = [], []
        for s in scales:
            size = (round(64 * s),) * 2
            view = (
                x
                if s == 1
                else F.interpolate(
                    x, size=size, mode='bilinear', antialias=True, align_corners=False
                )
            )
            assert torch.equal(module._resized(x, s), view)
            for flipped in (view, view.flip(-1)) if mirror else (view,):
                tokens = backbone(flipped).last_hidden_state.flatten(2).transpose(1, 2)
                seen.append(tokens.mean(1))
                if flipped is view:
                    placed.append(m.look.placed(tokens, size))
        pooled, spots = sum(seen) / len(seen), sum(placed) / len(placed)
        found = m.tokens(x)
        assert torch.allclose(found[0], pooled, atol=1e-5)
        assert torch.allclose(found[1], spots, atol=1e-5)
        pooled = (pooled - m.neck.running_mean) / (m.neck.running_var + 1e-5).sqrt()
        of_class = F.normalize(m.head(pooled), dim=-1)
        of_structure = F.normalize(m.structure(pooled), dim=-1)
        look = m.look(spots)
        for a, b in zip(m.aspects(x), (of_class, of_structure, look)):
            assert torch.allclose(a, b, atol=1e-5)
        kind = torch.cat([0.8**0.5 * of_class, 0.2**0.5 * of_structure], 1)
        assert torch.allclose(m.parts(x)[0], kind, atol=1e-5)
        want = torch.cat([0.7**0.5 * kind, 0.3**0.5 * look], 1)
        assert torch.allclose(m(x), want, atol=1e-5)
    m.train()
    sizes = {tuple(v.shape) for _ in range(30) for v in m.sized(x)}
    assert len(m.sized(x)) == 1
    assert sizes == {(3, 1, round(64 * s), round(64 * s)) for s in scales}
    bare = EncoderModule(backbone, 'mean').eval()
    with torch.no_grad():
        of_class, of_structure, look = bare.aspects(x)
        assert of_structure is None and look is None and bare.tokens(x)[1] is None
        assert torch.allclose(of_class, F.normalize(bare.tokens(x)[0], dim=-1))
        assert torch.allclose(bare(x), of_class)


def test_training_sees_no_mirror_image():
    m = tiny().module
    m.mirror = True
    x = waves(2)
    seen = []
    m.see = lambda v, branched: seen.append(v) or (None, torch.zeros(2, 1, 8), None)
    m.train().tokens(x)
    assert len(seen) == 1
    m.eval().tokens(x)
    assert len(seen) == 3 and torch.equal(seen[2], x.flip(-1))


# inference


def test_items_come_ahead_in_order_and_end():
    assert list(inference.ahead(range(50), n=3)) == list(range(50))
    assert list(inference.ahead([])) == []

    def fails():
        yield 1
        raise KeyError('gone')

    items = inference.ahead(fails())
    assert next(items) == 1
    with pytest.raises(KeyError, match='gone'):
        next(items)
    made = []

    def endless():
        for k in range(10**6):
            made.append(k)
            yield k

    items = inference.ahead(endless(), n=2)
    assert next(items) == 0
    items.close()
    assert len(made) <= 6


def test_a_folded_module_says_the_same():
    encoder = tiny(8)
    m = encoder.module.eval()
    with torch.no_grad():
        for part in m.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.running_mean.normal_()
                part.running_var.uniform_(0.5, 2)
    x, cpu = waves(5), torch.device('cpu')
    before = {k: v.clone() for k, v in m.state_dict().items()}
    ready, context = inference.for_inference(m, cpu)
    with torch.inference_mode(), context():
        assert torch.allclose(ready(x), m(x), atol=1e-5)
    assert ready is not m
    assert not any(isinstance(part, nn.BatchNorm2d) for part in ready.modules())
    stem = ready.backbone.embedder
    assert isinstance(stem.embedder.activation, nn.Identity)
    assert isinstance(stem.pooler, nn.Sequential) and isinstance(stem.pooler[1], nn.ReLU)
    assert all(part.inplace for part in ready.modules() if isinstance(part, nn.ReLU))
    assert stem.embedder.convolution.weight.is_contiguous(memory_format=torch.channels_last)
    assert all(torch.equal(v, before[k]) for k, v in m.state_dict().items())
    half, context = inference.for_inference(m, cpu, torch.bfloat16)
    assert half.backbone.dtype == torch.bfloat16 and half.head.weight.dtype == torch.float32
    with torch.inference_mode(), context():
        assert not torch.is_autocast_enabled('cpu')
        assert F.cosine_similarity(half(x), m(x)).min() > 0.99
    vit = EncoderModule(tiny_vit(), 'cls').eval()
    same, context = inference.for_inference(vit, cpu)
    assert same is vit
    with context():
        assert not torch.is_autocast_enabled('cpu')
    same, context = inference.for_inference(vit, cpu, torch.bfloat16)
    assert same is vit and vit.backbone.dtype == torch.float32
    with context():
        assert torch.is_autocast_enabled('cpu')
        assert torch.get_autocast_dtype('cpu') == torch.bfloat16
    assert inference.half_type(cpu, 'fp32') is None
    assert inference.half_type(cpu, 'fp16') is torch.float16
    assert inference.half_type(cpu, 'bf16') is torch.bfloat16
    with pytest.raises(EncoderError, match="precision is 'x'"):
        inference.half_type(cpu, 'x')


def test_a_processor_computes_a_cache_at_a_time(monkeypatch):
    seen = []

    def keeps(chunk):
        seen.append(len(chunk))
        return chunk[:, 0, 0, :2]

    monkeypatch.setattr(inference, 'CACHED', 35)
    x = torch.arange(70.0).view(7, 1, 2, 5)
    found = inference.embed_batch(keeps, x, torch.device('cpu'))
    assert seen == [3, 3, 1] and torch.equal(found, x[:, 0, 0, :2])
    monkeypatch.setattr(inference, 'CACHED', 3)
    seen.clear()
    inference.embed_batch(keeps, x, torch.device('cpu'))
    assert seen == [1] * 7


# encoders


def test_an_encoder_describes_itself():
    encoder = tiny()
    n = sum(p.numel() for p in encoder.module.parameters())
    assert encoder.n_parameters == n
    text = (
        f'Encoder resnet-tiny, untrained: resnet, {n / 1e6:.2f} M parameters, mean pooling, '
        '4 dimensions, input (32, 32) scaled per window, cosine'
    )
    assert repr(encoder) == text
    assert encoder.parts is None and encoder.look is None
    encoder.module.mirror, encoder.module.scales = True, (1.0, 2.0)
    assert repr(encoder) == text + ', mirror averaged, 2 scales averaged'
    encoder.add_look(6, 0.25)
    assert encoder.parts == (4, 6) and encoder.look == 0.25 and encoder.dim == 10
    assert '10 dimensions (4 of kind, 6 of look, weighted 0.75 to 0.25)' in repr(encoder)
    with refused("metric is 'x': expected 'cosine' or 'euclidean'"):
        Encoder(encoder.module, Recipe(), 'x')
    assert encoder.provenance == {'architecture': 'resnet-tiny', 'seed': 0, 'trained': False}


def test_what_changes_a_fingerprint():
    found = {'as it is': tiny().fingerprint()}
    assert found['as it is'] == tiny().fingerprint() and len(found['as it is']) == 16

    def changed(name, **values):
        encoder = tiny()
        for key, value in values.items():
            setattr(encoder.module, key, value)
        found[name] = encoder.fingerprint()

    changed('pooling', pooling='gem')
    changed('mirror', mirror=True)
    changed('scales', scales=(1.0, 0.5))
    found['one scale'] = tiny().fingerprint()
    assert found.pop('one scale') == found['as it is']
    found['metric'] = tiny(metric='euclidean').fingerprint()
    found['recipe'] = tiny(size=(32, 40)).fingerprint()
    found['seed'] = tiny(seed=1).fingerprint()
    found['look'] = tiny().add_look(4).fingerprint()
    found['grid'] = tiny().add_look(4, grid=2).fingerprint()
    found['weight'] = tiny().add_look(4, 0.4).fingerprint()
    found['structure'] = tiny().add_structure(4).fingerprint()
    found['its weight'] = tiny().add_structure(4, 0.4).fingerprint()
    assert len(set(found.values())) == len(found)
    named = tiny()
    named.name, named.provenance, named.calibration = 'y', {'z': 1}, {'a': 1}
    assert named.fingerprint() == found['as it is']
    assert named.digest(lambda t: t.double()) != found['as it is']
    settings = encoders._settings_that_count(tiny().add_look(4, 0.4).add_structure(3, 0.2))
    assert settings == [
        'mean',
        11,
        Recipe(size=(32, 32)).fingerprint(),
        'cosine',
        'look',
        0.4,
        3,
        'structure',
        0.2,
    ]


def test_embedding_in_batches():
    encoder = tiny()
    x, told = waves(7), []
    state = torch.random.get_rng_state()
    tiny()
    assert torch.equal(torch.random.get_rng_state(), state)
    with torch.no_grad():
        want = encoder.module(x).numpy()
    found = encoder.embed_batches(x.split(3), 7, progress=lambda *g: told.append(g))
    assert np.allclose(found, want, atol=1e-5)
    assert told == [(3, 7), (6, 7), (7, 7)]
    assert found.shape == (7, 4) and found.dtype == np.float32
    with refused('no windows to embed'):
        encoder.embed_batches([], 0)
    assert [len(z) for z in encoder.stream(x.split(3))] == [3, 3, 1]
    images = [w[0].numpy() for w in waves(5, 40, 30)]
    live = [np.ones((40, 30), bool) for _ in images]
    live[3][:10] = False
    source = Encoder(encoder.module, Recipe('source', (32, 32)))
    for e in (encoder, source):
        scales = [0.5, 1.0, 2.0, 4.0, 8.0]
        batch = e.recipe.batch(images, live, scales)
        with torch.no_grad():
            want = e.module(batch).numpy()
        found = e.embed(images, live, scales, batch_size=2)
        assert np.allclose(found, want, atol=1e-4)
    with torch.no_grad():
        encoder.module.head.bias.fill_(math.nan)
    with refused(
        'resnet-tiny, untrained gives embeddings that are not finite: its weights are damaged, '
        "training diverged, or half precision is too narrow for it (precision='fp32')"
    ):
        encoder.embed(images)


def test_pictures_are_read_and_assumptions_told(tmp_path, capsys):
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 255, (40, 40, 3), dtype=np.uint8)
    for name in ('a.png', 'b.png'):
        Image.fromarray(pixels).save(tmp_path / name)
    one = tiny().embed(tmp_path / 'a.png')
    both = tiny().embed([str(tmp_path / 'a.png'), tmp_path / 'b.png'])
    assert one.shape == (1, 4) and np.allclose(both, one, atol=1e-6)
    assumed = {}
    encoders._as_window(tmp_path / 'a.png', assumed)
    encoders._as_window(tmp_path / 'b.png', assumed)
    assert all(names == ['a.png', 'b.png'] for names in assumed.values())
    assert encoders._as_window([[1, 2]], assumed).tolist() == [[1, 2]]


def test_devices_and_bundled_encoders(monkeypatch, tmp_path):
    assert encoders.pick_device('cpu') == torch.device('cpu')
    assert encoders.pick_device('cuda:1') == torch.device('cuda:1')
    for cuda, mps, want in ((1, 1, 'cuda'), (1, 0, 'cuda'), (0, 1, 'mps'), (0, 0, 'cpu')):
        monkeypatch.setattr(torch.cuda, 'is_available', lambda c=cuda: bool(c))
        monkeypatch.setattr(torch.backends.mps, 'is_available', lambda m=mps: bool(m))
        assert encoders.pick_device() == torch.device(want)
    monkeypatch.setattr(encoders, '_ENCODERS', tmp_path / 'none')
    assert encoders.bundled() == []
    monkeypatch.setattr(encoders, '_ENCODERS', tmp_path)
    for name in ('b', 'a', 'c'):
        (tmp_path / name).mkdir()
    for name in ('b', 'a'):
        (tmp_path / name / 'refcon.json').touch()
    assert encoders.bundled() == ['a', 'b'] and encoders.bundled_folder('b') == tmp_path / 'b'


def test_poolings_by_default():
    names = ['resnet-tiny', 'convnextv2-atto', 'vit-pico', 'clip-tiny', 'dinov2-pico']
    assert [encoders._default_pooling(n) for n in names] == ['mean', 'mean', 'cls', 'cls', 'cls']
    assert tiny(pooling='gem').module.pooling == 'gem'
    assert tiny(0).module.head is None


# parts


@pytest.mark.parametrize('add', ['add_look', 'add_structure'])
def test_a_new_part(add):
    name = add.removeprefix('add_')
    far = tiny(metric='euclidean')
    with refused(
        f'{name} is compared by cosine, and resnet-tiny, untrained by euclidean distance: '
        "start from an encoder of metric 'cosine'"
    ):
        getattr(far, add)(4)
    for weight in (-0.1, 1.1):
        with refused(f'weight is {weight}: expected a number from 0 to 1'):
            getattr(tiny(), add)(4, weight)
    for weight in (0, 1):
        getattr(tiny(), add)(4, weight)
    encoder, state = tiny(), torch.random.get_rng_state()
    encoder.calibration = {'a': 1}
    assert getattr(encoder, add)(6, 0.3, seed=5) is encoder
    assert torch.equal(torch.random.get_rng_state(), state)
    assert encoder.calibration is None
    assert getattr(encoder.module, f'{name}_weight') == 0.3
    prints = {getattr(tiny(), add)(6, 0.3, seed=s).fingerprint() for s in (5, 6)}
    assert encoder.fingerprint() in prints and len(prints) == 2
    assert encoder.dim == 10


def test_parts_of_embeddings():
    encoder = tiny().add_structure(3, 0.2).add_look(5, 0.3)
    assert not encoder.module.look.training
    x = waves(6)
    with torch.no_grad():
        z = encoder.module(x).numpy()
        of_class, of_structure, look = (a.numpy() for a in encoder.module.aspects(x))
        kind = encoder.module.parts(x)[0].numpy()
    want = {'class': of_class, 'structure': of_structure, 'look': look, 'kind': kind}
    for name, value in want.items():
        assert np.allclose(encoder.part(z, name), value, atol=1e-5)
        assert np.allclose(encoder.part(z[2], name), value[2], atol=1e-5)
    for share in (0, 0.6, 1):
        q = encoder.weigh(z, share)
        inner = q @ z.T
        assert np.allclose(inner, (1 - share) * kind @ kind.T + share * look @ look.T, atol=1e-4)
    assert np.array_equal(encoder.weigh(z), z)
    assert np.allclose(encoder.weigh(z, 0.3), z, atol=1e-5)
    assert encoder.weigh(z.astype(np.float64)).dtype == np.float32
    assert not encoder.part(np.zeros((1, 12)), 'look').any()
    for share in (-0.1, 1.1):
        with refused(
            f'look is {share}: expected a number from 0 (the same kind) to 1 (the same look)'
        ):
            encoder.weigh(z, share)
    with refused("part is 'x': expected one of kind, class, structure, look"):
        encoder.part(z, 'x')
    for own in (0.0, 1.0):
        encoder.module.look_weight = own
        with refused(
            f'resnet-tiny, untrained was saved with look weighted {own:g}: '
            'the other part is not in its embeddings'
        ):
            encoder.weigh(z, 0.5)
    plain = tiny()
    z = z[:, :4]
    assert np.array_equal(plain.part(z, 'kind'), z) and np.array_equal(plain.part(z, 'class'), z)
    with refused('resnet-tiny, untrained has no part for structures within a class'):
        plain.part(z, 'structure')
    why = (
        'resnet-tiny, untrained does not tell look from kind: leave look out, '
        f"or take an encoder that does ({', '.join(encoders.bundled())})"
    )
    with refused(why):
        plain.part(z, 'look')
    with refused(why):
        plain.weigh(z, 0.5)


def test_a_neck_standardises():
    encoder, x = tiny(), waves(70)
    encoder.calibration = {'a': 1}
    with torch.no_grad():
        pooled = encoder.module.tokens(x)[0]
    assert torch.allclose(parts._pooled(encoder.module, x), pooled, atol=1e-5)
    assert encoder.add_neck(x) is encoder and encoder.calibration is None
    neck = encoder.module.neck
    assert torch.allclose(neck.running_mean, pooled.mean(0), atol=1e-5)
    assert torch.allclose(neck.running_var, pooled.var(0), atol=1e-5)
    assert not neck.training and not neck.affine
    encoder.add_neck(x[:2])
    for n in (0, 1):
        with refused(f"a neck's statistics need at least 2 windows, got {n}"):
            encoder.add_neck(x[:n])


# novelty


def test_what_is_known_by_hand():
    encoder, x = tiny(), waves(70)
    with torch.no_grad():
        first = encoder.module.backbone(x, output_hidden_states=True).hidden_states[1]
    texture = encoder.texture(x)
    want = torch.cat([first.mean((2, 3)), first.std((2, 3))], 1).double().numpy()
    assert np.allclose(texture, want, atol=1e-5) and texture.dtype == np.float64
    known = novelty._whitening(texture)
    mean, spread = texture.mean(0), texture.std(0) + 1e-6
    covariance = np.cov(((texture - mean) / spread).T) + 0.1 * np.eye(8)
    size = ((texture - mean) / spread) @ np.linalg.inv(covariance)
    want = np.sqrt((size * ((texture - mean) / spread)).sum(1))
    assert known.shape == (9, 8) and known.dtype == np.float32
    assert np.allclose(novelty._distance_to(known, texture), want, rtol=1e-3)
    assert encoder.memory is None and not encoder.remembers and encoder.unlike(x) is None
    unseen = [waves(8, seed=1), waves(9, seed=2)]
    assert encoder.remember(x, unseen) is encoder and encoder.remembers
    marks = [
        np.quantile(novelty._distance_to(known, encoder.texture(u)), novelty.MARKS) for u in unseen
    ]
    assert np.allclose(encoder.memory.distances, np.mean(marks, axis=0))
    found = encoder.unlike(unseen[0])
    d = novelty._distance_to(encoder.memory.texture, encoder.texture(unseen[0]))
    assert np.allclose(found, np.interp(d, encoder.memory.distances, novelty.MARKS))
    assert encoder.unlike(x[:0]) is None
    with torch.no_grad():
        encoder.module.head.weight.add_(1)
    assert encoder.memory is None and not encoder.remembers
    with refused(
        '7 windows of reference are too few for a texture of 8 numbers: give at least as many'
    ):
        encoder.remember(x[:7], unseen)
    encoder.remember(x[:8], unseen)
    with refused(
        '2 unseen surveys, the smallest of 7 windows: expected at least one, of at least 8 windows'
    ):
        encoder.remember(x, [unseen[0], unseen[1][:7]])
    with refused(
        '0 unseen surveys, the smallest of 0 windows: expected at least one, of at least 8 windows'
    ):
        encoder.remember(x, [])
    vit = Encoder(EncoderModule(tiny_vit(), 'cls'), Recipe(), name='v')
    with refused(
        'v has no stages of convolutions, so what it knows cannot be remembered: '
        'expected a residual network'
    ):
        vit.texture(x)


def test_when_a_survey_is_doubted():
    encoder = tiny()
    encoder.name = 'e'
    far, near = np.full(8, 0.951), np.full(8, 0.95)
    assert encoder.doubt(None) is None
    assert encoder.doubt(far[:7]) is None
    assert encoder.doubt(near) is None
    assert encoder.doubt(np.r_[far[:4], near[:4]]) is None
    assert encoder.doubt(np.r_[far[:5], near[:3]]) == {
        'problem': 'unlike all that e knows: 62% of its windows are farther from that than 95% of '
        'the windows of surveys new to it were',
        'remedy': 'probabilities may be wrong here: look at the hits themselves, '
        'or train on labels of this survey',
    }
    half = novelty._halved(torch.ones(2))
    assert half.dtype == torch.float16
    assert novelty._halved(torch.arange(2)).dtype == torch.int64


# files


def test_names_in_files():
    for name, there in (('backbone.a.b', 'a.b'), ('head.weight', 'refcon.head.weight')):
        assert checkpoints._name_in_file(name) == there
        assert checkpoints._name_in_module(there) == name


def test_a_header_in_order():
    body = b'0123456789'
    for names in ('ba', 'bac'):
        head = json.dumps({n: 1 for n in names}).encode()
        found = checkpoints._in_order(len(head).to_bytes(8, 'little') + head + body)
        n = int.from_bytes(found[:8], 'little')
        assert n % 8 == 0 and found[8 + n :] == body
        text = found[8 : 8 + n].decode()
        assert text.rstrip() == '{' + ','.join(f'"{k}":1' for k in sorted(names)) + '}'
        assert n - len(text.rstrip()) < 8


def test_forms_of_values():
    c = checkpoints
    assert [c._is_finite(v) for v in (1, -2.5, True, '1', None, math.inf, -math.inf, math.nan)] == [
        True,
        True,
        *[False] * 6,
    ]
    assert [c._is_share(v) for v in (0, 1, 0.5, -0.1, 1.1, 'x')] == [True] * 3 + [False] * 3
    assert [c._is_whole(v, 2, 4) for v in (1, 2, 4, 5, 3.0, True)] == [
        False,
        True,
        True,
        False,
        False,
        False,
    ]
    good = [[0.1], [8], [1, 2.5], [1] * 16]
    bad = [[], [1] * 17, (1,), [0.09], [8.1], ['1'], [1, 9], None]
    assert all(map(c._is_sizes, good)) and not any(map(c._is_sizes, bad))
    look, structure = {'dim': 1, 'weight': 0.5, 'grid': 16}, {'dim': c.MOST, 'weight': 1}
    assert c._is_look(None) and c._is_look(look) and c._is_look(look | {'grid': 1})
    assert c._is_structure(None) and c._is_structure(structure)
    for change in ({'grid': 0}, {'grid': 17}, {'dim': 0}, {'weight': 2}, {'more': 1}):
        assert not c._is_look(look | change)
    for wrong in (structure | {'dim': c.MOST + 1}, structure | {'grid': 1}, {'dim': 1}, [], 0):
        assert not c._is_structure(wrong)
    assert not c._is_look(structure) and not c._is_look([])
    known = {'n': 4096, 'distances': list(range(41))}
    assert c._is_known(None) and c._is_known(known) and c._is_known(known | {'n': 1})
    for change in (
        {'n': 0},
        {'n': 4097},
        {'distances': list(range(40))},
        {'distances': [*range(1, 41), 0]},
        {'distances': [*range(40), '40']},
        {'distances': tuple(range(41))},
        {'distances': [*range(40), math.inf]},
        {'more': 1},
    ):
        assert not c._is_known(known | change)
    assert not c._is_known([]) and not c._is_known({'n': 1})
    curve = {'metric': 'cosine', 'a': 1.5, 'b': -2}
    assert c.calibrates(None, 'cosine') and c.calibrates(curve, 'cosine')
    assert c.calibrates(curve | {'kind': 'platt', 'scale': 'log'}, 'cosine')
    assert c.calibrates(curve | {'scale': 'distance'}, 'cosine')
    assert not c.calibrates(curve, 'euclidean') and not c.calibrates([], 'cosine')
    for change in ({'kind': 'x'}, {'scale': 'x'}, {'a': None}, {'b': 'x'}, {'a': math.inf}):
        assert not c.calibrates(curve | change, 'cosine')
    assert c._numbers({'a': [1, {'b': 2.5}], 'c': True, 'd': 'x', 'e': None}) == [1, 2.5]
    said = 'it brings its own code, which is never run: '
    assert c.why_not(ValueError('needs custom code')).startswith(said)
    assert c.why_not(ValueError('wrong size')) == 'wrong size'


def settings_of(folder):
    return json.loads((folder / 'refcon.json').read_text())


@pytest.fixture()
def saved(tmp_path):
    encoder = tiny().add_structure(3, 0.2).add_look(5, 0.3, grid=2)
    encoder.module.scales, encoder.module.mirror = (1.0, 0.5), True
    encoder.add_neck(waves(9))
    encoder.remember(waves(20), [waves(8, seed=1)])
    encoder.calibration = {'metric': 'cosine', 'a': -1.0, 'b': 2.0}
    encoder.name, encoder.provenance = 'mine', {'x': 1}
    assert encoder.save(tmp_path / 'e') == tmp_path / 'e'
    return encoder, tmp_path / 'e'


def test_an_encoder_comes_back_whole(saved, tmp_path):
    encoder, folder = saved
    about = settings_of(folder)
    assert about['look'] == {'dim': 5, 'weight': 0.3, 'grid': 2}
    assert about['structure'] == {'dim': 3, 'weight': 0.2, 'stage': 0}
    assert (about['head_dim'], about['neck'], about['mirror'], about['scales']) == (
        4,
        True,
        True,
        [1.0, 0.5],
    )
    assert about['known']['n'] == 8 and about['format'] == 5
    assert about['sha256'].keys() == {'model.safetensors', 'config.json'}
    assert json.loads((folder / 'config.json').read_text())['architectures'] == ['ResNetModel']
    back = checkpoints.load_folder(folder)
    assert back.fingerprint() == encoder.fingerprint()
    assert (back.name, back.provenance, back.metric) == ('mine', {'x': 1}, 'cosine')
    assert back.calibration == encoder.calibration and back.recipe == encoder.recipe
    assert back.remembers and not back.module.training
    assert np.allclose(back.unlike(waves(5)), encoder.unlike(waves(5)))
    with torch.no_grad():
        assert torch.equal(back.module(waves(3)), encoder.module(waves(3)))
    again = back.save(tmp_path / 'again')
    for name in ('model.safetensors', 'refcon.json', 'config.json'):
        assert (again / name).read_bytes() == (folder / name).read_bytes()
    shapes = checkpoints.tensor_shapes(folder / 'model.safetensors')
    assert shapes['refcon.known'] == (9, 8) and shapes['refcon.head.weight'] == (4, 8)
    plain = tiny(0)
    about = settings_of(plain.save(tmp_path / 'plain', torch.float16))
    assert about['look'] is about['structure'] is about['known'] is None
    assert about['head_dim'] == 0 and about['neck'] is False
    raw = checkpoints.load_file(tmp_path / 'plain' / 'model.safetensors')
    assert {v.dtype for v in raw.values()} == {torch.float16, torch.int64}
    back = checkpoints.load_folder(tmp_path / 'plain')
    assert back.module.head is None and next(back.module.parameters()).dtype == torch.float32


def rewrite(folder, **changes):
    from reflection_connection.storage import write_json

    about = settings_of(folder)
    about.pop('crc32', None)
    write_json(folder / 'refcon.json', about | changes, checked=True)


@pytest.mark.parametrize(
    'changes, message',
    [
        (
            {'format': 6},
            '{f}: encoder format 6, this version reads 1 to 5: '
            'update it (pip install --upgrade reflection_connection)',
        ),
        (
            {'format': 0},
            '{f}: encoder format 0, this version reads 1 to 5: '
            'update it (pip install --upgrade reflection_connection)',
        ),
        (
            {'sha256': 'x'},
            '{f}/refcon.json has no checksums (sha256): copy the encoder again',
        ),
        (
            {'format': 1, 'sha256': 'x'},
            "{f}/model.safetensors: missing, or its checksum differs from refcon.json's: "
            'the file is damaged or was changed; copy the encoder again',
        ),
        (
            {'head_dim': 7},
            '{f}: weights do not fit config.json and refcon.json (2 tensors, '
            'first refcon.head.bias: (4,) in the file, (7,) expected)',
        ),
        (
            {'neck': False},
            '{f}: weights do not fit config.json and refcon.json (3 tensors, '
            'first refcon.neck.num_batches_tracked: () in the file, none expected)',
        ),
        (
            {'known': None},
            '{f}: weights do not fit config.json and refcon.json (1 tensors, '
            'first refcon.known: (9, 8) in the file, none expected)',
        ),
        (
            {'pooling': 'gem'},
            '{f}: weights do not fit config.json and refcon.json (1 tensors, '
            'first refcon.gem_p: missing in the file, () expected)',
        ),
    ],
)
def test_folders_that_are_refused(saved, changes, message):
    folder = saved[1]
    rewrite(folder, **changes)
    with refused(message.replace('{f}', str(folder))):
        checkpoints.load_folder(folder)


@pytest.mark.parametrize(
    'name, value, want',
    [
        ('pooling', 'x', 'one of cls, mean, gem'),
        ('head_dim', -1, 'a whole number from 0 to 131,072'),
        ('neck', 1, 'true or false'),
        ('mirror', 'x', 'true or false'),
        ('scales', [], 'up to 16 numbers from 0.1 to 8'),
        ('metric', 'x', 'cosine or euclidean'),
        ('look', 1, 'null, or a record of dim, weight and grid'),
        ('structure', 1, 'null, or a record of dim, weight and stage'),
        ('known', 1, 'null, or a record of n and 41 rising distances'),
        ('provenance', 1, 'a record'),
        ('calibration', 1, 'null, or what confidence.fit_probability gives for the metric'),
        ('name', 1, 'text'),
        ('recipe', 1, 'a record'),
    ],
)
def test_settings_of_a_form(name, value, want):
    good = dict(pooling='mean', head_dim=0, metric='cosine', provenance={}, calibration=None)
    good |= dict(name='x', recipe=Recipe().to_dict())
    found = checkpoints._checked('f', good)
    assert found['recipe'] == Recipe() and found['scales'] == [1.0]
    assert (found['neck'], found['mirror'], found['look'], found['known']) == (
        False,
        False,
        None,
        None,
    )
    with pytest.raises(EncoderError, match=re.escape(want)):
        checkpoints._checked('f', good | {name: value})
    with pytest.raises(EncoderError, match='^f/refcon.json: recipe: '):
        checkpoints._checked('f', good | {'recipe': {}})


def test_configurations_that_are_refused(tmp_path):
    path = tmp_path / 'config.json'

    def said(n_tensors=4, **config):
        path.write_text(json.dumps(config))
        checkpoints._check_config(path, n_tensors)

    said(a=1 << 17, b=-(1 << 17), depths=[1, 1], num_hidden_layers=2)
    with refused(f'{path} has the number 131073: expected none beyond 131,072'):
        said(a=[(1 << 17) + 1])
    with refused(f'{path} has the number -131073: expected none beyond 131,072'):
        said(a={'b': -(1 << 17) - 1})
    with refused(f'{path} has 5 layers, and the weights 4 tensors: they do not fit'):
        said(depths=[1, 2], num_hidden_layers=2)
    with pytest.raises(EncoderError, match='not a readable safetensors file'):
        checkpoints.tensor_shapes(path)
    with pytest.raises(EncoderError, match='not a readable safetensors file'):
        checkpoints.tensor_shapes(tmp_path / 'none')
    path.write_text('{"model_type": "nothing"}')
    with pytest.raises(EncoderError, match='no configuration of a transformers model'):
        checkpoints._read_config(tmp_path, 4)
    config = tiny().module.backbone.config
    config.depths = None
    with pytest.raises(EncoderError, match='^p: no vision model can be made of it'):
        checkpoints._backbone_of(config, 'p')


# the hub


def torchvision_state(width=64, layers=2, patch=8, grid=3, channels=3, now=True, prefix=''):
    torch.manual_seed(0)
    r = torch.randn
    state = {
        'class_token': r(1, 1, width),
        'encoder.pos_embedding': r(1, grid**2 + 1, width),
        'conv_proj.weight': r(width, channels, patch, patch) * 0.1,
        'conv_proj.bias': r(width),
        'encoder.ln.weight': r(width),
        'encoder.ln.bias': r(width),
    }
    first, second = ('mlp.0', 'mlp.3') if now else ('mlp.linear_1', 'mlp.linear_2')
    for i in range(layers):
        name = f'encoder.layers.encoder_layer_{i}'
        shapes = {
            'self_attention.in_proj_': (3 * width, width),
            'self_attention.out_proj.': (width, width),
            f'{first}.': (96, width),
            f'{second}.': (width, 96),
        }
        for part, shape in shapes.items():
            state[f'{name}.{part}weight'] = r(shape) * 0.1
            state[f'{name}.{part}bias'] = r(shape[0])
        for ln in ('ln_1', 'ln_2'):
            state[f'{name}.{ln}.weight'], state[f'{name}.{ln}.bias'] = r(width), r(width)
    return {prefix + k: v.double() for k, v in state.items()}


@pytest.mark.parametrize('now, prefix', [(True, ''), (False, 'module.')])
def test_torchvisions_vit_by_hand(now, prefix):
    state = torchvision_state(now=now, prefix=prefix)
    model = hub.torchvision_vit(state).eval()
    c = model.config
    assert (c.hidden_size, c.num_hidden_layers, c.num_attention_heads) == (64, 2, 1)
    assert (c.intermediate_size, c.patch_size, c.image_size, c.num_channels) == (96, 8, 24, 3)
    assert c.layer_norm_eps == 1e-6
    s = {k.removeprefix(prefix): v.float() for k, v in state.items()}
    x = torch.randn(2, 3, 24, 24)
    t = F.conv2d(x, s['conv_proj.weight'], s['conv_proj.bias'], stride=8).flatten(2).mT
    t = torch.cat([s['class_token'].expand(2, 1, 64), t], 1) + s['encoder.pos_embedding']
    first, second = ('mlp.0', 'mlp.3') if now else ('mlp.linear_1', 'mlp.linear_2')
    for i in range(2):
        p = f'encoder.layers.encoder_layer_{i}.'

        def linear(name, y, p=p):
            return F.linear(y, s[f'{p}{name}weight'], s[f'{p}{name}bias'])

        def norm(name, y, p=p):
            return F.layer_norm(y, (64,), s[f'{p}{name}.weight'], s[f'{p}{name}.bias'], 1e-6)

        q, k, v = linear('self_attention.in_proj_', norm('ln_1', t)).chunk(3, -1)
        a = (q @ k.mT / 8).softmax(-1) @ v
        t = t + linear('self_attention.out_proj.', a)
        t = t + linear(f'{second}.', F.gelu(linear(f'{first}.', norm('ln_2', t))))
    want = F.layer_norm(t, (64,), s['encoder.ln.weight'], s['encoder.ln.bias'], 1e-6)
    with torch.no_grad():
        assert torch.allclose(model(x).last_hidden_state, want, atol=1e-3)


def test_torchvision_layouts_that_are_refused():
    assert hub.torchvision_vit({'a': torch.zeros(1)}) is None
    state = torchvision_state()
    del state['encoder.ln.bias']
    with refused("a ViT in torchvision's layout, but 'encoder.ln.bias' is missing"):
        hub.torchvision_vit(state)

    def heads(width):
        state = {
            'conv_proj.weight': torch.zeros(width, 1, 2, 2),
            'encoder.pos_embedding': torch.zeros(1, 10, width),
        }
        renamed = {'layers.0.mlp.fc1.bias': torch.zeros(5)}
        config = hub._config_of(state, renamed, 1)
        assert config.image_size == 6
        return config.num_attention_heads

    assert [heads(w) for w in (32, 128, 768, 1024, 1280)] == [1, 2, 12, 16, 16]


@pytest.mark.parametrize('key', [None, 'state_dict', 'model_state_dict', 'model'])
def test_files_of_weights(key, tmp_path):
    state = torchvision_state()
    path = tmp_path / 'vit.pth'
    torch.save(state | {'epoch': 3} if key is None else {key: state, 'epoch': 3}, path)
    assert hub._read_weights(path).keys() == state.keys()
    encoder = Encoder.load(path)
    assert encoder.recipe == Recipe(size=(24, 24)) and encoder.name == 'vit.pth'
    assert encoder.provenance == {'start': str(path), 'trained': False}
    assert encoder.module.pooling == 'cls' and encoder.module.head is None
    assert encoder.module.backbone.config.num_channels == 1
    assert hub._from_torchvision(path, 'a/b', 5).module.class_dim == 5
    (tmp_path / 'bad.pt').write_bytes(b'x')
    with pytest.raises(EncoderError, match='not a readable file of weights'):
        Encoder.load(tmp_path / 'bad.pt')
    (tmp_path / 'text.txt').write_text('x')
    torch.save({'a': torch.zeros(1)}, tmp_path / 'a.pt')
    for name in ('text.txt', 'a.pt'):
        with refused(
            f"{tmp_path / name}: expected a folder, or weights of a ViT in torchvision's layout "
            '(.safetensors, .pt, .pth)'
        ):
            Encoder.load(tmp_path / name)


def test_transformers_are_quiet_for_a_while():
    logging.set_verbosity_info()
    try:
        with pytest.raises(KeyError), hub._quiet():
            assert logging.get_verbosity() == logging.ERROR
            raise KeyError
        assert logging.get_verbosity() == logging.INFO
    finally:
        logging.set_verbosity_warning()


def test_a_folder_of_transformers(tmp_path):
    model = tiny_vit()
    model.save_pretrained(tmp_path / 'm')
    encoder = hub.from_transformers(tmp_path / 'm')
    assert encoder.module.pooling == 'cls' and encoder.recipe == Recipe(size=(32, 32))
    assert encoder.provenance == {'start': str(tmp_path / 'm'), 'trained': False}
    assert encoder.name == str(tmp_path / 'm') and encoder.module.head is None
    with torch.no_grad():
        want = F.normalize(model(waves(2)).last_hidden_state[:, 0], dim=-1)
        assert torch.allclose(encoder.module(waves(2)), want, atol=1e-5)
    other = hub.from_transformers(tmp_path / 'm', 'mean', (16, 24), 7)
    assert (other.module.pooling, other.recipe.size, other.dim) == ('mean', (16, 24), 7)
    assert Encoder.load(tmp_path / 'm').fingerprint() == encoder.fingerprint()
    assert hub._input_size(SimpleNamespace(image_size=[3, 4])) == (3, 4)
    assert hub._input_size(SimpleNamespace()) == (224, 224)
    weights = checkpoints.load_file(tmp_path / 'm' / 'model.safetensors')
    gone = sorted(name for name in weights if '.0.' in name)
    assert gone
    for name in gone:
        del weights[name]
    from safetensors.torch import save_file

    save_file(weights, tmp_path / 'm' / 'model.safetensors', {'format': 'pt'})
    with pytest.raises(EncoderError) as said:
        hub.from_transformers(tmp_path / 'm')
    assert f'and {len(gone) - 1} more): it is not a checkpoint of a vit model' in str(said.value)
    assert 'weights are missing in the file (' in str(said.value)


def test_names_that_lead_nowhere(tmp_path, saved):
    names = ', '.join(encoders.bundled())
    with refused(
        f'nobody: no bundled encoder has that name ({names}), and no folder here; '
        'hub names look like owner/name'
    ):
        Encoder.load('nobody')
    (tmp_path / 'empty').mkdir()
    with refused(
        f"{tmp_path / 'empty'}: no encoder there "
        '(config.json, model.safetensors and refcon.json expected)'
    ):
        Encoder.load(tmp_path / 'empty')
    copied = shutil.copytree(saved[1], tmp_path / 'copied')
    (copied / 'refcon.json').unlink()
    with refused(
        f'{copied}: refcon.json is missing: without its recipe and pooling the weights '
        'give other embeddings; copy the folder whole'
    ):
        Encoder.load(copied)
    (copied / 'model.safetensors').write_bytes(b'x')
    with pytest.raises(EncoderError, match='not a readable safetensors file'):
        Encoder.load(copied)
    there = hub._unreadable(tmp_path, ValueError('why'))
    assert str(there) == (
        f'{tmp_path}: cannot be read as a transformers vision model (bundled: {names}; why)'
    )
    assert str(hub._unreadable('a/b', ValueError('why'))) == (
        'a/b: is no bundled encoder and no folder here, and is not on the Hugging Face hub, '
        f'or the hub cannot be reached (bundled: {names}; why)'
    )
    started = hub.start_encoder('resnet-tiny', 3, Recipe(size=(32, 40)), 9)
    assert (started.dim, started.recipe.size) == (9, (32, 40))
    assert started.provenance['seed'] == 3
    assert hub.start_encoder('resnet-tiny').recipe == Recipe()
    assert hub.start_encoder(saved[1]).name == 'mine'


# precision


def test_what_is_measured_is_compared(monkeypatch):
    m = [nn.Conv2d, nn.ReLU, nn.MaxPool2d]
    network = precision._network()
    assert [type(a) for a in network[:3]] == m
    convs = [a for a in network if isinstance(a, nn.Conv2d)]
    assert [(a.in_channels, a.out_channels, a.stride[0]) for a in convs] == [
        (1, 24, 2),
        (24, 48, 1),
        (48, 48, 1),
        (48, 96, 2),
        (96, 96, 1),
        (96, 192, 2),
        (192, 192, 1),
        (192, 384, 2),
        (384, 384, 1),
    ]
    assert [a.kernel_size[0] for a in convs] == [7] + [3] * 8
    assert [a.padding[0] for a in convs] == [3] + [1] * 8
    assert network(torch.zeros(2, 1, 32, 32)).shape == (2, 384)
    asked = []
    times = {'fp32': iter([9.0, 3.0, 2.0, 4.0]), 'bf16': iter([0.1, 5.0, 6.0, 4.5])}
    found = precision._best(lambda name: asked.append(name) or next(times[name]), 3)
    assert found == {'fp32': 2.0, 'bf16': 4.5} and asked == ['fp32', 'bf16'] * 4
    for training, n in ((True, 16), (False, 8)):
        state = torch.random.get_rng_state()
        networks, first, windows = precision._draw(training)
        assert torch.equal(torch.random.get_rng_state(), state)
        assert windows.shape == (n, 1, 96, 96)
        assert [(tuple(x.shape), most) for x, most in first] == [
            ((1, 1, 32, 32), 3.0),
            ((1, 1, 96, 96), 1.5),
        ]
        kinds = {name: next(a.parameters()).dtype for name, a in networks.items()}
        assert kinds == {'fp32': torch.float32, 'bf16': torch.bfloat16}


@pytest.mark.parametrize('ratios, n_asked', [([3.01], 1), ([3.0, 1.51], 2), ([3.0, 1.5, 9.0], 3)])
@pytest.mark.parametrize('training', [False, True])
def test_emulation_is_given_up_early(ratios, n_asked, training, monkeypatch):
    left, rounds, used = iter(ratios), [], []

    def best(once, n):
        rounds.append(n)
        once('fp32')
        return {'fp32': 1.0, 'bf16': next(left)}

    monkeypatch.setattr(precision, '_best', best)
    monkeypatch.setattr(
        precision, '_draw', lambda training: ({}, [('a', 3.0), ('b', 1.5)], 'windows')
    )
    monkeypatch.setattr(precision, '_embedding_seconds', lambda n, x, name: used.append(('e', x)))
    monkeypatch.setattr(precision, '_training_seconds', lambda n, x, name: used.append(('t', x)))
    threads = torch.get_num_threads()
    found = precision.measure(training)
    assert torch.get_num_threads() == threads
    assert found['bf16'] == ratios[-1] and re.fullmatch(r'\d{4}-\d\d-\d\d', found['measured'])
    want = [('e', 'a'), ('e', 'b'), ('t' if training else 'e', 'windows')]
    assert used == want[:n_asked]
    assert rounds == [3, 3, 2 if training else 3][:n_asked]


@pytest.mark.parametrize(
    'fp32, chosen, said',
    [
        (2.6, 'bf16', 'bf16 (2.6 times as fast as fp32 here, measured D)'),
        (1.3, 'bf16', 'bf16 (1.3 times as fast as fp32 here, measured D)'),
        (1.29, 'fp32', 'fp32 (bf16 is only 1.29 times as fast as fp32 here, measured D)'),
        (1.0, 'fp32', 'fp32 (bf16 is only 1 times as fast as fp32 here, measured D)'),
        (0.5, 'fp32', 'fp32 (bf16 takes 2 times as long as fp32 here, measured D)'),
    ],
)
@pytest.mark.parametrize('training', [False, True])
def test_the_faster_precision_is_told(fp32, chosen, said, training, monkeypatch, capsys):
    facts = {'fp32': fp32 * 2, 'bf16': 2.0, 'measured': 'D'}
    monkeypatch.delenv('RANK', raising=False)
    monkeypatch.setattr(precision, '_told', set())
    monkeypatch.setattr(precision, 'speed', lambda training: facts)
    events = []
    monkeypatch.setattr(precision, 'event', lambda name, **more: events.append((name, more)))
    use = 'training' if training else 'embedding'
    assert precision._by_speed(training, False) == chosen
    assert capsys.readouterr().out == ''
    for _ in range(2):
        assert precision._by_speed(training, True) == chosen
    assert capsys.readouterr().out == f'precision of {use}: {said}\n'
    record = dict(use=use, precision=chosen, gain=fp32, measured='D')
    assert events == [('precision.chosen', record)] * 3


def test_the_processor_is_known_by_its_facts(monkeypatch, tmp_path):
    def cpuinfo(text):
        monkeypatch.setattr(precision.Path, 'read_text', lambda *a, **k: text)

    cpuinfo('Model Name\t: X : y\nflags\t\t: fpu avx2 amx_bf16 avx512f\n')
    monkeypatch.setenv('ONEDNN_MAX_CPU_ISA', 'AVX2')
    assert precision.processor() == dict(
        model='X : y', flags=['avx2', 'avx512f', 'amx_bf16'], torch=torch.__version__, limit='AVX2'
    )
    cpuinfo('Features : bf16 other svebf16\n')
    monkeypatch.delenv('ONEDNN_MAX_CPU_ISA')
    monkeypatch.setattr(precision.platform, 'processor', lambda: '')
    monkeypatch.setattr(precision.platform, 'machine', lambda: 'm')
    found = precision.processor()
    assert (found['model'], found['flags'], found['limit']) == ('m', ['bf16', 'svebf16'], '')
    monkeypatch.setattr(precision.platform, 'processor', lambda: 'p')
    assert precision.processor()['model'] == 'p'
    monkeypatch.setattr(precision.Path, 'read_text', lambda *a, **k: open('/nowhere/at/all'))
    assert precision.processor()['flags'] == []
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    file = precision._file('training', {'a': 1})
    assert file.parent == tmp_path / 'reflection_connection'
    assert file.name == 'precision-{}.json'.format(
        precision.hashlib.sha256(b'["training", {"a": 1}]').hexdigest()[:16]
    )
    monkeypatch.setenv('XDG_CACHE_HOME', 'relative')
    monkeypatch.setenv('HOME', str(tmp_path / 'home'))
    kept = precision._file('training', {'a': 1})
    assert kept == tmp_path / 'home' / '.cache' / 'reflection_connection' / file.name

    def nobody():
        raise RuntimeError

    monkeypatch.setattr(precision.Path, 'home', nobody)
    assert precision._file('training', {}) is None


def test_precisions_of_devices(monkeypatch):
    monkeypatch.setattr(precision, '_by_speed', lambda training, tell: ('speed', training, tell))
    cuda, cpu, mps = map(torch.device, ('cuda', 'cpu', 'mps'))
    assert precision._auto(cuda, False, None, True) == 'fp16'
    for able, want in ((True, 'bf16'), (False, 'fp16')):
        monkeypatch.setattr(torch.cuda, 'is_bf16_supported', lambda able=able: able)
        assert precision._auto(cuda, True, None, True) == want
    assert precision._auto(mps, False, 1000, True) == 'fp32'
    assert precision._auto(cpu, False, 255, True) == 'fp32'
    assert precision._auto(cpu, False, 256, True) == ('speed', False, True)
    assert precision._auto(cpu, True, None, False) == ('speed', True, False)
    choices = 'expected one of auto, fp32, fp16, bf16'
    with refused(f"precision is 'x': {choices}", precision.PrecisionError):
        precision.pick_precision('x')
    monkeypatch.setenv('REFCON_PRECISION', 'y')
    assert precision.pick_precision('fp16') == 'fp16'
    with refused(f"REFCON_PRECISION in the environment is 'y': {choices}"):
        precision.pick_precision(error=EncoderError)
    for none in ('', 'auto'):
        monkeypatch.setenv('REFCON_PRECISION', none)
        assert precision.pick_precision(tell=False, training=True) == ('speed', True, False)
        assert precision.pick_precision(windows=3) == 'fp32'
    monkeypatch.setenv('REFCON_PRECISION', 'bf16')
    assert precision.pick_precision() == 'bf16'
    with precision.forced('auto'):
        assert precision.pick_precision() == 'bf16'
    with pytest.raises(KeyError), precision.forced('fp32'):
        assert precision.pick_precision() == 'fp32'
        raise KeyError
    assert precision.os.environ['REFCON_PRECISION'] == 'bf16'
    monkeypatch.delenv('REFCON_PRECISION')
    with precision.forced('fp16'):
        assert precision.pick_precision() == 'fp16'
    assert 'REFCON_PRECISION' not in precision.os.environ
