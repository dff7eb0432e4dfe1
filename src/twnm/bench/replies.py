"""Reading replies: the answer that a reply declares, as a letter, as words or as a number with its unit. What is not clear is None; nothing here raises.

The declared answer is, in this order: what stands in `<answer>...</answer>`; what follows "answer:" or "the answer is" on a line; the whole reply without
its evidence and reasoning. A reply that declares two different answers has none.

Letters: "B", "(b)", "B.", "option B", "B) front-left", "front-left (B)" and the option's own text. A letter is never picked out of prose, and a letter
beside the text of another option is not an answer.

Numbers: exactly one with the unit asked for ("45°", "2.1 metres", "210 cm", "0.4 s"), or a bare number as the whole answer. Ranges, bounds and two
different numbers are not answers. Degrees are positive to the left and upwards; "30° to the right" is -30, and words that contradict the sign or the
quarter ("left -30°", "behind, 20°") make it unclear.
"""

import re
import unicodedata
from collections.abc import Sequence
from typing import Final, Literal

from twnm.ambisonics import wrap_deg
from twnm.questions.answer import LETTERS, parse_output

Unit = Literal["deg", "m", "s"]

_SIGNS = str.maketrans({"−": "-", "–": "-", "—": "-", "‐": "-", "‑": "-", "º": "°", "˚": "°"})
_DECLARED = re.compile(r"\banswer(?: is ?:?| ?[:=]) ?(.*)", re.IGNORECASE)
_HANGING = re.compile(r"(\banswer[^\w\n]{0,3}[:=][^\w\n]{0,3})\n\s*", re.IGNORECASE)
_PARTS = re.compile(r"<(evidence|why)>[^<>]*</\1>")
_LETTER = re.compile(r"(?:(?:option|choice|answer) )?\(?([a-h])\)?[.:)]?", re.IGNORECASE)
_LETTER_TEXT = re.compile(r"(?:(?:option|choice) )?\(?([a-h])(?:\)[.:]?| ?[.:]| -) ?(.+)", re.IGNORECASE)
_TEXT_LETTER = re.compile(r"(.+?) ?\(([a-h])\)", re.IGNORECASE)
_ARTICLE = re.compile(r"(?:the|an?) (?=\S)", re.IGNORECASE)

_FIGURE = r"(?<![\w.])(?<!\d,)(?<!\d-)([+-]?\d{1,6}(?:\.\d{1,6})?)"
_SCALES: Final[dict[str, float]] = {"deg": 1.0, "m": 1.0, "cm": 0.01, "s": 1.0, "ms": 0.001}
_MEASURES = {
    "deg": re.compile(_FIGURE + r" ?(?P<deg>°|deg(?:rees?)?)(?![\w/^])", re.IGNORECASE),
    "m": re.compile(_FIGURE + r" ?(?:(?P<m>m|met(?:re|er)s?)|(?P<cm>cm|centimet(?:re|er)s?))(?![\w/^])", re.IGNORECASE),
    "s": re.compile(_FIGURE + r" ?(?:(?P<s>s|secs?|seconds?)|(?P<ms>ms|milliseconds?))(?![\w/^])", re.IGNORECASE),
}
_BARE = re.compile(r"[+-]?\d{1,6}(?:\.\d{1,6})?")
_UNCLEAR_BEFORE = re.compile(r"(?:\d ?(?:-|to|or|and|/|,)|\b(?:not|no|than|least|most|over|under|within|up to)|<|>|≤|≥|±|\+/-) ?$", re.IGNORECASE)
_UNCLEAR_AFTER = re.compile(r" ?(?:-|to|or|/|±|\+/-) ?\d", re.IGNORECASE)
_CONVENTION = re.compile(r"\b(?:positive|negative) (?:is |means |= ?)?(?:to )?(?:the |your )?(?:left|right|up(?:wards?)?|down(?:wards?)?)\b")
_FROM_FRONT = re.compile(r"\b(?:of|from) (?:the )?front\b")
_WORDS: Final[dict[str, frozenset[str]]] = {
    "left": frozenset({"left", "leftward", "leftwards", "anticlockwise", "counterclockwise"}),
    "right": frozenset({"right", "rightward", "rightwards", "clockwise"}),
    "up": frozenset({"above", "up", "upward", "upwards", "higher"}),
    "down": frozenset({"below", "down", "downward", "downwards", "lower"}),
    "back": frozenset({"back", "behind", "rear"}),
    "front": frozenset({"front", "ahead"}),
}


