"""The grammar of a whole output: `<evidence>...</evidence><why>...</why><answer>...</answer>`, written for training and parsed from a model.

Each part is optional; a part that is absent, torn or given twice is None: the parser never guesses and never raises. The letter follows from the
answer's words, by exact comparison with the options.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from twnm.errors import InputError

LETTERS = "ABCDEFGH"
_TAGS = ("evidence", "why", "answer")


@dataclass(frozen=True)
class Parsed:
    """The parts of an output; None where a part is missing."""

    evidence: str | None
    why: str | None
    answer: str | None


def write_output(evidence: str | None, why: str | None, answer: str | None) -> str:
    """The parts in order, each in its tags; a part that is None is left out. Raises InputError if a part contains "<" or ">"."""
    parts = []
    for tag, text in zip(_TAGS, (evidence, why, answer), strict=True):
        if text is None:
            continue
        if "<" in text or ">" in text:
            raise InputError(f"the {tag} {text!r} contains '<' or '>', which are kept for the tags; leave them out")
        parts.append(f"<{tag}>{text}</{tag}>")
    return "".join(parts)


def parse_output(text: str) -> Parsed:
    """The parts of a model's output."""
    return Parsed(*(_part(text, tag) for tag in _TAGS))


def _part(text: str, tag: str) -> str | None:
    found = re.findall(f"<{tag}>([^<>]*)</{tag}>", text)
    torn = text.count(f"<{tag}>") != 1 or text.count(f"</{tag}>") != 1
    return None if torn or len(found) != 1 else str(found[0])


def check_question(question: str, options: Sequence[str]) -> None:
    """Raise InputError unless the question has text and the options, if any, are 2 to 8 different texts."""
    if not question.strip():
        raise InputError('the question has no text; ask for example "Where is the dog?"')
    if options and not 2 <= len(options) <= len(LETTERS):
        raise InputError(f"{len(options)} option{'s' if len(options) != 1 else ''} given; 2 to 8 are allowed, or none for an open question")
    if any(not option.strip() for option in options) or len({option.strip().casefold() for option in options}) != len(options):
        raise InputError("the options must be different texts, none of them empty")


def letter_of(answer_text: str, options: Sequence[str]) -> str | None:
    """The letter of the one option that has the answer's words (case, spaces and a final dot do not count); None if there is not exactly one."""
    wanted = _normal(answer_text)
    letters = [letter for letter, option in zip(LETTERS, options, strict=False) if _normal(option) == wanted]
    return letters[0] if len(letters) == 1 and wanted else None


def _normal(text: str) -> str:
    return " ".join(text.casefold().split()).removesuffix(".").rstrip()
