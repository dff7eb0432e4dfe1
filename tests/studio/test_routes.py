"""Every route of the page, answered by a studio in this process with the stand-in model."""

import io
import json
from typing import Any

import numpy as np
import pytest
import soundfile
from stand_in import barking

from twnm.ambisonics import from_ambix
from twnm.scene import Scene


def wav(foa: np.ndarray, rate_hz: int = 24_000, container: str = "WAV") -> bytes:
    out = io.BytesIO()
    soundfile.write(out, foa.T, rate_hz, format=container, subtype="PCM_16")
    return out.getvalue()


def uploaded(client: Any, foa: np.ndarray, **query: str) -> dict[str, Any]:
    answer = client.post("/api/recordings", params=query, content=wav(foa), headers={"content-type": "audio/wav"})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


@pytest.fixture(scope="module")
def recording(client: Any) -> dict[str, Any]:
    return uploaded(client, barking(90.0), layout="ambix", name="../../etc/dog.wav")


def test_health_and_headers(client: Any) -> None:
    answer = client.get("/healthz")
    assert answer.json()["status"] == "ok"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff" and answer.headers["x-request-id"]


def test_state_says_what_there_is(client: Any) -> None:
    state = client.get("/api/state").json()
    assert state["model"]["ready"] and not state["token_needed"]
    assert {one["id"] for one in state["layouts"]} == {"ambix", "n3d", "fuma", "wxyz"}
    assert len(state["classes"]) == 36 and state["sounds"]["procedural"]
    assert [one["kind"] for one in state["browse"]] == ["data", "run"]


def test_an_upload_is_heard_where_it_is(recording: dict[str, Any]) -> None:
    assert recording["name"] == "dog.wav" and recording["duration_s"] == pytest.approx(2.0)
    heard = recording["objects"]
    assert [one["label"] for one in heard] == ["dog"]
    assert heard[0]["azimuth_deg"] == pytest.approx(90.0, abs=1) and heard[0]["distance_low_m"] < heard[0]["distance_m"] < heard[0]["distance_high_m"]
    assert len(recording["waveform"]["min"]) == 4 and len(recording["waveform"]["min"][0]) == 1000
    assert max(recording["waveform"]["max"][2]) == 0.0, "a source at ear height leaves Z silent"


@pytest.mark.parametrize("layout", ["ambix", "n3d", "fuma", "wxyz"])
def test_every_layout_ends_as_ambix(client: Any, layout: str) -> None:
    heard = uploaded(client, from_ambix(barking(90.0), layout), layout=layout)
    assert heard["objects"][0]["azimuth_deg"] == pytest.approx(90.0, abs=1)


def test_a_layout_can_be_changed_afterwards(client: Any) -> None:
    wrong = uploaded(client, from_ambix(barking(90.0), "fuma"), layout="ambix")
    assert wrong["objects"][0]["azimuth_deg"] != pytest.approx(90.0, abs=10)
    right = client.post(f"/api/recordings/{wrong['id']}/layout", json={"layout": "fuma"}).json()
    assert right["id"] == wrong["id"] and right["objects"][0]["azimuth_deg"] == pytest.approx(90.0, abs=1)
    twin = client.post(f"/api/recordings/{wrong['id']}/twin", json={"transform": "mirror"}).json()
    assert client.post(f"/api/recordings/{twin['id']}/layout", json={"layout": "fuma"}).status_code == 400


def test_forms_are_taken_like_plain_bodies(client: Any) -> None:
    answer = client.post("/api/recordings?layout=ambix", files={"file": ("dog.flac", wav(barking(-90.0), container="FLAC"), "audio/flac")})
    assert answer.status_code == 201 and answer.json()["objects"][0]["azimuth_deg"] == pytest.approx(-90.0, abs=1)


