"""The report says what a count of the raw lines says, holds everything itself, is honest about what is missing, and hears and draws the right way round."""

import base64
import html
import io
import itertools
import json
import math
import re
import tracemalloc
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from simulated_run import PLAYERS, Player, make_benchmark, rows_of, write_run

from twnm.ambisonics import gains
from twnm.bench.report import write_report
from twnm.bench.report.accuracy import pair_guess, pair_up
from twnm.bench.report.compare import between_systems, by_task, control_lines
from twnm.bench.report.details import calibrations, confusions, twin_lines, worst_items
from twnm.bench.report.figures import plan_view
from twnm.bench.report.items import sound_uri
from twnm.bench.report.rows import Results, Row, read_results
from twnm.errors import InputError
from twnm.plot import Drawn
from twnm.questions import Item
from twnm.questions.evidence import SECTORS
from twnm.questions.twins import Transform

Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data") / "bench"


@pytest.fixture(scope="module")
def items(data: Path) -> list[Item]:
    return make_benchmark(data, 8)


@pytest.fixture(scope="module")
def rows(items: list[Item]) -> Rows:
    return [row for player in PLAYERS for row in rows_of(player, items, {})]


@pytest.fixture(scope="module")
def run(data: Path, rows: Rows, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("run"), data, rows)


