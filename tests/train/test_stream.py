"""The stream of labelled scenes: the truth of a scene as arrays, counted by hand, and one order for any number of worker processes."""

import functools
import itertools
import math
import operator
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_model import LoudnessSemantic

from twnm.ambisonics import angle_between_deg
from twnm.scene import Event, Listener, Room, Scene, Waypoint
from twnm.sounds.catalogue import load_catalogue
from twnm.sounds.classes import CLASSES
from twnm.train.stream import ChunkMaker, StreamSpec, misplaced, ordered_stream, recipe_of, scene_targets, stream_digest, to_targets


def event(label: str, x: float, y: float, onset_s: float, offset_s: float) -> Event:
    return Event(label=label, clip="c.wav", onset_s=onset_s, offset_s=offset_s, path=(Waypoint(time_s=0.0, position_m=(x, y, 1.5)),))


def test_the_truth_of_a_scene_is_as_counted_by_hand() -> None:
    room = Room(kind="shoebox", size_m=(6.0, 5.0, 3.0), absorption=((0.2,) * 7,) * 6, rt60_s=(0.5, 0.5, 0.4, 0.6, 0.5, 0.4, 0.3))
    listener = Listener(position_m=(2.0, 2.0, 1.5), yaw_deg=90.0)
    events = (event("dog", 2.0, 4.0, 0.2, 0.5), event("bell", 5.0, 2.0, 0.0, 1.0))
    truth = scene_targets(Scene(scene_id="s", duration_s=1.0, room=room, listener=listener, events=events), ("bell", "cat", "dog"), 10)
    assert truth["present"].tolist() == [True, True, False, False]
    assert truth["label"].tolist() == [2, 0, 0, 0]
    assert np.flatnonzero(truth["activity"][0]).tolist() == [2, 3, 4]
    assert truth["activity"][1].sum() == 10
    np.testing.assert_allclose(truth["direction"][0, 0], [1, 0, 0], atol=1e-6)  # the listener looks at the dog
    np.testing.assert_allclose(truth["direction"][1, 9], [0, -1, 0], atol=1e-6)
    np.testing.assert_allclose(truth["log_distance"][:2], np.log([[2.0] * 10, [3.0] * 10]), atol=1e-6)
    low, middle, high = math.log(0.5), 0.5 * (math.log(0.4) + math.log(0.6)), math.log(0.5 * 0.4 * 0.3) / 3
    np.testing.assert_allclose(truth["room"], [low, middle, high, math.log(90.0) - 4.0], atol=1e-6)
    assert truth["has_room"] and truth["walls"]
    assert not truth["moves"].any()


def test_a_sound_that_comes_nearer_moves_and_its_distance_falls() -> None:
    path = (Waypoint(time_s=0.0, position_m=(4.0, 0.0, 0.0)), Waypoint(time_s=1.0, position_m=(2.0, 0.0, 0.0)))
    walker = Event(label="dog", clip="c.wav", onset_s=0.0, offset_s=1.0, path=path)
    truth = scene_targets(Scene(scene_id="s", duration_s=1.0, room=Room(kind="free"), events=(walker,)), ("dog",), 10)
    np.testing.assert_allclose(np.exp(truth["log_distance"][0]), np.arange(3.9, 2.0, -0.2), rtol=1e-5)
    assert truth["moves"][0]


def test_a_sound_shorter_than_a_frame_is_active_in_one() -> None:
    truth = scene_targets(Scene(scene_id="s", duration_s=1.0, room=Room(kind="free"), events=(event("dog", 1.0, 0.0, 0.31, 0.34),)), ("dog",), 10)
    assert np.flatnonzero(truth["activity"][0]).tolist() == [3]


def test_a_scene_without_walls_has_no_room_to_learn() -> None:
    truth = scene_targets(Scene(scene_id="s", duration_s=1.0, room=Room(kind="free")), ("dog",), 10)
    assert truth["has_room"] and not truth["walls"]
    assert not truth["present"].any()
    unknown = scene_targets(Scene(scene_id="s", duration_s=1.0, room=Room(kind="unknown")), ("dog",), 10)
    assert not unknown["has_room"]
    batch = to_targets({name: value[None] for name, value in truth.items()})
    assert batch.activity.shape == (1, 4, 10)
    assert batch.has_room.dtype == torch.bool


def taken(factory: Any, first: int, workers: int, count: int) -> list[Any]:
    stream = ordered_stream(factory, first, workers, ahead=2)
    try:
        return list(itertools.islice(stream, count))
    finally:
        stream.close()  # type: ignore[attr-defined]


LETTERS = functools.partial(functools.partial, operator.getitem, "abcde")  # called in a worker it gives number -> letter


