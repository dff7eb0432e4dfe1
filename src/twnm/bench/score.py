"""The one scorer: deterministic, without a model, the same for every system, for training rewards and for results.

An answer is right, wrong or unparseable; unparseable counts as wrong and is reported. Choices are right by letter, open numbers within their tolerance
(20 degrees on the circle, 30 per cent of the true distance or duration, 0.3 s), open words if they are the same but for case, article and final dot.

Grounded is an answer that is right and whose evidence is right too: every object of the item's evidence is matched by an object of its own in the
reply's, with the same label, a direction within 20 degrees on the sphere, a distance within 30 per cent and onset and offset within 0.3 s. Objects with
other labels do no harm, unless they stand in the place and time of a true one, and there must not be more objects of a label than the item's evidence has:
who lists a dog in every direction, or every class in one, has not heard it. What is known to be in the scene is never held against a reply. Items whose
evidence is not known (`evidence_known`) do not count in grounded.

A pair of twins (the same words about a recording and about its exact transform) is right if both answers are.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from twnm.ambisonics import wrap_deg
from twnm.bench.replies import Unit, declared_answer, read_letter, read_number, same_text, tidy
from twnm.errors import InputError
from twnm.questions.answer import parse_output
from twnm.questions.evidence import Heard, parse_evidence
from twnm.questions.schema import Item

SCORER_VERSION: Final = "twnm-1"
ANGLE_TOLERANCE_DEG = 20.0
RATIO_TOLERANCE = 0.3
TIME_TOLERANCE_S = 0.3
_ROUNDING = 1e-6  # a difference of exactly the tolerance is within it

Outcome = Literal["right", "wrong", "unparseable"]


@dataclass(frozen=True)
class Score:
    """How a reply did: its outcome, what was read (a letter, a number, words; None if unparseable), and whether its evidence is right.

    `evidence_right` is None where nobody knows the evidence: an item of others' corpora comes without.
    """

    outcome: Outcome
    read: str | None
    evidence_right: bool | None

    @property
    def right(self) -> bool:
        """Whether the answer is right."""
        return self.outcome == "right"

    @property
    def grounded(self) -> bool | None:
        """Whether answer and evidence are both right; None where the evidence is not known."""
        return None if self.evidence_right is None else self.right and self.evidence_right


def score(item: Item, reply: str, evidence: str | None = None, scene: Sequence[Heard] = ()) -> Score:
    """Score a reply to an item.

    Args:
        item: the question.
        reply: the system's whole text; any text is allowed, and none makes this raise.
        evidence: what it rests on, in the grammar of `twnm.questions.evidence`, if the system gives it apart from the reply; otherwise it is read from
            `<evidence>...</evidence>` in the reply.
        scene: everything heard in the scene, where that is known (`heard_of`).

    Raises:
        InputError: the evidence of the item itself is not in the grammar.
    """
    if item.form == "choice":
        outcome, read = score_choice(reply, item.options, str(item.answer_letter))
    elif item.answer_value is not None and item.unit is not None:
        outcome, read = score_number(reply, item.answer_value, item.unit, str(item.tolerance))
    else:
        outcome, read = score_text(reply, item.answer_text)
    if not evidence_known(item):
        return Score(outcome, read, None)
    given = parse_output(reply).evidence if evidence is None else evidence
    return Score(outcome, read, evidence_right(item.heard, given, scene))


def evidence_known(item: Item) -> bool:
    """Whether it is known what decides the answer: our own items say so, if only that no object does; imported ones have neither evidence nor derivation."""
    return bool(item.evidence or item.derivation)


def score_choice(reply: str, options: Sequence[str], answer_letter: str) -> tuple[Outcome, str | None]:
    """The outcome of a reply to a multiple-choice question, and the letter that was read."""
    answer = declared_answer(reply)
    letter = None if answer is None else read_letter(answer, options)
    return _outcome(letter, letter == answer_letter)


def score_number(reply: str, value: float, unit: Unit, tolerance: str) -> tuple[Outcome, str | None]:
    """The outcome of a reply to an open question for a number, and the number that was read, in the unit asked for.

    `tolerance` is "20 deg" (on the circle), "30 %" (of the true value) or "0.3 s"; raises InputError for another.
    """
    answer = declared_answer(reply)
    said = None if answer is None else read_number(answer, unit)
    if tolerance == "20 deg":
        off, allowed = abs(wrap_deg((said or 0.0) - value)), ANGLE_TOLERANCE_DEG
    elif tolerance == "30 %":
        off, allowed = abs((said or 0.0) - value), RATIO_TOLERANCE * abs(value)
    elif tolerance == "0.3 s":
        off, allowed = abs((said or 0.0) - value), TIME_TOLERANCE_S
    else:
        raise InputError(f"unknown tolerance {tolerance!r} of a number; allowed: 20 deg, 30 %, 0.3 s")
    return _outcome(None if said is None else f"{said:g}", off <= allowed + _ROUNDING)


def score_text(reply: str, answer_text: str) -> tuple[Outcome, str | None]:
    """The outcome of a reply to an open question for words, and the words that were read."""
    answer = declared_answer(reply)
    return _outcome(answer, answer is not None and same_text(answer, tidy(answer_text)))


def _outcome(read: str | None, right: bool) -> tuple[Outcome, str | None]:
    return ("unparseable" if read is None else "right" if right else "wrong"), read


def evidence_right(truth: Sequence[Heard], given: str | None, scene: Sequence[Heard] = ()) -> bool:
    """Whether evidence (text in the grammar; None: there is none) has every true object within the tolerances; False for any other text.

    Objects that match one of `scene` but none of `truth` are left out of account.
    """
    heard = None if given is None else parse_evidence(given.strip())
    if heard is None:
        return False
    counted = [it for it in heard if any(_meets(true, it) for true in truth) or not any(_meets(real, it) for real in scene)]
    labels = {it.label for it in truth}
    if any(it.label not in labels and _close(true, it) for it in counted for true in truth):
        return False
    for label in labels:
        true, found = ([it for it in side if it.label == label] for side in (truth, counted))
        if len(true) != len(found) or not _all_matched(true, found):
            return False
    return True


def _meets(true: Heard, heard: Heard) -> bool:
    return true.label == heard.label and _close(true, heard)


def _all_matched(truth: Sequence[Heard], heard: Sequence[Heard]) -> bool:
    if len(truth) == 1:
        return _close(truth[0], heard[0])
    from scipy.optimize import linear_sum_assignment

    close = np.array([[_close(true, found) for found in heard] for true in truth])
    rows, columns = linear_sum_assignment(close, maximize=True)
    return bool(close[rows, columns].all())


def _close(true: Heard, heard: Heard) -> bool:
    off_s = max(abs(heard.onset_s - true.onset_s), abs(heard.offset_s - true.offset_s))
    near = abs(heard.distance_m - true.distance_m) <= RATIO_TOLERANCE * true.distance_m + _ROUNDING
    if not near or off_s > TIME_TOLERANCE_S + _ROUNDING:
        return False
    return angle_deg(true, heard) <= ANGLE_TOLERANCE_DEG + _ROUNDING


def angle_deg(first: Heard, second: Heard) -> float:
    """The angle between two directions on the sphere, degrees (Vincenty's formula); ten times as fast as by arrays, for evidence by the ten thousand."""
    turn = math.radians(first.azimuth_deg - second.azimuth_deg)
    (sin_1, cos_1), (sin_2, cos_2) = ((math.sin(e), math.cos(e)) for e in (math.radians(first.elevation_deg), math.radians(second.elevation_deg)))
    across = math.hypot(cos_2 * math.sin(turn), cos_1 * sin_2 - sin_1 * cos_2 * math.cos(turn))
    return math.degrees(math.atan2(across, sin_1 * sin_2 + cos_1 * cos_2 * math.cos(turn)))


def pairs_right(right: Mapping[str, bool], twins: Mapping[str, str | None]) -> dict[tuple[str, str], bool]:
    """For every pair of twins that was answered, whether both answers are right. Pair accuracy is the mean of the values.

    Args:
        right: whether the answer is right, by `sample_id`.
        twins: the `sample_id` of the twin, by `sample_id`; None without a twin. It is enough that one of two names the other.

    Returns:
        By the two ids in alphabetical order; a pair of which one was not asked is left out.
    """
    pairs = {(min(one, other), max(one, other)) for one, other in twins.items() if other is not None}
    return {pair: right[pair[0]] and right[pair[1]] for pair in sorted(pairs) if pair[0] in right and pair[1] in right}
