"""The figures of a run: one line for programs, tables for people. What they mean stands in `twnm.bench.report`, which draws the same figures."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twnm.bench.report.accuracy import Estimate, Summary, summarise
from twnm.bench.report.compare import Difference, between_systems, differences
from twnm.bench.report.rows import Results, Row, read_results
from twnm.bench.report.stages import StageLine, stage_lines

if TYPE_CHECKING:
    from rich.console import RenderableType

COLUMNS = ("overall", "L1", "L2", "L3", "spatial", "pair", "grounded")


class RunSummary:
    """Every system of a run folder, as it is and under its controls, with intervals; and the systems against one another.

    Raises:
        InputError: the folder has no results.
    """

    def __init__(self, folder: Path | str) -> None:
        results = read_results(Path(folder))
        kinds = results.by_kind()
        self.corrupt = results.corrupt
        self.figures: dict[tuple[str, str], Summary] = {kind: _summary(results, kind, rows) for kind, rows in kinds.items()}
        self.stages: list[StageLine] = stage_lines(kinds)
        plain = {system: rows for (system, control), rows in kinds.items() if not control}
        self.between: list[Difference] = between_systems(plain)
        sides = [(system, plain[system], control, rows) for (system, control), rows in kinds.items() if control and system in plain]
        self.controls: list[Difference] = differences([(one, _first(a), other, _first(b)) for one, a, other, b in sides])

    def to_json(self) -> dict[str, Any]:
        """By system the figures in per cent; its controls in `controls`, the overall figure of each renderer in `renderers`."""
        line: dict[str, Any] = {}
        for (system, control), summary in self.figures.items():
            whole = line.setdefault(system, {})
            if control:
                whole.setdefault("controls", {})[control] = _row(summary)
            else:
                whole.update(_row(summary))
        for stage in self.stages:
            place = line[stage.system]["controls"][stage.control] if stage.control else line[stage.system]
            shares = {name: _percent(it.mean) for name, it in stage.figures.items()}
            place.setdefault("two_stage", {})[stage.group] = {"records": stage.records} | shares
        return line

    def view(self) -> "RenderableType":
        """Tables for the terminal: figures with intervals, differences with what they could have shown."""
        from rich.console import Group

        parts: list[RenderableType] = [self._table()]
        parts += [_difference_table("systems compared", self.between)] * bool(self.between)
        parts += [_difference_table("systems against their controls", self.controls)] * bool(self.controls)
        parts += [_stage_table(self.stages)] if self.stages else []
        parts += [f"{self.corrupt} damaged lines in the results"] * bool(self.corrupt)
        return Group(*parts)

    def _table(self) -> "RenderableType":
        from rich import box
        from rich.table import Table

        table = Table(title="per cent right, with 95 % intervals by scene", box=box.SIMPLE, padding=(0, 1, 0, 0))
        table.add_column("system", no_wrap=True)
        apart = any(summary.not_applicable for summary in self.figures.values())
        for name in (*COLUMNS, "chance", "unparseable", "failed", *["not applicable"] * apart, "n"):
            table.add_column(name, justify="right")
        for (system, control), summary in self.figures.items():
            cells = [_cell(summary.figures[name]) for name in COLUMNS]
            counts = [str(summary.failed), *[str(summary.not_applicable)] * apart, str(summary.count)]
            last = (_text(summary.chance["overall"]), _text(summary.unparseable), *counts)
            table.add_row(f"{system}\n{control and f'  {control}'}", *cells, *last)
        return table


def _first(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if not row.transform]


def _summary(results: Results, kind: tuple[str, str], rows: Sequence[Row]) -> Summary:
    renderers = sorted({row.renderer for row in rows if row.renderer})
    return summarise(kind[0], results.labels[kind[0]], rows, renderers, len(results.not_applicable.get(kind, ())))


def _row(summary: Summary) -> dict[str, Any]:
    figures = {name: _percent(summary.figures[name].mean) for name in COLUMNS}
    intervals = {name: [_percent(summary.figures[name].low), _percent(summary.figures[name].high)] for name in COLUMNS}
    rest = {"unparseable": _percent(summary.unparseable), "chance": _percent(summary.chance["overall"]), "n": summary.count, "failed": summary.failed}
    rest |= {"not_applicable": summary.not_applicable, "grounded_n": summary.figures["grounded"].count}
    renderers = {name.removeprefix("renderer "): _percent(it.mean) for name, it in summary.figures.items() if name.startswith("renderer ")}
    return figures | rest | {"pair_chance": _percent(summary.chance["pair"]), "intervals": intervals, "renderers": renderers}


def _percent(share: float) -> float | None:
    return None if math.isnan(share) else round(100 * share, 1)


def _text(share: float) -> str:
    return "" if math.isnan(share) else f"{100 * share:.1f}"


def _cell(estimate: Estimate) -> str:
    return "" if math.isnan(estimate.mean) else f"{100 * estimate.mean:.1f}\n{100 * estimate.low:.0f}–{100 * estimate.high:.0f}"


def _difference_table(title: str, found: Sequence[Difference]) -> "RenderableType":
    from rich import box
    from rich.table import Table

    table = Table(title=f"{title}: points of per cent, paired by scene, Holm-corrected", box=box.SIMPLE)
    for name in ("first", "second"):
        table.add_column(name)
    for name in ("difference", "95 % interval", "p", "p (Holm)", "detectable", "n"):
        table.add_column(name, justify="right")
    for it in found:
        interval = f"{100 * it.result.low:+.1f} to {100 * it.result.high:+.1f}"
        detectable = "" if it.detectable is None else f"{100 * it.detectable:.1f}"
        table.add_row(
            it.first, it.second, f"{100 * it.result.difference:+.1f}", interval, f"{it.result.p_value:.4f}", f"{it.p_holm:.4f}", detectable, str(it.count)
        )
    return table


def _stage_table(stages: Sequence[StageLine]) -> "RenderableType":
    from rich import box
    from rich.table import Table

    table = Table(title="records of two stages: per cent right, with 95 % intervals", box=box.SIMPLE)
    for name in ("system", "records of"):
        table.add_column(name)
    for name in (*stages[0].figures, "records"):
        table.add_column(name.replace("_", " "), justify="right")
    for it in stages:
        table.add_row(f"{it.system}\n{it.control and f'  {it.control}'}", it.group, *map(_cell, it.figures.values()), str(it.records))
    return table
