"""Absorption and reverberation time are inverse to one another, and impossible rooms are refused."""

import numpy as np
import pytest

from twnm.errors import InputError
from twnm.simulate.rooms import draw_room, eyring_rt60_s, mean_absorption, share_absorption, shoebox, solve_absorption


def test_solved_absorption_gives_the_asked_reverberation_time() -> None:
    room = shoebox((6.0, 5.0, 3.0), (0.7, 0.65, 0.6, 0.6, 0.55, 0.5, 0.4))
    assert room.rt60_s is not None
    np.testing.assert_allclose(room.rt60_s, (0.7, 0.65, 0.6, 0.6, 0.55, 0.5, 0.4), rtol=2e-3)


def test_sabine_limit_for_little_absorption() -> None:
    size_m = (6.0, 5.0, 3.0)
    walls = np.full((6, 7), 0.01)
    assert eyring_rt60_s(size_m, walls)[0] == pytest.approx(0.161 * 90 / (0.01 * 126), rel=0.05)


def test_shared_absorption_keeps_its_mean_and_its_limit() -> None:
    size_m = (4.0, 3.0, 2.5)
    mean = np.linspace(0.1, 0.8, 7)
    walls = share_absorption(size_m, mean, np.random.default_rng(0).uniform(0.05, 1, (6, 7)))
    np.testing.assert_allclose(mean_absorption(size_m, walls), mean, atol=1e-6)
    assert walls.max() <= 0.98


def test_impossible_reverberation_times_are_refused() -> None:
    with pytest.raises(InputError, match=r"absorption above 0\.99"):
        solve_absorption((15.0, 12.0, 5.0), (0.03,) * 7)
    with pytest.raises(InputError, match="air alone"):
        solve_absorption((6.0, 5.0, 3.0), (3.0,) * 7)
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
