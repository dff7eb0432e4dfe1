"""The second renderer against physics: delays, levels, directions, Doppler; its settings leave no trace and its draws come from the scene alone."""

import math
import sys

import numpy as np
import pytest
from scipy import fft
from scipy.signal import hilbert

from twnm.ambisonics import angle_between_deg, intensity_direction, rotate, unit_vector
from twnm.errors import InputError
from twnm.scene import BAND_CENTRES_HZ, Event, Listener, Pose, Position, Room, Scene, Waypoint
from twnm.simulate import foreign
from twnm.simulate.decay import decay_of
from twnm.simulate.dry import dry_signal
from twnm.simulate.rooms import ground, shoebox
from twnm.sounds.catalogue import Catalogue

pra = pytest.importorskip("pyroomacoustics")
FREE = Room(kind="free")
HERE = (2.0, 2.2, 1.5)
SMALL = shoebox((4.0, 3.5, 2.6), 0.25)


def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def waypoint(time_s: float, position_m: Position) -> Waypoint:
    return Waypoint(time_s=time_s, position_m=position_m)


def scene_of(bank: Catalogue, room: Room, *path: Waypoint, listener: Listener | None = None, label: str = "rain", duration_s: float = 1.0) -> Scene:
    event = Event(label=label, clip=bank.of(label)[0].path, onset_s=0.1, offset_s=duration_s, level_db=-20.0, path=path)
    return Scene(scene_id="t", seed=(3, 4), duration_s=duration_s, room=room, listener=listener or Listener(position_m=HERE), events=(event,))


def in_band_db(response: np.ndarray, first_hz: float, last_hz: float) -> float:
    spectrum = np.abs(fft.rfft(response.astype(float), 1 << 14)) ** 2
    frequency_hz = fft.rfftfreq(1 << 14, 1 / 24_000)
    return float(10 * np.log10(spectrum[(frequency_hz >= first_hz) & (frequency_hz < last_hz)].mean() + 1e-20))


def delay_samples(response: np.ndarray) -> float:
    """Group delay between 200 Hz and 6 kHz."""
    spectrum, frequency_hz = fft.rfft(response.astype(float), 8192), fft.rfftfreq(8192, 1 / 24_000)
    band = (frequency_hz > 200) & (frequency_hz < 6000)
    return float(-np.polyfit(frequency_hz[band], np.unwrap(np.angle(spectrum[band])), 1)[0] / (2 * np.pi) * 24_000)


@pytest.mark.parametrize(("azimuth_deg", "elevation_deg", "distance_m"), [(30.0, 20.0, 1.0), (-100.0, -35.0, 3.0), (180.0, 5.0, 0.5)])
def test_direct_sound_has_the_direction_delay_and_level_of_physics(azimuth_deg: float, elevation_deg: float, distance_m: float) -> None:
    x, y, z = (float(value) for value in np.array(HERE) + distance_m * unit_vector(azimuth_deg, elevation_deg))
    heard = foreign.response(FREE, HERE, (x, y, z), rng())
    azimuth, elevation, diffuseness = intensity_direction(heard)
    assert float(angle_between_deg(unit_vector(azimuth, elevation), unit_vector(azimuth_deg, elevation_deg))) < 0.02
    assert diffuseness < 1e-4
    assert delay_samples(heard[0]) == pytest.approx(distance_m / 343.2 * 24_000, abs=0.01)
    assert in_band_db(heard[0], 300, 700) == pytest.approx(-20 * math.log10(distance_m), abs=0.03)


def test_cold_air_is_slower() -> None:
    cold = foreign.response(Room(kind="free", temperature_c=-10.0), HERE, (5.0, 2.2, 1.5), rng())
    assert delay_samples(cold[0]) == pytest.approx(3 / (343.2 * math.sqrt(263.15 / 293.15)) * 24_000, abs=0.01)