def test_a_recording_can_be_had_again_and_dropped(client: Any) -> None:
    made = uploaded(client, barking(10.0))
    address = f"/api/recordings/{made['id']}"
    assert client.get(address).json()["objects"] == made["objects"]
    assert client.delete(address).status_code == 204
    missing = client.get(address)
    assert missing.status_code == 404 and missing.json()["error"]["code"] == "not_found"


@pytest.mark.parametrize("transform, azimuth_deg", [("mirror", -90.0), ("yaw 90", 180.0), ("mirror yaw 180", 90.0)])
def test_a_twin_is_heard_elsewhere(client: Any, recording: dict[str, Any], transform: str, azimuth_deg: float) -> None:
    answer = client.post(f"/api/recordings/{recording['id']}/twin", json={"transform": transform})
    twin = answer.json()
    assert answer.status_code == 201 and twin["parent"] == recording["id"] and twin["transform"] == transform
    assert abs(twin["objects"][0]["azimuth_deg"]) == pytest.approx(abs(azimuth_deg), abs=1)
    assert np.sign(twin["objects"][0]["azimuth_deg"]) == np.sign(azimuth_deg) or abs(azimuth_deg) == 180


@pytest.mark.parametrize("rate_hz", [24_000, 48_000])
def test_the_audio_is_ambix_at_the_rate_that_was_asked_for(client: Any, recording: dict[str, Any], rate_hz: int) -> None:
    answer = client.get(f"/api/recordings/{recording['id']}/audio.wav", params={"rate": rate_hz})
    audio, rate = soundfile.read(io.BytesIO(answer.content), always_2d=True)
    assert rate == rate_hz and audio.shape == (2 * rate_hz, 4)
    w, y, z, x = audio.T
    assert w @ y / (w @ w) == pytest.approx(1.0, abs=0.01) and abs(x).max() < 0.01 and abs(z).max() < 0.01


def test_turning_the_head_changes_the_nearer_ear(client: Any, recording: dict[str, Any]) -> None:
    def left_over_right(yaw: float) -> float:
        audio, _ = soundfile.read(io.BytesIO(client.get(f"/api/recordings/{recording['id']}/binaural.wav", params={"yaw": yaw}).content))
        return float(np.sum(audio[:, 0] ** 2) / np.sum(audio[:, 1] ** 2))

    assert left_over_right(0.0) > 1.5 and left_over_right(180.0) < 0.67


@pytest.mark.parametrize("name", ["spectrogram.png", "plan.png", "directions.png"])
def test_pictures_are_pictures(client: Any, recording: dict[str, Any], name: str) -> None:
    from matplotlib import image

    answer = client.get(f"/api/recordings/{recording['id']}/{name}")
    assert answer.headers["content-type"] == "image/png"
    assert np.ptp(image.imread(io.BytesIO(answer.content))[..., :3]) > 0.5


def test_exports_hold_what_was_heard(client: Any, recording: dict[str, Any]) -> None:
    exported = client.get(f"/api/recordings/{recording['id']}/export.json")
    assert "attachment" in exported.headers["content-disposition"]
    assert [one["label"] for one in exported.json()["objects"]] == ["dog"]
    rows = client.get(f"/api/recordings/{recording['id']}/export.csv").text.splitlines()
    assert len(rows) == 20 and rows[0].split(",")[3] == "90"


def test_what_may_be_wrong_with_an_upload_is_said(client: Any, recording: dict[str, Any]) -> None:
    foa = barking(40.0)
    foa[2] = 0.0
    heard = uploaded(client, foa, layout="ambix")
    assert [one for one in heard["doubts"] if one.startswith("Z is silent")]
    turned = client.post(f"/api/recordings/{heard['id']}/twin", json={"transform": "yaw 90"}).json()
    assert turned["doubts"] == []  # they were said of its original


