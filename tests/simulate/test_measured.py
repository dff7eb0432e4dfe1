"""Measured responses: files made from responses whose room, direction and level are known come back as those; wrong files are refused with a reason."""

import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from scipy.signal import fftconvolve

from twnm.ambisonics import angle_between_deg, angles_deg, from_ambix, intensity_direction, rotate, unit_vector
from twnm.errors import InputError
from twnm.scene import Ambience, Event, Listener, Pose, Room, Scene, Waypoint
from twnm.simulate.dataset import SceneSet
from twnm.simulate.dataset import write as write_set
from twnm.simulate.decay import decay_of
from twnm.simulate.dry import dry_signal
from twnm.simulate.measured import Responses, load_responses, place_in, render_events
from twnm.simulate.recipe import RECIPES
from twnm.simulate.rir import room_response, room_tail
from twnm.simulate.rooms import shoebox
from twnm.sounds.catalogue import Catalogue

ROOM = shoebox((5.0, 4.0, 2.7), 0.4)
HERE = np.array([2.2, 1.8, 1.5])
PLACES = [np.array([4.0, 3.0, 1.2]), np.array([1.0, 3.2, 1.9]), np.array([3.6, 0.7, 1.5])]


def simulated(place: int = 0) -> np.ndarray:
    """A response whose source is at `PLACES[place]`, heard from `HERE`."""
    x, y, z = (float(value) for value in PLACES[place])
    listener = Listener(position_m=(float(HERE[0]), float(HERE[1]), float(HERE[2])))
    return room_response(ROOM, listener, (x, y, z), room_tail(ROOM), np.random.default_rng(place))


def offset(place: int = 0) -> np.ndarray:
    return np.asarray(PLACES[place] - HERE)


def as_recorded(place: int = 0, rate_hz: int = 48_000, noise_db: float = -80.0) -> np.ndarray:
    """At another rate and level, with a latency before it and noise under it; W peaks near 0.2."""
    response = np.pad(0.3 * simulated(place), ((0, 0), (200, 6000)))
    response = soxr.resample(response.T, 24_000, rate_hz, quality="VHQ").T
    return response + 10 ** (noise_db / 20) * np.random.default_rng(9).standard_normal(response.shape)


def write(folder: Path, recorded: np.ndarray, table: str | None, name: str = "a.wav", rate_hz: int = 48_000) -> Path:
    soundfile.write(folder / name, recorded.T, rate_hz, subtype="FLOAT" if name.endswith("wav") else "PCM_24")
    if table is not None:
        (folder / "responses.csv").write_text(table)
    return folder


def line(place: int = 0, name: str = "a.wav", angles: bool = True) -> str:
    azimuth_deg, elevation_deg = angles_deg(offset(place))
    return f"{name},{np.linalg.norm(offset(place)):.4f}" + (f",{azimuth_deg:.2f},{elevation_deg:.2f}\n" if angles else "\n")


HEADER = "file,distance_m,azimuth_deg,elevation_deg\n"


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Responses:
    folder = tmp_path_factory.mktemp("two")
    write(folder, as_recorded(1), None, "b.wav")
    return load_responses(write(folder, as_recorded(0), HEADER + line(0) + line(1, "b.wav")))


def test_direction_delay_level_and_decay_are_those_of_the_room(two: Responses) -> None:
    for place, response in enumerate(two.items):
        truth = simulated(place).astype(float)
        found = unit_vector(response.azimuth_deg, response.elevation_deg)
        assert float(angle_between_deg(found, offset(place))) < 2.0
        assert response.distance_m == pytest.approx(np.linalg.norm(offset(place)), abs=1e-3)
        early = slice(0, 2400)
        heard = response.foa[:, early].astype(float)
        lag = np.argmax(fftconvolve(heard[0], truth[0, early][::-1])) - 2399
        assert abs(lag) <= 1  # half a sample of rounding, at most
        assert 20 * np.log10(np.linalg.norm(heard) / np.linalg.norm(truth[:, early])) == pytest.approx(0.0, abs=0.5)
        np.testing.assert_allclose(response.rt60_s[2:], decay_of(truth[0]).rt60_s[2:], rtol=0.08)
    np.testing.assert_allclose(two.rt60_s[2:6], ROOM.rt60_s[2:6] if ROOM.rt60_s else (), rtol=0.2)


