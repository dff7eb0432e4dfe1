"""Results as the report reads them: line by line, without the texts of the replies, so that 100,000 rows take some tens of megabytes.

A row that came later replaces an earlier one of the same system, control and item: a failed question was asked again. Lines that are no rows are counted
and left out. What is not applicable to a system is counted apart: it is neither wrong nor failed. Texts are read again for the few items that are shown.
"""

import sys
from collections import Counter
from collections.abc import Iterable, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from twnm.bench.results import NOT_APPLICABLE, RESULTS_NAME, read_rows
from twnm.errors import InputError

OUTCOMES: Final = ("right", "wrong", "unparseable", "failed", NOT_APPLICABLE)
LONGEST_ERROR: Final = 160
_TEXTS: Final = ("system", "control", "sample_id", "scene_id", "level", "task", "family", "form", "renderer", "transform", "outcome")


class Row(NamedTuple):
    """One reply without its text; None are the `confidence` of a system that gives none, `tokens` not counted, `grounded` where no evidence is known."""

    system: str
    control: str
    sample_id: str
    scene_id: str
    level: str
    task: str
    family: str
    form: str
    renderer: str
    transform: str
    outcome: str
    twin: str | None
    read: str | None
    chance: float
    right: bool
    grounded: bool | None
    gives_evidence: bool
    seconds: float
    tokens: int | None
    confidence: float | None

    @property
    def kind(self) -> tuple[str, str]:
        """System and control."""
        return self.system, self.control


class Told(NamedTuple):
    """What a system said to an item: its text, or the error if it failed."""

    system: str
    outcome: str
    text: str


@dataclass(frozen=True)
class Results:
    """Everything in a results file.

    `rows` are by system, control and item, the latest each, without what is not applicable: `not_applicable` has the items of each system and control,
    `reasons` count why; `labels` are the audit labels of each system (none if it could not be loaded, more than one if its rows disagree); `errors` count
    messages by system; `lines` is how many the file has, of which `corrupt` are no rows and `replaced` were superseded;
    `scorers` who scored.
    """

    rows: tuple[Row, ...]
    labels: dict[str, list[dict[str, str]]]
    errors: Counter[tuple[str, str]]
    not_applicable: dict[tuple[str, str], frozenset[str]]
    reasons: Counter[tuple[str, str]]
    scorers: tuple[str, ...]
    lines: int
    corrupt: int
    replaced: int

    def by_kind(self) -> dict[tuple[str, str], list[Row]]:
        """The rows of each system and control, none where nothing was applicable; both in the order of the file, a system as it is first."""
        found: dict[tuple[str, str], list[Row]] = {kind: [] for kind in self.not_applicable}
        for row in self.rows:
            found.setdefault(row.kind, []).append(row)
        systems = list(self.labels)
        return dict(sorted(found.items(), key=lambda pair: (systems.index(pair[0][0]), pair[0][1] != "")))


def read_results(folder: Path) -> Results:
    """Read the results of a run.

    Raises:
        InputError: the folder has no results file, or that has no row at all.
    """
    latest: dict[tuple[str, str, str], Row] = {}
    messages: dict[tuple[str, str, str], str] = {}
    labels: dict[str, list[dict[str, str]]] = {}
    scorers: dict[str, None] = {}
    torn: list[int] = []
    whole = unfit = 0
    for found in read_rows(folder, torn):
        row = _row(found)
        if row is None:
            unfit += 1
            continue
        whole += 1
        key = (row.system, row.control, row.sample_id)
        latest[key] = row
        messages.pop(key, None)
        if row.outcome in ("failed", NOT_APPLICABLE):
            messages[key] = sys.intern(" ".join(str(found.get("error") or "no message").split())[:LONGEST_ERROR])
        known = labels.setdefault(row.system, [])
        if isinstance(found.get("labels"), dict) and found["labels"] not in known:
            known.append(found["labels"])
        scorers[str(found.get("scorer", "unknown"))] = None
    unfit_ids: dict[tuple[str, str], set[str]] = {}
    for row in latest.values():
        if row.outcome == NOT_APPLICABLE:
            unfit_ids.setdefault(row.kind, set()).add(row.sample_id)
    rows = _with_renderers(row for row in latest.values() if row.outcome != NOT_APPLICABLE)
    corrupt = unfit + len(torn)
    if not latest:
        raise InputError(f"{folder / RESULTS_NAME} has no result among {corrupt} lines; run the benchmark again with the same --out")
    errors, reasons = (
        Counter((key[0], message) for key, message in messages.items() if (latest[key].outcome == NOT_APPLICABLE) == apart) for apart in (False, True)
    )
    not_applicable = {kind: frozenset(ids) for kind, ids in unfit_ids.items()}
    return Results(rows, labels, errors, not_applicable, reasons, tuple(scorers), whole + corrupt, corrupt, whole - len(latest))


def _with_renderers(rows: Iterable[Row]) -> tuple[Row, ...]:
    """The rows; those that failed before the scene was known get the renderer from another row about it."""
    rows = tuple(rows)
    known = {row.scene_id: row.renderer for row in rows if row.renderer}
    return tuple(row if row.renderer or row.scene_id not in known else row._replace(renderer=known[row.scene_id]) for row in rows)


def read_told(folder: Path, sample_ids: Set[str]) -> dict[str, list[Told]]:
    """What every system as it is (no control) said to these items, the latest reply each, in the order of the file."""
    told: dict[str, dict[str, Told]] = {sample_id: {} for sample_id in sample_ids}
    for found in read_rows(folder):
        if found["control"] == "" and found["sample_id"] in told and _row(found) is not None:
            text = found.get("error") if found["outcome"] in ("failed", NOT_APPLICABLE) else found.get("reply")
            told[found["sample_id"]][found["system"]] = Told(found["system"], found["outcome"], str(text or ""))
    return {sample_id: list(by_system.values()) for sample_id, by_system in told.items()}


def _optional(text: str | None) -> str | None:
    return None if text is None else sys.intern(text)


def _row(found: dict[str, Any]) -> Row | None:
    """A row, None where a field is missing or of another type."""
    try:
        texts = {name: sys.intern(found[name]) for name in _TEXTS}
        tokens, confidence = found.get("tokens"), found.get("confidence")
        row = Row(
            **texts,
            twin=_optional(found["twin"]),
            read=_optional(found["read"]),
            chance=float(found["chance"]),
            right=bool(found["right"]),
            grounded=None if found["grounded"] is None else bool(found["grounded"]),
            gives_evidence=found.get("evidence") is not None or "<evidence>" in str(found.get("reply")),
            seconds=float(found["seconds"]),
            tokens=None if tokens is None else int(tokens),
            confidence=None if confidence is None else float(confidence),
        )
    except (KeyError, TypeError, ValueError):
        return None
    return row if row.outcome in OUTCOMES else None
