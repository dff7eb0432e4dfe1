"""Training of the encoder, on chunks of random numbers instead of rendered scenes: its schedule, its turns, its figures, and an exact resume."""

import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_model import LoudnessSemantic

from twnm.errors import InputError
from twnm.model.ears import load_ears
from twnm.model.features import LearnedFront
from twnm.model.loading import load_encoder
from twnm.model.slots import SlotEncoder
from twnm.train import encoder
from twnm.train.encoder import ENCODER_RECIPES, EncoderRecipe, batches, learning_rate_at, save_encoder, train_encoder, true_objects
from twnm.train.log import read_rows
from twnm.train.replay import chunk_of
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
        "log_distance": rng.standard_normal((size, 4, 10)).astype(np.float32),
        "moves": rng.random((size, 4)) > 0.5,
        "room": rng.standard_normal((size, 4)).astype(np.float32),
        "walls": rng.random(size) > 0.5,
        "has_room": np.ones(size, bool),
    }
    features = rng.standard_normal((size, 7, 50, 64)).astype(np.float16)
    semantic, beams = rng.standard_normal((size, 2, 1024)).astype(np.float16), rng.random((size, 4, 2, 1024)).astype(np.float16)
    return Chunk(features, semantic, beams, targets, rng.standard_normal((size, 4, 24_000)).astype(np.float16))


def chunks_from(spec: StreamSpec, first: int, workers: int) -> Iterator[Chunk]:
    yield from (random_chunk(number) for number in itertools.count(first))


class RandomMaker:
    def __init__(self, spec: StreamSpec) -> None:
        self.semantic = LoudnessSemantic(1024)

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
def test_a_batch_is_two_chunks_turned_and_what_is_heard_on_w_and_on_beams_never_turns() -> None:
    batch = next(itertools.islice(batches(TINY, 0), 30, None))
    numbers = [chunk_of(TINY.replay, use)[0] for use in (60, 61)]
    chunks = [random_chunk(number) for number in numbers]
    assert batch.seen.shape == (8, 7, 50, 64)
    np.testing.assert_array_equal(batch.semantic.numpy(), np.concatenate([chunk.semantic for chunk in chunks]).astype(np.float32))
    np.testing.assert_array_equal(batch.beams.numpy(), np.concatenate([chunk.beams for chunk in chunks]).astype(np.float32))
    np.testing.assert_array_equal(batch.targets.label.numpy(), np.concatenate([chunk.targets["label"] for chunk in chunks]))
    w = np.concatenate([chunk.features for chunk in chunks])[:, 0].astype(np.float32)
    seen = batch.seen[:, 0].numpy()
    masked = (seen == 0).all(axis=1, keepdims=True)
    assert masked.mean() < 0.2
    louder = seen - w  # by a filter: the same at all times, smooth over frequency, another one for each scene
    np.testing.assert_allclose(np.where(masked, 0, louder - louder[:, :1]), 0, atol=1e-5)
    assert 0.1 < louder[:, 0][~masked[:, 0]].std() < 0.6
    assert len({round(float(value), 4) for value in louder[:, 0, 0]}) > 4


@pytest.mark.usefixtures("_random_chunks")
def test_filters_are_the_same_for_all_channels_and_change_no_direction() -> None:
    features = torch.randn(3, 7, 10, 64)
    coloured = encoder._coloured(features.clone(), np.random.default_rng(0))
    louder = coloured - features
    torch.testing.assert_close(louder[:, :1].expand(-1, 4, -1, -1), louder[:, :4], rtol=0, atol=1e-6)
    torch.testing.assert_close(coloured[:, 4:], features[:, 4:], rtol=0, atol=0)


