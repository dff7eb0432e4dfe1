"""Objects read from slots whose outputs are set by hand, and joined over the windows of long recordings."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_model import CLASSES, slot_output

from twnm.ambisonics import unit_vector
from twnm.model.hear import HeardObject, cut_windows, link, read_objects, read_room, windows

WINDOW = 120_000


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
    output.log_distance[0, 1] = math.log(3.0)
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
    room = read_room(slot_output(room=torch.tensor([[math.log(0.6), math.log(80.0) - 4.0]])), 0)
    assert (room.rt60_s, room.volume_m3) == pytest.approx((0.6, 80.0))


@given(st.integers(1, 1_500_000))
def test_windows_cover_every_sample_and_stay_within(samples: int) -> None:
    spans = windows(samples)
    assert spans[0][0] == 0
    assert spans[-1][1] == samples
    assert all(end - start == min(samples, WINDOW) for start, end in spans)
    assert all(start < later <= end for (start, end), (later, _) in itertools.pairwise(spans))


def test_a_recording_of_exactly_two_windows_is_not_heard_thrice() -> None:
    assert windows(2 * WINDOW) == [(0, WINDOW), (WINDOW, 2 * WINDOW)]


def test_cut_windows_are_the_recording_and_short_ones_are_padded() -> None:
    audio = torch.randn(4, WINDOW + 24_000)
    pieces = cut_windows(audio)
    assert [start for start, _ in pieces] == [0.0, 1.0]
    torch.testing.assert_close(pieces[1][1], audio[:, 24_000:])
    ((start_s, padded),) = cut_windows(audio[:, :1000])
    assert (start_s, padded.shape[1]) == (0.0, WINDOW)
    assert (padded[:, 1000:] == 0).all()


def test_a_sound_that_goes_on_in_the_next_window_is_one_object() -> None:
    (joined,) = link([heard(onset_s=4.0, offset_s=5.0, azimuth_deg=10.0), heard(onset_s=5.2, offset_s=8.2, azimuth_deg=20.0, distance_m=4.0)])
    assert (joined.onset_s, joined.offset_s) == (4.0, 8.2)
    assert joined.azimuth_deg == pytest.approx(17.5, abs=0.1)  # weighted by time, 1 s to 3 s
    assert joined.distance_m == pytest.approx(2**0.25 * 4**0.75)
    assert joined.azimuths_deg == (10.0,) * 12 + (20.0,) * 30
    assert len(joined.elevations_deg) == len(joined.azimuths_deg)


def test_where_windows_overlap_nothing_is_counted_twice() -> None:
    (joined,) = link([heard(onset_s=3.0, offset_s=5.0, azimuth_deg=10.0), heard(onset_s=4.0, offset_s=6.0, azimuth_deg=12.0)])
    assert (joined.onset_s, joined.offset_s) == (3.0, 6.0)
    assert joined.azimuths_deg == (10.0,) * 20 + (12.0,) * 10


def test_three_windows_of_one_sound_are_one_object() -> None:
    assert len(link([heard(onset_s=5.0 * number, offset_s=5.0 * number + 5.0) for number in range(3)])) == 1


@pytest.mark.parametrize(
    "later",
    [
        heard(label="bell", onset_s=5.0, offset_s=6.0),
        heard(onset_s=5.0, offset_s=6.0, azimuth_deg=40.0),
        heard(onset_s=6.0, offset_s=7.0),
    ],
    ids=["another label", "another direction", "too long after"],
)
def test_different_sounds_stay_apart(later: HeardObject) -> None:
    assert link([heard(onset_s=4.0, offset_s=5.0), later]) == [heard(onset_s=4.0, offset_s=5.0), later]


def test_a_moving_sound_is_joined_where_its_ends_meet() -> None:
    moving = tuple(np.linspace(0, 80, 50).tolist())
    (joined,) = link([heard(offset_s=5.0, azimuth_deg=40.0, azimuths_deg=moving), heard(onset_s=5.0, offset_s=6.0, azimuth_deg=85.0)])
    assert joined.offset_s == 6.0
