"The part of kind that tells structures within a class apart: what it weighs, what teaches it, what is saved."

import json

import numpy as np
import pandas as pd
import pytest
import torch

from reflection_connection.encoder import (
    Encoder,
    EncoderError,
    backbone_tokens,
    early,
    for_inference,
)
from reflection_connection.storage import write_json
from reflection_connection.training import (
    SiameseConfig,
    StructureConfig,
    StructureData,
    StructureModel,
    TrainError,
    TwoPartsConfig,
    TwoPartsModel,
    finetune,
    teach_structures,
)
from reflection_connection.windows import Recipe

WEIGHT, LOOK = 0.4, 0.3


def made(stage=0):
    tiny = dict(embedding_size=16, hidden_sizes=[16, 16, 32, 32], depths=[1, 1, 1, 1])
    encoder = Encoder.create('resnet-tiny', Recipe(size=(32, 32)), head_dim=12, **tiny)
    return encoder.add_structure(8, WEIGHT, stage=stage).add_look(10, LOOK)


def images(n, seed=0, size=32):
    return torch.randn(n, 1, size, size, generator=torch.Generator().manual_seed(seed))


# a layer on pooled tokens, and a branch of its own after the first and the second stage
@pytest.fixture(params=[0, 1, 2])
def encoder(request):
    return made(request.param)


