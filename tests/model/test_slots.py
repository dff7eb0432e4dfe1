"""The slot encoder: its shapes, its size, and that it stays finite and consistent."""

import pytest
import torch
from tiny_model import CLASSES, CONFIG, SEMANTIC_SIZE, tiny_encoder

from twnm.model.features import spatial_features
from twnm.model.slots import SlotEncoder
from twnm.model.spatial_encoder import EncoderConfig, sinusoids, spread
from twnm.sounds.classes import CLASSES as ALL_CLASSES


@pytest.fixture(scope="module")
def encoder() -> SlotEncoder:
    return tiny_encoder()


def test_every_output_has_its_shape(encoder: SlotEncoder) -> None:
    output = encoder(torch.randn(2, 7, 100, 64), torch.randn(2, 4, SEMANTIC_SIZE))
    shapes = {name: tuple(getattr(output, name).shape) for name in output.__dataclass_fields__}
    assert shapes == {
        "existence": (2, 6),
        "label": (2, 6, len(CLASSES)),
        "activity": (2, 6, 20),
        "direction": (2, 6, 20, 3),
        "log_distance": (2, 6),
        "log_distances": (2, 6, 20),
        "log_spread": (2, 6),
        "moves": (2, 6),
        "embedding": (2, 6, 32),
        "evidence": (2, 6, 64),
        "attention": (2, 6, 20),
        "room": (2, 4),
        "walls": (2,),
        "frames": (2, 20, 32),
        "accdoa": (2, 20, len(CLASSES), 3),
    }


def test_directions_have_unit_length_and_attention_sums_to_one(encoder: SlotEncoder) -> None:
    output = encoder(torch.randn(2, 7, 100, 64), torch.randn(2, 4, SEMANTIC_SIZE))
    torch.testing.assert_close(output.direction.norm(dim=-1), torch.ones(2, 6, 20))
    torch.testing.assert_close(output.attention.sum(dim=-1), torch.ones(2, 6))


def test_the_distance_of_a_slot_is_the_mean_of_its_path_while_it_is_active(encoder: SlotEncoder) -> None:
    output = encoder(torch.randn(2, 7, 100, 64), torch.randn(2, 4, SEMANTIC_SIZE))
    share = output.activity.sigmoid() + 1e-3
    torch.testing.assert_close(output.log_distance, (share * output.log_distances).sum(-1) / share.sum(-1))


def test_a_name_depends_on_its_own_beam_alone(encoder: SlotEncoder) -> None:
    output = encoder(torch.randn(2, 7, 100, 64), torch.randn(2, 4, SEMANTIC_SIZE))
    beams = torch.rand(2, 6, 2, SEMANTIC_SIZE)
    other = beams.clone()
    other[1, 3] = torch.rand(2, SEMANTIC_SIZE)
    changed = (encoder.name(output.label, output.evidence, other) - encoder.name(output.label, output.evidence, beams)).abs().amax(dim=-1) > 1e-6
    assert torch.nonzero(changed).tolist() == [[1, 3]]
    torch.testing.assert_close(
        encoder.name(output.label, output.evidence, 7 * beams), encoder.name(output.label, output.evidence, beams), rtol=1e-3, atol=1e-3
    )  # the level is not heard


def test_a_stem_that_is_kept_still_gives_the_same_and_does_not_learn() -> None:
    encoder = tiny_encoder().requires_grad_(True)
    features, semantic = torch.randn(2, 7, 100, 64), torch.randn(2, 4, SEMANTIC_SIZE)
    before = encoder(features, semantic).frames
    encoder.encoder.stem.still = 2
    after = encoder(features, semantic).frames
    torch.testing.assert_close(after, before)
    after.sum().backward()
    learning = [weight.grad is not None for weight in encoder.encoder.stem.parameters()]
    assert learning == [False] * 6 + [True] * 6
    encoder.train()
    encoder(features, semantic)
    assert encoder.encoder.stem.steps[1].training  # only for the moment of the pass


def test_silence_gives_finite_outputs(encoder: SlotEncoder) -> None:
    output = encoder(spatial_features(torch.zeros(1, 4, 24_000)), torch.zeros(1, 2, SEMANTIC_SIZE))
    for name in output.__dataclass_fields__:
        assert torch.isfinite(getattr(output, name)).all(), name


def test_a_clip_is_heard_alike_alone_and_in_a_batch(encoder: SlotEncoder) -> None:
    features, semantic = torch.randn(3, 7, 50, 64), torch.randn(3, 2, SEMANTIC_SIZE)
    together, alone = encoder(features, semantic), encoder(features[1:2], semantic[1:2])
    torch.testing.assert_close(together.direction[1:2], alone.direction, rtol=0, atol=1e-4)
    torch.testing.assert_close(together.label[1:2], alone.label, rtol=0, atol=1e-4)


def test_slots_differ_from_one_another(encoder: SlotEncoder) -> None:
    embedding = encoder(torch.randn(1, 7, 50, 64), torch.randn(1, 2, SEMANTIC_SIZE)).embedding[0]
    assert torch.pdist(embedding).min() > 0.1


def test_the_default_encoder_has_three_to_six_million_parameters() -> None:
    encoder = SlotEncoder(EncoderConfig(ALL_CLASSES))
    assert len(ALL_CLASSES) == 36
    assert 3e6 < sum(weight.numel() for weight in encoder.parameters()) < 6e6


def test_a_config_survives_plain_data() -> None:
    assert EncoderConfig.from_dict(CONFIG.to_dict()) == CONFIG


def test_semantic_vectors_are_interpolated_between_their_centres() -> None:
    # Two vectors over four frames: centres at 1/4 and 3/4, frames at 1/8, 3/8, 5/8, 7/8.
    np_like = spread(torch.tensor([[[0.0], [1.0]]]), 4)[0, :, 0]
    torch.testing.assert_close(np_like, torch.tensor([0.0, 0.25, 0.75, 1.0]))


def test_positions_are_told_apart() -> None:
    table = sinusoids(50, 32, torch.device("cpu"))
    assert torch.pdist(table).min() > 0.1
    torch.testing.assert_close(table[0], torch.tensor([0.0, 1.0]).repeat(16))
