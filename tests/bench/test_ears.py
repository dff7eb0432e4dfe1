"""Rows of what the encoder hears: made by ears that answer by rule, kept in a folder, and read as figures counted by hand."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from twnm.ambisonics import encode, from_ambix, rotate
from twnm.bench import ears
from twnm.bench.ears import EarsJob, Row, _Kept, hear_scene
from twnm.bench.ears_figures import as_detections, figures, group_figures, interval, pairs_of
from twnm.bench.ears_view import ears_view
from twnm.bench.turning import turn_windows, turning_figures
from twnm.errors import InputError
from twnm.model.ears import Heard
from twnm.model.hear import HeardObject, HeardRoom
from twnm.scene import Event, Room, Scene, Waypoint

CLASSES = ("bell", "cat", "dog")


def event(label: str, x: float, y: float, onset_s: float, offset_s: float, to: tuple[float, float] | None = None) -> Event:
    path = [Waypoint(time_s=0.0, position_m=(x, y, 0.0))]
    if to:
        path.append(Waypoint(time_s=5.0, position_m=(*to, 0.0)))
    return Event(label=label, clip="c.wav", onset_s=onset_s, offset_s=offset_s, path=tuple(path))


def heard(label: str, azimuth_deg: float, onset_s: float = 0.0, offset_s: float = 5.0, distance_m: float = 2.0, **changes: Any) -> HeardObject:
    frames = round(10 * (offset_s - onset_s))
    tracks = {"azimuths_deg": (azimuth_deg,) * frames, "elevations_deg": (0.0,) * frames, "distances_m": (distance_m,) * frames}
    return HeardObject(label, 0.9, onset_s, offset_s, azimuth_deg, 0.0, distance_m, 0.2, **(tracks | changes))


class RuledEars:
    """Hears a dog where the intensity points, and a cat in the back if there is no direction at all."""

    classes = CLASSES

    def hear(self, audio: torch.Tensor) -> list[Heard]:
        out: list[Heard] = []
        for clip in audio.numpy():
            flow = (clip[0] * clip[1:]).sum(axis=1)
            item = heard("dog", math.degrees(math.atan2(flow[0], flow[2]))) if np.abs(flow).max() > 0 else heard("cat", 180.0)
            out.append(([item] if np.abs(clip).max() > 0 else [], HeardRoom(0.5, 60.0, 0.9, 0.6, 0.4)))
        return out


def left() -> np.ndarray:
    wave = 0.1 * np.random.default_rng(0).standard_normal(120_000).astype(np.float32)
    return np.stack([wave, wave, 0 * wave, 0 * wave])


SCENE = Scene(scene_id="s", room=Room(kind="free"), events=(event("dog", 0.0, 2.0, 0.5, 4.0), event("bell", -4.0, 0.0, 2.0, 4.5)))


def scene_row(heard_objects: list[HeardObject], scene: Scene = SCENE, **changes: Any) -> Row:
    class Given(RuledEars):
        def hear(self, audio: torch.Tensor) -> list[Heard]:
            return [(heard_objects, HeardRoom(0.5, 60.0, 0.2))] * len(audio)

    return {"kind": "scene", "index": 0} | hear_scene(Given(), scene, left(), False) | changes


def test_a_row_tells_the_truth_and_what_is_heard_with_and_without_space() -> None:
    row = hear_scene(RuledEars(), SCENE, left(), True)
    assert json.loads(json.dumps(row)).keys() == row.keys()
    dog, bell = row["truth"]
    assert (dog["label"], dog["first_frame"], len(dog["azimuths_deg"]), dog["moves"]) == ("dog", 5, 35, False)
    assert (bell["azimuth_deg"], bell["distance_m"]) == pytest.approx((180.0, 4.0))
    assert [item["azimuth_deg"] for item in row["heard"]] == pytest.approx([90.0])
    assert [item["label"] for item in row["heard_flat"]] == ["cat"]
    assert row["room"] == {"kind": "free", "rt60_s": None, "volume_m3": None}


def test_pairs_are_those_with_the_least_sum_of_angles() -> None:
    dog, bell = pairs_of(scene_row([heard("bell", 170.0, distance_m=5.0), heard("dog", 95.0)]))
    assert dog.heard is not None and bell.heard is not None
    assert (dog.angle_deg, bell.angle_deg) == pytest.approx((5.0, 10.0))
    assert (dog.label_right, bell.label_right) == (1.0, 1.0)
    assert (dog.distance_error, bell.distance_error) == pytest.approx((0.0, 0.25))
    missed = pairs_of(scene_row([heard("dog", 95.0)]))[1]
    assert missed.heard is None and math.isnan(missed.angle_deg)


def test_the_figures_of_two_scenes_are_as_counted_by_hand() -> None:
    first = scene_row([heard("dog", 95.0), heard("cat", 175.0, distance_m=5.0)])
    second = scene_row([heard("dog", 120.0)], index=1)
    noise = scene_row([], kind="noise", truth=[]), scene_row([heard("dog", 0.0)], kind="noise", truth=[], index=1)
    found = figures([first, second, *noise], CLASSES)
    everything = found["by"]["all"]["all"]
    assert everything["n"] == 4
    assert everything["direction_deg"][0] == pytest.approx(5.0)
    assert everything["within_20_deg"][0] == 0.5
    assert everything["class"][0] == pytest.approx(2 / 3, abs=1e-3)
    assert everything["recall"][0] == 0.75
    assert found["count"][0] == 0.5
    assert found["false_objects"] == {"noise": [0.5, 0.0, 1.0]}
    assert found["by"]["class"]["bell"]["class"][0] == 0.0
    assert set(found["by"]["sources"]) == {"2"}
    assert set(found["by"]["distance"]) == {"2 to 4 m", "4 to 8 m"}
    assert found["room"]["walls_right"][0] == 1.0
    assert found["without_space"] is None
    assert ears_view({"recipe": "indoor", "renderer": "native", "recordings": {}} | found) is not None


def test_a_moving_sound_is_judged_along_its_way() -> None:
    scene = Scene(scene_id="s", room=Room(kind="free"), events=(event("dog", 2.0, -2.0, 0.0, 5.0, to=(2.0, 2.0)),))
    (still,) = pairs_of(scene_row([heard("dog", 0.0)], scene))
    assert still.angle_deg == pytest.approx(0.0, abs=0.1)  # the middle is right
    assert still.track_deg == pytest.approx(25.7, abs=1.0)  # mean of atan(t / 2) over -2 ... 2
    azimuths = tuple(np.degrees(np.arctan2(np.linspace(-1.96, 1.96, 50), 2.0)).tolist())
    (followed,) = pairs_of(scene_row([heard("dog", 0.0, azimuths_deg=azimuths, moves=0.9)], scene))
    assert followed.track_deg < 0.1
    moving = figures([scene_row([heard("dog", 0.0, azimuths_deg=azimuths, moves=0.9)], scene)], CLASSES)["moving"]
    assert (moving["told_right"][0], moving["found"][0]) == (1.0, 1.0)


def test_a_perfect_hearing_has_an_f20_of_one() -> None:
    row = scene_row([heard("dog", 90.0, 0.5, 4.0), heard("bell", 180.0, 2.0, 4.5, distance_m=4.0)])
    assert figures([row], CLASSES)["seld"] == {"f20": [1.0, 1.0, 1.0], "doae_deg": [0.0, 0.0, 0.0], "rde": [0.0, 0.0, 0.0]}
    assert len(as_detections(row["heard"], CLASSES)) == 60


def test_the_spread_is_right_when_it_covers_what_it_promises() -> None:
    rng = np.random.default_rng(0)
    rows = []
    for index in range(300):
        factor = math.exp(rng.laplace(0.0, 0.2))
        rows.append(
            scene_row(
                [heard("dog", 90.0, distance_m=2 * factor)], Scene(scene_id="s", room=Room(kind="free"), events=(event("dog", 0.0, 2.0, 0, 5),)), index=index
            )
        )
    spread = figures(rows, CLASSES)["spread"]
    assert spread["error_over_spread"][0] == pytest.approx(1.0, abs=0.15)
    assert spread["within_50"][0] == pytest.approx(0.5, abs=0.08)
    assert spread["within_90"][0] == pytest.approx(0.9, abs=0.06)


def test_an_interval_covers_the_true_mean_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(100):
        scenes = [[float(value) for value in rng.normal(rng.normal(1.0, 1.0), 0.3, rng.integers(1, 4))] for _ in range(60)]
        _, low, high = interval(scenes, lambda values: float(values.mean()), seed=trial)
        assert low is not None and high is not None
        covered += low <= 1.0 <= high
    assert 86 <= covered <= 100
    assert interval([[], [math.nan]], lambda values: float(values.mean())) == [None, None, None]
    assert group_figures([])["n"] == 0


def test_rows_are_kept_and_a_torn_one_is_measured_again(tmp_path: Path) -> None:
    kept = _Kept(tmp_path, {"seed": 0})
    for index in range(2):
        kept.add({"kind": "scene", "index": index, "value": index})
    with (tmp_path / "rows.jsonl").open("a") as stream:
        stream.write('{"kind": "scene", "ind')
    again = _Kept(tmp_path, {"seed": 0})
    assert sorted(again.rows) == [("scene", 0), ("scene", 1)]
    again.add({"kind": "scene", "index": 2})
    assert len((tmp_path / "rows.jsonl").read_text().splitlines()) == 3
    with pytest.raises(InputError, match="holds the rows of another encoder, recipe, seed, renderer or responses"):
        _Kept(tmp_path, {"seed": 1})


def test_a_job_is_known_by_the_bytes_of_its_encoder(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "encoder.safetensors").write_bytes(b"the same")
    first, second = (EarsJob(str(tmp_path / name), sounds=name).identity() for name in ("a", "b"))
    assert first == second
    assert EarsJob(str(tmp_path / "a"), seed=3).identity() != first
    assert EarsJob(str(tmp_path / "a"), responses=str(_one_response(tmp_path)), layout="fuma").identity() != first


def _one_response(folder: Path) -> Path:
    """A measured response in FuMa order whose source is 2 m to the left."""
    path = folder / "measured"
    path.mkdir()
    decay = 10 ** (-3 * np.arange(14_400) / 24_000 / 0.4)
    late = np.random.default_rng(2).standard_normal((4, 14_400)) * decay * 0.01
    soundfile.write(path / "a.wav", from_ambix(encode(np.eye(1, 14_400, 100)[0], 90.0, 0.0) + np.roll(late, 130, axis=1), "fuma").T, 24_000, subtype="FLOAT")
    (path / "responses.csv").write_text("file,distance_m\na.wav,2.0\n")
    return path


def test_scenes_in_a_measured_room_are_where_its_response_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(ears, "_tools", lambda folder, sounds: (RuledEars(), "bank"))
    monkeypatch.setattr(ears, "draw_scene", lambda catalogue, recipe, seed, index, split: SCENE)
    rendered = []

    def render(scene: Scene, catalogue: Any, renderer: str, room: Any) -> tuple[np.ndarray, Scene]:
        rendered.append((scene, room))
        return left(), scene

    monkeypatch.setattr(ears, "render", render)
    row = ears._row(EarsJob(responses=str(_one_response(tmp_path)), layout="fuma"), "scene", 0)
    scene, room = rendered[0]
    assert scene.room.kind == "measured" and room is not None and room.items[0].distance_m == 2.0
    told = figures([row], CLASSES)
    assert told["room"]["n"] == 1 and told["room"]["volume_m3"] == [None, None, None] and told["room"]["rt60_s"][0] is not None
    assert ears_view({"recipe": "indoor", "renderer": "measured responses", "recordings": {}} | told) is not None
    assert row["truth"][0]["azimuth_deg"] == pytest.approx(90.0, abs=3.0) and row["truth"][0]["distance_m"] == pytest.approx(2.0, abs=0.01)


def test_ears_that_hear_directions_turn_with_the_sound_and_others_do_not() -> None:
    turned = turning_figures(turn_windows(RuledEars(), rotate(left(), 20.0)))
    assert turned["objects"] == turned["matched"] == 4
    assert turned["median_deg"] == pytest.approx(0.0, abs=0.1)
    assert turned["within_15_deg"] == turned["same_label"] == 1.0

    class Stubborn(RuledEars):
        def hear(self, audio: torch.Tensor) -> list[Heard]:
            return [([heard("dog", 10.0)], None)] * len(audio)

    assert turning_figures(turn_windows(Stubborn(), left()))["median_deg"] == pytest.approx(92.5)  # of 30°, 75°, 110° and 140°
    assert turning_figures([])["median_deg"] is None