@pytest.mark.usefixtures("_random_chunks")
def test_batches_can_begin_at_any_step() -> None:
    for first in (3, 40, 75):
        late, early = next(batches(TINY, first)), next(itertools.islice(batches(TINY, 0), first, None))
        torch.testing.assert_close(late.seen, early.seen, rtol=0, atol=0)
        torch.testing.assert_close(late.targets.direction, early.targets.direction, rtol=0, atol=0)


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
    for step, batch in enumerate(itertools.islice(stream, 3)):
        loud = batch.seen[:, 0].abs().sum(dim=1).argmax(dim=-1)  # a band that is not masked
        flow = batch.seen[torch.arange(8), :, 0, loud]
        torch.testing.assert_close(flow[:, [6, 4, 5]], batch.targets.direction[:, 0, 0], rtol=0, atol=2e-3)
        number, _ = chunk_of(TINY.replay, 2 * step)
        turned += int((batch.targets.direction[:4, 0, 0] - torch.from_numpy(random_chunk(number).targets["direction"][:, 0, 0])).abs().amax() > 0.01)
    assert turned == 3


def test_true_objects_are_read_back_from_the_targets() -> None:
    targets = {name: value.copy() for name, value in random_chunk(0).targets.items()}
    targets["activity"][1, 0] = [0, 0, 1, 1, 1, 0, 0, 0, 0, 0]
    targets["activity"][1, 1] = 0
    targets["direction"][1, 0] = [0.0, -1.0, 0.0]
    targets["log_distance"][1, 0] = np.log([9, 9, 9, 2.5, 9, 9, 9, 9, 9, 9])  # at the middle of its time
    targets["label"][1, 0] = 7
    (found,) = true_objects(targets, 1, encoder.CLASSES)  # an event that never sounds is none
    assert (found.label, found.onset_s, found.offset_s) == (encoder.CLASSES[7], 0.2, 0.5)
    assert (found.azimuth_deg, found.elevation_deg, found.distance_m) == pytest.approx((-90, 0, 2.5))


@pytest.mark.parametrize("recipe", [TINY, TINY.model_copy(update={"head": "accdoa", "still_stem": 2})], ids=["slots", "baseline"])
@pytest.mark.usefixtures("_random_chunks")
def test_a_run_that_is_killed_and_resumed_ends_at_the_same_bits(recipe: EncoderRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = train_encoder(recipe, tmp_path / "whole")

    def killed(spec: StreamSpec, first: int, workers: int) -> Iterator[Chunk]:
        yield from itertools.islice(chunks_from(spec, first, workers), 8)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(encoder, "stream_chunks", killed)
        with pytest.raises(KeyboardInterrupt):
            train_encoder(recipe, tmp_path / "resumed")
    assert not (tmp_path / "resumed" / "encoder.safetensors").exists()
    resumed = train_encoder(recipe, tmp_path / "resumed")
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value, rtol=0, atol=0, msg=name)
    losses = [[row["loss"] for row in read_rows(tmp_path / name) if "loss" in row] for name in ("whole", "resumed")]
    assert losses[0][-1] > 0
    checked = [row["validation"] for row in read_rows(tmp_path / "whole") if "validation" in row]
    assert len(checked) == 2
    assert {"count_accuracy", "recall"} <= checked[0].keys()
    assert checked == [row["validation"] for row in read_rows(tmp_path / "resumed") if "validation" in row]
    assert (tmp_path / "whole" / "curves.png").stat().st_size > 1000
    loaded = load_ears(tmp_path / "whole", LoudnessSemantic(1024))
    assert loaded.classes == whole.config.classes
    assert len(loaded.hear(torch.zeros(1, 4, 24_000))) == 1


@pytest.mark.usefixtures("_random_chunks")
def test_a_folder_with_another_recipe_is_refused(tmp_path: Path) -> None:
    train_encoder(TINY.model_copy(update={"steps": 1}), tmp_path)
    with pytest.raises(InputError, match=r"holds a run of another recipe \(seed differ\); train in another folder"):
        train_encoder(TINY.model_copy(update={"seed": 5}), tmp_path)
    train_encoder(TINY.model_copy(update={"steps": 2}), tmp_path)  # a run may be made longer