@pytest.fixture()
def branched():
    "An encoder with a branch whose statistics are not those of a new one."
    encoder = made(1)
    for layer in encoder.module.modules():
        if isinstance(layer, (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
    return encoder


@pytest.fixture()
def embeddings(encoder):
    rng = np.random.default_rng(0)
    return encoder.embed([rng.normal(size=(32, 32)) for _ in range(5)])


def test_parts_have_unit_length_and_their_cosines_add_up(encoder, embeddings):
    parts = {name: encoder.part(embeddings, name) for name in ('class', 'structure', 'look')}
    assert [z.shape[1] for z in parts.values()] == [12, 8, 10]
    of_class, structure, look = (z @ z.T for z in parts.values())
    kind = (1 - WEIGHT) * of_class + WEIGHT * structure
    np.testing.assert_allclose(
        embeddings @ embeddings.T, (1 - LOOK) * kind + LOOK * look, atol=1e-5
    )
    asked = encoder.weigh(embeddings, 0.8)
    np.testing.assert_allclose(asked @ embeddings.T, 0.2 * kind + 0.8 * look, atol=1e-5)


def test_a_saved_encoder_keeps_its_structures(encoder, embeddings, tmp_path):
    loaded = Encoder.load(encoder.save(tmp_path / 'enc'))
    assert loaded.fingerprint() == encoder.fingerprint()
    assert loaded.module.structure_weight == WEIGHT
    np.testing.assert_array_equal(
        loaded.part(embeddings, 'structure'), encoder.part(embeddings, 'structure')
    )
    encoder.module.structure_weight = 0.5
    assert loaded.fingerprint() != encoder.fingerprint(), 'another weight gives other embeddings'


def test_an_encoder_without_structures_says_so(embeddings):
    plain = Encoder.create('resnet-tiny', head_dim=16)
    z = np.ones((1, 16), np.float32)
    np.testing.assert_array_equal(plain.part(z, 'class'), z)
    with pytest.raises(EncoderError, match='no part for structures'):
        plain.part(z, 'structure')
    with pytest.raises(EncoderError, match='weight is 2'):
        plain.add_structure(8, 2)


def test_structures_of_a_class_teach_their_own_part_alone(encoder):
    module = encoder.module
    model = TwoPartsModel(module, TwoPartsConfig(steps=1, structure=1.0, instance=0.0, look=0.0))
    of_class, structure, look = (
        torch.nn.functional.normalize(torch.randn(8, d), dim=1).requires_grad_()
        for d in (12, 8, 10)
    )
    labels, structures = torch.tensor([0] * 4 + [1] * 4), torch.tensor([0, 0, 1, 1, 2, 2, 3, 3])
    losses = model.objective(of_class, structure, look, labels, structures, torch.arange(8))
    losses['loss'].backward()
    before = structure.grad.clone()
    assert before.abs().max() > 0 and of_class.grad.abs().max() > 0
    # what tells classes apart does not see structures: exchange two of one class
    of_class.grad = structure.grad = None
    other = torch.tensor([0, 1, 0, 1, 2, 2, 3, 3])
    again = model.objective(of_class, structure, look, labels, other, torch.arange(8))
    assert torch.isclose(again['class_loss'], losses['class_loss'])
    assert not torch.isclose(again['structure_loss'], losses['structure_loss'])


def test_structures_alike_in_direction_have_no_loss_left(encoder):
    "Two structures in opposite directions: nothing is left to learn but what temperature leaves."
    model = TwoPartsModel(encoder.module, TwoPartsConfig(steps=1, temperature=0.1))
    axis = torch.eye(8)[:1]
    apart = torch.cat([axis, axis, -axis, -axis])
    labels, structures = torch.zeros(4, dtype=int), torch.tensor([0, 0, 1, 1])
    anything = torch.nn.functional.normalize(torch.randn(4, 12), dim=1)
    look = torch.nn.functional.normalize(torch.randn(4, 10), dim=1)
    told = model.objective(anything, apart, look, labels, structures, torch.arange(4))
    assert told['structure_loss'] < 1e-6
    mixed = model.objective(
        anything, apart[[0, 2, 1, 3]], look, labels, structures, torch.arange(4)
    )
    assert mixed['structure_loss'] > 15  # 20 is the whole way from one direction to the other


# the branch


@torch.no_grad()
def test_a_branch_changes_nothing_but_structure(branched):
    module, x = branched.module, images(3)
    of_class, structure, look = module.aspects(x)
    tokens = backbone_tokens(module.backbone, x)[1]
    torch.testing.assert_close(of_class, torch.nn.functional.normalize(module.head(tokens.mean(1))))
    torch.testing.assert_close(look, module.look(module.look.placed(tokens, (32, 32))))
    of_early = module.branch(early(module.backbone, x, 1))
    torch.testing.assert_close(structure, torch.nn.functional.normalize(of_early))


@torch.no_grad()
def test_a_branch_sees_each_size_and_no_mirror_image(branched):
    module, x = branched.module, images(3, size=64)
    module.mirror, module.scales = True, (1.0, 0.5)
    smaller = torch.nn.functional.interpolate(x, scale_factor=0.5, mode='bilinear', antialias=True)
    want = [module.branch(early(module.backbone, view, 1)) for view in (x, smaller)]
    want = torch.nn.functional.normalize(sum(want) / 2)
    torch.testing.assert_close(module.aspects(x)[1], want)


@torch.no_grad()
def test_a_branch_sees_mean_and_maximum_of_its_last_stages(branched):
    branch = branched.module.branch
    x = torch.rand(2, 16, 8, 8)
    own = branch.stages(x)
    last = branch.last(own)
    assert own.shape[-2:] == (2, 2) and last.shape[-2:] == (1, 1)
    want = [part.flatten(2).mean(2) for part in (own, last)]
    want = [want[0], own.flatten(2).max(2).values, want[1], last.flatten(2).max(2).values]
    torch.testing.assert_close(branch.pooled(x), torch.cat(want, 1))


@torch.no_grad()
def test_a_branch_gives_shares_of_what_its_numbers_resemble(branched):
    branch = branched.module.branch
    pooled = torch.randn(5, 2 * (32 + 256))
    numbers, proxies = branch.layers(pooled).numpy(), branch.proxies.numpy()
    unit = lambda v: v / np.linalg.norm(v, axis=1, keepdims=True)
    cosines = unit(numbers) @ unit(proxies).T
    np.testing.assert_allclose(branch.cosines(pooled), cosines, atol=1e-5)
    x = early(branched.module.backbone, images(5), 1)
    shares = branch(x).numpy()
    wanted = np.exp(branch.cosines(branch.pooled(x)).numpy() / 0.2)
    np.testing.assert_allclose(shares, wanted / wanted.sum(1, keepdims=True), rtol=1e-5)
    branch.proxies.mul_(torch.rand(8, 1) + 0.5)
    np.testing.assert_allclose(branch.cosines(pooled), cosines, atol=1e-5)


def test_a_branch_starts_from_the_stages_it_copies(branched):
    encoder = made(1)
    for own, theirs in zip(
        encoder.module.branch.stages, encoder.module.backbone.encoder.stages[1:]
    ):
        for a, b in zip(own.parameters(), theirs.parameters()):
            assert torch.equal(a, b) and a is not b


@pytest.mark.parametrize('stage', [3, 4, -1])
def test_a_branch_begins_at_a_stage_that_is_there(stage):
    with pytest.raises(EncoderError, match='stage 1 to 2'):
        made(stage)


def test_only_a_residual_network_has_a_branch():
    with pytest.raises(EncoderError, match='convnextv2 is none: take stage 0'):
        Encoder.create('convnextv2-atto').add_structure(8, stage=1)


@torch.no_grad()
def test_a_branch_is_folded_for_inference(branched):
    module, x, cpu = branched.module.eval(), images(5), torch.device('cpu')
    ready, context = for_inference(module, cpu)
    with context():
        torch.testing.assert_close(ready(x), module(x), atol=1e-5, rtol=1e-4)
    assert not any(isinstance(layer, torch.nn.BatchNorm2d) for layer in ready.modules())
    half, context = for_inference(module, cpu, torch.bfloat16)
    assert half.branch.last.convolution.weight.dtype == torch.bfloat16
    assert half.branch.layers[1].weight.dtype == torch.float32
    with context():
        assert torch.nn.functional.cosine_similarity(half(x), module(x)).min() > 0.99


def test_a_file_says_where_the_branch_begins(branched, tmp_path):
    folder = branched.save(tmp_path / 'enc')
    about = json.loads((folder / 'refcon.json').read_text())
    assert about['structure'] == {'dim': 8, 'weight': WEIGHT, 'stage': 1}
    loaded = Encoder.load(folder)
    assert loaded.module.branch.stage == 1
    z = branched.embed([image.numpy() for image in images(3)[:, 0]])
    np.testing.assert_array_equal(loaded.embed([w.numpy() for w in images(3)[:, 0]]), z)
    for stage, why in (
        (0, 'weights do not fit'),
        (3, 'stage 1 to 2'),
        (-1, 'dim, weight and stage'),
    ):
        about.pop('crc32', None)
        about['structure']['stage'] = stage
        write_json(folder / 'refcon.json', about, checked=True)
        with pytest.raises(EncoderError, match=why):
            Encoder.load(folder)


def test_a_file_of_before_has_no_stage(tmp_path):
    encoder = made(0)
    folder = encoder.save(tmp_path / 'enc')
    about = json.loads((folder / 'refcon.json').read_text())
    about.pop('crc32', None)
    del about['structure']['stage']
    write_json(folder / 'refcon.json', about | {'format': 4}, checked=True)
    assert Encoder.load(folder).fingerprint() == encoder.fingerprint()


# what teaches a branch


def table(n):
    "Windows of two classes, of two and three structures, the first the most common."
    kinds = [('Fault', 'horsts'), ('Fault', 'flat'), ('Salt', 'crest'), ('Salt', 'sheet')]
    rows = [kinds[0]] * (n // 2) + [kinds[1 + k % 3] for k in range(n - n // 2)]
    return pd.DataFrame(rows, columns=['label', 'structure'])


def test_structures_are_numbered_by_class():
    data = StructureData(images(12), table(12), StructureConfig(batch=4))
    names = ['Fault: flat', 'Fault: horsts', 'Salt: crest', 'Salt: sheet']
    assert list(data.names) == names and data.counts.tolist() == [2, 6, 2, 2]
    assert data.classes.tolist() == [0, 0, 1, 1]
    item = data[1]
    rows = data.rows(1)
    assert torch.equal(item['images'], images(12)[rows])
    pairs = table(12).iloc[rows]
    assert [names[k] for k in item['structures']] == list(pairs.label + ': ' + pairs.structure)


def test_a_class_whose_name_has_a_colon_is_one_class():
    frame = table(12).replace({'Salt': 'Fault: deep'})
    data = StructureData(images(12), frame, StructureConfig(batch=4))
    assert data.classes.tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize('processes', [1, 2])
def test_a_pass_shows_each_window_once(processes):
    config = StructureConfig(batch=4, steps=6)
    data = StructureData(images(12), table(12), config, processes=processes)
    assert len(data) == 6 * processes
    passes = [np.concatenate([data.rows(3 * turn + k) for k in range(3)]) for turn in range(3)]
    assert all(sorted(rows) == list(range(12)) for rows in passes)
    assert len({tuple(rows) for rows in passes}) == 3
    other = StructureData(images(12), table(12), StructureConfig(batch=4, seed=1))
    assert not np.array_equal(other.rows(0), data.rows(0))


def test_the_loss_is_the_surprise_among_structures_of_a_class(branched):
    config = StructureConfig(temperature=0.2, among_all=0.5, of_class=0.25)
    counts = np.array([6, 2, 4])
    branched.add_structure(3, stage=1)
    model = StructureModel(branched.module, config, np.array([0, 0, 1]), counts)
    cosines, own = torch.rand(7, 3) * 2 - 1, torch.tensor([0, 1, -1, 2, 1, 0, -1])
    classes = torch.tensor([0, 0, 0, 1, 0, 0, 1])
    odds = np.exp(cosines.numpy() / 0.2) * counts
    of_class = np.where(np.array([[1, 1, 0], [0, 0, 1]])[classes], odds, 0)
    known, mine = own.numpy() >= 0, odds[np.arange(7), own]
    among_all = -np.log(mine / odds.sum(1))[known].mean()
    within = -np.log(mine / of_class.sum(1))[known].mean()
    real = -np.log(of_class.sum(1) / odds.sum(1))[~known].mean()
    found = model.objective(cosines, own, classes)
    assert float(found['within_loss']) == pytest.approx(within, rel=1e-4)
    assert float(found['among_all_loss']) == pytest.approx(among_all, rel=1e-4)
    assert float(found['of_class_loss']) == pytest.approx(real, rel=1e-4)
    whole = within + 0.5 * among_all + 0.25 * real
    assert float(found['loss']) == pytest.approx(whole, rel=1e-4)
    # the order does not know what is common
    nearest = np.where(of_class > 0, cosines, -np.inf).argmax(1)
    right = (nearest == own.numpy())[known].mean()
    assert float(found['right_share']) == pytest.approx(right)
    alone = model.objective(cosines[known], own[known], classes[known])
    assert float(alone['of_class_loss']) == 0


def test_real_windows_are_drawn_class_by_class():
    real = 10 + images(9)
    labels = ['Salt'] * 7 + ['Fault'] * 2
    config = StructureConfig(batch=4, labelled=6)
    data = StructureData(images(12), table(12), config, (real, labels))
    assert data.real_y.tolist() == [1] * 7 + [0] * 2
    drawn = [data.real_rows(i) for i in range(40)]
    assert all(np.bincount(data.real_y[rows]).tolist() == [3, 3] for rows in drawn)
    assert set(np.concatenate(drawn)) == set(range(9))
    assert {data.real_y[rows[0]] for rows in drawn} == {0, 1}, 'in random order'
    item = data[1]
    rows = data.real_rows(1)
    assert torch.equal(item['images'][[0, 1, 2, 7, 8, 9]], real[rows])
    assert torch.equal(item['images'][3:7], images(12)[data.rows(1)])
    assert item['structures'].tolist() == [-1] * 3 + data.codes[data.rows(1)].tolist() + [-1] * 3
    of_class = [data.classes[k] for k in data.codes[data.rows(1)]]
    assert item['classes'].tolist() == [*data.real_y[rows][:3], *of_class, *data.real_y[rows][3:]]
    for without in (StructureConfig(batch=4, labelled=0), StructureConfig(batch=4)):
        found = StructureData(images(12), table(12), without, (real, labels))[0]['images']
        assert len(found) == 4 + without.labelled
    assert len(StructureData(images(12), table(12), config)[0]['images']) == 4


def test_labels_of_classes_teach_a_branch_real_windows(tmp_path):
    "Windows that resemble no synthetic one learn their class, and not which structure they are."
    real, labels = 3 + images(8), ['Fault'] * 4 + ['Salt'] * 4
    real[4:] *= -1
    settings = dict(steps=120, batch=12, size=32, lr=0.01, average=0, labelled=8)
    shares = {}
    for weight in (0, 1):
        encoder = made(1).add_structure(4, stage=1)
        config = StructureConfig(**settings, of_class=weight)
        teach_structures(
            encoder, images(24), table(24), config, (real, labels), folder=tmp_path / str(weight)
        )
        module = encoder.module.eval()
        with torch.no_grad():
            found = module.branch(early(module.backbone, real, 1))
        shares[weight] = torch.stack([found[:4, :2].sum(1), found[4:, 2:].sum(1)]).min()
    assert shares[1] > 0.9 > 0.7 > shares[0], shares
    assert encoder.provenance['structures']['real_windows'] == 8


def test_half_of_a_batch_is_whole(branched):
    config = StructureConfig(size=32, batch=6, augment='heavy')
    branched.add_structure(2, stage=1)
    model = StructureModel(branched.module, config, np.array([0, 0]), np.array([1, 1]))
    x = images(6)
    plain, mirrored = model.seen(x, 4), model.seen(x, 5)
    assert plain.shape == (6, 1, 32, 32)
    torch.testing.assert_close(plain[:3], x[:3])
    torch.testing.assert_close(mirrored[:3], x[:3].flip(-1))
    assert (plain[3:] - x[3:]).abs().mean() > 0.1
    assert torch.equal(model.seen(x, 4), plain)
    assert model.seen(images(6, size=40), 4).shape == (6, 1, 32, 32)


def test_only_the_branch_learns(branched, tmp_path):
    branched.add_structure(4, stage=1)
    before = {name: v.clone() for name, v in branched.module.state_dict().items()}
    config = StructureConfig(steps=4, batch=6, size=32, lr=0.01, average=0.5)
    branched.calibration = {'metric': 'cosine', 'a': 1.0, 'b': 0.0}
    teach_structures(branched, images(24), table(24), config, folder=tmp_path)
    after = branched.module.state_dict()
    changed = {name for name, v in after.items() if not torch.equal(v, before[name])}
    learned = {name for name in after if name.startswith('structure.')}
    assert changed == learned, 'statistics too'
    assert branched.calibration is None, 'similarities are others now'
    assert all(p.requires_grad for p in branched.module.parameters())
    assert branched.provenance['structures']['windows'] == 24


def test_fine_tuning_leaves_structures_as_they_are(branched, tmp_path):
    "Labels are of classes: neither the branch nor what it reads learns from them."
    x, labels = images(24), ['Fault', 'Salt', 'Boring'] * 8
    module = branched.module.eval()
    with torch.no_grad():
        before = module.aspects(x)
    config = SiameseConfig(steps=3, classes=3, per_class=4, lr=0.01, average=0.5)
    finetune(branched, x, labels, config, folder=tmp_path)
    with torch.no_grad():
        after = branched.module.aspects(x)
    assert torch.equal(after[1], before[1])
    for part in (0, 2):
        assert (after[part] - before[part]).abs().max() > 1e-3
    assert all(p.requires_grad for p in branched.module.parameters())


def test_an_unused_branch_is_not_computed(branched):
    branched.module.branch.forward = lambda x: pytest.fail('computed')
    with torch.no_grad():
        of_class, structure, look = branched.module.aspects(images(2), branched=False)
    assert structure is None and of_class.shape == (2, 12) and look.shape == (2, 10)


def test_what_cannot_be_taught_is_refused(branched, tmp_path):
    config = StructureConfig(steps=1, batch=4)
    with pytest.raises(TrainError, match='no branch for structures'):
        teach_structures(made(0), images(12), table(12), config, folder=tmp_path)
    with pytest.raises(TrainError, match='12 windows but 5 rows'):
        teach_structures(branched, images(12), table(5), config, folder=tmp_path)
    for labels, why in ((['Salt'] * 2, '3 labelled windows but 2'), (['Well'] * 3, 'known.* Well')):
        with pytest.raises(TrainError, match=why):
            StructureData(images(12), table(12), config, (images(3), labels))
    with pytest.raises(TrainError, match='12 windows are too few for a batch of 13'):
        StructureData(images(12), table(12), StructureConfig(batch=13))
    with pytest.raises(TrainError, match='nothing to be told apart'):
        StructureData(images(12), table(12).assign(structure='any'), config)
    with pytest.raises(TrainError, match='a folder'):
        teach_structures(branched, images(12), table(12), config)
    with pytest.raises(TrainError, match=r'tells 8 .* show 4: Encoder.add_structure\(4, stage=1'):
        teach_structures(branched, images(12), table(12), config, folder=tmp_path)
    for wrong in (
        dict(batch=1),
        dict(steps=0),
        dict(among_all=-1),
        dict(labelled=-1),
        dict(temperature=0),
    ):
        with pytest.raises(TrainError):
            StructureConfig(**wrong)


# fewer numbers of class


@pytest.mark.parametrize('neck', [False, True])
def test_directions_that_no_window_needs_are_cut(branched, neck):
    module, x = branched.module, images(20)
    if neck:
        branched.add_neck(images(9, seed=1))
    needed = torch.randn(12, 3)
    with torch.no_grad():
        module.head.weight.copy_(needed @ torch.randn(3, 32))
        module.head.bias.copy_(needed @ torch.randn(3))
        before = module.aspects(images(5, seed=2))
    branched.calibration = {'metric': 'cosine', 'a': 1.0, 'b': 0.0}
    assert branched.narrow_class(x, 3) is branched and branched.calibration is None
    assert branched.parts == (3 + 8, 10)
    with torch.no_grad():
        after = module.aspects(images(5, seed=2))
    torch.testing.assert_close(after[0] @ after[0].T, before[0] @ before[0].T, atol=1e-5, rtol=0)
    for name in (1, 2):
        assert torch.equal(after[name], before[name])
    branched.narrow_class(x, 1)
    with torch.no_grad():
        lost = module.aspects(images(5, seed=2))[0]
    assert (lost @ lost.T - before[0] @ before[0].T).abs().max() > 1e-3


def test_numbers_that_cannot_be_cut_are_refused(branched):
    for x, dim in ((images(20), 13), (images(4), 5), (images(20), 0)):
        with pytest.raises(EncoderError, match='expected 1 to'):
            branched.narrow_class(x, dim)
    with pytest.raises(EncoderError, match='no head'):
        Encoder.create('resnet-tiny', head_dim=0).narrow_class(images(4), 2)