def test_an_answer_names_what_it_rests_on(client: Any, recording: dict[str, Any]) -> None:
    asked = {"question": "Where is the dog?", "options": ["front", "left", "back"]}
    answer = client.post(f"/api/recordings/{recording['id']}/ask", json=asked).json()
    assert (answer["letter"], answer["answer"], answer["grounded"]) == ("B", "left", True)
    assert answer["evidence"][0]["object_id"] == "o0" and answer["evidence"][0]["used"] and answer["evidence"][0]["sector"] == "left"
    assert answer["text"].startswith("<evidence>dog | left 90°")


def test_an_answer_can_come_as_events(client: Any, recording: dict[str, Any]) -> None:
    answer = client.post(f"/api/recordings/{recording['id']}/ask", json={"question": "Where is the dog?"}, headers={"accept": "text/event-stream"})
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [dict(line.split(": ", 1) for line in block.splitlines()) for block in answer.text.strip().split("\n\n")]
    assert [one["event"] for one in events] == ["queued", "heard", "answer"]
    assert json.loads(events[1]["data"])["evidence"][0]["label"] == "dog" and json.loads(events[2]["data"])["answer"] == "left"


def test_what_is_wrong_with_a_question_comes_as_an_event_too(client: Any) -> None:
    long = uploaded(client, barking(0.0, 8.0))
    answer = client.post(f"/api/recordings/{long['id']}/ask", json={"question": "Where?", "start_s": 7.5}, headers={"accept": "text/event-stream"})
    assert "event: error" in answer.text and "0 to 3.0 s" in answer.text
    assert client.post(f"/api/recordings/{long['id']}/ask", json={"question": "Where?", "start_s": 2.5}).json()["start_s"] == 2.5


def test_examples_bring_truth_and_questions(client: Any) -> None:
    names = [one["name"] for one in client.get("/api/examples").json()["examples"]]
    assert names == ["three-sounds", "passing-by", "outdoors", "echoing-hall"]
    example = client.post("/api/examples/three-sounds").json()
    assert len(example["truth"]["objects"]) == 3 and 1 <= len(example["questions"]) <= 6
    assert Scene.model_validate(example["scene"]) and example["sketch"]["room"]["kind"] == "shoebox"
    matched = [one for one in example["objects"] if one["matches"]]
    assert all(truth["matches"] in (None, *(one["id"] for one in matched)) for truth in example["truth"]["objects"])
    assert client.post("/api/examples/no-such").status_code == 400


def sketch(*events: dict[str, Any], **changed: Any) -> dict[str, Any]:
    room = {"kind": "shoebox", "size_m": [6, 5, 3], "rt60_s": 0.3}
    return {"duration_s": 3, "room": room, "listener": {"position_m": [3, 2.5, 1.5], "yaw_deg": 0}, "events": list(events)} | changed


def at(x: float, y: float, label: str = "rain", **changed: Any) -> dict[str, Any]:
    return {"label": label, "onset_s": 0.5, "path": [{"time_s": 0, "position_m": [x, y, 1.5]}]} | changed


def test_a_sketch_is_rendered_and_heard(client: Any) -> None:
    answer = client.post("/api/build", json={"sketch": sketch(at(3, 4))})
    built = answer.json()
    assert answer.status_code == 201, answer.text
    truth = built["truth"]["objects"]
    assert truth[0]["azimuth_deg"] == pytest.approx(90.0) and truth[0]["distance_m"] == pytest.approx(1.5)
    assert built["objects"][0]["azimuth_deg"] == pytest.approx(90.0, abs=15) and built["render_s"] > 0
    again = client.post("/api/build", json={"scene": built["scene"]}).json()
    assert again["scene"] == built["scene"] and again["waveform"] == built["waveform"], "a saved scene gives the same sound"
    mirrored = client.post(f"/api/recordings/{built['id']}/twin", json={"transform": "mirror"}).json()
    assert mirrored["truth"]["objects"][0]["azimuth_deg"] == pytest.approx(-90.0) and mirrored["sketch"]["events"][0]["path"][0]["position_m"][1] == 1.0


