"""When things sound: single shots made into natural series, and events laid out in time with a given number of them at once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from twnm.scene import Event

LAYOUTS: Final = 12


@dataclass(frozen=True)
class Rhythm:
    """How a short sound is repeated.

    `step_s`: range of the time from one onset to the next, or from the end of one to the next onset if `after_end`; drawn once per event, as a walker
    keeps a pace. `jitter`: how far each step departs from it, as a share. `group`: fewest and most in a row before a pause of `pause_s` seconds.
    """

    step_s: tuple[float, float]
    jitter: float
    group: tuple[int, int] = (99, 99)
    pause_s: tuple[float, float] = (0.0, 0.0)
    after_end: bool = False


_CALLS: Final = Rhythm((0.2, 0.9), 0.4, (1, 3), (0.3, 1.0), after_end=True)
_TALK: Final = Rhythm((0.12, 0.35), 0.3, (1, 3), (0.2, 0.6), after_end=True)
RHYTHMS: Final[dict[str, Rhythm]] = {
    "bird_song": _CALLS,
    "chicken": _CALLS,
    "coins": Rhythm((0.25, 0.8), 0.5, (1, 4), (0.3, 0.9)),
    "cow": _CALLS,
    "dog": Rhythm((0.08, 0.4), 0.3, (1, 4), (0.3, 0.9), after_end=True),
    "drums": Rhythm((0.22, 0.6), 0.02),
    "female_speech": _TALK,
    "footsteps": Rhythm((0.42, 0.65), 0.06),
    "gunshot": Rhythm((0.14, 0.9), 0.3, (1, 4), (0.4, 1.2)),
    "hammering": Rhythm((0.35, 0.75), 0.1, (3, 7), (0.5, 1.1)),
    "horse": _CALLS,
    "keyboard_typing": Rhythm((0.1, 0.22), 0.4, (3, 12), (0.25, 0.8)),
    "laughter": Rhythm((0.1, 0.5), 0.4, (1, 3), (0.3, 0.8), after_end=True),
    "male_speech": _TALK,
    "pig": _CALLS,
    "scream_pain": Rhythm((0.3, 1.0), 0.4, after_end=True),
    "sheep_goat": _CALLS,
    "water_splash": Rhythm((0.2, 0.9), 0.5, (1, 3), (0.3, 0.8), after_end=True),
    "wood_chopping": Rhythm((0.8, 1.5), 0.12),
}
"""Classes whose clips are often one event."""


def repeats(rhythm: Rhythm | None, clip_s: float) -> bool:
    """Whether a clip of this length is one event of a series; a longer one holds a series already."""
    return rhythm is not None and clip_s <= (1.6 if rhythm.after_end else 2 * rhythm.step_s[1])


def draw_series(rng: np.random.Generator, rhythm: Rhythm, next_length_s: Callable[[int], float], longest_s: float) -> tuple[float, ...]:
    """Onsets within the event of one sound after another, seconds, the first at 0; the next is left out when it would not end before `longest_s`.

    `next_length_s(k)` gives the length of sound k, seconds.
    """
    step_s = float(rng.uniform(*rhythm.step_s))
    starts, length_s, left = [0.0], next_length_s(0), int(rng.integers(rhythm.group[0], rhythm.group[1] + 1))
    while True:
        left -= 1
        gap_s = step_s * (1 + rhythm.jitter * float(rng.uniform(-1, 1)))
        if left <= 0:
            gap_s, left = gap_s + float(rng.uniform(*rhythm.pause_s)), int(rng.integers(rhythm.group[0], rhythm.group[1] + 1))
        start_s = round(starts[-1] + gap_s + (length_s if rhythm.after_end else 0.0), 4)
        length_s = next_length_s(len(starts))
        if start_s + length_s > longest_s:
            return tuple(starts)
        starts.append(start_s)


def longest_in_lanes(count: int, lanes: int, duration_s: float) -> float:
    """How long each of `count` events may be at most, seconds, if they stand in `lanes` lanes and the fullest lane is to have a tenth of silence."""
    fullest = -(-count // lanes)
    return duration_s if fullest <= 1 else 0.9 * duration_s / fullest


def lay_out(rng: np.random.Generator, lengths_s: list[float], lanes: int, duration_s: float) -> list[float]:
    """Onsets, seconds, of events of the given lengths so that at most `lanes` sound at once, and at some time just so many, if the draws find it.

    Events are dealt to lanes, in each of which they follow one another with silences drawn uniformly (Dirichlet) from what is left. Each lane must have
    room for its events (`longest_in_lanes`).
    """
    order = rng.permutation(len(lengths_s)).tolist()
    onsets_s = [0.0] * len(lengths_s)
    for _ in range(LAYOUTS):
        for lane in range(lanes):
            members = order[lane::lanes]
            gaps = rng.exponential(size=len(members) + 1).tolist()
            silence_s = duration_s - sum(lengths_s[member] for member in members)
            at_s = 0.0
            for member, gap in zip(members, gaps, strict=False):
                at_s += silence_s * gap / sum(gaps)
                onsets_s[member] = int(at_s * 1000) / 1000
                at_s += lengths_s[member]
        if most_at_once(list(zip(onsets_s, lengths_s, strict=True))) == min(lanes, len(lengths_s)):
            break
    return onsets_s


def most_at_once(spans: list[tuple[float, float]]) -> int:
    """The largest number of spans (onset, length; seconds) that have a time in common."""
    return max((sum(other_s <= onset_s < other_s + length_s for other_s, length_s in spans) for onset_s, _ in spans), default=0)


def simultaneous(one: Event, other: Event) -> bool:
    """Whether two events sound together at some time."""
    return one.onset_s < other.offset_s and other.onset_s < one.offset_s