@pytest.fixture(scope="module")
def page(run: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_report(run, tmp_path_factory.mktemp("out") / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def results(run: Path, rows: Rows) -> Results:
    return read_results(run)


class Tables(HTMLParser):
    """The text of every table by the name of its region, `small` print left out."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: dict[str, list[list[str]]] = {}
        self._name, self._small, self._cell = "", False, False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if given.get("role") == "region":
            self._name = str(given["aria-label"])
            self.found[self._name] = []
        elif tag == "tr":
            self.found[self._name].append([])
        elif tag in ("td", "th"):
            self.found[self._name][-1].append("")
            self._cell = True
        self._small = self._small or tag == "small"

    def handle_endtag(self, tag: str) -> None:
        self._cell = self._cell and tag not in ("td", "th")
        self._small = self._small and tag != "small"

    def handle_data(self, data: str) -> None:
        if self._cell and not self._small:
            self.found[self._name][-1][-1] += data.strip()


def table(page: str, name: str) -> dict[str, dict[str, str]]:
    """A table by the first cell of its rows and the headings of its columns."""
    heads, *lines = Tables(page).found[name]
    return {line[0]: dict(zip(heads, line, strict=True)) for line in lines if len(line) == len(heads)}  # headings in between span all columns


def of(rows: Rows, system: str, control: str = "") -> Rows:
    return [row for row in rows if (row["system"], row["control"]) == (system, control)]


def share(rows: Rows, name: str = "right") -> str:
    value = sum(row[name] for row in rows) / len(rows)
    return "100" if value == 1 else f"{100 * value:.1f}"


def test_the_summary_is_what_a_count_of_the_lines_gives(page: str, rows: Rows) -> None:
    shown = table(page, "Summary of systems")
    assert list(shown) == ["random", "oracle", "intensity", "twnm", "hf:Qwen/Qwen2-Audio-7B-Instruct"]
    for system, line in shown.items():
        first = [row for row in of(rows, system) if not row["transform"]]
        assert line["overall"] == share(first)
        assert line["L2"] == share([row for row in first if row["level"] == "L2"])
        assert line["spatial"] == share([row for row in first if row["family"] == "spatial"])
        assert line["chance"] == share(first, "chance")
        assert line["n"] == str(len(first))
        assert line["failed"] == str(sum(row["outcome"] == "failed" for row in of(rows, system)))
    assert shown["twnm"]["grounded"] == share([row for row in of(rows, "twnm") if not row["transform"]], "grounded")
    assert shown["oracle"]["overall"] == shown["oracle"]["pair"] == "100"
    assert shown["intensity"]["grounded"] == "–"  # it gives no evidence, which is not the same as wrong evidence


def test_every_level_family_renderer_and_task_has_its_own_line(page: str, rows: Rows) -> None:
    shown = table(page, "Accuracy by level, family and task")
    first = [row for row in of(rows, "intensity") if not row["transform"]]
    for kind in ("level", "family", "renderer", "task"):
        for name in {row[kind] for row in first}:
            part = [row for row in first if row[kind] == name]
            assert (shown[name]["intensity"], shown[name]["n"]) == (share(part), str(len(part)))


def test_labels_controls_errors_commands_and_hashes_are_shown(page: str, run: Path) -> None:
    text = html.unescape(page)
    assert "input mono, trained on nothing, output text, space: none" in text
    assert "TimeoutError: no answer within 180 s" in text
    assert "twnm bench run random oracle intensity twnm hf:Qwen/Qwen2-Audio-7B-Instruct --data" in text
    assert "--controls w-only --controls options-rotated --out" in text
    assert "ab" * 32 in text
    assert "Y, Z, X silent" in text


def test_the_commands_that_were_given_are_shown_when_the_run_recorded_them(run: Path, rows: Rows, tmp_path: Path) -> None:
    described = json.loads((run / "run.json").read_text()) | {"commands": ["twnm bench run <x> --limit 3"]}
    write_run(tmp_path / "run", tmp_path / "none", rows[:50])
    (tmp_path / "run" / "run.json").write_text(json.dumps(described | {"data": "none"}))
    assert "<pre>twnm bench run &lt;x&gt; --limit 3</pre>" in write_report(tmp_path / "run", tmp_path / "r.html").read_text()


def test_pairs_are_right_if_both_are_and_guessing_is_the_product_of_chances(results: Results, rows: Rows) -> None:
    lines = {(line.system, line.control): line for line in twin_lines(results.by_kind())}
    for (system, control), line in lines.items():
        by_id = {row["sample_id"]: row for row in of(rows, system, control)}
        pairs = [(row, by_id[row["twin"]]) for row in by_id.values() if row["twin"] and not row["transform"]]
        assert line.pairs.count == len(pairs)
        assert line.pairs.mean == pytest.approx(np.mean([one["right"] and other["right"] for one, other in pairs]))
        assert line.guess == pytest.approx(np.mean([one["chance"] * other["chance"] for one, other in pairs]))
        assert line.pairs.low <= line.pairs.mean <= line.pairs.high
    assert lines["random", ""].pairs.mean == 0  # the same words, the same answer
    assert lines["random", ""].same_answer == 1
    assert lines["oracle", ""].pairs.mean == 1


def test_who_guesses_each_of_two_twins_by_itself_has_about_the_shown_share(items: list[Item]) -> None:
    choices = [item for item in items if item.form == "choice"]
    rng = np.random.default_rng(0)
    hits, shown = [], 0.0
    for _ in range(30):
        pairs = pair_up([_row(item, right=bool(rng.random() < 1 / len(item.options))) for item in choices])
        hits.append(np.mean([one.right and other.right for one, other in pairs]))
        shown = pair_guess(pairs)
    assert np.mean(hits) == pytest.approx(shown, abs=0.01)


def _row(item: Item, **changes: Any) -> Row:
    base = Row(
        **{name: getattr(item, name) for name in ("sample_id", "scene_id", "level", "task", "family", "form", "transform", "twin")},
        **{"system": "s", "control": "", "renderer": "native", "outcome": "wrong", "read": None, "chance": 1 / max(1, len(item.options))},
        **{"right": False, "grounded": False, "gives_evidence": False, "seconds": 0.0, "tokens": None, "confidence": None},
    )
    return base._replace(**changes)


def test_differences_are_on_common_items_and_corrected_together(results: Results, rows: Rows) -> None:
    plain = {system: kept for (system, control), kept in results.by_kind().items() if not control}
    found = between_systems(plain)
    assert len(found) == 10
    for it in found:
        assert it.p_holm >= it.result.p_value
        assert it.result.difference == pytest.approx(it.accuracies[0] - it.accuracies[1])
        assert it.result.low <= it.result.difference <= it.result.high
    assert [it.result.p_value for it in found] == sorted(it.result.p_value for it in found)
    half = [row for row in plain["twnm"] if row.level == "L1"]
    pair = next(it for it in between_systems({"oracle": plain["oracle"], "half": half}))
    assert pair.count == sum(not row.transform for row in half)


def test_with_and_without_space_is_compared_task_by_task(page: str, results: Results, rows: Rows) -> None:
    kinds = results.by_kind()
    whole, *tasks = by_task(kinds["twnm", ""], kinds["twnm", "w-only"])
    first = [[row for row in of(rows, "twnm", control) if not row["transform"]] for control in ("", "w-only")]
    assert whole.accuracies == pytest.approx([np.mean([row["right"] for row in part]) for part in first])
    assert {it.first for it in tasks} == {row["task"] for row in first[0]}
    shown = table(page, "twnm with and without space")
    assert shown["all tasks"]["as it is"] == share(first[0])
    assert shown["all tasks"]["w-only"] == share(first[1])
    changes = {line.control: line.change for line in control_lines(kinds) if line.system == "twnm"}
    assert changes[""] is None
    assert changes["w-only"] is not None and changes["w-only"].result.difference == pytest.approx(-whole.result.difference)


def test_directions_are_counted_by_sector(items: list[Item]) -> None:
    asked = [item for item in items if item.task == "l1_estimate_azimuth"]
    right = [_row(item, read=f"{item.answer_value:g}" if item.form == "open" else item.answer_letter) for item in asked]
    lost = [_row(item) for item in asked]
    known = {item.sample_id: item for item in items}
    exact, none = confusions({"exact": right, "none": lost}, known)
    assert exact.right == exact.total == len(asked)
    assert none.right == 0 and sum(line[-1] for line in none.counts) == none.total == len(asked)
    one = next(item for item in asked if item.form == "choice")
    wrong = next(letter for letter in one.letters if letter != one.answer_letter)
    (said,) = confusions({"one": [_row(one, read=wrong)]}, known)
    assert said.counts[SECTORS.index(one.answer_text)][SECTORS.index(one.options[one.letters.index(wrong)])] == 1


def test_calibration_is_the_distance_of_confidence_and_accuracy(items: list[Item], page: str) -> None:
    asked = [item for item in items if not item.transform][:40]
    rows = [_row(item, confidence=0.9 if number < 20 else 0.3, right=number % 2 == 0) for number, item in enumerate(asked)]
    (found,) = calibrations({"s": rows, "silent": [_row(item) for item in asked]})
    assert found.error.mean == pytest.approx(0.5 * 0.4 + 0.5 * 0.2)
    assert found.excess.mean == pytest.approx(0.6 - 0.5)
    assert found.error.low <= found.error.mean <= found.error.high
    assert [(said, true, count) for said, true, count in found.bins] == [pytest.approx((0.3, 0.5, 20)), pytest.approx((0.9, 0.5, 20))]
    assert "expected calibration error" in page


def test_who_is_right_as_often_as_he_says_has_the_error_of_luck_and_intervals_cover() -> None:
    """Two hundred systems of known calibration: one that is as right as it is sure, and one that is sure by 0.2 too much."""
    rng = np.random.default_rng(0)
    item = Row("s", "", "", "", "L1", "t", "spatial", "choice", "", "", "right", None, "A", 0.25, True, False, False, 0.0, None, 0.5)
    errors, lucks, covered = [], [], 0
    for _ in range(30):
        sure = rng.uniform(0.3, 1.0, 300)
        calm = [item._replace(sample_id=str(n), scene_id=str(n // 3), confidence=float(p), right=bool(rng.random() < p)) for n, p in enumerate(sure)]
        bold = [row._replace(right=bool(rng.random() < row.confidence - 0.2)) for row in calm]
        honest, brash = calibrations({"calm": calm, "bold": bold})
        errors.append(honest.error.mean)
        lucks.append(honest.luck)
        covered += brash.excess.low <= 0.2 <= brash.excess.high
    assert np.mean(errors) == pytest.approx(np.mean(lucks), abs=0.008)
    assert covered >= 26


def test_a_small_report_has_no_players_and_all_else(run: Path, page: str, tmp_path: Path) -> None:
    small = write_report(run, tmp_path / "small.html", small=True).read_text(encoding="utf-8")
    assert "<audio" in page and "<audio" not in small and "data:audio" not in small
    assert small.count('class="plan"') == page.count('class="plan"') > 0
    assert "The players are left out of this small copy" in small
    assert len(small) < 0.7 * len(page)


def test_without_confidence_or_controls_the_page_says_so(data: Path, items: list[Item], tmp_path: Path) -> None:
    write_run(tmp_path / "run", data, list(rows_of(Player("oracle", {"L1": 1.0, "L2": 1.0, "L3": 1.0}, "metadata"), items, {})))
    text = write_report(tmp_path / "run", tmp_path / "r.html").read_text()
    for line in ("No system gave a confidence", "No control was run", "No system was run with the control w-only", "There is one system", "No reply failed"):
        assert line in text
    assert "No item was answered wrong by a system that hears." in text


def test_controls_that_cannot_touch_a_system_without_ears_are_named_and_left_out(items: list[Item], tmp_path: Path) -> None:
    guess = Player("guess", {"L1": 0.3, "L2": 0.3, "L3": 0.3}, "none", deaf=True)
    rows = [row for control in ("", "w-only") for row in rows_of(guess, items[:40], {}) for row in [row | {"control": control}]]
    write_run(tmp_path / "run", tmp_path / "none", rows)
    text = write_report(tmp_path / "run", tmp_path / "r.html").read_text()
    assert "said the same to every item: guess (w-only)" in text and "No system that hears was run with the control w-only." in text
    assert 'aria-label="guess with and without space"' not in text
    changed = next(row for row in rows if row["control"] and row["read"] is not None)
    changed["read"] = "another"
    write_run(tmp_path / "run", tmp_path / "none", rows)
    text = write_report(tmp_path / "run", tmp_path / "r.html").read_text()
    assert "said the same" not in text and 'aria-label="guess with and without space"' in text


def test_the_worst_items_are_those_that_nobody_who_hears_got_right(results: Results) -> None:
    plain = {system: kept for (system, control), kept in results.by_kind().items() if not control}
    worst = worst_items(plain, results.labels, 8)
    right = {row.sample_id for system in ("intensity", "twnm", "hf:Qwen/Qwen2-Audio-7B-Instruct") for row in plain[system] if row.right}
    tasks = [next(row.task for row in plain["twnm"] if row.sample_id == name) for name in worst]
    assert len(set(tasks)) == 8
    assert not set(worst) & right


def test_a_worst_item_has_its_question_replies_plan_and_sound(page: str, results: Results, items: list[Item]) -> None:
    plain = {system: kept for (system, control), kept in results.by_kind().items() if not control}
    item = next(item for item in items if item.sample_id == worst_items(plain, results.labels, 8)[0])
    article = page[page.index("<article>") : page.index("</article>")]
    assert html.escape(item.question, quote=False) in html.unescape(article)
    assert article.count('<tr><th scope="row">') == 5
    assert 'class="plan"' in article
    sound = re.search(r"data:audio/mpeg;base64,([A-Za-z0-9+/=]+)", article)
    assert sound is not None
    samples, rate_hz = soundfile.read(io.BytesIO(base64.b64decode(sound[1])))
    assert samples.shape[1] == 2
    assert len(samples) / rate_hz == pytest.approx(2.0, abs=0.2)


@pytest.mark.parametrize(("transform", "louder"), [("", 0), ("mirror", 1), ("yaw 180", 1)])
def test_a_sound_at_the_left_is_louder_in_the_left_ear_until_the_recording_is_transformed(transform: str, louder: int) -> None:
    burst = np.random.default_rng(0).uniform(-0.1, 0.1, 24_000).astype(np.float32)
    foa = np.outer(gains(90.0, 0.0), burst).astype(np.float32)
    uri = sound_uri(Transform.of(transform).audio(foa))
    samples, _ = soundfile.read(io.BytesIO(base64.b64decode(uri.partition(",")[2])))
    levels = np.sqrt(np.mean(samples**2, axis=0))
    assert levels[louder] > 1.5 * levels[1 - louder]


def test_the_plan_has_the_front_up_and_the_left_at_the_left() -> None:
    def drawn(azimuth_deg: float) -> Drawn:
        return Drawn("dog", "#0072B2", 0.0, np.array([azimuth_deg]), np.array([0.0]), azimuth_deg, 0.0, 2.0, True)

    places = re.findall(r'class="object"[^>]* cx="([-\d.]+)" cy="([-\d.]+)"', plan_view([drawn(0.0), drawn(90.0), drawn(180.0), drawn(-90.0)]))
    (fx, fy), (lx, ly), (bx, by), (rx, ry) = [(float(x), float(y)) for x, y in places]
    assert (fx, ly, bx, ry) == pytest.approx((0, 0, 0, 0), abs=0.1)
    assert fy == pytest.approx(-by) and lx == pytest.approx(-rx)
    assert fy < 0 and lx < 0


def test_the_page_holds_everything_itself(page: str, run: Path, tmp_path: Path) -> None:
    addresses = re.findall(r'(?:src|href|action|data)="([^"]*)"', page) + re.findall(r"url\(([^)]*)\)", page)
    assert all(address.startswith(("#", "data:")) for address in addresses)
    assert "default-src 'none'" in page
    assert not re.search(r"<(iframe|link|object|embed|form)\b|@import|https?://", page)
    assert len(page) < 3_000_000
    assert write_report(run, tmp_path / "again.html").read_text(encoding="utf-8") == page


def test_what_a_system_says_is_text_never_markup(data: Path, items: list[Item], tmp_path: Path) -> None:
    rows = list(rows_of(Player("<img src=x onerror=alert(1)>", {"L1": 0.0, "L2": 0.0, "L3": 0.0}, deaf=True), items[:60], {}))
    for row in rows:
        row |= {"reply": "</td><script>alert(1)</script>", "outcome": "wrong", "right": False}
    write_run(tmp_path / "run", data, rows)
    text = write_report(tmp_path / "run", tmp_path / "r.html").read_text()
    assert text.count("<script>") == 1 and "<img" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


def test_damaged_lines_are_counted_and_a_later_reply_replaces_an_earlier(items: list[Item], tmp_path: Path) -> None:
    rows = list(rows_of(PLAYERS[2], items[:40], {}))
    folder = write_run(tmp_path / "run", tmp_path / "none", [rows[0] | {"outcome": "failed", "right": False, "error": "gone"}, *rows])
    lines = (folder / "results.jsonl").read_text().splitlines()
    torn = ['{"system": "intens', "[1, 2]", json.dumps(rows[0] | {"chance": "none"}), json.dumps(rows[0] | {"outcome": "maybe"})]
    (folder / "results.jsonl").write_text("\n".join([*lines, *torn]) + "\n")
    found = read_results(folder)
    assert (found.lines, found.corrupt, found.replaced, len(found.rows)) == (45, 4, 1, 40)
    assert not found.errors
    text = write_report(folder, tmp_path / "r.html").read_text()
    assert "45 lines: 4 corrupt and left out, 1 replaced" in text


@pytest.mark.parametrize(
    ("change", "warning"),
    [
        (lambda row: row | {"scorer": "twnm-0"}, "scored by twnm-1, twnm-0; this version scores by twnm-1"),
        (lambda row: row | {"labels": row["labels"] | {"input": "stereo"}}, "do not agree about its labels"),
        (lambda row: row | {"system": "half"}, "half has answered 30 of"),
    ],
)
def test_the_page_warns_of_what_spoils_a_comparison(
    items: list[Item], tmp_path: Path, change: Callable[[dict[str, Any]], dict[str, Any]], warning: str
) -> None:
    rows = list(rows_of(PLAYERS[2], items[:60], {}))
    write_run(tmp_path / "run", tmp_path / "none", [*rows, *(change(row) for row in rows[:30])])
    assert warning in write_report(tmp_path / "run", tmp_path / "r.html").read_text()


def test_a_system_that_always_failed_is_shown_as_such(items: list[Item], tmp_path: Path) -> None:
    broken = Player("broken", {"L1": 0.0, "L2": 0.0, "L3": 0.0}, failing=1.0)
    rows = [row for player in (PLAYERS[2], broken) for row in rows_of(player, items[::3], {})]
    write_run(tmp_path / "run", tmp_path / "none", rows)
    line = table(write_report(tmp_path / "run", tmp_path / "r.html").read_text(), "Summary of systems")["broken"]
    assert (line["overall"], line["failed"]) == ("0.0", str(len(items[::3])))
    by_renderer = {row.renderer for row in read_results(tmp_path / "run").rows if row.system == "broken"}
    assert by_renderer == {"native", "pyroomacoustics"}


def test_without_the_benchmark_folder_all_else_is_shown(rows: Rows, tmp_path: Path) -> None:
    write_run(tmp_path / "run", tmp_path / "gone", rows[:200])
    text = write_report(tmp_path / "run", tmp_path / "r.html").read_text()
    assert "the benchmark&#39;s folder cannot be read" in text.replace("'", "&#39;")
    assert "Summary of systems" in text and "<article>" not in text


def test_a_missing_recording_is_said_in_its_place(items: list[Item], rows: Rows, tmp_path: Path) -> None:
    folder = tmp_path / "bench"
    folder.mkdir()
    (folder / "items-test.jsonl").write_text("".join(json.dumps(item.to_row()) + "\n" for item in items))
    write_run(tmp_path / "run", folder, [row for row in rows if row["system"] == "intensity"])
    text = write_report(tmp_path / "run", tmp_path / "r.html").read_text()
    assert text.count("The recording cannot be read") == 8
    assert "<audio" not in text


def test_what_is_no_run_is_refused(data: Path, rows: Rows, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"run.json does not exist; give the folder that `twnm bench run` wrote"):
        write_report(tmp_path, tmp_path / "r.html")
    (tmp_path / "run.json").write_text("[]")
    with pytest.raises(InputError, match=r"run.json is damaged: it is no JSON object"):
        write_report(tmp_path, tmp_path / "r.html")
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(InputError, match=r"results.jsonl does not exist"):
        write_report(tmp_path, tmp_path / "r.html")
    (tmp_path / "results.jsonl").write_text("torn\n")
    with pytest.raises(InputError, match=r"has no result among 1 lines"):
        write_report(tmp_path, tmp_path / "r.html")
    with pytest.raises(InputError, match=r"the folder .*absent does not exist"):
        write_report(write_run(tmp_path / "run", data, rows[:9]), tmp_path / "absent" / "r.html")


def test_memory_does_not_grow_with_the_length_of_the_replies(data: Path, rows: Rows, tmp_path: Path) -> None:
    peaks = []
    for length in (10, 5000):
        folder = write_run(tmp_path / str(length), data, (row | {"reply": "x" * length} for row in itertools.islice(rows, 2000)))
        tracemalloc.start()
        read_results(folder)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 200_000
    assert peaks[1] / 2000 < 2000  # bytes a row: 100,000 rows take less than 200 MB
    assert math.isfinite(peaks[0])
