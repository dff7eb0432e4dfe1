"""Scenes: through JSON unchanged, every impossible one refused, and what the listener perceives computed by hand."""

import copy
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from twnm.ambisonics import wrap_deg
from twnm.errors import InputError
from twnm.scene import Ambience, Event, Listener, Pose, Room, Scene, Waypoint

ROOM = {"kind": "shoebox", "size_m": [6.0, 5.0, 3.0], "absorption": [[0.2] * 7] * 6, "rt60_s": [0.5, 0.5, 0.4, 0.6, 0.5, 0.4, 0.3]}


def event(x: float = 2.0, y: float = 0.0, z: float = 0.0, **changes: Any) -> Event:
    fields = {"label": "dog", "clip": "dog.wav", "onset_s": 1.0, "offset_s": 3.0, "path": (Waypoint(time_s=0.0, position_m=(x, y, z)),)}
    return Event.model_validate(fields | changes)


def free(*events: Event, **changes: Any) -> Scene:
    return Scene.model_validate({"scene_id": "s", "room": Room(kind="free"), "events": events} | changes)


def whole() -> dict[str, Any]:
    """A valid scene as plain JSON data."""
    path = [{"time_s": 0.0, "position_m": [4.0, 3.0, 1.5]}, {"time_s": 2.0, "position_m": [4.0, 4.0, 1.5]}]
    sound = {"label": "dog", "clip": "dog.wav", "onset_s": 0.5, "offset_s": 2.5, "path": path}
    data = {"scene_id": "s", "duration_s": 5.0, "room": ROOM, "listener": {"position_m": [2.0, 2.0, 1.5], "yaw_deg": 30.0}, "events": [sound]}
    return copy.deepcopy(data)


NUMBERS = st.floats(-1e6, 1e6)
TIMES = st.lists(st.floats(0, 60), min_size=1, max_size=4, unique=True).map(sorted)


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    events = []
    for _ in range(draw(st.integers(0, 3))):
        onset_s = draw(st.floats(0, 4))
        path = tuple(Waypoint(time_s=time_s, position_m=draw(st.tuples(NUMBERS, NUMBERS, NUMBERS))) for time_s in draw(TIMES))
        label = draw(st.text(min_size=1, max_size=8))
        events.append(Event(label=label, clip=draw(st.text(max_size=8)), onset_s=onset_s, offset_s=draw(st.floats(4.5, 5)), level_db=draw(NUMBERS), path=path))
    ambience = Ambience(kind="pink", level_db=draw(NUMBERS), snr_db=draw(st.none() | NUMBERS))
    seed = tuple(draw(st.lists(st.integers(0, 2**62), max_size=3)))
    return Scene(scene_id=draw(st.text(min_size=1)), seed=seed, listener=Listener(yaw_deg=draw(NUMBERS)), events=tuple(events), ambience=ambience)


@given(scenes())
def test_json_gives_an_equal_scene(scene: Scene) -> None:
    assert Scene.from_json(scene.to_json()) == scene


def test_a_scene_in_a_shoebox_survives_json() -> None:
    scene = Scene.model_validate(whole())
    assert Scene.from_json(scene.to_json().encode()) == scene
    assert scene.room.volume_m3 == pytest.approx(90.0)
    assert scene.room.mid_rt60_s == pytest.approx(0.5)


def changed(path: str, value: Any) -> dict[str, Any]:
    data = whole()
    place: Any = data
    *parents, last = path.split(".")
    for name in parents:
        place = place[int(name)] if isinstance(place, list) else place[name]
    if isinstance(place, dict):
        place[last] = value
    else:
        place[int(last)] = value
    return data


