"""Windows of long recordings, and objects joined over them."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from twnm.model.hear import HeardObject
from twnm.model.link import cut_windows, later, link, windows

WINDOW = 120_000


def heard(label: str = "dog", onset_s: float = 0.0, offset_s: float = 1.0, azimuth_deg: float = 0.0, **changes: Any) -> HeardObject:
    frames = round((offset_s - onset_s) * 10)
    fields: dict[str, Any] = {"confidence": 0.8, "elevation_deg": 0.0, "distance_m": 2.0, "distance_spread": 0.3}
    fields |= {"azimuths_deg": (azimuth_deg,) * frames, "elevations_deg": (0.0,) * frames} | changes
    return HeardObject(label=label, onset_s=onset_s, offset_s=offset_s, azimuth_deg=azimuth_deg, **fields)


@given(st.integers(WINDOW, 1_500_000))
def test_windows_cover_every_sample_and_stay_within(samples: int) -> None:
    numbers = torch.arange(samples, dtype=torch.int32)[None]
    spans = [(round(start_s * 24_000), int(audio[0, 0]), int(audio[0, -1]) + 1) for start_s, audio in windows(numbers.split(WINDOW, dim=1))]
    assert spans[0][:2] == (0, 0)
    assert spans[-1][2] == samples
    assert all(said == start and end - start == WINDOW for said, start, end in spans)
    assert all(start < later <= end for (_, start, end), (_, later, _) in itertools.pairwise(spans))


def test_a_recording_of_exactly_two_windows_is_not_heard_thrice() -> None:
    assert [start_s for start_s, _ in cut_windows(torch.zeros(4, 2 * WINDOW))] == [0.0, 5.0]


def test_cut_windows_are_the_recording_and_short_ones_are_padded() -> None:
    audio = torch.randn(4, WINDOW + 24_000)
    pieces = list(cut_windows(audio))
    assert [start for start, _ in pieces] == [0.0, 1.0]
    torch.testing.assert_close(pieces[1][1], audio[:, 24_000:])
    ((start_s, padded),) = list(cut_windows(audio[:, :1000]))
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
    "second",
    [
        heard(label="bell", onset_s=5.0, offset_s=6.0),
        heard(onset_s=5.0, offset_s=6.0, azimuth_deg=40.0),
        heard(onset_s=6.0, offset_s=7.0),
    ],
    ids=["another label", "another direction", "too long after"],
)
def test_different_sounds_stay_apart(second: HeardObject) -> None:
    assert link([heard(onset_s=4.0, offset_s=5.0), second]) == [heard(onset_s=4.0, offset_s=5.0), second]


def test_a_moving_sound_is_joined_where_its_ends_meet() -> None:
    moving = tuple(np.linspace(0, 80, 50).tolist())
    (joined,) = link([heard(offset_s=5.0, azimuth_deg=40.0, azimuths_deg=moving), heard(onset_s=5.0, offset_s=6.0, azimuth_deg=85.0)])
    assert joined.offset_s == 6.0


def test_an_object_of_a_window_is_placed_in_the_recording_and_cut_at_its_end() -> None:
    moved = later(heard(onset_s=1.0, offset_s=3.0, distances_m=tuple(np.linspace(1, 2, 20))), 10.0, 12.0)
    assert (moved.onset_s, moved.offset_s) == (11.0, 12.0)
    assert len(moved.azimuths_deg) == len(moved.elevations_deg) == len(moved.distances_m) == 10


def test_a_sound_that_turned_while_it_was_not_heard_is_met_where_it_went() -> None:
    turning = tuple(np.linspace(0, 120, 50).tolist())  # 24 degrees in a second
    first = heard(offset_s=5.0, azimuth_deg=60.0, azimuths_deg=tuple(angle * 2 for angle in turning))
    second = heard(onset_s=5.5, offset_s=6.5, azimuth_deg=265.0)  # 25 degrees on from 240
    assert len(link([first, second])) == 1
    assert len(link([heard(offset_s=5.0, azimuth_deg=-120.0), second])) == 1
    assert len(link([heard(offset_s=5.0, azimuth_deg=-125.0), heard(onset_s=5.5, offset_s=6.5, azimuth_deg=-95.0)])) == 2


def test_of_two_alike_sounds_the_nearer_in_direction_is_continued() -> None:
    far, near = heard(offset_s=5.0, azimuth_deg=30.0), heard(onset_s=0.5, offset_s=5.0, azimuth_deg=2.0)
    joined = link([far, near, heard(onset_s=5.0, offset_s=6.0, azimuth_deg=14.0)])
    assert sorted((item.onset_s, item.offset_s) for item in joined) == [(0.0, 5.0), (0.5, 6.0)]


def test_distances_are_joined_like_directions() -> None:
    first = heard(offset_s=1.0, distances_m=(1.0,) * 10)
    (joined,) = link([first, heard(onset_s=1.2, offset_s=2.2, distances_m=(3.0,) * 10, moves=0.9)])
    assert joined.distances_m == (1.0,) * 12 + (3.0,) * 10
    assert joined.moves == 0.9
