"""Records of two stages (RMS-AQA): what is heard, then a question about it; grounded is a record of which both answers are right."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from twnm.bench.report.accuracy import Estimate, asked_first, estimate_of
from twnm.bench.report.rows import Row
from twnm.corpora.rms_aqa import records_of


@dataclass(frozen=True)
class StageLine:
    """A system under a control on all records ("all") or on those of a kind of stage 2: estimates by name (stage_1, stage_2, grounded)."""

    system: str
    control: str
    group: str
    records: int
    figures: Mapping[str, Estimate]


def stage_lines(by_kind: Mapping[tuple[str, str], Sequence[Row]]) -> list[StageLine]:
    """Of every system and control that answered records of two stages; empty for any other benchmark."""
    lines = []
    for kind, rows in by_kind.items():
        first = asked_first(rows)
        for group, records in records_of(first, {row.sample_id: row.right for row in first}).items():
            parts = {"stage_1": [one for _, one, _ in records], "stage_2": [two for _, _, two in records], "grounded": [one and two for _, one, two in records]}
            figures = {name: estimate_of([(it[0], float(hit)) for it, hit in zip(records, hits, strict=True)]) for name, hits in parts.items()}
            lines.append(StageLine(*kind, group, len(records), figures))
    return lines
