"""Understanding a question's text: the wordings of every task turned into patterns, so that a text gives back its task and its words.

Training and held-out wordings alike. Where a text fits several patterns, the one whose options it could have goes first, then the one that leaves the
fewest characters to the names of sounds: "Where is the dog in height?" asks for the height of a dog, not for the direction of a "dog in height".
A text in other words is taken for a question about the sounds that it names, of the kind that its options look like.
"""

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from twnm.questions.ask import TASKS
from twnm.questions.conditions import TURNED
from twnm.questions.evidence import SECTORS, SIDES
from twnm.questions.facts import WHERE
from twnm.questions.level1 import COUNTS, HEIGHTS, ROOMS
from twnm.questions.level2 import CHANGES, DISTANCES, ELEVATIONS, RELATIONS, SIDE_PHRASES
from twnm.questions.level3 import ACTIONS, CLAIMS, GOALS, KINDS, TURNS, WALKS, YES_NO
from twnm.questions.wordings import WORDINGS
from twnm.sounds.classes import CLASSES, spoken


def one_of(texts: Sequence[str]) -> str:
    """A pattern for any of these texts, the longest first."""
    return f"(?:{'|'.join(re.escape(text) for text in sorted(texts, key=len, reverse=True))})"


NAME: Final = r"[^,;:?|]{1,60}?"
METRES: Final = r"\d+(?:\.\d+)? m"
CLAUSE: Final = "(?:{})".format(
    "|".join(
        (
            f"is {one_of(tuple(WHERE.values()))}",
            f"would be {one_of(tuple(WHERE.values()))} if you {one_of(tuple(TURNED.values()))}",
            f"is (?:closer|farther) than (?:{METRES}|the {NAME})",
            rf"starts (?:before|after) (?:\d+(?:\.\d+)? s|the {NAME})",
        )
    )
)
_WALK: Final = rf"walk (?P<step>\d+(?:\.\d+)?) m (?P<way>{one_of(tuple(WALKS.values()))})"
_FIELDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        **{name: f"(?P<{name}>{NAME})" for name in "ab"},
        "where": f"(?P<where>{one_of(tuple(WHERE.values()))})",
        "side": f"(?P<side>{one_of(SIDES)})",
        "turn": f"(?P<turn>{one_of(tuple(TURNS))})",
        "kind": f"(?P<kind>{one_of(KINDS)})",
        "walk": f"(?P<walk>{_WALK})",
        "conditions": f"(?P<conditions>{CLAUSE}(?:, {CLAUSE})* and {CLAUSE})",
    }
)
_MORE: Final = {"l2_compare_object_distances": DISTANCES.words, "l2_compare_object_elevations": ELEVATIONS.words}
_SECTOR: Final = one_of(SECTORS)
_STORIES: Final = "|".join((r"the .+ side", r"you (?:stand|turn) .+", r"the .+ stands between .+", r"first the .+", r"an? [a-z ]+"))
FORMS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "l1_count_sources": one_of(COUNTS),
        "l1_estimate_elevation": one_of(HEIGHTS),
        "l1_estimate_azimuth": _SECTOR,
        "l3_rotate_listener": _SECTOR,
        "l1_estimate_distance": METRES,
        "l1_locate_in_time": r"\d+(?:\.\d+)? s",
        "l1_describe_room": one_of(ROOMS),
        "l2_relative_direction_between_objects": one_of(RELATIONS),
        "l2_bind_identity_location_distance": f"{NAME} {_SECTOR} {METRES}, {NAME} {_SECTOR} {METRES}",
        "l2_angular_separation": r"\d+°",
        "l2_order_in_time_and_space": "{0}, then {0}".format(f"{NAME} {one_of(tuple(SIDE_PHRASES.values()))}"),
        "l2_track_motion": f"{one_of(CHANGES)}|from the {one_of(SIDES)} to the {one_of(SIDES)}",
        "l3_move_listener": "closer|farther",
        "l3_plan_action": one_of(tuple(ACTIONS.values())),
        "l2_same_side": one_of(YES_NO),
        "l3_check_plausibility": one_of(YES_NO),
        "l3_abduct_scene": _STORIES,
        **dict.fromkeys(_MORE, NAME),
        **dict.fromkeys(("l1_identify_event", "l1_identify_absent", "l1_identify_by_direction", "l3_remove_source", "l3_compound_condition"), NAME),
    }
)
"""What an option of each task looks like."""