IMPOSSIBLE = [
    ("loudness", 3, "Extra inputs are not permitted"),
    ("events.0.volume", 3, "Extra inputs are not permitted"),
    ("events.0.path.0.position_m", [7.0, 3.0, 1.5], r"'dog' at .* m is outside the room"),
    ("events.0.path.1.position_m", [4.0, 4.0, 3.0], r"'dog' at .* m is outside the room"),
    ("listener.position_m", [2.0, -0.1, 1.5], r"'listener' at .* m is outside the room"),
    ("events.0.path.0.position_m", [2.2, 2.0, 1.5], r"'dog' comes within 0.20 m of the microphone; at least 0.3 m is needed"),
    ("events.0.offset_s", 0.4, "offset 0.4 s is not after its onset 0.5 s"),
    ("events.0.offset_s", 0.5, "is not after its onset"),
    ("events.0.offset_s", 5.1, "ends at 5.1 s, after the scene's 5.0 s"),
    ("events.0.path.1.time_s", 0.0, "the times of its path must increase"),
    ("events.0.path", [], "at least 1 item"),
    ("events.0.label", "", "at least 1 character"),
    ("events.0.clips", ["another.flac"], "clips needs one clip for each of clip_starts_s, the first of them"),
    ("events.0.onset_s", -0.1, "greater than or equal to 0"),
    ("room.size_m", None, "a shoebox room needs size_m, absorption and rt60_s"),
    ("room.rt60_s", None, "a shoebox room needs size_m, absorption and rt60_s"),
    ("room.rt60_s", [0.5] * 6, "rt60_s needs 7 octave bands"),
    ("room.absorption", [[0.2] * 7] * 5, "needs 6 surfaces of 7 octave bands"),
    ("room.absorption", [[0.2] * 6] * 6, "needs 6 surfaces of 7 octave bands"),
    ("room.absorption", [[1.2] * 7] * 6, "less than or equal to 1"),
    ("room.size_m.0", -6.0, "greater than 0"),
    ("sample_rate_hz", 48000, "24000"),
    ("duration_s", 0.0, "greater than 0"),
]