@pytest.mark.parametrize(("layout", "name"), [("fuma", "a.wav"), ("n3d", "a.flac"), ("wxyz", "a.wav")])
def test_other_layouts_and_formats_are_read(tmp_path: Path, layout: str, name: str) -> None:
    write(tmp_path, from_ambix(as_recorded(rate_hz=24_000), layout), HEADER + line(0, name), name, 24_000)
    (response,) = load_responses(tmp_path, layout).items
    assert float(angle_between_deg(unit_vector(response.azimuth_deg, response.elevation_deg), offset())) < 2.0
    (alone,) = load_responses(tmp_path / name, layout).items
    assert np.array_equal(alone.foa, response.foa)


def test_noise_before_and_after_the_response_is_cut_off(tmp_path: Path) -> None:
    recorded = np.pad(as_recorded(rate_hz=24_000, noise_db=-200.0), ((0, 0), (0, 24_000)))
    recorded += 10 ** (-85 / 20) * np.random.default_rng(1).standard_normal(recorded.shape)
    (response,) = load_responses(write(tmp_path, recorded, HEADER + line(angles=False), rate_hz=24_000)).items
    assert response.foa.shape[1] < 0.7 * 24_000
    first = int(np.linalg.norm(offset()) / 343.2 * 24_000) - 20
    assert not response.foa[:, :first].any()
    assert response.rt60_s[3] == pytest.approx(decay_of(simulated()[0].astype(float)).rt60_s[3], rel=0.1)


def bad(recorded: np.ndarray, kind: str) -> np.ndarray:
    if kind == "silent":
        recorded[2] = 0
    elif kind == "clipped":
        recorded = np.clip(30 * recorded, -1, 1)
    elif kind == "noise":
        recorded = 0.1 * np.random.default_rng(0).standard_normal(recorded.shape)
    elif kind == "short":
        recorded = recorded[:, : 400 + 3500]
    elif kind == "noisy":
        recorded = recorded + 0.0015 * np.random.default_rng(0).standard_normal(recorded.shape)
    elif kind == "two channels":
        recorded = recorded[:2]
    return recorded


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("silent", "a.wav has a silent channel"),
        ("clipped", "a.wav is clipped.*lower level"),
        ("noise", "a.wav has no clear direct sound"),
        ("noisy", "a.wav: no reverberation time.*500 Hz and 1 kHz"),
        ("short", "a.wav: no reverberation time"),
        ("two channels", "has 2 channels; needs 4"),
    ],
)
def test_bad_responses_are_refused(tmp_path: Path, kind: str, message: str) -> None:
    write(tmp_path, bad(as_recorded(), kind), HEADER + line())
    with pytest.raises(InputError, match=message):
        load_responses(tmp_path)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (None, r"how far the source of a.wav was is not known; write .*responses\.csv with the columns file,distance_m"),
        ("file,distance_m\nb.wav,2\n", "no line for a.wav"),
        ("file,distance_m\na.wav,far\n", "line 2 cannot be read"),
        ("name,distance\na.wav,2\n", "line 2 cannot be read"),
        ("file,distance_m\na.wav,0.1\n", r"0\.1 m from the microphone; at least 0\.3 m"),
        (HEADER + "a.wav,2.2,-100,0\n", "from where the source is said to be; the layout is probably not 'ambix'"),
    ],
)
def test_tables_that_say_too_little_or_another_place_are_refused(tmp_path: Path, table: str | None, message: str) -> None:
    write(tmp_path, as_recorded(), table)
    with pytest.raises(InputError, match=message):
        load_responses(tmp_path)


def test_missing_paths_and_empty_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        load_responses(tmp_path / "nowhere")
    with pytest.raises(InputError, match="no measured responses"):
        load_responses(tmp_path)


def write_sofa(path: Path, data: np.ndarray, kind: str = "FIR", **variables: tuple[np.ndarray, str]) -> Path:
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        file.attrs["Conventions"], file.attrs["SOFAConventions"], file.attrs["DataType"] = "SOFA", "SingleRoomSRIR", kind
        file["Data.IR"], file["Data.SamplingRate"] = data, np.array([24_000.0])
        for name, (value, coordinates) in variables.items():
            file[name] = value
            file[name].attrs["Type"] = np.bytes_(coordinates)
    return path


