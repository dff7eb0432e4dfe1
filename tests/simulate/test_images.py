"""The direct sound against physics, the images against pyroomacoustics, air against the tables of ISO 9613-1."""

import numpy as np
import pytest
from scipy import fft

from twnm.ambisonics import angle_between_deg, unit_vector
from twnm.scene import Listener, Room
from twnm.simulate.images import SPEED_OF_SOUND_M_S, air_neper_per_m, band_hats, image_response
from twnm.simulate.rir import room_response
from twnm.simulate.rooms import shoebox

FREE = Room(kind="free")
PLACES = [(20.0, 10.0, 2.0, 0.0), (-120.0, -30.0, 3.3, 77.0), (90.0, 40.0, 1.0, -150.0), (180.0, 0.0, 6.0, 10.0), (0.0, -60.0, 0.5, 45.0)]


def direct(azimuth_deg: float, elevation_deg: float, distance_m: float, yaw_deg: float) -> np.ndarray:
    here = np.array([10.0, 10.0, 10.0])
    place = here + distance_m * unit_vector(azimuth_deg + yaw_deg, elevation_deg)
    x, y, z = (float(value) for value in place)
    return room_response(FREE, Listener(position_m=(10.0, 10.0, 10.0), yaw_deg=yaw_deg), (x, y, z), None, np.random.default_rng(0))


@pytest.mark.parametrize(("azimuth_deg", "elevation_deg", "distance_m", "yaw_deg"), PLACES)
def test_direct_sound_comes_from_the_source_within_a_tenth_of_a_degree(azimuth_deg: float, elevation_deg: float, distance_m: float, yaw_deg: float) -> None:
    w, y, z, x = direct(azimuth_deg, elevation_deg, distance_m, yaw_deg).astype(float)
    flow = np.array([w @ x, w @ y, w @ z])
    assert float(angle_between_deg(flow, unit_vector(azimuth_deg, elevation_deg))) < 0.1


@pytest.mark.parametrize(("azimuth_deg", "elevation_deg", "distance_m", "yaw_deg"), PLACES)
def test_direct_sound_has_the_delay_and_level_of_its_distance(azimuth_deg: float, elevation_deg: float, distance_m: float, yaw_deg: float) -> None:
    nfft = 8192
    spectrum = fft.rfft(direct(azimuth_deg, elevation_deg, distance_m, yaw_deg)[0].astype(float), nfft)
    frequency_hz = fft.rfftfreq(nfft, 1 / 24_000)
    band = (frequency_hz > 200) & (frequency_hz < 6000)
    delay = -np.polyfit(frequency_hz[band], np.unwrap(np.angle(spectrum[band])), 1)[0] / (2 * np.pi) * 24_000
    assert abs(delay - distance_m / SPEED_OF_SOUND_M_S * 24_000) < 0.01
    at_500_hz = np.argmin(np.abs(frequency_hz - 500))
    without_air = np.exp(0.5 * air_neper_per_m()[2] * distance_m)
    assert abs(np.abs(spectrum[at_500_hz]) * distance_m * without_air - 1) < 1e-3


def walls(size_m: tuple[float, float, float], absorption: float) -> Room:
    """A room of equal walls whose air absorbs nothing worth mentioning at low frequencies."""
    return Room(kind="shoebox", size_m=size_m, absorption=((absorption,) * 7,) * 6, rt60_s=(0.3,) * 7)


def test_band_hats_sum_to_one() -> None:
    np.testing.assert_allclose(band_hats(4096).sum(axis=1), 1.0, atol=1e-6)


def test_air_absorption_is_that_of_iso_9613_1() -> None:
    decibel_per_km = np.array(air_neper_per_m()) * 1000 * 10 * np.log10(np.e)
    # ISO 9613-1, 20 degrees C, 50 % relative humidity, exact octave bands.
    np.testing.assert_allclose(decibel_per_km, [0.44, 1.32, 2.73, 4.66, 9.86, 29.4, 104.0], rtol=0.05)


def test_all_images_agree_with_pyroomacoustics(monkeypatch: pytest.MonkeyPatch) -> None:
    pra = pytest.importorskip("pyroomacoustics")
    monkeypatch.setitem(pra.parameters._constants, "rir_hpf_enable", False)  # it would filter W only
    size_m, source_m, listener_m, absorption, stop_s = (3.2, 2.7, 2.3), (2.3, 1.9, 1.1), (1.1, 0.9, 1.4), 0.45, 0.12
    room = pra.ShoeBox(list(size_m), fs=24_000, materials=pra.Material(absorption), max_order=22, air_absorption=False)
    room.add_source(list(source_m))
    room.add_microphone(list(listener_m))
    room.set_sound_speed(SPEED_OF_SOUND_M_S)
    room.compute_rir()
    lead = pra.constants.get("frac_delay_length") // 2
    theirs = np.asarray(room.rir[0][0])[lead:]
    ours = image_response(walls(size_m, absorption), source_m, listener_m, stop_s)[0]
    samples = round(0.1 * 24_000)
    audible = slice(round(100 / 24_000 * 8192), round(1500 / 24_000 * 8192))  # below, the filters differ; above, our air
    for first in (0, round(0.02 * 24_000), round(0.04 * 24_000)):
        energy = [np.sum(np.abs(fft.rfft(h[first:samples].astype(float), 8192)[audible]) ** 2) for h in (ours, theirs)]
        assert abs(10 * np.log10(energy[0] / energy[1])) < 0.5
    ours_low, theirs_low = (fft.irfft(np.where(np.arange(4097) < audible.stop, fft.rfft(h[:samples].astype(float), 8192), 0)) for h in (ours, theirs))
    assert np.corrcoef(ours_low, theirs_low)[0, 1] > 0.99


def test_mirrored_rooms_give_mirrored_channels() -> None:
    room = shoebox((6.0, 5.0, 3.0), 0.3)
    ours = image_response(room, (4.0, 3.0, 1.2), (2.0, 2.2, 1.5), 0.05)
    mirrored = image_response(room, (4.0, 2.0, 1.2), (2.0, 2.8, 1.5), 0.05)
    np.testing.assert_allclose(mirrored, ours * np.array([1, -1, 1, 1])[:, None], atol=2e-5)
