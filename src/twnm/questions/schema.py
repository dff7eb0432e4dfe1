"""One question with its options, its answer, and what decides it.

The rows of `to_row` begin with the fields of the authors' public TWNM benchmark (arXiv 2601.02954), so that one reader serves both.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from twnm.errors import InputError
from twnm.questions.answer import LETTERS
from twnm.questions.evidence import Heard, parse_evidence
from twnm.questions.facts import Facts

Family = Literal["semantic", "spatial", "temporal", "mixed"]
Level = Literal["L1", "L2", "L3"]


@dataclass(frozen=True)
class Draft:
    """What a task decides, before wording and shuffling: the words to fill in, the options, the right one, the reasoning, the objects that decide it."""

    words: dict[str, str]
    options: tuple[str, ...]
    answer: str
    why: str
    evidence: tuple[Heard, ...]


@dataclass(frozen=True)
class Task:
    """A kind of question. `draft` returns None when the scene does not allow it with the margins."""

    level: Level
    family: Family
    draft: Callable[[Facts, np.random.Generator], Draft | None]


class Item(BaseModel):
    """One multiple-choice question about one recording. `evidence` holds the lines of the objects that decide it; `derivation` ends with the answer's words."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sample_id: str
    scene_id: str
    file_name: str
    level: Level
    task: str
    family: Family
    question: str
    options: tuple[str, ...] = Field(min_length=2, max_length=8)
    answer_letter: str
    answer_text: str
    derivation: str
    evidence: tuple[str, ...]
    twin: str | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "Item":
        if len(set(self.options)) != len(self.options):
            raise ValueError(f"the options {self.options} are not distinct")
        if self.answer_letter not in self.letters or self.options[self.letters.index(self.answer_letter)] != self.answer_text:
            raise ValueError(f"letter {self.answer_letter!r} is not the option {self.answer_text!r}")
        return self

    @property
    def letters(self) -> str:
        """The letters of the options, "ABCD" for four."""
        return LETTERS[: len(self.options)]

    @property
    def heard(self) -> tuple[Heard, ...]:
        """The evidence as objects; raises InputError if a line is not in the grammar."""
        objects = [parse_evidence(line) for line in self.evidence]
        if any(found is None for found in objects):
            raise InputError(
                f"item {self.sample_id}: the evidence {self.evidence} is not in the grammar `label | sector azimuth | elevation | distance | times`"
            )
        return tuple(it for found in objects if found for it in found)

    def to_row(self) -> dict[str, Any]:
        """A flat row: the options as option_a, option_b, ...; option_a to option_d are always there (None beyond the last)."""
        row = self.model_dump(mode="json", exclude={"options"})
        padded = [*self.options, *[None] * (4 - len(self.options))]
        return row | {f"option_{letter.lower()}": option for letter, option in zip(LETTERS, padded, strict=False)}

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> "Item":
        """The inverse of `to_row`; raises InputError (a ValueError) for a row that is not an item."""
        fields = {name: value for name, value in row.items() if not name.startswith("option_")}
        options = [row.get(f"option_{letter.lower()}") for letter in LETTERS]
        try:
            return cls(**fields, options=tuple(option for option in options if option is not None))
        except (ValueError, TypeError) as error:
            raise InputError(f"not a question: {' '.join(str(error).split())}") from None
