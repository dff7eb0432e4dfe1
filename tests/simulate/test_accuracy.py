"""How true the simulator is: the direct sound against physics, every image against pyroomacoustics, the hybrid against every image, and against the
reverberation times that scenes record. Limits are those measured for this code, a little rounded up; see docs/simulation.md."""

import functools
import math

import numpy as np
import pytest
from scipy import fft

from twnm.ambisonics import angle_between_deg, unit_vector
from twnm.scene import Event, Listener, Pose, Position, Room, Scene, Waypoint
from twnm.simulate import foreign
from twnm.simulate.decay import decay_of, direct_to_reverberant_db, in_bands
from twnm.simulate.images import air_neper_per_m
from twnm.simulate.render import render
from twnm.simulate.rir import room_response, room_tail
from twnm.simulate.rooms import draw_room, ground, shoebox
from twnm.simulate.tail import mixing_time_s
from twnm.sounds.catalogue import Catalogue

ROOMS = [((4.0, 3.5, 2.6), 0.3), ((4.8, 4.0, 2.6), 0.4)]
BANDS_500, BANDS_1K, BANDS_2K = slice(2, None), slice(3, None), slice(4, None)


def heard(room: Room, listener_m: Position, source_m: Position, seed: int | None) -> np.ndarray:
    """Response of the hybrid (its tail drawn from `seed`) or, for None, of every image."""
    tail = None if seed is None else room_tail(room)
    return room_response(room, Listener(position_m=listener_m), source_m, tail, np.random.default_rng(seed)).astype(float)


def draw_places(rng: np.random.Generator, size_m: Position, apart_m: float = 1.0) -> tuple[Position, Position]:
    while True:
        listener_m, source_m = (tuple(float(rng.uniform(0.5, side - 0.5)) for side in size_m) for _ in range(2))
        if math.dist(listener_m, source_m) > apart_m:
            return listener_m, source_m


def late_energy(response: np.ndarray, first: int) -> np.ndarray:
    """Energy from a sample on, per channel and band."""
    return np.stack([np.sum(in_bands(channel[first:]) ** 2, axis=-1) for channel in response])


def test_direct_sound_has_its_direction_delay_and_level() -> None:
    rng, here = np.random.default_rng(1), (10.0, 10.0, 10.0)
    angle_deg, delay, level = [], [], []
    for _ in range(30):
        azimuth_deg, elevation_deg, distance_m, yaw_deg = (float(rng.uniform(*bounds)) for bounds in ((-180, 180), (-60, 60), (0.4, 8), (-180, 180)))
        x, y, z = (float(value) for value in here + distance_m * unit_vector(azimuth_deg, elevation_deg))
        response = room_response(Room(kind="free"), Listener(position_m=here, yaw_deg=yaw_deg), (x, y, z), None, rng).astype(float)
        angle_deg.append(float(angle_between_deg(response[[3, 1, 2]] @ response[0], unit_vector(azimuth_deg - yaw_deg, elevation_deg))))
        spectrum, frequency_hz = fft.rfft(response[0], 16_384), fft.rfftfreq(16_384, 1 / 24_000)
        band = (frequency_hz > 200) & (frequency_hz < 6000)
        slope = np.polyfit(frequency_hz[band], np.unwrap(np.angle(spectrum[band])), 1)[0]
        delay.append(-slope / (2 * np.pi) * 24_000 - distance_m / 343.2 * 24_000)
        without_air = math.exp(0.5 * air_neper_per_m()[2] * distance_m)
        level.append(abs(spectrum[np.argmin(np.abs(frequency_hz - 500))]) * distance_m * without_air)
    assert max(angle_deg) < 0.005
    assert np.abs(delay).max() < 0.001
    np.testing.assert_allclose(level, 1.0, atol=3e-4)


