"""Reckoning: the figures of a reasoning are read off and computed by code, as with a pocket calculator; what to reckon the language model says.

A reasoning is one line in the grammar of `twnm.questions` ("dog 45° - 90° = -45° is front-right"). Where its next words follow from what was said and
heard, they are put in, and where a figure of a sound is due, the language model chooses among the figures that the evidence and notes give for that sound.
So it decides which sounds, which measure and which way to conclude, and cannot misquote or miscount. A small language model that is trained for minutes
gets one subtraction in four wrong.

What the code concludes where a value lies within a margin of the questions, and would not have been asked: the nearer side of it.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from twnm.ambisonics import wrap_deg
from twnm.model.binding import names_in
from twnm.questions.evidence import SECTORS, SIDES, Heard, parse_evidence, side4
from twnm.questions.facts import DISTANCE_RATIO, ELEVATION_MARGIN_DEG
from twnm.questions.level1 import COUNTS, DRY_TO_S, HALL_FROM_S, HEIGHTS, LEVEL_WITHIN_DEG, LIVE_FROM_S, LIVE_TO_S, RAISED_FROM_DEG, ROOMS
from twnm.questions.level2 import (
    BESIDE_FROM_DEG,
    BESIDE_TO_DEG,
    CHANGES,
    DISTANCES,
    ELEVATIONS,
    OPPOSITE_FROM_DEG,
    RELATIONS,
    SAME_HEIGHT_DEG,
    SAME_RATIO,
    SAME_WITHIN_DEG,
    order_text,
    path_text,
)
from twnm.questions.level3 import ACTIONS, KINDS
from twnm.questions.options import number_of
from twnm.questions.stories import ACROSS_DEG, ASIDE, ASIDE_DEG, BETWEEN, BETWEEN_DEG, TOGETHER_DEG, call_text, round_text
from twnm.simulate.situations import SITUATIONS, situation_evidence
from twnm.sounds.classes import CLASSES, spoken

_FIGURE = r"-?\d+(?:\.\d+)?(?:°| m| s)"
_LEAST = (DISTANCES.words[0], ELEVATIONS.words[0], KINDS[0], KINDS[2])
_MOST = (DISTANCES.words[1], ELEVATIONS.words[1], KINDS[1], KINDS[3])
_FIGURE_BEGINS = (" ", " -")
_LIST_OF_CONDITION = re.compile(r"(?:^|; )([^;:]+): ([^;:]+)$")
_PATHS = {path_text(begin, end) for begin in SIDES for end in SIDES}
_PLACES = re.compile(rf"an? (?:{'|'.join(SITUATIONS)})")


def asks_for_motion(options: Sequence[str]) -> bool:
    """Whether the options say how a sound moves: how its distance changes, or from which side to which it goes."""
    return _are_changes(options) or _are_paths(options)


def _are_changes(options: Sequence[str]) -> bool:
    return set(options) == set(CHANGES)


def _are_paths(options: Sequence[str]) -> bool:
    return bool(options) and set(options) <= _PATHS


@dataclass(frozen=True)
class Named:
    """A sound with the figures that were said of it, by unit: the first azimuth (or elevation), distance, onset; None: not said."""

    name: str
    angle_deg: float | None
    distance_m: float | None
    onset_s: float | None


class Reckoner:
    """Continues one reasoning where its continuation follows.

    Args:
        evidence, notes: as the language model reads them, the sounds called as the question calls them.
        options: of the question; empty for an open one.
        chances: of the spoken labels of each sound that was heard; without them the sounds are what the evidence calls them.
    """

    def __init__(self, evidence: str, notes: str, options: Sequence[str] = (), chances: Sequence[Mapping[str, float]] = ()) -> None:
        self.evidence = evidence
        self.heard = parse_evidence(evidence) or ()
        self._chances = chances or [{it.label: 1.0} for it in self.heard]
        self.options = tuple(options)
        self._notes = tuple(notes.split("; "))
        names = sorted({re.escape(it.label) for it in self.heard}, key=len, reverse=True)
        self._name = f"(?:{'|'.join(names)})" if names else r"(?!)"
        self._named = re.compile(rf"\b({self._name})((?: {_FIGURE})+)")
        self._due = re.compile(rf"\b({self._name})( elevation| starts)?((?: {_FIGURE})*)$")
        self._then = re.compile(rf"\b({self._name}) {_FIGURE}(?:, then {_FIGURE})*, then$")
        self._moves = {it.label: tuple(_figures(note)) for it in self.heard for note in self._notes if note.startswith(f"{it.label} moves ")}
        self._unit = _unit_of(self.options)
        self._rules: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str | tuple[str, ...] | None]], ...] = tuple(
            (re.compile(pattern.replace("NAME", self._name)), rule)
            for pattern, rule in (
                (r"(-?\d+)° ([-+]) (?:NAME )?(-?\d+)° =$", self._difference),
                (r"(-?\d+)°, NAME (-?\d+)° differ by$", self._separation),
                (r"(\d+(?:\.\d+)?)(?:°| m| s), nearest$", self._nearest),
                (r"NAME(?: starts)? \d+\.\d (m|s)$", self._to_options),
                (r"elevation (-?\d+)° is$", self._height),
                (r"(?<!elevation )(?<![\d.])(-?\d+)° is$", self._place),
                (r"^RT60 (\d+\.\d) s is$", self._room),
                (r"is (\w+), walk is (\w+):$", self._walk),
                (rf"^(?:.*: )?(.*): ({'|'.join((*_LEAST, *_MOST))}) is$", self._extreme),
                (r"° (left|right), NAME -?\d+° (left|right):$", self._same_side),
                (r"^(NAME)$", self._moments),
                (r"NAME (-?\d+)°, then (-?\d+)°:$", self._path),
                (rf"NAME ((?:{_FIGURE}, then )*{_FIGURE}):$", self._change),
                (r"(?<![\d.])(-?\d+)°:$", self._action),
                (r"(?:^|; )([^;:]+):$", self._meeting),
                (r"^(.*); (?:both|all):$", self._common),
                (r"^$", self._begins),
                (r"^(heard)$", self._listed),
                (r"^heard (.*):$", self._count),
                (r"^heard (.*): not$", self._absent),
                (r"^(.*):$", self._story),
            )
        )

    def follows(self, said: str, begins: str = "") -> tuple[str, ...]:
        """What may come after a reasoning so far; empty for whatever the language model says.

        Args:
            said: the reasoning so far.
            begins: how the language model would go on, one token.
        """
        for pattern, rule in self._rules:
            if (match := pattern.search(said)) and (found := rule(match)):
                texts = (found,) if isinstance(found, str) else found
                return tuple(f" {text}" if said and text[0] != "," else text for text in texts)
        if begins == "," and (match := _LIST_OF_CONDITION.search(said)) and self._meeting(match) == match[2]:
            return (";",)  # the list is complete
        operator = begins == " -" and said.endswith("°")
        due = self._figures_due(said) if begins in _FIGURE_BEGINS and not operator else []
        return tuple(f" {figure}" for figure in due if figure.endswith(self._unit))

    def supports(self, said: str) -> bool:
        """Whether a reasoning rests on what was heard: it names a sound or the room, no sound that is not there, and no figure that was not heard of it."""
        steps = said.rpartition(": ")[0] or said
        named = names_in(steps, CLASSES)
        if not {spoken(label) for label in named} <= {it.label for it in self.heard}:
            return False
        room = [part for part in said.split(" is ") if part.startswith("RT60 ")]
        if any(part not in self._notes for part in room) or (said.startswith("no reverberation") and "open air" not in self._notes):
            return False
        quoted = all(set(_figures(match[2])) <= set(self._figures_of(match[1])) for match in self._named.finditer(said))
        on_sides = {f"{side4(it.azimuth_deg)}: {it.label}" for it in self.heard}
        return quoted and bool(named or room or said in on_sides or said.startswith("no reverberation"))

    def _figures_of(self, name: str) -> list[str]:
        found = [figure for it in self.heard if it.label == name for figure in _shown(it)]
        return list(dict.fromkeys([*found, *self._moves.get(name, ())]))

    def _figures_due(self, said: str) -> list[str]:
        """The figures that may come next: of the sound that was just named, or of a moving one, those not said yet."""
        if match := self._then.search(said):
            return list(self._moves.get(match[1], ()))
        match = self._due.search(said)
        if match is None:
            return []
        name, measure, before = match[1], match[2], _figures(match[3])
        if measure:
            return list(dict.fromkeys(f"{it.elevation_deg:.0f}°" if measure == " elevation" else f"{it.onset_s:.1f} s" for it in self._called(name)))
        if not before:
            return self._figures_of(name)
        rows = [_shown(it) for it in self._called(name)]
        return list(dict.fromkeys(figure for row in rows if set(before) <= set(row) for figure in row if figure not in before))

    def _called(self, name: str) -> list[Heard]:
        return [it for it in self.heard if it.label == name]

    def _items(self, text: str) -> list[Named]:
        return [Named(match[1], *(_of_unit(match[2], unit) for unit in ("°", " m", " s"))) for match in self._named.finditer(text)]

    def _option_of(self, text: str | None) -> str | None:
        return text if text in self.options else None

    def _closest(self, cost: Callable[[str], float]) -> str:
        return min(self.options, key=cost)

    def _difference(self, match: re.Match[str]) -> str:
        one, sign, other = match.groups()
        return _with_wrapped(float(one) - float(other) if sign == "-" else float(one) + float(other))

    def _separation(self, match: re.Match[str]) -> str:
        plain_deg = abs(float(match[1]) - float(match[2]))
        return f"{plain_deg:.0f}°" + (f" = {360 - plain_deg:.0f}°" if plain_deg > 180 else "")

    def _nearest(self, match: re.Match[str]) -> str | None:
        numbers = all(re.fullmatch(rf"{_FIGURE}", option) for option in self.options)
        if not self.options or not numbers:
            return None
        scale: Callable[[float], float] = (lambda metres: math.log(max(metres, 0.1))) if self._unit == " m" else float
        return self._closest(lambda option: abs(scale(number_of(option)) - scale(float(match[1]))))

    def _to_options(self, match: re.Match[str]) -> str | None:
        """Behind a distance or a time, where the options are such."""
        return ", nearest" if match[1] == self._unit.strip() else None

    def _height(self, match: re.Match[str]) -> str | None:
        elevation_deg = float(match[1])
        level = abs(elevation_deg) < (LEVEL_WITHIN_DEG + RAISED_FROM_DEG) / 2
        return self._option_of(HEIGHTS[1] if level else HEIGHTS[0 if elevation_deg > 0 else 2])

    def _place(self, match: re.Match[str]) -> str | None:
        """Behind "... 45° is": a sector, a relation, or the side before a walk."""
        angle_deg = wrap_deg(float(match[1]))
        if self.options and set(self.options) <= set(SECTORS):
            return self._closest(lambda option: abs(wrap_deg(angle_deg - 45.0 * SECTORS.index(option))))
        if set(self.options) == set(RELATIONS):
            if abs(angle_deg) < (SAME_WITHIN_DEG + BESIDE_FROM_DEG) / 2:
                return RELATIONS[2]
            if abs(angle_deg) > (BESIDE_TO_DEG + OPPOSITE_FROM_DEG) / 2:
                return RELATIONS[3]
            return RELATIONS[0 if angle_deg > 0 else 1]
        return side4(angle_deg) if set(self.options) == set(DISTANCES.words) else None

    def _room(self, match: re.Match[str]) -> str | None:
        rt60_s = float(match[1])
        return self._option_of(ROOMS[1 + (rt60_s > (DRY_TO_S + LIVE_FROM_S) / 2) + (rt60_s > (LIVE_TO_S + HALL_FROM_S) / 2)])

    def _walk(self, match: re.Match[str]) -> str | None:
        side, way = match.groups()
        if side not in SIDES or way not in SIDES or (SIDES.index(side) - SIDES.index(way)) % 2:
            return None
        return self._option_of(DISTANCES.words[side != way])

    def _extreme(self, match: re.Match[str]) -> str | None:
        """Behind "dog 1.2 m, bell 3.4 m: closer is": the sound with the least or the most of what was said."""
        items = self._items(match[1])
        values = [next((value for value in (it.distance_m, it.onset_s, it.angle_deg) if value is not None), 0.0) for it in items]
        if len(items) < 2:
            return None
        wanted = min(values) if match[2] in _LEAST else max(values)
        return self._option_of(items[values.index(wanted)].name)

    def _same_side(self, match: re.Match[str]) -> str | None:
        return self._option_of("yes" if match[1] == match[2] else "no")

    def _moments(self, match: re.Match[str]) -> str | None:
        """Behind the sound that is asked about, where options say how it moves: where, or how far, it begins, is nearest if it passes by, and ends."""
        if not asks_for_motion(self.options):
            return None
        changes, moves = _are_changes(self.options), self._moves.get(match[1], ())
        if not moves:
            called = self._called(match[1])
            return f"{called[0].distance_m:.1f} m:" if changes and called else None
        if not changes:
            return f"{moves[0]}, then {moves[-2]}:"
        begin, nearest, end = moves[1::2]
        begin_m, nearest_m, end_m = (number_of(figure) for figure in (begin, nearest, end))
        edge = (SAME_RATIO + DISTANCE_RATIO) / 2
        if min(begin_m, end_m) > edge * nearest_m:
            return f"{begin}, then {nearest}, then {end}:"
        return f"{begin}, then {end}:" if max(begin_m, end_m) > edge * min(begin_m, end_m) else f"{begin}:"

    def _path(self, match: re.Match[str]) -> str | None:
        """The path among the options whose ends are nearest to two azimuths."""
        if not _are_paths(self.options):
            return None
        angles = [float(value) for value in match.groups()]

        def off_deg(option: str) -> float:
            sides = [side for side in option.split(" ") if side in SIDES]
            return sum(abs(wrap_deg(angle_deg - 90.0 * SIDES.index(side))) for angle_deg, side in zip(angles, sides, strict=True))

        return self._closest(off_deg)

    def _change(self, match: re.Match[str]) -> str | None:
        """Behind "train 3.1 m, then 1.2 m:": how the distance changes."""
        if not _are_changes(self.options) or " m" not in match[1]:
            return None
        distances_m = [number_of(figure) for figure in match[1].split(", then ")]
        if len(distances_m) == 1:
            return CHANGES[3]
        return CHANGES[2] if len(distances_m) > 2 else CHANGES[0 if distances_m[1] < distances_m[0] else 1]

    def _action(self, match: re.Match[str]) -> str | None:
        if not self.options or not set(self.options) <= set(ACTIONS.values()):
            return None
        angles = {action: 45.0 * SECTORS.index(sector) for sector, action in ACTIONS.items()}
        return self._closest(lambda option: abs(wrap_deg(float(match[1]) - angles[option])))

    def _meeting(self, match: re.Match[str]) -> str | None:
        """Behind a condition: the sounds that meet it, in the order in which they start; those that conditions compare with are none of them."""
        test = self._test(match[1])
        if test is None:
            return None
        others = re.findall(rf" the ({self._name}):", match.string)
        return ", ".join(dict.fromkeys(it.label for it in self.heard if it.label not in others and test(it))) or None

    def _test(self, condition: str) -> Callable[[Heard], bool] | None:
        if not set(self.options) & {it.label for it in self.heard}:
            return None  # of conditions asks a question with sounds for options alone
        side, _, turned = condition.partition(" when turned ")
        turns = {"": 0.0, "90° to the left": 90.0, "90° to the right": -90.0, "around": 180.0}
        if side in SIDES and turned in turns:
            return lambda it: side4(wrap_deg(it.azimuth_deg - turns[turned])) == side
        words = condition.split(" ")
        if words[0] in DISTANCES.words and len(words) > 2 and words[1] == "than":
            limit_m, closer = self._limit(" ".join(words[2:]), "m"), words[0] == DISTANCES.words[0]
            return None if limit_m is None else lambda it: (it.distance_m < limit_m) == closer
        if words[0] in ("after", "before"):
            limit_s, after = self._limit(" ".join(words[1:]), "s"), words[0] == "after"
            return None if limit_s is None else lambda it: (it.onset_s > limit_s) == after
        return None

    def _limit(self, words: str, unit: str) -> float | None:
        if match := re.fullmatch(rf"(\d+(?:\.\d+)?) {unit}", words):
            return float(match[1])
        found = self._called(words.removeprefix("the "))
        return None if not found else found[0].distance_m if unit == "m" else found[0].onset_s

    def _common(self, match: re.Match[str]) -> str | None:
        lists = [part.partition(": ")[2].split(", ") for part in match[1].split("; ")]
        common = [name for name in lists[0] if all(name in names for names in lists)]
        return self._option_of(common[0]) if len(common) == 1 else None

    def _begins(self, match: re.Match[str]) -> str | None:
        """The first words, where the options alone say what there is to reason about: numbers, places, rooms, stories."""
        if not self.options:
            return None
        if set(self.options) == set(COUNTS) or all(_PLACES.fullmatch(option) for option in self.options):
            return "heard"
        if set(self.options) <= set(ROOMS):
            return f"{self._notes[0]} is" if self._notes[0].startswith("RT60 ") else "no reverberation:"
        return self._steps_of_story()

    def _steps_of_story(self) -> str | None:
        """What happens to the sounds of which all options tell, if these are stories."""
        in_turn = all(option.startswith("first the ") or " calls and " in option for option in self.options)
        between = next((option for option in self.options if option.startswith("you stand between ")), None)
        if not in_turn and between is None:
            return None
        told = [self._called(spoken(label)) for label in names_in(between or self.options[0], CLASSES)]
        if not all(told):
            return None
        items = [called[0] for called in told]
        if in_turn:
            items.sort(key=lambda it: it.onset_s)
        return ", ".join(f"{it.label} {_onset_and_azimuth(it) if in_turn else _azimuth_and_distance(it)}" for it in items) + ":"

    def _listed(self, match: re.Match[str]) -> str | None:
        return f"{', '.join(it.label for it in self.heard)}:" if self.heard else None

    def _count(self, match: re.Match[str]) -> str | None:
        """Behind what was heard: its number, or, where the options are places, the one where such sounds are most probable."""
        if self.options and all(_PLACES.fullmatch(option) for option in self.options):
            return max(self.options, key=lambda option: situation_evidence(option.partition(" ")[2], self._chances))
        return str(len(match[1].split(", "))) if set(self.options) == set(COUNTS) else None

    def _absent(self, match: re.Match[str]) -> str | None:
        absent = [option for option in self.options if option not in match[1].split(", ")]
        return absent[0] if len(absent) == 1 else None

    def _story(self, match: re.Match[str]) -> str | tuple[str, ...] | None:
        """Behind the places and times of two or three sounds: the account of them that is among the options, or what a comparison goes on with."""
        items = self._items(match[1])
        if not 2 <= len(items) <= 3 or len({it.name for it in items}) < len(items):
            return None
        if len(items) == 2 and (compared := self._comparison(*items)):
            return compared
        return next((story for story in _accounts(items) if story in self.options), None) or self._binding(items)

    def _comparison(self, one: Named, other: Named) -> str | tuple[str, ...] | None:
        """A tie if it is one, else either sense, as the question has it."""
        if DISTANCES.tie in self.options and one.distance_m and other.distance_m:
            ratio = max(one.distance_m, other.distance_m) / min(one.distance_m, other.distance_m)
            return DISTANCES.tie if ratio <= (SAME_RATIO + DISTANCE_RATIO) / 2 else tuple(f"{word} is" for word in DISTANCES.words)
        if ELEVATIONS.tie in self.options and one.angle_deg is not None and other.angle_deg is not None:
            level = abs(one.angle_deg - other.angle_deg) <= (SAME_HEIGHT_DEG + ELEVATION_MARGIN_DEG) / 2
            return ELEVATIONS.tie if level else tuple(f"{word} is" for word in ELEVATIONS.words)
        return None

    def _binding(self, items: Sequence[Named]) -> str | None:
        """The option whose sectors and distances of the sounds are nearest to those said, or heard where they were not said."""
        pattern = re.compile(", ".join(rf"{re.escape(it.name)} ([a-z-]+) ([\d.]+) m" for it in items))
        placed = [next((heard for heard in self.heard if heard.label == it.name), None) for it in items]
        parts = {option: match.groups() for option in self.options if (match := pattern.fullmatch(option))}
        if not parts or len(parts) < len(self.options) or None in placed:
            return None

        def cost(option: str) -> float:
            words = parts[option]
            off = 0.0
            for number, (it, heard) in enumerate(zip(items, placed, strict=True)):
                assert heard is not None
                angle_deg = heard.azimuth_deg if it.angle_deg is None else it.angle_deg
                off += abs(wrap_deg(angle_deg - 45.0 * SECTORS.index(words[2 * number]))) / 45.0 if words[2 * number] in SECTORS else 4.0
                metres = float(words[2 * number + 1])
                off += max(metres, heard.distance_m) / max(min(metres, heard.distance_m), 0.1)
            return off

        return self._closest(cost)


def _accounts(items: Sequence[Named]) -> list[str]:
    """What may be told of two or three sounds with an azimuth each and onsets or distances: in turn, called and answered, between."""
    angles = [it.angle_deg for it in items]
    if None in angles:
        return []
    sides = [side4(angle) for angle in angles if angle is not None]
    onsets = [it.onset_s for it in items]
    order = sorted(range(len(items)), key=lambda row: onsets[row] or 0.0)
    if len(items) == 3:
        (a, b, c) = ((items[row].name, sides[row]) for row in order)
        return [round_text((a, b, c))]
    one, other = items
    apart_deg = abs(wrap_deg((angles[0] or 0.0) - (angles[1] or 0.0)))
    told = []
    if None not in onsets:
        told.append(order_text(one.name, other.name, sides[0], sides[1], order[0] == 1))
        told.append(call_text(items[order[0]].name, items[order[1]].name, "same" if apart_deg < (TOGETHER_DEG + ACROSS_DEG) / 2 else "opposite"))
    if one.distance_m and other.distance_m:
        words = {"a": one.name, "b": other.name}
        between = BETWEEN[0] if apart_deg >= (ASIDE_DEG[1] + BETWEEN_DEG) / 2 else ASIDE
        if apart_deg < (TOGETHER_DEG + ASIDE_DEG[0]) / 2:
            between = BETWEEN[1 if one.distance_m < other.distance_m else 2]
        told.append(between.format(**words))
    return told


def _unit_of(options: Sequence[str]) -> str:
    """The unit of options that are figures, else nothing."""
    units = {match[1] if (match := re.fullmatch(r"-?\d+(?:\.\d+)?(°| m| s)", option)) else "" for option in options}
    return units.pop() if len(units) == 1 else ""


def _with_wrapped(angle_deg: float) -> str:
    wrapped_deg = wrap_deg(angle_deg) + 0.0
    return f"{angle_deg:.0f}°" + ("" if wrapped_deg == angle_deg else f" = {wrapped_deg:.0f}°")


def _onset_and_azimuth(it: Heard) -> str:
    return f"{it.onset_s:.1f} s {it.azimuth_deg:.0f}°"


def _azimuth_and_distance(it: Heard) -> str:
    return f"{it.azimuth_deg:.0f}° {it.distance_m:.1f} m"


def _shown(it: Heard) -> list[str]:
    """An object's azimuth, elevation, distance and onset as figures."""
    return [f"{it.azimuth_deg:.0f}°", f"{it.elevation_deg:.0f}°", f"{it.distance_m:.1f} m", f"{it.onset_s:.1f} s"]


def _figures(text: str) -> list[str]:
    return re.findall(_FIGURE, text)


def _of_unit(text: str, unit: str) -> float | None:
    return next((float(figure.removesuffix(unit)) for figure in _figures(text) if figure.endswith(unit)), None)
