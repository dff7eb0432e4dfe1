"""Motion against physics (retarded time, Doppler shift, direction) and against the same room with everything at rest."""

import numpy as np
import pytest
from scipy.signal import butter, sosfiltfilt

from twnm.ambisonics import angle_between_deg, rotate, unit_vector
from twnm.errors import InputError
from twnm.scene import Event, Listener, Pose, Room, Scene, Waypoint
from twnm.simulate.convolve import convolve_sum
from twnm.simulate.moving import render_moving
from twnm.simulate.render import face
from twnm.simulate.rir import response_in_room, room_tail
from twnm.simulate.rooms import shoebox

RATE = 24_000
SPEED_M_S = 343.2
FREE = Room(kind="free")
GROUND = Room(kind="ground", absorption=((0.3,) * 7,))
Place = tuple[float, float, float]


def path(*points: tuple[float, Place]) -> tuple[Waypoint, ...]:
    return tuple(Waypoint(time_s=time_s, position_m=place) for time_s, place in points)


def scene_of(way: tuple[Waypoint, ...], *, room: Room = FREE, listener: Listener | None = None, duration_s: float = 2.0, onset_s: float = 0.0) -> Scene:
    event = Event(label="dog", clip="dog.wav", onset_s=onset_s, offset_s=duration_s, path=way)
    return Scene(scene_id="s", room=room, listener=listener or Listener(position_m=(2.4, 2.1, 1.5)), events=(event,), duration_s=duration_s)


def moved(scene: Scene, dry: np.ndarray, *, full: bool = False) -> np.ndarray:
    tail = None if full else room_tail(scene.room)
    samples = round(scene.duration_s * RATE)
    early, images, tails = render_moving(scene, scene.events[0], dry.astype(np.float32), samples, tail, [3, 4])
    return early + convolve_sum(images, samples) + convolve_sum(tails, samples)


def noise(seconds: float, low_hz: float = 100.0, high_hz: float = 9000.0) -> np.ndarray:
    sections = butter(4, [low_hz, high_hz], "bandpass", fs=RATE, output="sos")
    return 0.1 * np.asarray(sosfiltfilt(sections, np.random.default_rng(0).standard_normal(round(seconds * RATE))))


def level_db(error: np.ndarray, signal: np.ndarray) -> float:
    return float(10 * np.log10(np.sum(error**2) / np.sum(signal**2)))


@pytest.mark.parametrize("room", [FREE, GROUND, shoebox((6.0, 5.0, 3.0), 0.3)], ids=["free", "ground", "shoebox"])
def test_a_source_at_rest_sounds_as_by_convolution(room: Room) -> None:
    place = (4.0, 3.5, 1.2)
    scene = scene_of(path((0.0, place)), room=room, onset_s=0.3)
    dry = noise(1.5)
    response = response_in_room(room, scene.listener.position_m, place, room_tail(room), np.random.default_rng([3, 4]))
    static = convolve_sum([(dry.astype(np.float32), round(0.3 * RATE), response)], 2 * RATE)
    assert level_db(moved(scene, dry) - static, static) < -60


def tone(scene: Scene, frequency_hz: float = 1000.0) -> tuple[np.ndarray, np.ndarray]:
    """What a tone of the scene's event becomes, and its exact value by the retarded time, in the free field without the air's absorption."""
    times_s = np.arange(round(scene.duration_s * RATE)) / RATE
    heard = moved(scene, np.sin(2 * np.pi * frequency_hz * times_s))[0]
    event, emitted_s = scene.events[0], times_s.copy()
    for _ in range(40):
        distance_m = np.linalg.norm(event.position_at(emitted_s) - scene.listener.position_at(times_s), axis=1)
        emitted_s = times_s - distance_m / SPEED_M_S
    return heard, np.sin(2 * np.pi * frequency_hz * emitted_s) / distance_m


@pytest.mark.parametrize("listens_from_a_car", [False, True])
def test_a_passing_tone_has_the_delay_level_and_phase_of_the_motion(listens_from_a_car: bool) -> None:
    still, way = (2.4, 2.1, 1.5), ((-12.0, 4.1, 1.5), (18.0, 4.1, 1.5))
    if listens_from_a_car:
        poses = tuple(Pose(time_s=2.0 * number, position_m=place) for number, place in enumerate(way))
        scene = scene_of(path((0.0, still)), listener=Listener(position_m=way[0], path=poses))
    else:
        scene = scene_of(path((0.0, way[0]), (2.0, way[1])), listener=Listener(position_m=still))
    heard, exact = tone(scene)
    begun = slice(3000, 46_000)
    assert level_db(heard[begun] - exact[begun], exact[begun]) < -35  # the air's share at 1 kHz over 15 m is -39 dB


