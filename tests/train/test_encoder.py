"""Training of the encoder, on chunks of random numbers instead of rendered scenes: its schedule, its turns, its figures, and an exact resume."""

import itertools
import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from twnm.errors import InputError
from twnm.model.twnm import load_encoder
from twnm.train import encoder
from twnm.train.encoder import ENCODER_RECIPES, REPLAY, EncoderRecipe, batches, learning_rate_at, train_encoder, true_objects
from twnm.train.stream import Chunk, StreamSpec

TINY = ENCODER_RECIPES["tiny"]


def random_chunk(number: int, size: int = 4) -> Chunk:
    rng = np.random.default_rng([1, number])
    direction = rng.standard_normal((size, 4, 10, 3))
    targets = {
        "present": np.tile([True, True, False, False], (size, 1)),
        "label": rng.integers(36, size=(size, 4)),
        "activity": (rng.random((size, 4, 10)) > 0.4).astype(np.float32),
        "direction": (direction / np.linalg.norm(direction, axis=-1, keepdims=True)).astype(np.float32),
        "log_distance": rng.standard_normal((size, 4)).astype(np.float32),
        "room": rng.standard_normal((size, 2)).astype(np.float32),
        "has_room": np.ones(size, bool),
    }
    features = rng.standard_normal((size, 7, 50, 64)).astype(np.float16)
    return Chunk(features, rng.standard_normal((size, 2, 1024)).astype(np.float16), targets)


def chunks_from(spec: StreamSpec, first: int, workers: int) -> Iterator[Chunk]:
    yield from (random_chunk(number) for number in itertools.count(first))


class RandomMaker:
    def __init__(self, spec: StreamSpec) -> None:
        pass

    def make(self, number: int) -> Chunk:
        return random_chunk(1000 + number)


@pytest.fixture
def _random_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder, "stream_chunks", chunks_from)
    monkeypatch.setattr(encoder, "ChunkMaker", RandomMaker)


def test_the_learning_rate_warms_up_linearly_and_decays_as_a_cosine_to_one_per_cent() -> None:
    recipe = EncoderRecipe(steps=300, warmup=100, learning_rate=2.0)
    assert learning_rate_at(recipe, 0) == pytest.approx(0.02)
    assert learning_rate_at(recipe, 49) == pytest.approx(1.0)
    assert learning_rate_at(recipe, 100) == pytest.approx(2.0)
    assert learning_rate_at(recipe, 200) == pytest.approx(2 * (0.01 + 0.99 / 2))
    assert learning_rate_at(recipe, 300) == pytest.approx(0.02)


@given(st.integers(100, 1498))
def test_after_the_warm_up_the_learning_rate_only_falls(step: int) -> None:
    assert learning_rate_at(EncoderRecipe(), step + 1) < learning_rate_at(EncoderRecipe(), step)


@pytest.mark.usefixtures("_random_chunks")
def test_a_batch_is_the_newest_chunk_and_one_from_before() -> None:
    features, semantic, targets = next(itertools.islice(batches(TINY, 0), REPLAY + 2, None))
    newest, earlier = random_chunk(REPLAY + 2), random_chunk(2)
    assert features.shape == (8, 7, 50, 64)
    np.testing.assert_array_equal(semantic.numpy(), np.concatenate([newest.semantic, earlier.semantic]).astype(np.float32))
    np.testing.assert_array_equal(features[:, 0].numpy(), np.concatenate([newest.features, earlier.features])[:, 0].astype(np.float32))  # W never turns
    np.testing.assert_array_equal(targets.label.numpy(), np.concatenate([newest.targets["label"], earlier.targets["label"]]))


@pytest.mark.usefixtures("_random_chunks")
def test_batches_can_begin_at_any_step() -> None:
    for first in (3, REPLAY + 3):
        late, early = next(batches(TINY, first)), next(itertools.islice(batches(TINY, 0), first, None))
        torch.testing.assert_close(late[0], early[0], rtol=0, atol=0)
        torch.testing.assert_close(late[2].direction, early[2].direction, rtol=0, atol=0)