@pytest.mark.usefixtures("_random_chunks")
def test_a_run_can_begin_with_the_tensors_of_another_encoder_that_fit(tmp_path: Path) -> None:
    first = train_encoder(TINY.model_copy(update={"steps": 1}), tmp_path / "first")
    recipe = TINY.model_copy(update={"begin_with": str(tmp_path / "first"), "slots": 5})
    wanted, *_ = encoder._prepare(recipe, tmp_path)
    torch.testing.assert_close(wanted.model.of_slot.weight, first.of_slot.weight, rtol=1e-2, atol=1e-3)
    (row,) = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert row["anew"] == ["queries"]
    with pytest.raises(InputError, match=r"holds no encoder\.safetensors to begin with"):
        encoder._prepare(TINY.model_copy(update={"begin_with": str(tmp_path / "none")}), tmp_path)


def test_what_is_kept_of_the_weights_to_begin_with_is_a_weighted_mean(tmp_path: Path) -> None:
    first, second = SlotEncoder(TINY.config()), SlotEncoder(TINY.config())
    save_encoder(first, tmp_path)
    expected = 0.25 * first.of_slot.weight.half().float() + 0.75 * second.of_slot.weight
    encoder.mix_in(second, tmp_path, 0.25)
    torch.testing.assert_close(second.of_slot.weight, expected)
    torch.testing.assert_close(second.encoder.stem.steps[1].running_var, torch.ones(8))


@pytest.mark.usefixtures("_random_chunks")
def test_the_namer_of_the_encoder_to_begin_with_is_kept_as_it_is(tmp_path: Path) -> None:
    begun = SlotEncoder(replace(TINY.config(), namer_rank=2))
    save_encoder(begun, tmp_path / "first")
    train_encoder(TINY.model_copy(update={"begin_with": str(tmp_path / "first"), "steps": 2, "validation_chunks": 0}), tmp_path / "second")
    before, after = load_encoder(tmp_path / "first"), load_encoder(tmp_path / "second")
    assert before.namer is not None and after.namer is not None
    for name, weight in before.namer.state_dict().items():
        torch.testing.assert_close(after.namer.state_dict()[name], weight, rtol=0, atol=0)
    assert not torch.equal(after.of_slot.weight, before.of_slot.weight)


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


@pytest.mark.usefixtures("_random_chunks")
def test_a_learned_front_is_trained_on_audio_and_loaded_again(tmp_path: Path) -> None:
    trained = train_encoder(TINY.model_copy(update={"front": "learned", "validation_chunks": 1}), tmp_path)
    start = LearnedFront()
    assert trained.encoder.front is not None
    assert not torch.equal(trained.encoder.front.levels, start.levels)
    assert not torch.equal(trained.encoder.front.directions, start.directions)
    loaded = load_encoder(tmp_path)
    audio, semantic = torch.randn(1, 4, 24_000), torch.randn(1, 2, 1024)
    with torch.no_grad():
        said, again = trained.eval()(trained.encoder.look(audio), semantic), loaded(loaded.encoder.look(audio), semantic)
    torch.testing.assert_close(again.existence, said.existence, rtol=0, atol=0.05)  # half precision


@pytest.mark.usefixtures("_random_chunks")
def test_a_run_with_a_length_in_time_ends_by_it_and_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    recipe = TINY.model_copy(update={"minutes": 0.03, "pool": 6, "save_every": 10_000, "validation_chunks": 0})
    began = time.monotonic()
    train_encoder(recipe, tmp_path)
    assert time.monotonic() - began > 1.5
    (folder,) = tmp_path.glob("step_*")
    state = json.loads((folder / "state.json").read_text())
    assert 1.8 <= state["seconds"] < 20
    train_encoder(recipe.model_copy(update={"minutes": 0.03 + state["seconds"] / 60}), tmp_path)
    (later,) = tmp_path.glob("step_*")
    assert json.loads((later / "state.json").read_text())["seconds"] > state["seconds"] + 1.5
    assert int(later.name[5:]) > state["step"]


def test_a_recipe_for_a_device_that_is_absent_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="wants the device cuda"):
        train_encoder(ENCODER_RECIPES["gpu"], tmp_path / "run")
    assert not (tmp_path / "run").exists()