def test_two_workers_give_the_order_of_one_from_any_start() -> None:
    assert taken(LETTERS, 1, 2, 4) == list("bcde")


def test_a_worker_that_fails_ends_the_stream_with_its_message() -> None:
    stream = ordered_stream(LETTERS)
    assert list(itertools.islice(stream, 5)) == list("abcde")
    with pytest.raises(RuntimeError, match="number 5 of the training stream failed: IndexError: string index out of range"):
        next(stream)


@pytest.fixture
def _loudness(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twnm.model.semantic.default_semantic", LoudnessSemantic)


@pytest.mark.usefixtures("_loudness")
def test_a_scene_is_the_same_whatever_the_size_of_the_chunks() -> None:
    spec = StreamSpec("", "anechoic", "train", 5, 2, CLASSES)
    pair = ChunkMaker(spec).make(1)
    alone = ChunkMaker(StreamSpec("", "anechoic", "train", 5, 1, CLASSES)).make(3)
    assert pair.features.shape == (2, 7, 250, 64)
    assert pair.features.dtype == np.float16
    assert pair.semantic.shape[:2] == (2, 10)
    assert pair.beams.shape[:3] == (2, 4, 2)
    np.testing.assert_array_equal(pair.beams[1], alone.beams[0])
    np.testing.assert_array_equal(pair.features[1], alone.features[0])
    for name, values in pair.targets.items():
        np.testing.assert_array_equal(values[1], alone.targets[name][0])
    assert not np.array_equal(pair.features[0], pair.features[1])


@pytest.mark.usefixtures("_loudness")
def test_features_and_truth_of_a_rendered_scene_agree_on_the_direction() -> None:
    maker = ChunkMaker(StreamSpec("", "anechoic", "val", 9, 6, CLASSES))
    chunk = maker.make(0)
    angles = []
    for row in np.flatnonzero(chunk.targets["present"].sum(axis=1) == 1):
        sounding = np.repeat(chunk.targets["activity"][row, 0] > 0, 5)
        y, z, x = chunk.features[row, 4:, sounding].astype(float).sum(axis=(0, 2))
        true = chunk.targets["direction"][row, 0][chunk.targets["activity"][row, 0] > 0].mean(axis=0)
        seen = np.array([x, y, z])
        angles.append(float(angle_between_deg(seen, true)))
    assert angles
    assert np.median(angles) < 10


@pytest.mark.usefixtures("_loudness")
def test_chunks_in_a_cache_are_the_same_and_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = StreamSpec("", "anechoic", "train", 5, 1, CLASSES, cache=str(tmp_path), audio=True)
    first = ChunkMaker(spec).make(2)
    again = ChunkMaker(spec)
    monkeypatch.setattr(again, "_make", lambda number: pytest.fail("it was made again"))
    kept = again.make(2)
    for name in ("features", "semantic", "beams", "audio"):
        np.testing.assert_array_equal(getattr(kept, name), getattr(first, name))
    assert kept.targets.keys() == first.targets.keys()
    assert kept.audio.shape == (1, 4, 120_000)
    fresh = ChunkMaker(replace(spec, cache=""))._make(2)
    np.testing.assert_array_equal(fresh.features, first.features)


def test_streams_that_differ_do_not_share_a_cache() -> None:
    catalogue = load_catalogue()
    spec = StreamSpec("", "anechoic", "train", 5, 1, CLASSES)
    others = [
        replace(spec, **change)
        for change in ({"recipe": "indoor"}, {"seed": 6}, {"chunk": 2}, {"variants": 1}, {"split": "val"}, {"audio": True}, {"fidelity": "tail"})
    ]
    assert len({stream_digest(one, catalogue) for one in [spec, *others]}) == 8
    assert stream_digest(replace(spec, sounds="elsewhere", cache="x"), catalogue) == stream_digest(spec, catalogue)


def test_recipes_are_mixed_by_their_weights() -> None:
    spec = StreamSpec("", "indoor 6, benchmark 3, moving 1", "train", 5, 1, CLASSES)
    drawn = Counter(recipe_of(spec, index) for index in range(2000))
    assert {name: round(count / 2000, 1) for name, count in drawn.items()} == {"indoor": 0.6, "benchmark": 0.3, "moving": 0.1}
    assert recipe_of(replace(spec, recipe="outdoor"), 3) == "outdoor"


def test_known_directions_are_off_by_some_degrees_and_the_same_ones_all_the_time() -> None:
    true = np.tile(np.array([1.0, 0.0, 0.0]), (500, 3, 1))
    known = misplaced(true, np.random.default_rng(0))
    np.testing.assert_allclose(np.linalg.norm(known, axis=-1), 1)
    angles = angle_between_deg(known, true)
    assert 5 < np.median(angles) < 9
    np.testing.assert_allclose(known[:, 0], known[:, 2])
