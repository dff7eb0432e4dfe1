"""Objects read from slots whose outputs are set by hand, how they move, and the two passes of hearing."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from tiny_model import CLASSES, LoudnessSemantic, noise, slot_output, tiny_encoder

from twnm.ambisonics import unit_vector
from twnm.model.features import spatial_features
from twnm.model.hear import HeardObject, HeardRoom, hear_clips, mean_room, read_objects, read_room
from twnm.model.turned import AS_IT_IS


def towards(azimuth_deg: float, elevation_deg: float = 0.0) -> torch.Tensor:
    return torch.from_numpy(unit_vector(azimuth_deg, elevation_deg)).float()


def heard(label: str = "dog", onset_s: float = 0.0, offset_s: float = 1.0, azimuth_deg: float = 0.0, **changes: Any) -> HeardObject:
    frames = round((offset_s - onset_s) * 10)
    fields: dict[str, Any] = {"confidence": 0.8, "elevation_deg": 0.0, "distance_m": 2.0, "distance_spread": 0.3}
    fields |= {"azimuths_deg": (azimuth_deg,) * frames, "elevations_deg": (0.0,) * frames} | changes
    return HeardObject(label=label, onset_s=onset_s, offset_s=offset_s, azimuth_deg=azimuth_deg, **fields)


def test_two_existing_slots_become_two_objects_by_onset() -> None:
    output = slot_output()
    output.existence[0, [1, 4]] = torch.tensor([3.0, 2.0])
    output.activity[0, 1, 20:30] = 9.0
    output.activity[0, 4, 5:45] = 9.0
    output.direction[0, 1] = towards(90)
    output.direction[0, 4] = towards(-30, 45)
    output.label[0, 1, 1] = 5.0
    output.label[0, 4, 2] = 4.0
    output.log_distances[0, 1] = math.log(3.0)
    output.log_spread[0, 1] = math.log(0.2)
    speech, bell = read_objects(output, 0, CLASSES)
    assert (speech.label, bell.label) == ("male_speech", "bell")
    assert (speech.onset_s, speech.offset_s) == pytest.approx((0.5, 4.5))
    assert (bell.onset_s, bell.offset_s) == pytest.approx((2.0, 3.0))
    assert (speech.azimuth_deg, speech.elevation_deg) == pytest.approx((-30, 45), abs=1e-3)
    assert (bell.azimuth_deg, bell.distance_m, bell.distance_spread) == pytest.approx((90, 3.0, 0.2), abs=1e-3)
    assert bell.confidence == pytest.approx(1 / (1 + math.exp(-3)) * math.exp(5) / (math.exp(5) + 2))
    assert bell.azimuths_deg == (90.0,) * 10


def test_times_move_with_the_window_and_end_with_the_recording() -> None:
    output = slot_output()
    output.existence[0, 0] = 3.0
    output.activity[0, 0, 30:] = 9.0
    (item,) = read_objects(output, 0, CLASSES, start_s=5.0, duration_s=9.25)
    assert (item.onset_s, item.offset_s) == pytest.approx((8.0, 9.25))


def test_an_object_that_is_never_active_sounds_in_its_loudest_frame() -> None:
    output = slot_output()
    output.existence[0, 0] = 3.0
    output.activity[0, 0, 17] = -1.0
    (item,) = read_objects(output, 0, CLASSES)
    assert (item.onset_s, item.offset_s) == pytest.approx((1.7, 1.8))


def test_the_mean_direction_is_taken_across_the_back() -> None:
    output = slot_output()
    output.existence[0, 0] = 3.0
    output.activity[0, 0, :2] = 9.0
    output.direction[0, 0, 0], output.direction[0, 0, 1] = towards(170), towards(-170)
    (item,) = read_objects(output, 0, CLASSES)
    assert abs(item.azimuth_deg) == pytest.approx(180, abs=1e-3)
    assert item.azimuths_deg == (170.0, -170.0)


def test_silent_slots_are_no_objects() -> None:
    assert read_objects(slot_output(), 0, CLASSES) == []


def test_the_room_is_read_from_its_logarithms() -> None:
    logs = [math.log(0.9), math.log(0.6), math.log(0.3), math.log(80.0) - 4.0]
    room = read_room(slot_output(room=torch.tensor([logs]), walls=torch.tensor([math.log(3.0)])), 0)
    assert (room.low_rt60_s, room.rt60_s, room.high_rt60_s, room.volume_m3, room.walls) == pytest.approx((0.9, 0.6, 0.3, 80.0, 0.75))


def test_the_room_of_several_windows_is_their_geometric_mean() -> None:
    room = mean_room([HeardRoom(0.2, 10.0, 1.0, 0.4, 0.1), HeardRoom(0.8, 1000.0, 0.5, 0.4, 0.4)])
    assert (room.rt60_s, room.volume_m3, room.walls, room.low_rt60_s, room.high_rt60_s) == pytest.approx((0.4, 100.0, 0.75, 0.4, 0.2))


@pytest.mark.parametrize(
    ("distances_m", "motion"),
    [
        (np.linspace(4, 1, 20), "comes closer"),
        (np.linspace(1, 4, 20), "moves away"),
        (np.abs(np.linspace(-3, 3, 21)) + 1, "passes by"),
        (np.full(20, 2.0), "stands still"),
        (np.full(3, 2.0), "stands still"),
    ],
    ids=["closer", "away", "past", "no change", "too short to tell"],
)
def test_a_motion_has_the_word_of_its_distances(distances_m: np.ndarray, motion: str) -> None:
    assert heard(distances_m=tuple(distances_m.tolist()), moves=0.9).motion == motion
    assert heard(distances_m=tuple(distances_m.tolist()), moves=0.4).motion == "stands still"


@pytest.mark.parametrize(("to_deg", "motion"), [(40.0, "moves across"), (8.0, "stands still")])
def test_what_turns_clearly_moves_across(to_deg: float, motion: str) -> None:
    track = tuple(np.linspace(0.0, to_deg, 20).tolist())
    assert heard(distances_m=(2.0,) * 20, azimuths_deg=track, elevations_deg=(0.0,) * 20, moves=0.9).motion == motion


def test_the_nearest_moment_is_that_of_the_smallest_distance() -> None:
    assert heard(onset_s=2.0, distances_m=(3.0, 2.0, 1.0, 2.0)).nearest_s == pytest.approx(2.2)
    assert heard(onset_s=2.0).nearest_s == 2.0


def test_the_turn_of_an_object_is_the_angle_from_its_first_to_its_last_direction() -> None:
    assert heard(azimuths_deg=(170.0, 180.0, -170.0), elevations_deg=(0.0,) * 3).turned_deg == pytest.approx(20.0)


def test_only_existing_slots_are_named_again_and_from_their_own_beams() -> None:
    encoder = tiny_encoder()
    with torch.no_grad():
        encoder.existence.weight.mul_(5.0)
    audio = torch.from_numpy(noise(seed=3))[None]
    with torch.no_grad():  # half of the slots shall exist
        encoder.existence.bias -= encoder(spatial_features(audio), LoudnessSemantic()(audio)).existence.median() + 1e-3
    first = encoder(spatial_features(audio), LoudnessSemantic()(audio))
    output, semantic = hear_clips(encoder, LoudnessSemantic(), audio, AS_IT_IS)
    exists = output.existence > 0
    assert exists.any() and not exists.all()
    changed = (output.label - first.label).abs().amax(dim=-1) > 1e-6
    assert (changed == exists).all()
    torch.testing.assert_close(semantic, LoudnessSemantic()(audio))
    torch.testing.assert_close(output.direction, first.direction)


def test_a_clip_is_heard_alike_alone_and_beside_others() -> None:
    encoder = tiny_encoder()
    audio = torch.from_numpy(np.stack([noise(seed=seed, gain=0.1 * (seed + 1)) for seed in range(3)]))
    together, alone = hear_clips(encoder, LoudnessSemantic(), audio)[0], hear_clips(encoder, LoudnessSemantic(), audio[1:2])[0]
    torch.testing.assert_close(together.label[1:2], alone.label, rtol=0, atol=1e-4)


@pytest.mark.parametrize("gain", [0.0, 1e-6])
def test_silence_has_no_objects_even_for_slots_that_always_exist(gain: float) -> None:
    audio = torch.from_numpy(np.stack([noise(gain=gain), noise(gain=0.1)]))
    output, _ = hear_clips(tiny_encoder(), LoudnessSemantic(), audio)
    assert read_objects(output, 0, CLASSES) == []
    assert read_objects(output, 1, CLASSES) != []