def test_sofa_positions_and_views_give_distance_and_direction(tmp_path: Path) -> None:
    turned = [rotate(as_recorded(place, 24_000).astype(np.float32), -30.0) for place in range(3)]
    length = max(response.shape[1] for response in turned)
    data = np.stack([np.pad(response, ((0, 0), (0, length - response.shape[1]))) for response in turned])
    front = np.append(unit_vector(30.0, 0.0)[:2], 0.0)
    path = write_sofa(
        tmp_path / "room.sofa",
        data,
        SourcePosition=(np.array(PLACES), "cartesian"),
        ListenerPosition=(HERE[None], "cartesian"),
        ListenerView=(front[None], "cartesian"),
        ListenerUp=(np.array([[0.0, 0.0, 1.0]]), "cartesian"),
    )
    responses = load_responses(path)
    assert [response.name for response in responses.items] == ["room.sofa#0", "room.sofa#1", "room.sofa#2"]
    for place, response in enumerate(responses.items):
        azimuth_deg, elevation_deg = angles_deg(offset(place))
        assert float(angle_between_deg(unit_vector(response.azimuth_deg, response.elevation_deg), unit_vector(azimuth_deg - 30.0, elevation_deg))) < 2.0
        assert response.distance_m == pytest.approx(np.linalg.norm(offset(place)), abs=1e-6)


def test_sofa_of_several_loudspeakers_in_spherical_coordinates(tmp_path: Path) -> None:
    two_channels = [as_recorded(place, 24_000) for place in range(2)]
    length = max(response.shape[1] for response in two_channels)
    data = np.stack([np.pad(response, ((0, 0), (0, length - response.shape[1]))) for response in two_channels])  # emitters, receivers, samples
    spherical = np.array([[*map(float, angles_deg(offset(place))), np.linalg.norm(offset(place))] for place in range(2)])
    nothing = (np.zeros((1, 3)), "cartesian")
    variables = {"SourcePosition": nothing, "ListenerPosition": nothing, "EmitterPosition": (spherical[..., None], "spherical")}
    path = write_sofa(tmp_path / "speakers.sofa", data.transpose(1, 2, 0)[None], "FIR-E", **variables)
    responses = load_responses(path)
    assert [response.name for response in responses.items] == ["speakers.sofa#0.0", "speakers.sofa#0.1"]
    assert [response.distance_m for response in responses.items] == pytest.approx(spherical[:, 2].tolist())


def test_sofa_files_of_other_content_are_refused(tmp_path: Path) -> None:
    here = {"SourcePosition": (PLACES[0][None], "cartesian"), "ListenerPosition": (HERE[None], "cartesian")}
    data = as_recorded(rate_hz=24_000)
    with pytest.raises(InputError, match="has 2 receivers; needs 4"):
        load_responses(write_sofa(tmp_path / "binaural.sofa", data[None, :2], **here))
    with pytest.raises(InputError, match="type 'TF' with 3 dimensions"):
        load_responses(write_sofa(tmp_path / "spectra.sofa", data[None], "TF", **here))
    with pytest.raises(InputError, match="cannot be read as SOFA"):
        load_responses(write_sofa(tmp_path / "nowhere.sofa", data[None]))
    (tmp_path / "text.sofa").write_text("not HDF5")
    with pytest.raises(InputError, match="cannot be read as SOFA"):
        load_responses(tmp_path / "text.sofa")
    with pytest.raises(InputError, match="other delays for some receivers"):
        load_responses(write_sofa(tmp_path / "late.sofa", data[None], **here, **{"Data.Delay": (np.array([[0.0, 0.0, 3.0, 0.0]]), "")}))
    backwards = {**here, "SourcePosition": ((2 * HERE - PLACES[0])[None], "cartesian")}
    with pytest.raises(InputError, match="layout is probably not 'ambix'"):
        load_responses(write_sofa(tmp_path / "backwards.sofa", data[None], **backwards))


def test_sofa_without_h5py_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    (tmp_path / "room.sofa").write_bytes(b"\x89HDF\r\n\x1a\n")
    with pytest.raises(InputError, match=r"need h5py.*pip install 'twnm\[sofa\]'"):
        load_responses(tmp_path)


def drawn(bank: Catalogue, events: int) -> Scene:
    made = tuple(
        Event(
            label="rain",
            clip=bank.of("rain")[0].path,
            onset_s=0.1,
            offset_s=1.1,
            level_db=-25.0 - number,
            directivity="talker",
            path=(Waypoint(time_s=0.0, position_m=(1.0, 0.8 + 0.7 * number, 1.0)), Waypoint(time_s=1.0, position_m=(1.5, 0.8 + 0.7 * number, 1.0))),
        )
        for number in range(events)
    )
    ambience = Ambience(kind="pink", level_db=-50.0, snr_db=20.0)
    return Scene(
        scene_id="t", seed=(1, 2), duration_s=1.5, room=ROOM, listener=Listener(position_m=(3.0, 2.0, 1.5), yaw_deg=50.0), events=made, ambience=ambience
    )