@dataclass(frozen=True)
class Asked:
    """A question understood: its task and the words that fill its wording; `goal` and `claim` are keys of GOALS and CLAIMS."""

    task: str
    words: Mapping[str, str]


def understand(question: str, options: Sequence[str] = ()) -> Asked | None:
    """The task and words of a question's text, None if it is in no known wording and names no sound; never raises."""
    text = " ".join(question.split())
    found = [(asked, sum(len(match[name]) for name in ("a", "b") if match.groupdict().get(name))) for asked, match in _matches(text)]
    if not found:
        return _guess(text, options)
    return min(found, key=lambda one: (not _replies(one[0].task, text), not fits(one[0].task, options), one[1]))[0]


def fits(task: str, options: Sequence[str]) -> bool:
    """Whether a task could have these options; true for none."""
    ties = {"l2_compare_object_distances": DISTANCES.tie, "l2_compare_object_elevations": ELEVATIONS.tie}
    if options and task in ties and ties[task] not in options:
        return False
    return all(re.fullmatch(FORMS[task], option) for option in options)


def _replies(task: str, text: str) -> bool:
    """Whether the text ends as an open question of the task does; true for a text that is no open question."""
    return " Answer " not in text or bool(TASKS[task].reply and text.endswith(TASKS[task].reply)) or task == "l2_track_motion"


def _matches(text: str) -> Iterator[tuple[Asked, re.Match[str]]]:
    for task, fixed, pattern in _patterns():
        match = pattern.fullmatch(text)
        if match:
            yield Asked(task, fixed | {name: word.strip() for name, word in match.groupdict().items() if word}), match


@functools.cache
def _patterns() -> tuple[tuple[str, dict[str, str], re.Pattern[str]], ...]:
    """Every wording as a pattern, with its task and the words that are fixed in it."""
    found = []
    for task, wordings in WORDINGS.items():
        for sentence in (*wordings.train, *wordings.held_out):
            for fixed, plain in _spelled(sentence):
                found.append((task, fixed, re.compile(f"{_pattern(task, plain)}(?: Answer .+)?", re.IGNORECASE)))
    return tuple(found)


def _spelled(sentence: str) -> Iterator[tuple[dict[str, str], str]]:
    """A sentence with each goal or claim in its place, which have names of sounds in them themselves."""
    if "{goal}" in sentence:
        yield from (({"goal": goal}, sentence.replace("{goal}", goal)) for goal in GOALS)
    elif "{claim}" in sentence:
        yield from (({"claim": name}, sentence.replace("{claim}", claim.words)) for name, claim in CLAIMS.items())
    else:
        yield {}, sentence


def _pattern(task: str, sentence: str) -> str:
    fields = {**_FIELDS, "more": f"(?P<more>{one_of(_MORE.get(task, ('more',)))})"}
    parts = re.split(r"\{(\w+)\}", sentence)
    return "".join(fields[part] if index % 2 else re.escape(part) for index, part in enumerate(parts))


def _guess(text: str, options: Sequence[str]) -> Asked | None:
    """A task that has such options and asks about as many sounds as the text names."""
    folded = text.casefold()
    known = sorted({*(spoken(label) for label in CLASSES), *(option for option in options if len(option) > 2)}, key=len, reverse=True)
    places = {name: match.start() for name in known if (match := re.search(rf"\b{re.escape(name.casefold())}\b", folded))}
    named = sorted((name for name in places if not any(name != other and name in other for other in places)), key=places.__getitem__)
    words = dict(zip("ab", named, strict=False))
    for task in ("l1_estimate_azimuth", "l1_estimate_elevation", "l1_estimate_distance", "l1_locate_in_time"):
        if len(named) == 1 and options and fits(task, options):
            return Asked(task, words)
    for task in ("l2_relative_direction_between_objects", "l2_angular_separation", "l2_bind_identity_location_distance", "l2_order_in_time_and_space"):
        if len(named) == 2 and options and fits(task, options):
            return Asked(task, words)
    return Asked("l1_count_sources", {}) if options and fits("l1_count_sources", options) else None
