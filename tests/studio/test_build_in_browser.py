"""The view Build in a real browser: a scene is made by mouse and by keys, heard, mirrored and asked about again, saved and opened.

The model is `PointingModel`, which finds directions by intensity. Needs playwright and the system's Chromium; run with `pytest -m browser`.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from page_steps import ask, on_map, until

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


def add_two_sounds(page: "Page") -> None:
    """A scene of a horn at the left and then a bird at the right, in a dry room."""
    for kind in ("horn", "bird_song"):
        page.get_by_label("Kind of sound").select_option(kind)
        page.locator(f"[data-add^='procedural:{kind}:']").first.click()
    page.get_by_label("Onset, s").fill("2.6")
    page.get_by_label("Length, s").fill("1.8")
    page.locator("[data-lane='0']").click()
    page.get_by_label("Length, s").fill("1.8")
    page.get_by_label("RT60, s").fill("0.15")
    page.get_by_label("RT60, s").blur()


def place_of(page: "Page", handle: str) -> tuple[float, float]:
    """Where a sound stands in the room, metres to the front and to the left, by the numbers beside the plan."""
    page.locator(f"#build .room [data-handle='{handle}']").focus()
    return tuple(float(page.get_by_label(re.compile(f"^Point 1, {axis}")).input_value()) for axis in ("front", "left"))  # type: ignore[return-value]


def test_a_scene_is_built_heard_mirrored_and_asked_again(open_page: "Callable[..., Page]") -> None:
    page = open_page("build")
    add_two_sounds(page)
    horn, listener = page.locator("#build .room [data-handle='0.0']"), page.locator("#build .room [data-handle=listener] .me")
    here, there = listener.bounding_box(), horn.bounding_box()
    assert here is not None and there is not None
    page.mouse.move(there["x"] + there["width"] / 2, there["y"] + there["height"] / 2)
    page.mouse.down()
    page.mouse.move(here["x"] - 100, here["y"] + 10, steps=5)  # straight to the left
    page.mouse.up()
    before = place_of(page, "0.0")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Shift+ArrowUp")
    assert place_of(page, "0.0") == pytest.approx((before[0] + 0.5, before[1] + 0.1), abs=0.011)
    page.get_by_role("button", name="Render and hear").click()
    page.locator("#build .stage button.primary:not([disabled])").wait_for()
    page.get_by_role("button", name="Render and hear").click()  # the second time nothing has to be compiled
    until(page, "document.querySelector('#build .status').textContent.startsWith('Rendered')")
    assert float(re.findall(r"Rendered in ([\d.]+) s", page.locator("#build .status").inner_text())[0]) < 1
    heard = on_map(page, "build")
    assert heard["dog"] > 40 and heard["bell"] < -15  # the model hears a low sound at the left and a bright one at the right
    assert page.locator("#build .objects tr[data-kind=truth]").count() == 2
    assert ask(page, "Where is the dog?", "build").locator(".answer").inner_text() in ("left", "front-left")

    page.locator("[data-twin=mirror]").click()
    page.locator("#build .twins td.wide").first.wait_for()
    turned = on_map(page, "build")
    assert turned == pytest.approx({name: -azimuth for name, azimuth in heard.items()}, abs=8)  # while it plays, the map shows where they are now
    row = page.locator("#build .twins tr", has_text="Where is the dog?")
    row.get_by_text("turned", exact=True).wait_for()
    assert "right" in row.locator("td").nth(1).inner_text()
    assert page.locator("#build .answers .entry").first.locator(".answer").inner_text() in ("right", "front-right")
    mirrored = place_of(page, "0.0")
    width_m = float(page.get_by_label("Width, m").input_value())
    assert mirrored[1] == pytest.approx(width_m - before[1] - 0.1, abs=0.02)  # the plan is the twin's
    page.get_by_label("Undo").click()
    assert place_of(page, "0.0")[1] == pytest.approx(before[1] + 0.1, abs=0.02)


def test_a_path_is_drawn_and_the_scene_saved_and_opened_again(open_page: "Callable[..., Page]", tmp_path: Path) -> None:
    page = open_page("build")
    add_two_sounds(page)
    page.get_by_role("button", name="Draw a path").click()
    floor = page.locator("#build .room .floor").bounding_box()
    assert floor is not None
    left, top, wide, deep = floor["x"], floor["y"], floor["width"], floor["height"]
    page.mouse.move(left + 0.2 * wide, top + 0.15 * deep)
    page.mouse.down()
    page.mouse.move(left + 0.8 * wide, top + 0.15 * deep, steps=12)
    page.mouse.up()
    points = page.locator("#build .points tbody tr").count()
    assert 2 < points <= 8
    times_s = [float(field.input_value()) for field in page.get_by_label(re.compile(r"^Point \d, time")).all()]
    assert times_s == sorted(times_s) and times_s[0] == 0.0 and times_s[-1] == pytest.approx(1.8)
    with page.expect_download() as download:
        page.get_by_role("button", name="Save", exact=True).click()
    path = tmp_path / "scene.json"
    download.value.save_as(path)
    scene = json.loads(path.read_text())
    assert [event["label"] for event in scene["events"]] == ["horn", "bird_song"]
    assert len(scene["events"][0]["path"]) == points
    page.get_by_role("button", name="New", exact=True).click()
    assert page.locator("#build .room .disc").count() == 0
    page.get_by_label("A saved scene").set_input_files(path)
    page.locator("#build .room .path").wait_for(state="attached")
    assert page.locator("#build .lane").count() == 2


def test_a_sound_is_dragged_into_the_room_and_removed_by_a_key(open_page: "Callable[..., Page]") -> None:
    page = open_page("build")
    page.get_by_label("Search the sounds").fill("bell")
    row = page.locator("#build .bank li", has_text="bell").first
    row.wait_for()
    row.drag_to(page.locator("#build .room .floor"), target_position={"x": 60, "y": 60})
    page.locator("#build .room .disc").wait_for()
    front, left = place_of(page, "0.0")
    assert front > 4 and left > 4  # near the corner at the front and the left
    page.keyboard.press("Delete")
    assert page.locator("#build .room .disc").count() == 0
    assert page.get_by_role("button", name="Render and hear").is_disabled()