@pytest.mark.usefixtures("_random_chunks")
def test_features_and_directions_of_a_scene_turn_together(monkeypatch: pytest.MonkeyPatch) -> None:
    def pointed(number: int) -> Chunk:
        """The intensity of every band points where event 0 is."""
        chunk = random_chunk(number)
        x, y, z = np.moveaxis(chunk.targets["direction"][:, 0, 0], -1, 0)
        chunk.features[:, 4:] = np.stack([y, z, x], axis=1)[:, :, None, None]
        return chunk

    monkeypatch.setattr(encoder, "stream_chunks", lambda spec, first, workers: (pointed(number) for number in itertools.count(first)))
    stream = batches(TINY, 0)
    turned = 0
    for number, (features, _, targets) in enumerate(itertools.islice(stream, 3)):
        torch.testing.assert_close(features[:, [6, 4, 5], 0, 0], targets.direction[:, 0, 0], rtol=0, atol=2e-3)
        turned += int((targets.direction[:4, 0, 0] - torch.from_numpy(random_chunk(number).targets["direction"][:, 0, 0])).abs().amax() > 0.01)
    assert turned == 3


def test_true_objects_are_read_back_from_the_targets() -> None:
    targets = {name: value.copy() for name, value in random_chunk(0).targets.items()}
    targets["activity"][1, 0] = [0, 0, 1, 1, 1, 0, 0, 0, 0, 0]
    targets["activity"][1, 1] = 0
    targets["direction"][1, 0] = [0.0, -1.0, 0.0]
    targets["log_distance"][1, 0] = math.log(2.5)
    targets["label"][1, 0] = 7
    (found,) = true_objects(targets, 1, encoder.CLASSES)  # an event that never sounds is none
    assert (found.label, found.onset_s, found.offset_s) == (encoder.CLASSES[7], 0.2, 0.5)
    assert (found.azimuth_deg, found.elevation_deg, found.distance_m) == pytest.approx((-90, 0, 2.5))


@pytest.mark.usefixtures("_random_chunks")
def test_a_run_that_is_killed_and_resumed_ends_at_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = train_encoder(TINY, tmp_path / "whole")

    def killed(spec: StreamSpec, first: int, workers: int) -> Iterator[Chunk]:
        yield from itertools.islice(chunks_from(spec, first, workers), 4)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(encoder, "stream_chunks", killed)
        with pytest.raises(KeyboardInterrupt):
            train_encoder(TINY, tmp_path / "resumed")
    assert not (tmp_path / "resumed" / "encoder.safetensors").exists()
    resumed = train_encoder(TINY, tmp_path / "resumed")
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value, rtol=0, atol=0, msg=name)
    rows = [json.loads(line) for line in (tmp_path / "whole" / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [3, 6, 6]
    assert {"count_accuracy", "recall"} <= rows[0]["validation"].keys()
    loaded = load_encoder(tmp_path / "whole")
    assert loaded.config == whole.config
    torch.testing.assert_close(loaded.queries, whole.queries.detach(), rtol=1e-3, atol=1e-3)  # half precision


@pytest.mark.usefixtures("_random_chunks")
def test_a_folder_with_another_recipe_is_refused(tmp_path: Path) -> None:
    train_encoder(TINY.model_copy(update={"steps": 1}), tmp_path)
    with pytest.raises(InputError, match="holds a run of another recipe; train in another folder"):
        train_encoder(TINY, tmp_path)


@pytest.mark.usefixtures("_random_chunks")
def test_a_loss_that_is_not_finite_stops_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def poisoned(spec: Any, first: int, workers: int) -> Iterator[Chunk]:
        for chunk in chunks_from(spec, first, workers):
            yield replace(chunk, semantic=np.full_like(chunk.semantic, np.nan))

    monkeypatch.setattr(encoder, "stream_chunks", poisoned)
    with pytest.raises(RuntimeError, match="the loss is not finite at step 0"):
        train_encoder(TINY, tmp_path)


def test_validation_scenes_have_another_seed_than_training_scenes() -> None:
    train, val = TINY.stream("train"), TINY.stream("val")
    assert (train.split, val.split) == ("train", "val")
    assert train.seed != val.seed