@pytest.mark.parametrize(("speed_m_s", "source_moves"), [(20.0, True), (-20.0, True), (20.0, False), (-20.0, False)])
def test_doppler_shift_is_that_of_the_speed(speed_m_s: float, source_moves: bool) -> None:
    far, near = (60.0, 0.0, 1.5), (60.0 - speed_m_s, 0.0, 1.5)
    if source_moves:
        scene = scene_of(path((0.0, far), (1.0, near)), listener=Listener(), duration_s=1.0)
        expected = 1 / (1 - speed_m_s / SPEED_M_S)
    else:
        poses = (Pose(time_s=0.0, position_m=(0.0, 0.0, 1.5)), Pose(time_s=1.0, position_m=(speed_m_s, 0.0, 1.5)))
        scene = scene_of(path((0.0, far)), listener=Listener(position_m=(0.0, 0.0, 1.5), path=poses), duration_s=1.0)
        expected = 1 + speed_m_s / SPEED_M_S
    heard = tone(scene)[0][8000:22_000]
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(heard.size), 1 << 19))
    assert np.argmax(spectrum) * RATE / (1 << 19) / 1000.0 == pytest.approx(expected, rel=0.001)


def test_direction_follows_the_source() -> None:
    scene = scene_of(path((0.0, (4.4, 2.1, 1.5)), (1.0, (2.4, 4.1, 1.5)), (2.0, (0.4, 2.1, 1.9))))
    w, y, z, x = moved(scene, noise(2.0)).astype(float)
    for first in range(2400, 46_000, 4800):
        part = slice(first, first + 480)
        flow = np.array([w[part] @ x[part], w[part] @ y[part], w[part] @ z[part]])
        at_s = np.array([(first + 240) / RATE])
        truth = scene.events[0].position_at(at_s - 2.0 / SPEED_M_S) - np.array(scene.listener.position_m)
        assert float(angle_between_deg(flow, truth[0])) < 0.5


def test_a_walk_through_a_room_is_that_of_a_dense_grid_of_places_at_rest() -> None:
    """Below 300 Hz the static responses every 2 cm can be crossfaded without error; all images, no tail."""
    room = shoebox((4.0, 3.5, 2.6), 0.25)
    begin, end = np.array([2.9, 1.2, 1.3]), np.array([3.1, 2.2, 1.3])
    listener = Listener(position_m=(1.4, 1.6, 1.5))
    scene = scene_of(path((0.0, tuple(begin.tolist())), (2.0, tuple(end.tolist()))), room=room, listener=listener)
    dry = noise(2.0, 100.0, 300.0)
    places = 51
    knots = np.linspace(0, dry.size - 1, places)
    ramp = np.interp(np.arange(dry.size), knots, np.arange(places))
    segments = [(dry * np.maximum(0, 1 - np.abs(ramp - number))).astype(np.float32) for number in range(places)]
    grid = [begin + (end - begin) * number / (places - 1) for number in range(places)]
    responses = [response_in_room(room, listener.position_m, (float(x), float(y), float(z)), None, np.random.default_rng(0)) for x, y, z in grid]
    static = convolve_sum([(part, 0, response) for part, response in zip(segments, responses, strict=True)], 2 * RATE)
    walked = moved(scene, dry, full=True)
    assert level_db(walked - static, static) < -20
    for channel in range(4):
        assert abs(10 * np.log10(np.sum(walked[channel] ** 2) / np.sum(static[channel] ** 2))) < 0.3


def test_the_reverberation_of_a_moving_source_keeps_its_energy() -> None:
    room = shoebox((6.0, 5.0, 3.0), 0.6)
    still = [scene_of(path((0.0, place)), room=room) for place in ((1.0, 4.0, 1.2), (5.0, 4.0, 1.2))]
    walk = scene_of(path((0.0, (1.0, 4.0, 1.2)), (2.0, (5.0, 4.0, 1.2))), room=room)
    dry = np.concatenate([noise(0.5), np.zeros(RATE // 2), noise(0.5), np.zeros(RATE // 2)])
    silent = [slice(round(0.56 * RATE), RATE), slice(round(1.56 * RATE), 2 * RATE)]

    def late_db(scene: Scene) -> float:
        return float(10 * np.log10(sum(np.sum(moved(scene, dry)[0][part].astype(float) ** 2) for part in silent)))

    assert late_db(walk) == pytest.approx(np.mean([late_db(scene) for scene in still]), abs=0.7)


def test_a_listener_who_turns_hears_the_room_turn_the_other_way() -> None:
    audio = np.random.default_rng(0).standard_normal((4, RATE)).astype(np.float32)
    poses = (Pose(time_s=0.0, position_m=(0.0, 0.0, 0.0), yaw_deg=20.0), Pose(time_s=1.0, position_m=(0.0, 0.0, 0.0), yaw_deg=380.0))
    turned = face(audio, Listener(yaw_deg=20.0, path=poses))
    for at in (0, 6000, 18_000):
        np.testing.assert_allclose(turned[:, at], rotate(audio, -20.0 - 360.0 * at / RATE)[:, at], atol=1e-4)
    front = face(np.array([[1.0], [0.5], [0.0], [0.866]], np.float32), Listener(yaw_deg=30.0))
    np.testing.assert_allclose(front[1:, 0], unit_vector(0.0, 0.0)[[1, 2, 0]], atol=1e-3)


def test_nothing_moves_at_half_the_speed_of_sound() -> None:
    with pytest.raises(InputError, match="faster than half the speed of sound"):
        moved(scene_of(path((0.0, (100.0, 0.0, 1.5)), (1.0, (300.0, 0.0, 1.5)))), noise(2.0))
