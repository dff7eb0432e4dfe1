"""Ways have the asked length, speed and middle, and keep away from the listener."""

import numpy as np
import pytest

from twnm.scene import Listener, Pose, Position, Waypoint, nearest_approach_m
from twnm.simulate.paths import OUTDOOR_SPEEDS_M_S, STILL, Path, draw_path, draw_speed_m_s
from twnm.simulate.recipe import MOTIONS, Motion
from twnm.sounds.classes import CLASSES

HERE = (1.0, 2.0, 1.5)
THERE = (4.0, 6.0, 1.0)


def path_of(motion: Motion, length_m: float = 2.0, seed: int = 0, middle_m: Position = THERE, farthest_m: float = 30.0) -> Path:
    path = draw_path(np.random.default_rng(seed), motion, middle_m, HERE, length_m, (1.0, 3.0), farthest_m)
    assert path is not None
    return path


@pytest.mark.parametrize("motion", MOTIONS)
def test_a_way_is_taken_at_constant_speed_through_its_middle(motion: Motion) -> None:
    for seed in range(10):
        path = path_of(motion, seed=seed)
        times_s, places = np.array([time_s for time_s, _ in path]), np.array([place for _, place in path])
        speeds_m_s = np.linalg.norm(np.diff(places, axis=0), axis=1) / np.diff(times_s)
        np.testing.assert_allclose(speeds_m_s, 1.0, rtol=5e-3)
        assert (times_s[0], times_s[-1]) == (1.0, 3.0) and np.all(places[:, 2] == THERE[2])
        middle = [np.interp(2.0, times_s, places[:, axis]) for axis in range(3)]
        np.testing.assert_allclose(middle, THERE, atol=2e-3)


def test_an_arc_stays_at_its_distance_and_a_walk_by_is_nearest_in_its_middle() -> None:
    arc = np.array([place for _, place in path_of("arc")])
    np.testing.assert_allclose(np.linalg.norm(arc - HERE, axis=1), np.linalg.norm(np.subtract(THERE, HERE)), atol=1e-3)
    assert max(np.diff([time_s for time_s, _ in path_of("arc")])) <= 0.1 + 1e-9
    first, last = (np.linalg.norm(np.subtract(place, HERE)) for _, place in path_of("walk_by"))
    assert first == pytest.approx(last, abs=1e-3) and first > np.linalg.norm(np.subtract(THERE, HERE))


def test_coming_and_going_keep_the_direction_and_do_not_pass_the_listener() -> None:
    senses = set()
    for seed in range(10):
        path = path_of("radial", length_m=20.0, seed=seed)
        places = np.array([place for _, place in path]) - HERE
        bearings_deg = np.degrees(np.arctan2(places[:, 1], places[:, 0]))
        np.testing.assert_allclose(bearings_deg, np.degrees(np.arctan2(4.0, 3.0)), atol=0.1)
        assert np.hypot(*places[:, :2].T).min() == pytest.approx(0.6, abs=1e-3)
        senses.add(np.hypot(*places[0, :2]) < np.hypot(*places[1, :2]))
    assert senses == {True, False}


def test_impossible_ways_are_not_given() -> None:
    rng = np.random.default_rng(0)
    assert draw_path(rng, "arc", (1.5, 2.0, 1.5), HERE, 20.0, (0.0, 2.0), 30.0) is None  # 20 turns a second round an ear
    assert draw_path(rng, "radial", THERE, HERE, 20.0, (0.0, 2.0), 6.0) is None


def test_what_stands_stands_and_speeds_are_plausible() -> None:
    assert set(CLASSES) >= STILL and {"piano", "door", "bell"} <= STILL and not STILL & set(OUTDOOR_SPEEDS_M_S)
    rng = np.random.default_rng(0)
    assert all(0.5 <= draw_speed_m_s(rng, label, False) <= 2.0 for label in CLASSES)
    assert all(5.0 <= draw_speed_m_s(rng, "engine", True) <= 20.0 for _ in range(50))
    assert all(0.5 <= draw_speed_m_s(rng, "footsteps", True) <= 2.0 for _ in range(50))


def test_nearest_distance_agrees_with_a_dense_grid() -> None:
    walking = Listener(position_m=HERE, path=(Pose(time_s=0.0, position_m=HERE), Pose(time_s=5.0, position_m=(3.0, 2.5, 1.5))))
    for seed in range(10):
        for motion in MOTIONS:
            path = path_of(motion, 6.0, seed, (2.5, 3.5, 1.2))
            for listener in (Listener(position_m=HERE), walking):
                grid_s = np.linspace(0.0, 5.0, 20_001)
                places = np.stack([np.interp(grid_s, [time_s for time_s, _ in path], [place[axis] for _, place in path]) for axis in range(3)], axis=1)
                brute = np.linalg.norm(places - listener.position_at(grid_s), axis=1).min()
                points = tuple(Waypoint(time_s=time_s, position_m=place) for time_s, place in path)
                assert nearest_approach_m(points, listener) == pytest.approx(brute, abs=1e-3)