def test_receivers_are_the_librarys_spherical_harmonics_in_sn3d() -> None:
    ours = foreign.response(SMALL, HERE, (3.0, 3.0, 1.9), rng(), image_order=2).astype(float)
    flat = {
        name: pra.Material({"coeffs": list(wall), "center_freqs": list(BAND_CENTRES_HZ)})
        for name, wall in zip(foreign.WALL_NAMES, SMALL.absorption or (), strict=True)
    }
    with foreign._settings(pra, rng()):
        space = pra.ShoeBox(list(SMALL.size_m or ()), fs=24_000, materials=flat, max_order=2)
        space.set_sound_speed(343.2)
        space.set_air_absorption(list(foreign.air_neper_per_m()), list(BAND_CENTRES_HZ))
        space.add_source([3.0, 3.0, 1.9])
        harmonics = [pra.directivities.RealSphericalHarmonicsDirectivity(m, n) for m, n in ((0, 0), (-1, 1), (0, 1), (1, 1))]
        space.add(pra.MicrophoneArray(np.repeat(np.array(HERE)[:, None], 4, 1), 24_000, directivity=harmonics))
        space.compute_rir()
    for ours_channel, (theirs,), scale in zip(ours, space.rir, np.sqrt(4 * np.pi / np.array([1, 3, 3, 3])), strict=True):
        aligned = np.asarray(theirs)[40:][: ours_channel.size] * scale
        assert np.linalg.norm(aligned - ours_channel[: aligned.size]) < 0.03 * np.linalg.norm(ours_channel)


def test_ground_adds_one_reflection_from_below_with_its_absorption() -> None:
    room = Room(kind="ground", absorption=((0.36,) * 7,))
    direct, both = (foreign.response(room, (0.0, 0.0, 1.0), (0.0, 4.0, 3.0), rng(), image_order=order) for order in (0, 1))
    reflection = both[:, : direct.shape[1] + 400].astype(float)
    reflection[:, : direct.shape[1]] -= direct
    image_m = np.array([0.0, 4.0, -3.0 - 1.0])
    azimuth, elevation, _ = intensity_direction(reflection)
    assert float(angle_between_deg(unit_vector(azimuth, elevation), image_m)) < 0.1
    assert delay_samples(reflection[0]) == pytest.approx(np.linalg.norm(image_m) / 343.2 * 24_000, abs=0.02)
    assert in_band_db(reflection[0], 300, 700) == pytest.approx(20 * math.log10(0.8 / np.linalg.norm(image_m)), abs=0.05)


def test_sources_radiate_as_they_face() -> None:
    level_db = {
        facing: in_band_db(foreign.response(FREE, HERE, (4.0, 2.2, 1.5), rng(), "cardioid", facing)[0], 300, 700) + 20 * math.log10(2)
        for facing in (180.0, 90.0, 0.0)
    }
    assert level_db[180.0] == pytest.approx(0.0, abs=0.03)
    assert level_db[90.0] == pytest.approx(-6.02, abs=0.03)
    assert level_db[0.0] < -60
    away = foreign.response(FREE, HERE, (4.0, 2.2, 1.5), rng(), "talker", 0.0)[0]
    assert in_band_db(away, 100, 140) - in_band_db(away, 3500, 4500) > 10  # a voice is heard from behind without its high frequencies


@pytest.mark.parametrize(("size_m", "rt60_s"), [((4.0, 3.5, 2.6), 0.25), ((6.0, 5.0, 3.0), 0.5)])
def test_reverberation_time_is_the_rooms(size_m: Position, rt60_s: float) -> None:
    heard = foreign.response(shoebox(size_m, rt60_s), HERE, (3.2, 1.1, 1.9), rng())
    np.testing.assert_allclose(decay_of(heard[0]).rt60_s[2:], rt60_s, rtol=0.2)


