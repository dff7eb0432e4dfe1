"""One question with its options, its answer, and what decides it.

The rows of `to_row` begin with the fields of the authors' public TWNM benchmark (arXiv 2601.02954), so that one reader serves both.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, model_validator

from twnm.errors import InputError
from twnm.questions.answer import LETTERS
from twnm.questions.evidence import Heard, parse_evidence
from twnm.questions.facts import Facts

Family = Literal["semantic", "spatial", "temporal", "mixed"]
Level = Literal["L1", "L2", "L3"]
Form = Literal["choice", "open"]
Unit = Literal["deg", "m", "s"]
Tolerance = Literal["20 deg", "30 %", "0.3 s", "text"]
ASK_FOR_TURN: Final = "Answer in degrees, positive to the left."
ASK_FOR_SOUND: Final = "Answer with the name of the sound."


@dataclass(frozen=True)
class Query:
    """What a task asks: the words to fill into a wording and the options.

    `meaning` is what the words stand for where a program cannot read them off; `reply` ends the open question in place of the task's own.
    """

    words: dict[str, str]
    options: tuple[str, ...]
    meaning: tuple[Any, ...] = ()
    reply: str = ""


@dataclass(frozen=True)
class Verdict:
    """What is true: the right option, the line of steps that ends with it, the objects that decide it."""

    answer: str
    why: str
    evidence: tuple[Heard, ...]


@dataclass(frozen=True)
class Number:
    """What is true in figures: the exact value, how it is counted as right, the value as said, and the line of steps that ends with that."""

    value: float
    unit: Unit
    tolerance: Tolerance
    said: str
    why: str


@dataclass(frozen=True)
class Task:
    """A kind of question.

    `draw` chooses what to ask, None when the scene does not allow it; `judge` answers a query about a scene, None within a margin. Both depend on the
    facts alone, so that the same query can be put to a scene and to its mirror image. `reply` ends an open question (empty: there is no open form);
    `number` gives its answer in figures (None: the answer's words are wanted).
    """

    level: Level
    family: Family
    draw: Callable[[Facts, np.random.Generator], Query | None]
    judge: Callable[[Facts, Query], Verdict | None]
    reply: str = ""
    number: Callable[[Facts, Query], Number | None] | None = None

    def ask(self, facts: Facts, rng: np.random.Generator) -> tuple[Query, Verdict] | None:
        """A query and its answer, None when the scene does not allow one within the margins."""
        query = self.draw(facts, rng)
        verdict = None if query is None else self.verdict(facts, query)
        return None if query is None or verdict is None else (query, verdict)

    def verdict(self, facts: Facts, query: Query) -> Verdict | None:
        """The answer to a query, None if it is within a margin or not among the options."""
        verdict = self.judge(facts, query)
        return verdict if verdict is not None and verdict.answer in query.options else None


class Item(BaseModel):
    """One question about one recording.

    `evidence` holds the lines of the objects that decide it; `derivation` ends with the answer's words. An open question has no options and no letter;
    `tolerance` says how its answer is scored: within 20 degrees, 30 per cent, 0.3 s, or by its words. `transform` is what is done to the recording
    before it is heard (see `twnm.questions.twins`); `twin` is the `sample_id` of the item with the same words, another transform and another answer.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sample_id: str
    scene_id: str
    file_name: str
    level: Level
    task: str
    family: Family
    question: str
    options: tuple[str, ...] = ()
    answer_letter: str | None = None
    answer_text: str
    derivation: str
    evidence: tuple[str, ...]
    form: Form = "choice"
    answer_value: float | None = None
    unit: Unit | None = None
    tolerance: Tolerance | None = None
    transform: str = ""
    twin: str | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "Item":
        if self.form == "open":
            self._check_open()
        elif not 2 <= len(self.options) <= len(LETTERS):
            raise ValueError(f"{len(self.options)} options; 2 to {len(LETTERS)} are allowed")
        elif len(set(self.options)) != len(self.options):
            raise ValueError(f"the options {self.options} are not distinct")
        elif self.answer_letter is None or self.answer_letter not in self.letters or self.options[self.letters.index(self.answer_letter)] != self.answer_text:
            raise ValueError(f"letter {self.answer_letter!r} is not the option {self.answer_text!r}")
        return self

    def _check_open(self) -> None:
        if self.options or self.answer_letter is not None or self.tolerance is None:
            raise ValueError("an open question has a tolerance, and neither options nor a letter")
        if (self.tolerance == "text") != (self.answer_value is None) or (self.unit is None) != (self.answer_value is None):
            raise ValueError(f"tolerance {self.tolerance!r} with answer_value {self.answer_value} and unit {self.unit!r}; a number needs all three")

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


def one_of(choices: tuple[str, ...]) -> str:
    """The end of an open question that has few answers: "Answer with yes or no."."""
    return f"Answer with {', '.join(choices[:-1])} or {choices[-1]}."
