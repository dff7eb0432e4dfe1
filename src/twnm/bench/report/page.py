"""The report of a run as one HTML file that opens offline: figures, drawings and sounds are in it, and it may load nothing."""

import json
import math
import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import jinja2
from markupsafe import Markup, escape

import twnm
from twnm.bench.controls import CONTROLS
from twnm.bench.data import UNANSWERED, Benchmark
from twnm.bench.report import figures
from twnm.bench.report.accuracy import Rows, disagreeing, group_lines, summarise
from twnm.bench.report.compare import W_ONLY, between_systems, by_task, control_lines
from twnm.bench.report.details import AZIMUTH_TASK, calibrations, confusions, speeds, twin_lines, worst_items
from twnm.bench.report.items import Shown, find_items, show
from twnm.bench.report.rows import Results, read_results, read_told
from twnm.bench.report.stages import stage_lines
from twnm.bench.results import RESULTS_NAME
from twnm.bench.run import PREDICTIONS_NAME, RUN_NAME
from twnm.bench.score import SCORER_VERSION
from twnm.errors import InputError
from twnm.files import atomic_write, sha256_file
from twnm.questions.schema import Item

WORST: Final = 8
_SECTIONS: Final = {
    "summary": "Summary",
    "tasks": "Tasks",
    "space": "Space",
    "controls": "Controls",
    "twins": "Twins",
    "stages": "Two stages",
    "directions": "Directions",
    "calibration": "Calibration",
    "speed": "Time",
    "worst": "Worst items",
    "run": "How it was made",
}
_MEANINGS: Final[Mapping[str, str]] = {
    "question-only": "no recording",
    "w-only": "Y, Z, X silent",
    "shuffled": "Y, Z, X exchanged",
    "wrong-clip": "another recording",
    "options-rotated": "options moved",
    "noise-floor": "noise as loud",
}


def write_report(run_folder: Path, out: Path, small: bool = False) -> Path:
    """Write the report of a run.

    Args:
        run_folder: what `twnm bench run` wrote: the results and `run.json`.
        out: the HTML file to write. The same results give the same bytes.
        small: leave out the players, which are most of the file.

    Returns:
        `out`.

    Raises:
        InputError: the run has no results or no answers to score by, `run.json` is missing or damaged, or `out` cannot be written. The benchmark's own
            folder may be missing: then the parts that need it say so.
    """
    run, results = _read_run(run_folder), read_results(run_folder)
    page = _environment().get_template("page.html.jinja").render(_context(run_folder, run, results, small))
    with atomic_write(out) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return out


def _read_run(run_folder: Path) -> dict[str, Any]:
    path = run_folder / RUN_NAME
    try:
        run = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; give the folder that `twnm bench run` wrote") from None
    except ValueError:
        run = None
    if not isinstance(run, dict):
        raise InputError(f"{path} is damaged: it is no JSON object; run the benchmark again with the same --out")
    if run.get("split") == UNANSWERED:
        raise InputError(f"{run_folder} has items without answers, so nothing can be scored; its letters are in {run_folder / PREDICTIONS_NAME}")
    return run


def _environment() -> jinja2.Environment:
    loader = jinja2.PackageLoader("twnm.bench.report", "templates")
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    filters: dict[str, Callable[..., str]] = {"percent": percent, "points": points, "p": p_text, "seconds": seconds, "soft": soft}
    environment.filters |= filters
    drawings = ("interval_bar", "difference_bar", "confusion_map", "calibration_map", "plan_view", "legend_place")
    environment.globals |= {name: getattr(figures, name) for name in drawings} | {"nan": math.nan}
    return environment


def soft(name: str) -> Markup:
    """A name that may be broken after underscores and slashes."""
    return Markup(re.sub("([_/])(?=.)", r"\1<wbr>", str(escape(name))))


def percent(share: float) -> str:
    """A share in per cent, without the sign: 0.4884 is 48.8; 1 is 100."""
    return "–" if math.isnan(share) else "100" if share == 1 else f"{100 * share:.1f}"