def test_a_sketch_may_move_and_repeat(client: Any) -> None:
    path = [{"time_s": 0, "position_m": [3, 4.5, 1.5]}, {"time_s": 3, "position_m": [3, 0.5, 1.5]}]
    listener = {"position_m": [1, 2.5, 1.5], "yaw_deg": 0}
    moving = sketch(at(0, 0, "bell", path=path, repeat=True, onset_s=0, offset_s=3), listener=listener)
    built = client.post("/api/build", json={"sketch": moving}).json()
    azimuths = built["truth"]["objects"][0]["azimuths_deg"]
    assert azimuths[0] > 30 and azimuths[-1] < -30 and built["sketch"]["events"][0]["repeat"]


@pytest.mark.parametrize(
    "wrong, says",
    [
        (sketch(at(7, 2)), "outside the room"),
        (sketch(at(3, 2.6)), "within 0.10 m"),
        (sketch(at(1, 1, "unicorn")), "no 'unicorn'"),
        (sketch(at(1, 1, clip="../../etc/passwd")), "is not in this sound bank"),
        (sketch(at(1, 1, onset_s=2.99)), "too late"),
        (sketch(at(1, 1), duration_s=31), "at most 30 s"),
        (sketch(*[at(1, 1)] * 9), "8 sounds"),
        (sketch(room={"kind": "ground", "surface": "lava"}), "lava"),
    ],
)
def test_impossible_sketches_are_refused_with_the_reason(client: Any, wrong: dict[str, Any], says: str) -> None:
    answer = client.post("/api/build", json={"sketch": wrong})
    assert answer.status_code == 400 and says in answer.json()["error"]["message"], answer.text
    assert client.post("/api/build/check", json={"sketch": wrong}).status_code == 400


def test_a_drawn_scene_passes_its_own_check(client: Any) -> None:
    drawn = client.get("/api/build/new", params={"seed": 4, "recipe": "outdoor"}).json()
    assert client.post("/api/build/check", json={"scene": drawn["scene"]}).json()["sketch"] == drawn["sketch"]
    assert client.get("/api/build/new", params={"recipe": "/etc/passwd"}).status_code == 400


def test_the_sound_bank_is_searched_and_heard(client: Any) -> None:
    page = client.get("/api/sounds", params={"label": "rain"}).json()
    assert page["total"] == len(page["sounds"]) == next(one["clips"] for one in page["labels"] if one["label"] == "rain") > 0
    assert {one["label"] for one in page["sounds"]} == {"rain"}
    assert client.get("/api/sounds", params={"query": "RAIN procedural"}).json()["total"] >= page["total"]
    assert client.get("/api/sounds", params={"query": "no such sound"}).json()["total"] == 0
    audio, rate = soundfile.read(io.BytesIO(client.get("/api/sounds/audio.wav", params={"clip": page["sounds"][0]["clip"]}).content))
    assert rate == 24_000 and audio.ndim == 1 and np.abs(audio).max() == pytest.approx(0.5, abs=0.01)


def test_only_files_of_the_page_are_served(client: Any) -> None:
    page = client.get("/", headers={"accept-encoding": "gzip"})
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/html") and page.headers["content-encoding"] == "gzip"
    again = client.get("/", headers={"if-none-match": page.headers["etag"]})
    assert again.status_code == 304 and not again.content
    for name in ("../server.py", "..%2fserver.py", "%2e%2e/settings.py", "/etc/passwd", "index.html/..", "", "css"):
        assert client.get(f"/static/{name}").status_code == 404, name


def test_unknown_addresses_and_methods_are_refused_in_one_form(client: Any) -> None:
    for answer, code in ((client.get("/api/nothing"), "not_found"), (client.put("/api/state"), "wrong_method"), (client.get("/docs"), "not_found")):
        assert answer.json()["error"]["code"] == code and answer.json()["error"]["request_id"] == answer.headers["x-request-id"]
