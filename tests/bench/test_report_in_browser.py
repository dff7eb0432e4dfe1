"""The report in a real browser, without a network: it lays out at every width and theme, sorts, plays, can be read and reached by keyboard.

Needs playwright and the system's Chromium (`apt-get install chromium`); run with `pytest -m browser`.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from simulated_run import PLAYERS, make_benchmark, rows_of, write_run

from twnm.bench.report import write_report

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

# Chromium as root, without looking for updates and for Google's hosts.
DESKTOP, PHONE = (1280, 900), (390, 844)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    items = make_benchmark(folder / "bench", 4)
    write_run(folder / "run", folder / "bench", [row for player in PLAYERS for row in rows_of(player, items, {})])
    return write_report(folder / "run", folder / "report.html")


def opened(browser: "Browser", report: Path, size: tuple[int, int] = DESKTOP, theme: str = "light") -> "tuple[Page, list[str]]":
    """The page, and what it complains about or asks for from elsewhere, as it goes on."""
    page = browser.new_page(viewport={"width": size[0], "height": size[1]}, color_scheme="dark" if theme == "dark" else "light")
    trouble: list[str] = []
    page.on("console", lambda message: trouble.append(message.text))
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith(("file:", "data:")) else trouble.append(request.url))
    page.goto(report.as_uri())
    return page, trouble


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_lays_out_without_trouble_and_can_be_read(browser: "Browser", report: Path, size: tuple[int, int], theme: str, tmp_path: Path) -> None:
    from matplotlib.image import imread

    page, trouble = opened(browser, report, size, theme)
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]  # tables scroll inside, the page never sideways
    page.screenshot(path=tmp_path / "page.png")
    picture = imread(tmp_path / "page.png")[..., :3]
    assert picture.shape[:2] == (size[1], size[0])
    background = picture[2, 2]
    assert (background.mean() > 0.9) == (theme == "light")
    accent = np.array([0x00, 0x72, 0xB2] if theme == "light" else [0x6F, 0xBF, 0xF0]) / 255
    assert (np.abs(picture - accent).max(axis=-1) < 0.02).sum() > 20  # the intervals are drawn in the first view
    for name in ("body", "p.note", "thead th", "td small", "nav a", ".wrong", "td.figure", "article li.right"):
        assert contrast(page, name) >= 4.5, name
    assert not trouble
    page.close()


def contrast(page: "Page", selector: str) -> float:
    """Contrast of the first such element's text on what lies behind it (WCAG 2.2)."""
    found = page.evaluate(
        """selector => { const one = document.querySelector(selector); let behind = one;
        while (behind && getComputedStyle(behind).backgroundColor === 'rgba(0, 0, 0, 0)') behind = behind.parentElement;
        return [getComputedStyle(one).color, getComputedStyle(behind ?? document.body).backgroundColor] }""",
        selector,
    )
    light, dark = sorted((_luminance(colour) for colour in found), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts = np.array([int(part) for part in re.findall(r"\d+", colour)[:3]]) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_a_click_on_a_heading_sorts_and_another_sorts_the_other_way(browser: "Browser", report: Path) -> None:
    page, trouble = opened(browser, report)
    summary = page.locator("#summary table").first
    heading = summary.locator("thead th", has_text="overall")
    heading.locator("button").click()
    assert heading.get_attribute("aria-sort") == "descending"
    names = summary.locator("tbody th").all_inner_texts()
    assert names[0].startswith("oracle")
    heading.locator("button").press("Enter")  # by keyboard too
    assert heading.get_attribute("aria-sort") == "ascending"
    assert summary.locator("tbody th").all_inner_texts() == names[::-1]
    grounded = summary.locator("thead th", has_text="grounded").locator("button")
    for _ in range(2):
        grounded.click()
        assert "–" in summary.locator("tbody tr").last.inner_text()  # who gave no evidence is last either way
    assert not trouble
    page.close()


def test_the_players_play_what_is_in_the_page(browser: "Browser", report: Path) -> None:
    page, trouble = opened(browser, report)
    lengths_s = page.evaluate(
        """() => Promise.all([...document.querySelectorAll('audio')].map(player => new Promise((done, fail) => {
        player.onloadedmetadata = () => done(player.duration); player.onerror = () => fail(player.error.message); player.load() })))"""
    )
    assert len(lengths_s) == 8
    assert lengths_s == pytest.approx([2.0] * 8, abs=0.2)
    assert not trouble
    page.close()


def test_tables_and_drawings_have_names_and_can_be_reached_by_keyboard(browser: "Browser", report: Path) -> None:
    page, _ = opened(browser, report)
    assert page.locator(".scroll:not([tabindex='0'])").count() == 0
    assert page.locator(".scroll:not([aria-label])").count() == 0
    assert page.locator("th:not([scope])").count() == 0
    assert page.locator("svg:not([aria-label]):not([aria-hidden='true'])").count() == 0
    assert page.locator("html[lang=en] h1").count() == 1
    for link in page.locator("nav a").all():
        assert page.locator(str(link.get_attribute("href"))).count() == 1
    page.close()
