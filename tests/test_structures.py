"The part of kind that tells structures within a class apart: what it weighs, what teaches it, what is saved."

import numpy as np
import pytest
import torch

from reflection_connection.encoder import Encoder, EncoderError
from reflection_connection.training import TwoPartsConfig, TwoPartsModel
from reflection_connection.windows import Recipe

WEIGHT, LOOK = 0.4, 0.3


@pytest.fixture()
def encoder():
    tiny = dict(embedding_size=16, hidden_sizes=[16, 16, 32, 32], depths=[1, 1, 1, 1])
    made = Encoder.create('resnet-tiny', Recipe(size=(32, 32)), head_dim=12, **tiny)
    return made.add_structure(8, WEIGHT).add_look(10, LOOK)


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
