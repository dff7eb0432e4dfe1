"""The preview of a scene: the files hold the scene, the picture shows things where they are, for every kind of room, static and moving."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib import image

from twnm.ambisonics import encode
from twnm.audio import read_foa, read_mono, write_audio
from twnm.errors import InputError
from twnm.preview import measured_directions, write_preview
from twnm.scene import Ambience, Event, Listener, Microphone, Pose, Room, Scene, Waypoint
from twnm.simulate.rooms import shoebox
from twnm.sounds.catalogue import Catalogue, Clip

RATE = 24_000
GROUND = Room(kind="ground", absorption=((0.1,) * 7,))
NAMES = ["preview.png", "foa.wav", "binaural.wav", "scene.json"]


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    file = tmp_path_factory.mktemp("bank") / "rain.wav"
    write_audio(file, 0.1 * np.random.default_rng(0).standard_normal((1, 2 * RATE)).clip(-5, 5))
    return Catalogue([Clip("rain/a.wav", "rain", "pack", "tests", "CC0-1.0", "train", None, 2.0, 1.0, False)], {"rain/a.wav": file})


def event_at(*places: tuple[float, float, float], **more: object) -> Event:
    path = tuple(Waypoint(time_s=0.5 + time_s, position_m=place) for time_s, place in enumerate(places))
    return Event.model_validate({"label": "rain", "clip": "rain/a.wav", "onset_s": 0.5, "offset_s": 1.5, "level_db": -20.0, "path": path, **more})


def scene_of(room: Room, *events: Event, **more: object) -> Scene:
    listener = Listener(position_m=(2.0, 1.5, 1.4), yaw_deg=90.0)
    return Scene.model_validate({"scene_id": "s", "seed": (1,), "duration_s": 2.0, "room": room, "listener": listener, "events": events, **more})


def sound_of(scene: Scene) -> np.ndarray:
    noise = 0.05 * np.random.default_rng(2).standard_normal(round(scene.duration_s * RATE))
    return encode(noise, 40.0, 20.0)


MOVING = (Pose(time_s=0, position_m=(2.0, 1.5, 1.4), yaw_deg=90.0), Pose(time_s=2, position_m=(2.5, 1.5, 1.4), yaw_deg=0.0))
SCENES = {
    "shoebox": scene_of(
        shoebox((5.0, 4.0, 3.0), 0.3), event_at((3.0, 3.0, 1.0), directivity="cardioid", facing_deg=30.0), ambience=Ambience(kind="pink", level_db=-60)
    ),
    "ground": scene_of(
        GROUND,
        event_at((9.0, 3.0, 1.0), (3.0, 4.0, 1.0)),
        event_at((-4.0, 3.0, 5.0)),
        situation="street",
        ambience=Ambience(kind="recording", clips=("rain/a.wav",), level_db=-60),
        microphone=Microphone(),
    ),
    "free": scene_of(Room(kind="free"), event_at((3.0, 3.0, 1.0)), listener=Listener(position_m=(2.0, 1.5, 1.4), yaw_deg=90.0, path=MOVING)),
    "measured": scene_of(Room(kind="measured", rt60_s=(0.4,) * 7), event_at((3.0, 3.0, 1.0), response="hall")),
    "empty": scene_of(Room(kind="free")),
}


@pytest.mark.parametrize("kind", SCENES)
def test_every_kind_of_room_gives_a_large_picture_that_is_not_blank_and_files_that_hold_the_scene(kind: str, tmp_path: Path, bank: Catalogue) -> None:
    scene = SCENES[kind]
    foa = sound_of(scene)
    written = write_preview(tmp_path / "new" / "folder", foa, scene, bank)
    assert [path.name for path in written] == NAMES
    assert sorted(path.name for path in written[0].parent.iterdir()) == sorted(NAMES)
    picture = image.imread(written[0])[..., :3]
    assert picture.shape[0] >= 800 and picture.shape[1] >= 1200
    assert 0.01 < np.mean(picture.min(axis=-1) < 0.9) < 0.6
    np.testing.assert_allclose(read_foa(written[1]), foa, atol=1 / 32768)
    assert read_mono(written[2]).size == foa.shape[1]
    assert Scene.from_json(written[3].read_text()) == scene


def test_headphones_never_clip(tmp_path: Path, bank: Catalogue) -> None:
    scene = SCENES["empty"]
    loud = encode(0.9 * np.sin(2 * np.pi * 3000 / RATE * np.arange(2 * RATE)), 90.0, 0.0)
    headphones = write_preview(tmp_path, loud, scene, bank)[2]
    assert 0.2 < np.abs(read_mono(headphones)).max() <= 0.96


@pytest.mark.parametrize(("azimuth_deg", "elevation_deg"), [(0.0, 0.0), (120.0, -30.0), (-45.0, 60.0)])
def test_measured_directions_are_those_of_a_plane_wave(azimuth_deg: float, elevation_deg: float) -> None:
    foa = encode(np.random.default_rng(0).standard_normal(RATE), azimuth_deg, elevation_deg)
    azimuths_deg, elevations_deg, diffuseness, power = measured_directions(foa)
    assert azimuths_deg.shape == (4, 10)  # four octaves, frames of 100 ms
    np.testing.assert_allclose(azimuths_deg, azimuth_deg, atol=0.01)
    np.testing.assert_allclose(elevations_deg, elevation_deg, atol=0.01)
    np.testing.assert_allclose(diffuseness, 0.0, atol=1e-5)
    assert np.all(power > 0)


def test_a_diffuse_field_is_measured_as_diffuse() -> None:
    field = np.random.default_rng(0).standard_normal((4, 4 * RATE)).astype(np.float32) * np.sqrt([1, 1 / 3, 1 / 3, 1 / 3])[:, None].astype(np.float32)
    assert np.median(measured_directions(field)[2]) > 0.75


def test_wrong_input_is_refused_and_leaves_no_files(tmp_path: Path, bank: Catalogue) -> None:
    scene = SCENES["free"]
    foa = sound_of(scene)
    out = tmp_path / "out"
    with pytest.raises(InputError, match=r"lasts 1\.000 s and scene s 2\.0 s"):
        write_preview(out, foa[:, :RATE], scene, bank)
    with pytest.raises(InputError, match="would clip"):
        write_preview(out, 100 * foa, scene, bank)
    with pytest.raises(InputError, match="not in this sound bank"):
        write_preview(out, foa, scene, Catalogue([]))
    assert not out.exists() or not list(out.iterdir())
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write to"):
        write_preview(tmp_path / "file", foa, scene, bank)
