"""The view Ask in a real browser and on its real server: a recording is heard, drawn on its side, played as the head turns, asked about and taken away.

The model is `PointingModel`, which finds directions by intensity. Needs playwright and the system's Chromium; run with `pytest -m browser`.
"""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from page_steps import ask, on_map, two_sounds, until, upload, uploaded

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser
REAL = os.environ.get("TWNM_REAL_FOA", "")  # a folder of real recordings


def spot(page: "Page", place: int) -> tuple[float, float]:
    """The middle of an object's disc, pixels right of and above the middle of the map."""
    disc, plan = (page.locator(selector).bounding_box() for selector in (f"#ask .plan [data-id=o{place}] .spot", "#ask .plan .rim"))
    assert disc is not None and plan is not None
    return disc["x"] + disc["width"] / 2 - plan["x"] - plan["width"] / 2, plan["y"] + plan["height"] / 2 - disc["y"] - disc["height"] / 2


SHADES = """() => {
  const { width, height } = document.querySelector('#ask .spectrum');
  return new Set(document.querySelector('#ask .spectrum').getContext('2d').getImageData(0, 0, width, height).data).size;
}"""


def test_sounds_of_an_uploaded_file_are_on_their_side_of_the_map(open_page: "Callable[..., Page]") -> None:
    page = open_page()
    uploaded(page, two_sounds())
    assert on_map(page) == pytest.approx({"dog": 60.0, "bell": -100.0}, abs=3)
    (dog_right, dog_up), (bell_right, bell_up) = spot(page, 0), spot(page, 1)
    assert dog_right < -20 and dog_up > 10  # left of the listener and before it
    assert bell_right > 20 and bell_up < 0  # right of it and a little behind
    for lane, seconds in ((0, (0.3, 1.3)), (1, (2.4, 3.4))):
        first, last = (
            float(value) for value in re.findall(r"M([\d.]+) .*L([\d.]+) [\d.]+$", page.locator("#ask .track").nth(lane).get_attribute("d") or "")[0]
        )
        width = page.locator("#ask .tracks").bounding_box()["width"]  # type: ignore[index]
        assert (4 * first / width, 4 * last / width) == pytest.approx(seconds, abs=0.3)
    assert page.evaluate(SHADES) > 50  # a spectrogram is there


def test_another_layout_is_heard_anew_and_the_guess_says_why(open_page: "Callable[..., Page]") -> None:
    page = open_page()
    uploaded(page, two_sounds("fuma"))
    layout = page.get_by_label("Channel layout")
    assert len(page.locator("#ask .layout span").inner_text()) > 20
    layout.select_option("ambix")
    until(page, "Math.abs(Number(document.querySelector('#ask .plan [data-id=o0]').dataset.azimuth) - 60) > 20")  # Y and X are exchanged
    layout.select_option("fuma")
    until(page, "Math.abs(Number(document.querySelector('#ask .plan [data-id=o0]').dataset.azimuth) - 60) < 3")


@pytest.mark.skipif(not REAL, reason="TWNM_REAL_FOA names no folder of real recordings")
def test_a_real_recording_is_heard_and_drawn(open_page: "Callable[..., Page]") -> None:
    page = open_page()
    uploaded(page, sorted(Path(REAL).glob("*.wav"))[0].read_bytes())
    assert page.locator("#ask .plan .object").count() >= 1
    assert page.locator("#ask .objects tbody tr").count() >= 1
    assert "s" in page.locator("#ask .clock").inner_text()


def test_keys_turn_the_head_and_the_map_and_the_sound_with_it(open_page: "Callable[..., Page]") -> None:
    page = open_page()
    uploaded(page, two_sounds())
    plan = page.locator("#ask svg.plan")
    plan.focus()
    for _ in range(6):
        page.keyboard.press("ArrowLeft")
    assert plan.get_attribute("aria-valuetext") == "Head 30° to the left"
    assert on_map(page) == pytest.approx({"dog": 30.0, "bell": -130.0}, abs=3)  # a head turned left finds everything further to the right
    page.keyboard.press("Home")
    assert on_map(page) == pytest.approx({"dog": 60.0, "bell": -100.0}, abs=3)
    box = plan.bounding_box()
    assert box is not None
    middle, radius = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2), box["width"] / 3
    page.mouse.move(middle[0], middle[1] - radius)
    page.mouse.down()
    page.mouse.move(middle[0] + radius, middle[1], steps=8)  # a quarter clockwise
    page.mouse.up()
    assert plan.get_attribute("aria-valuetext") == "Head 90° to the left"
    assert on_map(page)["dog"] == pytest.approx(-30.0, abs=3)


# Levels at the left and the right ear of noise from the front, for several turns of the head, in decibels.
EARS = """async turns => {
  const { binaural } = await import('/static/js/player.js');
  const { Head } = await import('/static/js/head.js');
  const levels = [];
  for (const yaw of turns) {
    const context = new OfflineAudioContext(2, 24000, 48000);
    const head = new Head();
    head.turnTo(yaw);
    const graph = await binaural(context, head);
    const foa = context.createBuffer(4, 24000, 48000);
    let seed = 7;
    for (let n = 0; n < 24000; n++) {
      seed = (seed * 16807) % 2147483647;
      const value = seed / 2147483647 - 0.5;
      foa.getChannelData(0)[n] = value;  // W and X alone: a sound in front
      foa.getChannelData(3)[n] = value;
    }
    const source = new AudioBufferSourceNode(context, { buffer: foa });
    source.connect(graph.input);
    graph.output.connect(context.destination);
    source.start();
    const out = await context.startRendering();
    levels.push([0, 1].map(ear => 10 * Math.log10(out.getChannelData(ear).reduce((sum, value) => sum + value * value, 1e-12))));
  }
  return levels;
}"""