def test_listener_turned_left_hears_the_scene_turned_right(bank: Catalogue) -> None:
    straight = scene_of(bank, FREE, waypoint(0.0, (3.0, 3.0, 1.9)))
    turned = straight.model_copy(update={"listener": Listener(position_m=HERE, yaw_deg=70.0)})
    ahead = foreign.render_events(straight, bank, 24_000)
    np.testing.assert_allclose(foreign.render_events(turned, bank, 24_000), rotate(ahead, -70.0), atol=1e-5)
    turning = Listener(position_m=HERE, path=(Pose(time_s=0.0, position_m=HERE), Pose(time_s=1.0, position_m=HERE, yaw_deg=90.0)))
    spun = foreign.render_events(straight.model_copy(update={"listener": turning}), bank, 24_000)
    np.testing.assert_allclose(spun[:, 12_000], rotate(ahead, -45.0)[:, 12_000], atol=1e-5)


def heard_tone(offsets_m: np.ndarray, times_s: np.ndarray, mover: str, tone_hz: float, samples: int) -> np.ndarray:
    """W, Y of a tone from a source whose offset from the listener at `times_s` is given, no air: what arrives at a time was emitted a distance ago."""
    arrival_s = np.arange(samples) / 24_000
    distance_m = np.linalg.norm(offsets_m, axis=-1)
    # A source is heard from where it was at emission, a listener hears where it is at arrival.
    known_s = arrival_s if mover == "listener" else np.interp(arrival_s, times_s + distance_m / 343.2, times_s)
    at_m = np.stack([np.interp(known_s, times_s, offsets_m[:, axis]) for axis in range(3)], axis=-1)
    far_m = np.linalg.norm(at_m, axis=-1)
    w = np.sin(2 * np.pi * tone_hz * (arrival_s - far_m / 343.2)) / far_m
    return np.stack([w, w * at_m[:, 1] / far_m])


@pytest.mark.parametrize("mover", ["source", "listener"])
def test_moving_tone_is_that_of_retarded_time_and_shifts_by_doppler(bank: Catalogue, monkeypatch: pytest.MonkeyPatch, mover: str) -> None:
    tone_hz, speed_m_s = 2000.0, 4.0
    dry_s = np.arange(round(0.9 * 24_000)) / 24_000
    monkeypatch.setattr(foreign, "dry_signal", lambda event, catalogue: np.sin(2 * np.pi * tone_hz * dry_s).astype(np.float32))
    start, end = (0.0, 2.0, 0.0), (speed_m_s * 0.9, 2.0, 0.0)
    if mover == "source":
        scene = scene_of(bank, FREE, waypoint(0.1, start), waypoint(1.0, end), listener=Listener())
    else:
        poses = (Pose(time_s=0.0, position_m=(0.0, 0.0, 0.0)), Pose(time_s=0.1, position_m=(0.0, 0.0, 0.0)), Pose(time_s=1.0, position_m=(-end[0], 0.0, 0.0)))
        scene = scene_of(bank, FREE, waypoint(0.0, start), listener=Listener(path=poses))
    heard = foreign.render_events(scene, bank, 26_400)[:2, 2400:].astype(float)
    path_m = np.stack([speed_m_s * dry_s, np.full(dry_s.size, 2.0), np.zeros(dry_s.size)], axis=-1)
    expected = heard_tone(path_m, dry_s, mover, tone_hz, heard.shape[1])
    inner = slice(1000, 20_000)
    air = 10 ** (-9.86e-3 * 2.5 / 20)
    assert np.linalg.norm(heard[:, inner] - air * expected[:, inner]) < 0.02 * np.linalg.norm(expected[:, inner])
    phase = np.unwrap(np.angle(hilbert(heard[0])))
    late_hz = np.polyfit(np.arange(400) / 24_000, phase[19_000:19_400], 1)[0] / (2 * np.pi)
    along_m = 3.2  # 0.8 s after the start; a source was 4 cm less far when it emitted what is heard then
    radial_m_s = speed_m_s * along_m / math.hypot(along_m, 2.0)
    assert late_hz == pytest.approx(tone_hz * (1 - radial_m_s / 343.2), rel=5e-4)


