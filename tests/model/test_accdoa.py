"""Objects read from multi-ACCDOA vectors that are set by hand."""

import numpy as np
import pytest
import torch
from tiny_model import CLASSES, CONFIG, SEMANTIC_SIZE

from twnm.ambisonics import unit_vector
from twnm.model.accdoa import TRACKS, AccdoaEncoder, AccdoaOutput, read_accdoa

TIME = 20


def silent() -> AccdoaOutput:
    return AccdoaOutput(torch.zeros(1, TIME, TRACKS, len(CLASSES), 3), torch.zeros(1, TIME, TRACKS, len(CLASSES)))


def towards(azimuth_deg: float) -> torch.Tensor:
    return torch.from_numpy(unit_vector(azimuth_deg, 0.0)).float()


def test_nothing_is_heard_below_the_threshold() -> None:
    output = silent()
    output.vectors[..., 0] = 0.49
    assert read_accdoa(output, 0, CLASSES) == []


def test_three_tracks_that_say_the_same_are_one_object() -> None:
    output = silent()
    for track, azimuth in enumerate((38.0, 40.0, 42.0)):
        output.vectors[0, 5:15, track, 1] = 0.9 * towards(azimuth)
        output.log_distance[0, 5:15, track, 1] = float(np.log(3.0))
    (bell,) = read_accdoa(output, 0, CLASSES)
    assert (bell.label, bell.onset_s, bell.offset_s) == (CLASSES[1], 0.5, 1.5)
    assert (bell.azimuth_deg, bell.distance_m) == pytest.approx((40.0, 3.0), abs=0.01)


def test_two_sounds_of_a_class_stay_two_even_when_the_tracks_change() -> None:
    output = silent()
    for time in range(TIME):
        one, other = (0, 1) if time % 2 else (1, 0)
        output.vectors[0, time, one, 0] = towards(90.0)
        output.vectors[0, time, other, 0] = towards(-90.0)
    found = read_accdoa(output, 0, CLASSES)
    assert [item.azimuth_deg for item in found] == pytest.approx([-90.0, 90.0], abs=1e-3)
    assert all((item.onset_s, item.offset_s) == (0.0, 2.0) for item in found)


def test_a_pause_is_bridged_and_a_long_one_is_not() -> None:
    output = silent()
    output.vectors[0, 0:4, 0, 0] = towards(10.0)
    output.vectors[0, 8:12, 1, 0] = towards(14.0)
    assert [(item.onset_s, item.offset_s) for item in read_accdoa(output, 0, CLASSES)] == [(0.0, 1.2)]
    output.vectors[0, 4:14] = 0
    output.vectors[0, 14:18, 1, 0] = towards(14.0)
    assert len(read_accdoa(output, 0, CLASSES)) == 2


def test_a_moving_sound_is_followed() -> None:
    output = silent()
    for time in range(TIME):
        output.vectors[0, time, time % TRACKS, 2] = towards(9.0 * time)
    (item,) = read_accdoa(output, 0, CLASSES)
    assert item.azimuths_deg == pytest.approx([9.0 * time for time in range(TIME)], abs=0.05)


def test_the_baseline_hears_what_the_slots_hear() -> None:
    torch.manual_seed(0)
    output = AccdoaEncoder(CONFIG).eval()(torch.randn(2, 7, 100, 64), torch.randn(2, 4, SEMANTIC_SIZE))
    assert output.vectors.shape == (2, 20, TRACKS, len(CLASSES), 3)
    assert output.log_distance.shape == (2, 20, TRACKS, len(CLASSES))
    assert isinstance(read_accdoa(output, 1, CLASSES), list)