def tidy(text: str) -> str:
    """Text for comparison: compatible characters made one (NFKC), one kind of dash, single spaces, no quotes, emphasis or final dot around it."""
    plain = unicodedata.normalize("NFKC", text.translate(_SIGNS)).translate(_SIGNS).replace("**", "")
    return " ".join(plain.split()).strip(" *_`\"'“”‘’").removesuffix(".").rstrip(" *_`\"'“”‘’")


def declared_answer(reply: str) -> str | None:
    """The answer that a reply declares, tidied; None if there is none or if two differ."""
    if "<answer>" in reply or "</answer>" in reply:
        found = parse_output(reply).answer
        answers = {tidy(found)} if found is not None else set()
    else:
        rest = _HANGING.sub(r"\1 ", _PARTS.sub("\n", reply))
        declared = (_DECLARED.search(tidy(line)) for line in rest.splitlines())
        answers = {tidy(match.group(1)) for match in declared if match is not None and match.group(1)} or {tidy(rest)}
    return answers.pop() or None if len(answers) == 1 else None


def same_text(first: str, second: str) -> bool:
    """Whether two tidied texts are the same but for case and an article before them."""
    return bool(first) and _ARTICLE.sub("", first, count=1).casefold() == _ARTICLE.sub("", second, count=1).casefold()


def read_letter(answer: str, options: Sequence[str]) -> str | None:
    """The letter of the option that a tidied answer names by letter, by text, or by both in agreement."""
    readings = {_option_letter(answer, options)}
    if match := _LETTER.fullmatch(answer):
        readings.add(match.group(1).upper())
    elif match := _LETTER_TEXT.fullmatch(answer):
        readings |= {match.group(1).upper(), _option_letter(tidy(match.group(2)), options) or "none"}
    elif match := _TEXT_LETTER.fullmatch(answer):
        readings |= {match.group(2).upper(), _option_letter(tidy(match.group(1)), options) or "none"}
    letters = readings - {None}
    letter = letters.pop() if len(letters) == 1 else None
    return letter if letter is not None and letter in LETTERS[: len(options)] else None


def _option_letter(text: str, options: Sequence[str]) -> str | None:
    letters = [letter for letter, option in zip(LETTERS, options, strict=False) if same_text(text, tidy(option))]
    return letters[0] if len(letters) == 1 else None


def read_number(answer: str, unit: Unit) -> float | None:
    """The one number in a tidied answer that has the unit (degrees, metres or seconds) or stands alone; degrees with the sign that the words give."""
    if _BARE.fullmatch(answer):
        value = float(answer)
        return wrap_deg(value) if unit == "deg" else value
    found = list(_MEASURES[unit].finditer(answer))
    if not found or any(_UNCLEAR_BEFORE.search(answer[: it.start()]) or _UNCLEAR_AFTER.match(answer[it.end() :]) for it in found):
        return None
    values = {float(it.group(1)) * _SCALES[str(it.lastgroup)] for it in found}
    if len(values) != 1:
        return None
    return _signed(values.pop(), answer) if unit == "deg" else values.pop()


def _signed(value_deg: float, answer: str) -> float | None:
    """Degrees with the sign of the words beside them, positive to the left and upwards; None if words and number contradict one another."""
    text = _FROM_FRONT.sub(" ", _CONVENTION.sub(" ", re.sub(r"\b(anti|counter)-clock", r"\1clock", answer.casefold())))
    words = set(re.findall(r"[a-z]+", text))
    said = {name for name, meanings in _WORDS.items() if words & meanings}
    sides = said & {"left", "right", "up", "down"}
    if len(sides) > 1 or {"front", "back"} <= said:
        return None
    wrapped_deg = wrap_deg(value_deg)
    if sides & {"right", "down"} and 0 < value_deg <= 180:
        wrapped_deg = -wrapped_deg
    elif (sides & {"right", "down"} and 0 < wrapped_deg < 180) or (sides & {"left", "up"} and wrapped_deg < 0):
        return None
    if ("back" in said and abs(wrapped_deg) < 90) or ("front" in said and abs(wrapped_deg) > 90):
        return None
    return wrapped_deg