def test_moving_in_a_room_is_as_loud_as_standing_there(bank: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign, "RAYS", 1000)
    still = foreign.render_events(scene_of(bank, SMALL, waypoint(0.0, (3.0, 1.0, 1.2))), bank, 24_000)
    moving = foreign.render_events(scene_of(bank, SMALL, waypoint(0.0, (3.0, 0.9, 1.2)), waypoint(1.0, (3.0, 1.1, 1.2))), bank, 24_000)
    for channel in range(4):
        assert in_band_db(moving[channel, 6000:], 300, 8000) == pytest.approx(in_band_db(still[channel, 6000:], 300, 8000), abs=1.5)


def test_a_scene_gives_the_same_samples_and_leaves_no_trace(bank: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign, "RAYS", 300)
    scene = scene_of(bank, SMALL, waypoint(0.0, (3.0, 3.0, 1.9)), label="bell", duration_s=0.3)
    pra.random.seed(numpy=11)
    generator, numpy_state = pra.random.get_rng(), np.random.get_state()[1].tolist()
    settings = {name: pra.constants.get(name) for name in foreign._SETTINGS}
    first = foreign.render_events(scene, bank, 7200)
    assert pra.random.get_rng() is generator
    assert {name: pra.constants.get(name) for name in foreign._SETTINGS} == settings
    assert np.random.get_state()[1].tolist() == numpy_state
    pra.random.seed(numpy=12)
    assert np.array_equal(first, foreign.render_events(scene, bank, 7200))
    assert not np.array_equal(first, foreign.render_events(scene.model_copy(update={"seed": (3, 5)}), bank, 7200))


def test_events_begin_when_they_should_and_scenes_without_events_are_silent(bank: Catalogue) -> None:
    scene = scene_of(bank, FREE, waypoint(0.0, (4.0, 2.2, 1.5)))
    heard = foreign.render_events(scene, bank, 24_000)
    assert np.abs(heard[:, : 2400 + round(2 / 343.2 * 24_000) - 45]).max() < 1e-6
    dry = dry_signal(scene.events[0], bank)
    assert np.linalg.norm(heard[0]) == pytest.approx(np.linalg.norm(dry) / 2, rel=0.05)
    assert not foreign.render_events(scene.model_copy(update={"events": ()}), bank, 2400).any()


def test_rooms_it_cannot_simulate_are_refused(bank: Catalogue) -> None:
    with pytest.raises(InputError, match=r"cannot render a room of kind 'unknown'.*native"):
        foreign.render_events(scene_of(bank, Room(kind="unknown"), waypoint(0.0, (4.0, 2.2, 1.5))), bank, 24_000)


def test_missing_or_old_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(pra, "random")
    with pytest.raises(InputError, match=r"0\.10 or newer.*pip install 'twnm\[foreign\]'"):
        foreign.response(FREE, HERE, (4.0, 2.2, 1.5), rng())
    monkeypatch.setitem(sys.modules, "pyroomacoustics", None)
    with pytest.raises(InputError, match=r"not installed.*pip install 'twnm\[foreign\]'"):
        foreign.response(FREE, HERE, (4.0, 2.2, 1.5), rng())


def test_outdoor_scene_moves_over_its_ground(bank: Catalogue) -> None:
    path = (waypoint(0.0, (1.0, 3.0, 1.0)), waypoint(1.0, (1.3, 3.0, 1.0)))
    heard = foreign.render_events(scene_of(bank, ground("grass"), *path, listener=Listener(position_m=(0.0, 0.0, 1.5))), bank, 24_000)
    azimuth_deg, _, _ = intensity_direction(heard)
    assert azimuth_deg == pytest.approx(math.degrees(math.atan2(3.0, 1.15)), abs=2.0)