def test_a_placed_scene_says_where_its_sounds_are_heard(two: Responses, bank: Catalogue) -> None:
    scene = place_in(drawn(bank, 2), two, np.random.default_rng(0))
    assert Scene.from_json(scene.to_json()) == scene
    assert scene.room == Room(kind="measured", rt60_s=two.rt60_s)
    assert {event.response for event in scene.events} == {"a.wav", "b.wav"}
    assert scene.ambience.level_db == pytest.approx(max(scene.received_db(event) for event in scene.events) - 20.0, abs=0.01)
    for event in scene.events:
        alone = scene.model_copy(update={"events": (event,)})
        audio = render_events(alone, bank, two, 36_000)
        azimuth_deg, elevation_deg, distance_m = scene.place(event)
        source = two.of(event.response)
        assert distance_m == pytest.approx(source.distance_m, abs=1e-3)
        wet = fftconvolve(dry_signal(event, bank)[None].astype(float), rotate(source.foa, -50.0).astype(float), axes=-1)
        expected = np.zeros((4, 36_000))
        expected[:, 2400 : 2400 + wet.shape[1]] = wet[:, : 36_000 - 2400]
        np.testing.assert_allclose(audio, expected, atol=2e-3 * np.abs(expected).max())
        direct = rotate(source.foa, -50.0)[:, : round((distance_m / 343.2 + 0.002) * 24_000)]
        assert float(angle_between_deg(unit_vector(*intensity_direction(direct)[:2]), unit_vector(azimuth_deg, elevation_deg))) < 1.0


def test_more_events_than_responses_turn_some_again(two: Responses, bank: Catalogue) -> None:
    scene = place_in(drawn(bank, 4), two, np.random.default_rng(3))
    yaws = [event.response_yaw_deg for event in scene.events]
    assert yaws[:2] == [0.0, 0.0] and all(abs(yaw) >= 40.0 for yaw in yaws[2:])
    for event in scene.events:
        source = two.of(event.response)
        azimuth_deg, _, _ = scene.place(event)
        assert np.cos(np.radians(azimuth_deg - (source.azimuth_deg + event.response_yaw_deg - 50.0))) > 0.9999
    assert place_in(drawn(bank, 4), two, np.random.default_rng(3)) == scene


def test_scenes_that_do_not_fit_are_refused(two: Responses, bank: Catalogue) -> None:
    with pytest.raises(InputError, match="kind 'measured', not 'shoebox'"):
        render_events(drawn(bank, 1), bank, two, 100)
    scene = place_in(drawn(bank, 1), two, np.random.default_rng(0))
    moving = scene.events[0].model_copy(update={"path": (*scene.events[0].path, Waypoint(time_s=1.0, position_m=(1.0, 1.0, 0.0)))})
    with pytest.raises(InputError, match="rain moves; a measured response holds for one place"):
        render_events(scene.model_copy(update={"events": (moving,)}), bank, two, 100)
    turning = Listener(path=(Pose(time_s=0.0, position_m=(0.0, 0.0, 0.0)), Pose(time_s=1.0, position_m=(0.0, 0.0, 0.0), yaw_deg=20.0)))
    with pytest.raises(InputError, match="the listener moves"):
        render_events(scene.model_copy(update={"listener": turning}), bank, two, 100)
    other = scene.events[0].model_copy(update={"response": "c.wav"})
    with pytest.raises(InputError, match=r"no measured response is named 'c.wav'; there are 2: a.wav, b.wav"):
        render_events(scene.model_copy(update={"events": (other,)}), bank, two, 100)
    assert not render_events(scene.model_copy(update={"events": ()}), bank, two, 100).any()


def test_a_data_set_is_heard_in_the_measured_room_and_says_so(bank: Catalogue, two: Responses, tmp_path: Path) -> None:
    recipe = RECIPES["indoor"].model_copy(update={"name": "short", "duration_s": 1.0})
    folder = write_set(tmp_path / "set", 2, recipe=recipe, catalogue=bank, responses=two)
    for _, scene in SceneSet(folder):
        assert scene.room.kind == "measured" and scene.renderer == "measured"
        assert {event.response for event in scene.events} <= {response.name for response in two.items}
    assert two.digest() in (folder / "README.md").read_text()
    with pytest.raises(InputError, match="responses differ"):
        write_set(folder, 2, recipe=recipe, catalogue=bank)