@pytest.mark.parametrize(("path", "value", "message"), IMPOSSIBLE)
def test_an_impossible_scene_is_refused(path: str, value: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Scene.model_validate(changed(path, value))


NUMBER_PATHS = [
    "duration_s",
    "output_gain_db",
    "listener.yaw_deg",
    "listener.position_m.0",
    "events.0.onset_s",
    "events.0.offset_s",
    "events.0.level_db",
    "events.0.clip_starts_s",
    "events.0.path.0.time_s",
    "events.0.path.0.position_m.2",
    "room.size_m.1",
    "room.rt60_s.3",
    "room.scattering",
    "room.absorption",
    "ambience",
]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("path", NUMBER_PATHS)
def test_numbers_that_are_not_finite_are_refused(path: str, bad: float) -> None:
    wrapped: dict[str, Any] = {"events.0.clip_starts_s": [bad], "room.absorption": [[bad] * 7] * 6, "ambience": {"kind": "pink", "level_db": bad}}
    with pytest.raises(ValidationError):
        Scene.model_validate(changed(path, wrapped.get(path, bad)))


def test_bad_json_is_an_input_error_that_names_every_wrong_field() -> None:
    data = changed("events.0.level_db", "loud") | {"duration_s": -1}
    with pytest.raises(InputError, match=r"not a valid scene: .*duration_s: .*events\.0\.level_db: "):
        Scene.from_json(json.dumps(data))
    with pytest.raises(InputError, match="not a valid scene: scene: Invalid JSON"):
        Scene.from_json("{")


def test_a_recording_of_an_unknown_room_may_have_its_source_anywhere() -> None:
    assert Scene(scene_id="s", events=(event(x=0.01),)).events[0].label == "dog"


def test_scenes_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        free().duration_s = 3.0  # type: ignore[misc]


@given(st.floats(-180, 180), st.floats(-360, 360))
def test_turning_the_listener_turns_every_direction_back(azimuth_deg: float, yaw_deg: float) -> None:
    x, y = 2 * math.cos(math.radians(azimuth_deg)), 2 * math.sin(math.radians(azimuth_deg))
    sound = event(x + 1.0, y - 2.0, 0.5)
    azimuth, elevation, distance_m = free(sound, listener=Listener(position_m=(1.0, -2.0, 0.5), yaw_deg=yaw_deg)).place(sound)
    assert wrap_deg(azimuth - (azimuth_deg - yaw_deg)) == pytest.approx(0, abs=1e-6) or abs(wrap_deg(azimuth - (azimuth_deg - yaw_deg))) == pytest.approx(360)
    assert elevation == pytest.approx(0, abs=1e-9)
    assert distance_m == pytest.approx(2.0)


def test_a_track_is_active_in_the_frames_that_sound_for_more_than_half() -> None:
    sound = event(onset_s=0.26, offset_s=0.74)
    track = free(sound, duration_s=1.0).track(sound)
    np.testing.assert_allclose(track.times_s, np.arange(10) / 10 + 0.05)
    assert np.flatnonzero(track.active).tolist() == [3, 4, 5, 6]
    earlier = event(onset_s=0.24, offset_s=0.76)
    assert np.flatnonzero(free(earlier, duration_s=1.0).track(earlier).active).tolist() == [2, 3, 4, 5, 6, 7]


def test_a_moving_source_passes_the_middle_halfway_and_stays_at_its_ends() -> None:
    path = [{"time_s": 1.0, "position_m": [2.0, 2.0, 0.0]}, {"time_s": 3.0, "position_m": [2.0, -2.0, 0.0]}]
    sound = event(path=path)
    scene = free(sound, duration_s=4.0)
    assert sound.moving
    assert scene.place(sound) == pytest.approx((0.0, 0.0, 2.0))
    track = scene.tracks(rate_hz=2.0)[0]  # centres at 0.25, 0.75, ... 3.75 s
    np.testing.assert_allclose(track.azimuth_deg[[0, 1]], [45, 45])
    np.testing.assert_allclose(track.azimuth_deg[[6, 7]], [-45, -45])
    np.testing.assert_allclose(track.azimuth_deg[2], math.degrees(math.atan2(1.5, 2.0)))
    np.testing.assert_allclose(track.distance_m[2], 2.5)


def test_place_gives_elevation_and_distance() -> None:
    sound = event(x=0.0, y=3.0, z=3.0)
    assert free(sound).place(sound) == pytest.approx((90.0, 45.0, math.sqrt(18)))


def test_levels_fall_by_six_decibels_when_the_distance_doubles() -> None:
    sound = event(x=4.0, level_db=-20.0)
    scene = free(sound, ambience=Ambience(kind="white", level_db=-50.0))
    assert scene.received_db(sound) == pytest.approx(-20 - 20 * math.log10(4))
    assert scene.audibility_db(sound) == pytest.approx(30 - 12.0412, abs=1e-3)


def walking(*poses: tuple[float, tuple[float, float, float], float]) -> Listener:
    path = tuple(Pose(time_s=time_s, position_m=place, yaw_deg=yaw_deg) for time_s, place, yaw_deg in poses)
    return Listener(position_m=path[0].position_m, yaw_deg=path[0].yaw_deg, path=path)


def test_a_listener_who_turns_left_hears_the_source_go_right() -> None:
    scene = free(event(x=2.0), listener=walking((0.0, (0.0, 0.0, 0.0), 0.0), (4.0, (0.0, 0.0, 0.0), 200.0)))
    track = scene.track(scene.events[0])
    assert track.azimuth_deg[20] == pytest.approx(-20.5 * 5.0, abs=0.01)
    assert track.azimuth_deg[39] == pytest.approx(360 - 39.5 * 5.0, abs=0.01)


def test_a_listener_who_walks_towards_a_source_comes_nearer() -> None:
    scene = free(event(x=5.0), listener=walking((0.0, (0.0, 0.0, 0.0), 0.0), (4.0, (4.0, 0.0, 0.0), 0.0)))
    assert scene.listener.moving
    assert scene.track(scene.events[0]).distance_m[[0, 20, 39]] == pytest.approx([4.95, 2.95, 1.05])
    assert scene.place(scene.events[0]) == pytest.approx((0.0, 0.0, 3.0))


def test_a_path_through_the_microphone_is_refused() -> None:
    through = (Waypoint(time_s=0.0, position_m=(-2.0, 0.1, 0.0)), Waypoint(time_s=2.0, position_m=(2.0, 0.1, 0.0)))
    with pytest.raises(ValidationError, match=r"comes within 0\.10 m"):
        free(event(path=through))


def test_a_listener_path_begins_where_the_listener_is() -> None:
    with pytest.raises(ValidationError, match="must begin at its position_m and yaw_deg"):
        Listener(path=(Pose(time_s=0.0, position_m=(1.0, 0.0, 0.0)),))


def test_an_outdoor_event_is_above_the_ground() -> None:
    ground = Room(kind="ground", absorption=((0.1,) * 7,))
    assert Scene(scene_id="s", room=ground, listener=Listener(position_m=(0.0, 0.0, 1.5)), events=(event(z=1.0),)).room.mid_rt60_s is None
    with pytest.raises(ValidationError, match="not above the ground"):
        Scene(scene_id="s", room=ground, listener=Listener(position_m=(0.0, 0.0, 1.5)), events=(event(z=0.0),))


def test_a_measured_room_needs_the_response_of_each_event() -> None:
    with pytest.raises(ValidationError, match="names no response"):
        Scene(scene_id="s", room=Room(kind="measured"), events=(event(),))