@functools.cache
def against_pyroomacoustics(size_m: Position, rt60_s: float, uneven: bool) -> tuple[np.ndarray, np.ndarray, int]:
    """Every image of ours and of pyroomacoustics, and the sample of the mixing time."""
    weights = np.array([1.0, 1.4, 0.9, 1.2, 1.6, 1.3])[:, None] * np.ones(7) if uneven else None
    room = shoebox(size_m, rt60_s, weights, scattering=0.0)
    listener_m, source_m = (0.4 * size_m[0], 0.42 * size_m[1], 1.5), (0.7 * size_m[0], 0.7 * size_m[1], 1.2)
    ours = heard(room, listener_m, source_m, None)
    order = math.ceil(ours.shape[1] / 24_000 * 343.2 * math.sqrt(sum(1 / side**2 for side in size_m)))
    theirs = foreign.response(room, listener_m, source_m, np.random.default_rng(0), image_order=order)
    samples = ours.shape[1] - 40  # theirs has no images beyond our last, but its interpolation filters are longer
    return ours[:, :samples], theirs[:, :samples].astype(float), round(mixing_time_s(math.prod(size_m)) * 24_000)


@pytest.mark.parametrize(("size_m", "rt60_s", "uneven"), [((4.0, 3.5, 2.6), 0.3, False), ((3.6, 3.0, 2.4), 0.25, True), ((6.0, 5.0, 3.0), 0.3, True)])
def test_every_image_agrees_with_pyroomacoustics(size_m: Position, rt60_s: float, uneven: bool) -> None:
    pytest.importorskip("pyroomacoustics")
    ours, theirs, mixing = against_pyroomacoustics(size_m, rt60_s, uneven)
    np.testing.assert_allclose(decay_of(ours[0]).rt60_s[1:], decay_of(theirs[0]).rt60_s[1:], rtol=0.005)
    np.testing.assert_allclose(direct_to_reverberant_db(ours[0]), direct_to_reverberant_db(theirs[0]), atol=0.06)
    apart_db = 10 * np.log10(late_energy(ours, mixing) / late_energy(theirs, mixing))
    assert np.abs(apart_db[0, 1:]).max() < 0.05
    assert np.abs(apart_db[1:, 1:]).max() < 0.08
    frequency_hz = np.fft.rfftfreq(ours.shape[1], 1 / 24_000)
    audible = (frequency_hz > 90) & (frequency_hz < 9000)  # towards half the sample rate the interpolation filters differ
    spectra = [np.fft.rfft(response)[:, audible] for response in (ours, theirs)]
    assert np.linalg.norm(spectra[0] - spectra[1]) < 0.02 * np.linalg.norm(spectra[1])