def test_a_sound_in_front_moves_to_the_right_ear_when_the_head_turns_left(open_page: "Callable[..., Page]") -> None:
    page = open_page()
    ahead, turned_left, turned_right = page.evaluate(EARS, [0, 90, -90])
    assert ahead[0] == pytest.approx(ahead[1], abs=0.5)
    assert turned_left[1] > turned_left[0] + 3
    assert turned_right[0] > turned_right[1] + 3


def test_it_plays_with_a_moving_playhead(open_page: "Callable[..., Page]") -> None:
    page = open_page()
    uploaded(page, two_sounds())
    page.get_by_label("Play binaurally").click()
    page.get_by_label("Pause").wait_for()
    until(page, "parseFloat(document.querySelector('#ask .clock').textContent) > 0.3")
    page.get_by_label("Pause").click()
    tracks = page.locator("#ask .tracks")
    box = tracks.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 0.75 * box["width"], box["y"] + 20)
    assert float(tracks.get_attribute("aria-valuenow") or 0) == pytest.approx(3.0, abs=0.1)
    assert page.locator("#ask .plan .object.silent").count() == 1  # the first sound is over
    tracks.press("Home")
    assert tracks.get_attribute("aria-valuenow") == "0.0"


def test_an_answer_lights_its_evidence_and_the_history_stays(open_page: "Callable[..., Page]") -> None:
    page = open_page()
    uploaded(page, two_sounds())
    entry = ask(page, "Where is the dog?")
    assert entry.locator(".answer").inner_text() == "front-left"
    assert entry.locator(".chip").count() == 2
    assert page.locator("#ask .plan .object.lit").count() == 1
    assert page.locator("#ask .objects tr.lit").inner_text().startswith("dog")
    page.get_by_text("Answers to choose from", exact=True).click()
    page.get_by_label("Answers to choose from, one per line").fill("back\nleft\nright\n")
    assert ask(page, "Where is the bell?").locator(".answer").inner_text() == "C right"
    page.locator("#ask .answers .entry").first.locator(".chip", has_text="dog").click()
    assert page.locator("#ask .plan .object.lit").count() == 2  # a chip lights its object too
    page.get_by_role("button", name="Another recording").click()
    uploaded(page, two_sounds())
    assert page.locator("#ask .answers .entry").count() == 2
    assert page.locator("#ask .answers .entry").first.locator(".tag").inner_text() == "street.wav"


def test_what_was_found_can_be_taken_away(open_page: "Callable[..., Page]", tmp_path: Path) -> None:
    page = open_page()
    uploaded(page, two_sounds())
    ask(page, "Where is the dog?")
    saved = {}
    for entry in ("Objects and answers, JSON", "Labels, DCASE CSV", "Plan view, PNG"):
        page.locator("#ask .menu summary").click()
        with page.expect_download() as download:
            page.get_by_role("button", name=entry).click()
        path = tmp_path / download.value.suggested_filename
        download.value.save_as(path)
        until(page, "!document.querySelector('#ask .menu').open")
        saved[path.suffix] = path
    found = json.loads(saved[".json"].read_text())
    assert [one["label"] for one in found["objects"]] == ["dog", "bell"]
    assert [one["answer"] for one in found["answers"]] == ["front-left"]
    frame, _, _, azimuth_deg, *_ = saved[".csv"].read_text().splitlines()[0].split(",")
    assert 2 <= int(frame) <= 5 and float(azimuth_deg) == pytest.approx(60, abs=3)
    assert saved[".png"].read_bytes().startswith(b"\x89PNG")


def test_refusals_are_told_in_words(open_page: "Callable[..., Page]") -> None:
    page = open_page(expected=("the server responded with a status", "ERR_FAILED"))
    upload(page, b"this is no sound at all", "letter.wav")
    assert "did not work" in page.locator("#ask [role=alert]").inner_text()
    assert page.locator("#ask input[type=file]").is_enabled()  # and one can try again
    uploaded(page, two_sounds())
    busy = {"error": {"code": "busy", "message": "32 jobs wait", "request_id": "x"}}
    page.route("**/ask", lambda route: route.fulfill(status=429, headers={"Retry-After": "7"}, json=busy))
    page.locator("#ask .asking textarea").first.fill("Where is the dog?")
    page.get_by_role("button", name="Ask", exact=True).click()
    assert "Try again in 7 seconds" in page.locator("#ask .entry .error").inner_text()
    page.unroute("**/ask")
    page.route("**/ask", lambda route: route.abort())
    page.get_by_role("button", name="Ask", exact=True).click()
    page.locator("#ask .entry .error").nth(1).wait_for()
    assert "cannot be reached" in page.locator("#ask .entry .error").first.inner_text()