def points(share: float) -> str:
    """A difference of shares in points, with its sign: +12.3."""
    return "0.0" if abs(share) < 0.0005 else f"{100 * share:+.1f}".replace("-", "−")


def p_text(value: float) -> str:
    """A p value with two digits, or < 0.001."""
    return "< 0.001" if value < 0.001 else f"{value:.2g}"


def seconds(value: float) -> str:
    """Seconds with three digits, so that milliseconds and hours both read."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _context(run_folder: Path, run: dict[str, Any], results: Results, small: bool) -> dict[str, Any]:
    by_kind = results.by_kind()
    by_system: dict[str, Rows] = {system: by_kind[system, ""] for system in results.labels if (system, "") in by_kind}
    names = sorted({row.renderer for row in results.rows} - {""})
    renderers = names if len(names) > 1 else []
    columns = ("overall", "L1", "L2", "L3", "spatial", "pair", "grounded")
    pairs = between_systems(by_system)
    alike = _alike(results, by_kind)
    told = {kind: rows for kind, rows in by_kind.items() if kind[1] not in alike.get(kind[0], ())}
    kinds = [(system, control, by_task(by_system[system], rows)) for (system, control), rows in told.items() if control == W_ONLY and system in by_system]
    controlled = {system for system, control in by_kind if control}
    maps, worst, no_items = _from_items(run_folder, run, results, by_system, small)
    unfit = {system: len(results.not_applicable.get((system, ""), ())) for system in by_system}
    stages = stage_lines(by_kind)
    return {
        "title": f"{Path(str(run.get('data', 'unknown data'))).name}, split {run.get('split', 'unknown')}, scorer {', '.join(results.scorers)}",
        "facts": _facts(results, by_system),
        "sections": [(anchor, name) for anchor, name in _SECTIONS.items() if anchor != "stages" or stages],
        "stages": stages,
        "small": small,
        "some_unfit": any(unfit.values()),
        "unfit": [(system, reason, count) for (system, reason), count in results.reasons.most_common()],
        "warnings": _warnings(results),
        "columns": columns,
        "renderers": renderers,
        "summaries": [summarise(system, results.labels[system], rows, renderers, unfit[system]) for system, rows in by_system.items()],
        "pairs": pairs,
        "reach": max([0.1, *(max(abs(it.result.low), abs(it.result.high)) for it in pairs)]),
        "systems": list(by_system),
        "groups": group_lines(by_system, ["level", "family", *(["renderer"] if renderers else []), "task"]),
        "spaces": kinds,
        "alike": "; ".join(f"{system} ({', '.join(controls)})" for system, controls in alike.items()),
        "controls": control_lines({kind: rows for kind, rows in told.items() if kind[0] in controlled}),
        "meanings": {name: _MEANINGS.get(name, name) for name in CONTROLS if name},
        "twins": twin_lines(told),
        "maps": maps,
        "short_sectors": figures.SHORT_SECTORS,
        "sure": calibrations(by_system),
        "speeds": speeds(by_system),
        "worst": worst,
        "no_items": no_items,
        "failures": [(system, message, count) for (system, message), count in results.errors.most_common(20)],
        "results": results,
        "commands": run.get("commands", []),
        "equivalent": _equivalent(run_folder, run) if len(run.get("commands", [])) != 1 else "",
        "machine": run.get("machine", ""),
        "provenance": _provenance(run_folder, run, results),
        "version": twnm.__version__,
    }


def _alike(results: Results, by_kind: Mapping[tuple[str, str], Rows]) -> dict[str, list[str]]:
    """Of each system that gets no recording, the controls under which it said to every item what it says anyway, and was as right (options may be moved)."""
    found: dict[str, list[str]] = {}
    for (system, control), rows in by_kind.items():
        deaf = any(label.get("input") in ("none", "metadata") for label in results.labels[system])
        plain = {row.sample_id: (row.read, row.right) for row in by_kind.get((system, ""), ())}
        if deaf and control and all(plain.get(row.sample_id) == (row.read, row.right) for row in rows):
            found.setdefault(system, []).append(control)
    return found


def _facts(results: Results, by_system: Mapping[str, Rows]) -> list[tuple[str, str, bool]]:
    """The figures at the top: name, value, and whether it is bad news."""
    items = {row.sample_id for row in results.rows if not row.transform}.union(*results.not_applicable.values())
    unfit = sum(map(len, results.not_applicable.values()))
    failed = sum(row.outcome == "failed" for row in results.rows)
    counts = {"systems": len(by_system), "items": len(items), "scenes": len({row.scene_id for row in results.rows}), "replies": len(results.rows)}
    plain = [(name, f"{count:,}", False) for name, count in counts.items()]
    plain += [("not applicable", f"{unfit:,}", False)] * (unfit > 0)
    return [*plain, ("failed", f"{failed:,}", failed > 0), ("corrupt lines", f"{results.corrupt:,}", results.corrupt > 0)]


def _warnings(results: Results) -> list[str]:
    """What a reader must know before any figure."""
    found = []
    if set(results.scorers) != {SCORER_VERSION}:
        found.append(f"These results were scored by {', '.join(results.scorers)}; this version scores by {SCORER_VERSION}: do not compare the two.")
    found += [f"The rows of {system} do not agree about its labels: it was changed during the run." for system in disagreeing(results.labels)]
    answered = {
        kind[0]: {row.sample_id for row in rows} | results.not_applicable.get(kind, frozenset()) for kind, rows in results.by_kind().items() if kind[1] == ""
    }
    every = set().union(*answered.values())
    found += [
        f"{system} has answered {len(ids):,} of {len(every):,} items: the run is not complete, and its figures are of another selection."
        for system, ids in answered.items()
        if len(ids) < len(every)
    ]
    return found


def _from_items(run_folder: Path, run: dict[str, Any], results: Results, by_system: Mapping[str, Rows], small: bool) -> tuple[list[Any], list[Shown], str]:
    """Confusions and worst items, which need the benchmark's folder, or why they are missing."""
    worst = worst_items(by_system, results.labels, WORST)
    wanted = {row.sample_id for rows in by_system.values() for row in rows if row.task == AZIMUTH_TASK} | set(worst)
    try:
        benchmark = Benchmark(_data_folder(run_folder, run), str(run.get("split", "")))
        items: dict[str, Item] = find_items(benchmark, wanted)
    except InputError as error:
        return [], [], f"Not shown, because the benchmark's folder cannot be read: {error}"
    told = read_told(run_folder, set(worst))
    return confusions(by_system, items), [show(benchmark, items[name], told[name], sounds=not small) for name in worst if name in items], ""


def _data_folder(run_folder: Path, run: dict[str, Any]) -> Path:
    """Where the benchmark lies: as the run says, or the same path beside the run if both were moved."""
    given = Path(str(run.get("data", "")))
    return given if given.is_dir() else run_folder.parent / given.name


def _equivalent(run_folder: Path, run: dict[str, Any]) -> str:
    """The one command that would make this run."""
    words = ["twnm", "bench", "run", *run.get("systems", []), "--data", str(run.get("data", "")), "--split", str(run.get("split", ""))]
    for control in run.get("controls", []):
        words += ["--controls", control]
    return shlex.join([*words, "--out", str(run_folder)])


def _provenance(run_folder: Path, run: dict[str, Any], results: Results) -> list[tuple[str, str]]:
    """Everything that `run.json` says, and the hash of the results."""
    lines = [(name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)) for name, value in run.items() if name != "commands"]
    own = [("results, SHA-256", sha256_file(run_folder / RESULTS_NAME)), ("scored by", ", ".join(results.scorers)), ("report by twnm", twnm.__version__)]
    return [*lines, *own]