@functools.cache
def over_places(size_m: Position, rt60_s: float, places: int = 20) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Hybrid and every image without scattering, over places drawn in a room: what single places differ by is chance."""
    room, rng = shoebox(size_m, rt60_s, scattering=0.0), np.random.default_rng(7)
    late = round((mixing_time_s(math.prod(size_m)) + 0.010) * 24_000)
    rows: dict[str, tuple[list[np.ndarray], list[np.ndarray]]] = {"rt60_s": ([], []), "drr_db": ([], []), "late": ([], [])}
    for place in range(places):
        listener_m, source_m = draw_places(rng, size_m)
        for column, seed in enumerate((place, None)):
            response = heard(room, listener_m, source_m, seed)
            rows["rt60_s"][column].append(decay_of(response[0]).rt60_s)
            rows["drr_db"][column].append(direct_to_reverberant_db(response[0]))
            rows["late"][column].append(late_energy(response, late))
    return {name: (np.array(hybrid), np.array(full)) for name, (hybrid, full) in rows.items()}


@pytest.mark.parametrize(("size_m", "rt60_s"), ROOMS)
def test_hybrid_decays_as_every_image_does(size_m: Position, rt60_s: float) -> None:
    hybrid_s, full_s = (values.mean(axis=0) for values in over_places(size_m, rt60_s)["rt60_s"])
    np.testing.assert_allclose(hybrid_s[BANDS_1K], full_s[BANDS_1K], rtol=0.07)
    # Images are all positive and add up in phase at low frequencies, which incoherent noise does not: theirs ring on.
    np.testing.assert_allclose(hybrid_s[BANDS_500], full_s[BANDS_500], rtol=0.10)


@pytest.mark.parametrize(("size_m", "rt60_s"), ROOMS)
def test_hybrid_has_the_level_and_direct_to_reverberant_ratio_of_every_image(size_m: Position, rt60_s: float) -> None:
    hybrid, full = (values.mean(axis=0) for values in over_places(size_m, rt60_s)["late"])
    assert np.abs(10 * np.log10(hybrid / full))[0, BANDS_500].max() < 0.9
    assert np.abs(10 * np.log10(hybrid / full))[1:, BANDS_1K].max() < 1.0
    hybrid_db, full_db = over_places(size_m, rt60_s)["drr_db"]
    assert np.abs((hybrid_db - full_db).mean(axis=0))[BANDS_2K].max() < 0.15
    assert np.abs((hybrid_db - full_db).mean(axis=0))[BANDS_500].max() < 0.4


@pytest.mark.parametrize(("size_m", "rt60_s"), ROOMS)
def test_late_covariance_of_the_hybrid_is_that_of_every_image(size_m: Position, rt60_s: float) -> None:
    shares = []
    for energy in over_places(size_m, rt60_s)["late"]:
        total = energy.mean(axis=0)[:, BANDS_500].sum(axis=1)
        shares.append(total[1:] / total[0])
    assert np.abs(shares[0] - shares[1]).max() < 0.05
    assert np.abs(shares[1] - 1 / 3).max() > 0.05  # the field is not isotropic, so the agreement says something


@pytest.mark.parametrize("room", [Room(kind="free"), ground("grass")], ids=["free", "ground"])
@pytest.mark.parametrize("listener_moves", [False, True])
def test_moving_sounds_agree_with_a_dense_grid_of_static_responses(bank: Catalogue, room: Room, listener_moves: bool) -> None:
    pytest.importorskip("pyroomacoustics")
    here = (2.5, 2.2, 1.5)
    poses = (Pose(time_s=0.0, position_m=here, yaw_deg=30.0), Pose(time_s=1.5, position_m=(2.5, 1.4, 1.5), yaw_deg=75.0)) if listener_moves else ()
    path = (Waypoint(time_s=0.0, position_m=(1.0, 4.0, 1.2)), Waypoint(time_s=1.5, position_m=(3.0, 4.0, 1.5)))
    event = Event(label="rain", clip=bank.of("rain")[0].path, onset_s=0.2, offset_s=1.3, path=path, directivity="talker", facing_deg=-90.0)
    scene = Scene(scene_id="t", seed=(1,), duration_s=1.5, room=room, listener=Listener(position_m=here, yaw_deg=30.0, path=poses), events=(event,))
    spectra = [np.fft.rfft(render(scene, bank, renderer=name)[0].astype(float)) for name in ("native", "pyroomacoustics")]
    frequency_hz = np.fft.rfftfreq(36_000, 1 / 24_000)
    for bounds_hz, apart in (((100, 6000), 0.005), ((6000, 10_000), 0.01)):
        band = (frequency_hz > bounds_hz[0]) & (frequency_hz < bounds_hz[1])
        assert np.linalg.norm((spectra[0] - spectra[1])[:, band]) < apart * np.linalg.norm(spectra[0][:, band])


def test_recorded_reverberation_times_are_those_heard() -> None:
    wrong = []
    for seed in range(16):
        rng = np.random.default_rng(seed)
        room = draw_room(rng)
        assert room.size_m is not None and room.mid_rt60_s is not None
        times_s = [decay_of(heard(room, *draw_places(rng, room.size_m, 0.7), place)[0]).rt60_s[2:4] for place in range(3)]
        wrong.append(float(np.mean(times_s)) / room.mid_rt60_s - 1)
    assert abs(float(np.median(wrong))) < 0.04
    assert np.mean(np.abs(wrong) > 0.15) <= 0.15
