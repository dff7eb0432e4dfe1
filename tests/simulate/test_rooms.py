"""Rooms have the reverberation time that was asked for, and impossible ones are refused."""

import numpy as np
import pytest

from twnm.errors import InputError
from twnm.simulate.absorption import eyring_rt60_s
from twnm.simulate.rooms import GROUNDS, MATERIALS, draw_room, ground, material_room, shoebox


def test_solved_absorption_gives_the_asked_reverberation_time() -> None:
    room = shoebox((6.0, 5.0, 3.0), (0.7, 0.65, 0.6, 0.6, 0.55, 0.5, 0.4))
    assert room.rt60_s is not None
    np.testing.assert_allclose(room.rt60_s, (0.7, 0.65, 0.6, 0.6, 0.55, 0.5, 0.4), rtol=0.01)


def test_impossible_reverberation_times_are_refused() -> None:
    with pytest.raises(InputError, match=r"absorption above 0\.99"):
        shoebox((15.0, 12.0, 5.0), 0.03)
    with pytest.raises(InputError, match="widen the ranges"):
        draw_room(np.random.default_rng(0), rt60_s=(0.01, 0.02))


def test_drawn_rooms_keep_to_their_ranges() -> None:
    rng = np.random.default_rng(1)
    for _ in range(100):
        room = draw_room(rng)
        assert room.size_m is not None and room.rt60_s is not None and room.mid_rt60_s is not None
        assert all(low <= side <= high for side, (low, high) in zip(room.size_m, ((3, 15), (3, 12), (2.3, 5)), strict=True))
        assert 0.13 <= room.mid_rt60_s <= 1.25
        assert room.rt60_s[6] < room.rt60_s[3]


def test_a_room_of_named_materials_has_their_absorption_and_the_time_that_follows() -> None:
    names = ("concrete", "glass", "brick", "plaster", "carpet", "acoustic tile")
    room = material_room((6.0, 5.0, 3.0), names)
    assert room.materials == names and room.absorption == tuple(MATERIALS[name] for name in names)
    assert room.rt60_s is not None
    eyring_s = eyring_rt60_s((6.0, 5.0, 3.0), np.array(room.absorption))
    assert 1.1 < room.rt60_s[3] / eyring_s[3] < 1.5  # sound between the hard walls outlives what the soft floor and ceiling take
    alike = material_room((6.0, 5.0, 3.0), ("brick",) * 6)
    np.testing.assert_allclose(alike.rt60_s, eyring_rt60_s((6.0, 5.0, 3.0), np.array(alike.absorption)), rtol=0.03)
    with pytest.raises(InputError, match="six are needed, each one of concrete"):
        material_room((6.0, 5.0, 3.0), ("concrete",) * 5 + ("cheese",))


def test_drawn_rooms_of_named_materials_keep_to_the_range() -> None:
    rng = np.random.default_rng(1)
    rooms = [draw_room(rng, rt60_s=(0.3, 0.9), materials_probability=1.0) for _ in range(50)]
    assert all(room.materials and room.mid_rt60_s is not None and 0.3 <= room.mid_rt60_s <= 0.9 for room in rooms)
    dead = draw_room(rng, (14, 15), (11, 12), (4, 5), rt60_s=(0.3, 0.32), materials_probability=1.0)
    assert not dead.materials  # no material is soft enough: the time is drawn


def test_dry_air_takes_high_frequencies_away() -> None:
    walls = np.full((6, 7), 0.05)
    dry, damp = (eyring_rt60_s((10.0, 8.0, 4.0), walls, 20.0, humidity_percent) for humidity_percent in (15.0, 70.0))
    assert dry[6] < 0.7 * damp[6] and dry[1] == pytest.approx(damp[1], rel=0.01)
    cold = eyring_rt60_s((10.0, 8.0, 4.0), walls, -20.0, 50.0)
    assert cold[0] / eyring_rt60_s((10.0, 8.0, 4.0), walls, 20.0, 50.0)[0] == pytest.approx(np.sqrt(293.15 / 253.15), rel=0.01)  # slower sound


def test_grounds_have_their_absorption_and_unknown_ones_are_refused() -> None:
    lawn = ground("grass", 5.0, 80.0)
    assert lawn.kind == "ground" and lawn.absorption == (GROUNDS["grass"],) and lawn.temperature_c == 5.0
    with pytest.raises(InputError, match="unknown ground 'mud'"):
        ground("mud")
