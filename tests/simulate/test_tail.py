"""The tail against Eyring (with scattering) and against all images (without)."""

import numpy as np
import pytest
from scipy import fft

from twnm.scene import Listener, Room
from twnm.simulate.images import band_hats
from twnm.simulate.rir import room_response, room_tail
from twnm.simulate.rooms import draw_room, shoebox
from twnm.simulate.tail import mixing_time_s

NFFT = 1 << 16
BAND_500_HZ, BAND_1_KHZ, BAND_4_KHZ = 2, 3, 5


def in_band(response: np.ndarray, band: int) -> np.ndarray:
    return np.asarray(fft.irfft(fft.rfft(response.astype(float), NFFT) * band_hats(NFFT)[:, band], NFFT))[: response.size + 4000]


def t30_s(response: np.ndarray, band: int) -> float:
    """Reverberation time from the slope of Schroeder's integral between -5 and -35 dB; the FFT is padded, so that no ringing wraps around."""
    energy = np.cumsum(in_band(response, band)[::-1] ** 2)[::-1]
    level_db = 10 * np.log10(energy / energy[0] + 1e-15)
    fitted = np.flatnonzero((level_db <= -5) & (level_db >= -35))
    return float(-60 / np.polyfit(fitted / 24_000, level_db[fitted], 1)[0])


def respond(room: Room, seed: int = 0, full: bool = False) -> np.ndarray:
    assert room.size_m is not None
    x, y, _ = room.size_m
    tail = None if full else room_tail(room)
    return room_response(room, Listener(position_m=(0.4 * x, 0.42 * y, 1.5)), (0.7 * x, 0.7 * y, 1.2), tail, np.random.default_rng(seed))


@pytest.mark.parametrize(("size_m", "rt60_s"), [((4.0, 3.5, 2.6), 0.3), ((6.0, 5.0, 3.0), 0.6), ((9.0, 7.0, 3.2), 0.9)])
def test_reverberation_time_is_the_rooms(size_m: tuple[float, float, float], rt60_s: float) -> None:
    room = shoebox(size_m, rt60_s)
    for band in (BAND_500_HZ, BAND_1_KHZ):
        measured = np.mean([t30_s(respond(room, seed)[0], band) for seed in range(3)])
        assert measured == pytest.approx(rt60_s, rel=0.08)


def test_the_reverberation_time_of_drawn_rooms_is_the_one_that_is_heard() -> None:
    rng = np.random.default_rng(5)
    errors = []
    for _ in range(12):
        room = draw_room(rng)
        assert room.rt60_s is not None
        measured = np.median([t30_s(respond(room, seed)[0], BAND_1_KHZ) for seed in range(3)])
        errors.append(measured / room.rt60_s[BAND_1_KHZ] - 1)
    assert np.median(np.abs(errors)) < 0.05
    assert np.max(np.abs(errors)) < 0.25  # dry rooms, where the direct sound and a few images shape the decay


def test_without_scattering_the_tail_continues_the_images() -> None:
    room = shoebox((4.0, 3.5, 2.6), 0.3, scattering=0.0)
    hybrids, full = [respond(room, seed) for seed in range(6)], respond(room, full=True)
    for band in (BAND_1_KHZ, BAND_4_KHZ):
        assert np.mean([t30_s(hybrid[0], band) for hybrid in hybrids]) == pytest.approx(t30_s(full[0], band), rel=0.12)
    late = round((mixing_time_s(4.0 * 3.5 * 2.6) + 0.010) * 24_000)
    energy = np.mean([[np.sum(in_band(channel, BAND_4_KHZ)[late:] ** 2) for channel in hybrid] for hybrid in hybrids], axis=0)
    expected = [np.sum(in_band(channel, BAND_4_KHZ)[late:] ** 2) for channel in full]
    assert np.all(np.abs(10 * np.log10(energy / expected)) < 1.5)


def test_early_part_is_the_images_exactly() -> None:
    room = shoebox((6.0, 5.0, 3.0), 0.5)
    before = round((mixing_time_s(90.0) - 0.030) * 24_000)
    np.testing.assert_allclose(respond(room)[:, :before], respond(room, full=True)[:, :before], atol=3e-3)


def test_directional_energies_of_the_tail_sum_to_the_omnidirectional_one() -> None:
    tail = room_tail(shoebox((12.0, 4.0, 2.5), 0.6))
    assert tail is not None
    energy = tail.amplitude[:, :, :7].astype(float) ** 2
    np.testing.assert_allclose(energy[:, 1:].sum(axis=1), energy[:, 0], rtol=1e-3)


def test_rooms_without_walls_have_no_tail() -> None:
    assert room_tail(Room(kind="free")) is None
