"""Situations: which sounds belong together, where, and which situation a set of sounds tells of.

Each situation names its classes with weights (1 typical, 0.2 possible; a class without weight does not belong), the settings it occurs in, the
backgrounds it has, the side of its rooms and the grounds it stands on. A draw for a situation takes classes in proportion to their weights.
"""

import functools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from twnm.errors import InputError
from twnm.sounds.classes import spoken

Setting = Literal["indoor", "outdoor"]
STRANGE: Final = 0.005
"""Probability of a class that does not belong to a situation: small, but one strange sound does not make the other sounds worthless."""


@dataclass(frozen=True)
class Situation:
    """A place where certain sounds belong; `side_m` is the range of length and width of its rooms."""

    settings: tuple[Setting, ...]
    weights: Mapping[str, float]
    backgrounds: tuple[str, ...] = ()
    side_m: tuple[float, float] = (3.0, 15.0)
    grounds: tuple[str, ...] = ()


_VOICES: Final = {"female_speech": 0.35, "male_speech": 0.35}
_QUIET_VOICES: Final = {"female_speech": 0.2, "male_speech": 0.2}
_INDOOR: Final[tuple[Setting, ...]] = ("indoor",)
_OUTDOOR: Final[tuple[Setting, ...]] = ("outdoor",)

SITUATIONS: Final[Mapping[str, Situation]] = MappingProxyType(
    {
        "kitchen": Situation(
            _INDOOR,
            {"running_water": 1.0, "water_splash": 0.8, "glass_breaking": 0.7, "alarm_phone": 0.5, "door": 0.3, "footsteps": 0.3, "dog": 0.2, **_VOICES},
            ("running_water",),
            (2.5, 6.0),
        ),
        "living room": Situation(
            _INDOOR,
            {"piano": 0.8, "dog": 0.7, "door": 0.4, "alarm_phone": 0.6, "fire_crackling": 0.6, "guitar": 0.5, "laughter": 0.5, "footsteps": 0.3, **_VOICES},
            ("fire_crackling", "rain", "wind"),
            (3.0, 8.0),
        ),
        "office": Situation(
            _INDOOR, {"keyboard_typing": 1.0, "alarm_phone": 0.9, "door": 0.4, "footsteps": 0.4, "laughter": 0.2, **_VOICES}, ("rain", "engine"), (3.0, 12.0)
        ),
        "shop": Situation(
            _INDOOR, {"coins": 1.0, "bell": 0.7, "door": 0.4, "footsteps": 0.4, "alarm_phone": 0.3, "laughter": 0.2, **_VOICES}, ("rain", "engine"), (3.0, 15.0)
        ),
        "party": Situation(
            _INDOOR,
            {"laughter": 1.0, "drums": 0.7, "guitar": 0.6, "glass_breaking": 0.6, "footsteps": 0.3, "piano": 0.3, "door": 0.2, **_VOICES},
            (),
            (4.0, 15.0),
        ),
        "concert": Situation(("indoor", "outdoor"), {"guitar": 1.0, "piano": 1.0, "drums": 1.0, "laughter": 0.2, **_QUIET_VOICES}, (), (5.0, 20.0), ("grass",)),
        "church": Situation(_INDOOR, {"bell": 1.0, "piano": 0.5, "door": 0.4, "footsteps": 0.5, **_VOICES}, ("rain", "wind"), (6.0, 20.0)),
        "workshop": Situation(
            _INDOOR, {"hammering": 1.0, "sawing": 1.0, "engine": 0.5, "door": 0.2, "footsteps": 0.2, "male_speech": 0.4, "female_speech": 0.2}, ("engine",)
        ),
        "construction site": Situation(
            _OUTDOOR,
            {"hammering": 1.0, "sawing": 0.9, "engine": 1.0, "horn": 0.4, "footsteps": 0.2, "explosion": 0.2, "male_speech": 0.4, "female_speech": 0.2},
            ("engine", "wind"),
            grounds=("soil", "gravel", "sand", "asphalt"),
        ),
        "street": Situation(
            _OUTDOOR,
            {"engine": 1.0, "horn": 1.0, "footsteps": 0.5, "dog": 0.5, "laughter": 0.3, "alarm_phone": 0.3, "bell": 0.3, "aircraft": 0.2, **_VOICES},
            ("engine", "rain", "wind"),
            grounds=("asphalt",),
        ),
        "train station": Situation(
            ("indoor", "outdoor"),
            {"train": 1.0, "bell": 0.6, "footsteps": 0.5, "horn": 0.4, "alarm_phone": 0.3, "coins": 0.3, "door": 0.2, **_VOICES},
            ("train", "rain"),
            (6.0, 20.0),
            ("asphalt", "gravel"),
        ),
        "airport": Situation(
            _OUTDOOR, {"aircraft": 1.0, "engine": 0.7, "horn": 0.2, "alarm_phone": 0.2, **_QUIET_VOICES}, ("aircraft", "wind"), grounds=("asphalt", "grass")
        ),
        "farm": Situation(
            _OUTDOOR,
            {"cow": 1.0, "pig": 1.0, "chicken": 1.0, "sheep_goat": 1.0, "horse": 0.9, "dog": 0.5, "engine": 0.3, "bird_song": 0.4, "male_speech": 0.2},
            ("wind", "bird_song", "rain"),
            grounds=("grass", "soil"),
        ),
        "forest": Situation(
            _OUTDOOR,
            {
                "bird_song": 1.0,
                "wood_chopping": 0.9,
                "wind": 0.7,
                "running_water": 0.5,
                "footsteps": 0.3,
                "rain": 0.3,
                "sawing": 0.3,
                "dog": 0.2,
                "gunshot": 0.2,
            },
            ("wind", "bird_song", "running_water", "rain"),
            grounds=("soil", "grass", "snow"),
        ),
        "campfire": Situation(
            _OUTDOOR,
            {"fire_crackling": 1.0, "guitar": 0.7, "laughter": 0.6, "wood_chopping": 0.5, "wind": 0.2, "bird_song": 0.2, **_VOICES},
            ("fire_crackling", "wind"),
            grounds=("grass", "soil", "sand"),
        ),
        "riverside": Situation(
            _OUTDOOR,
            {"water_splash": 1.0, "running_water": 1.0, "bird_song": 0.6, "horn": 0.4, "wind": 0.4, "engine": 0.3, "laughter": 0.2, **_QUIET_VOICES},
            ("running_water", "wind"),
            grounds=("water", "sand", "grass"),
        ),
        "storm": Situation(
            _OUTDOOR,
            {"thunder": 1.0, "rain": 1.0, "wind": 1.0, "water_splash": 0.4, "dog": 0.2, "bell": 0.2},
            ("rain", "wind"),
            grounds=("grass", "soil", "asphalt"),
        ),
        "battlefield": Situation(
            _OUTDOOR,
            {"gunshot": 1.0, "explosion": 1.0, "scream_pain": 1.0, "aircraft": 0.5, "engine": 0.3, "horse": 0.3, "footsteps": 0.2, "male_speech": 0.3},
            ("fire_crackling", "engine", "wind"),
            grounds=("soil", "grass", "snow", "sand"),
        ),
    }
)


def of_setting(setting: Setting) -> tuple[str, ...]:
    """The situations that occur indoors or outdoors."""
    return tuple(name for name, situation in SITUATIONS.items() if setting in situation.settings)


def plausible_situations(labels: Iterable[str]) -> tuple[str, ...]:
    """The situations to which all these sounds belong, in the order of `SITUATIONS`; all situations for no sound."""
    wanted = set(labels)
    return tuple(name for name, situation in SITUATIONS.items() if wanted <= set(situation.weights))


def situation_probabilities(labels: Iterable[str]) -> dict[str, float]:
    """How probable each situation is when these sounds are heard and all situations are equally common; most probable first, sum 1.

    Bayes' rule with sounds that are independent given the situation; a sound that does not belong has the probability `STRANGE`.
    """
    heard = tuple(labels)
    scores = {}
    for name, situation in SITUATIONS.items():
        total = sum(situation.weights.values())
        scores[name] = sum(math.log(max(situation.weights.get(label, 0.0) / total, STRANGE)) for label in heard)
    most = max(scores.values())
    likelihoods = {name: math.exp(score - most) for name, score in scores.items()}
    return {name: likelihoods[name] / sum(likelihoods.values()) for name in sorted(SITUATIONS, key=lambda name: -likelihoods[name])}


def best_situation(labels: Iterable[str], margin: float = 3.0) -> str | None:
    """The situation that these sounds tell of: all of them belong to it, and it is at least `margin` times as probable as any other; None if none is.

    Raises InputError for a margin below 1.
    """
    if margin < 1:
        raise InputError(f"a margin of {margin} would name a situation that is less probable than another; give 1 or more")
    heard = tuple(labels)
    (best, probability), (_, second) = list(situation_probabilities(heard).items())[:2]
    return best if best in plausible_situations(heard) and probability >= margin * second else None


def situation_evidence(name: str, sounds: Iterable[Mapping[str, float]]) -> float:
    """The logarithm of the probability of sounds in a situation, when each is known by the probabilities of its spoken labels (those left out have none)."""
    weights = _spoken_weights(name)
    return sum(math.log(sum(chance * weights.get(label, STRANGE) for label, chance in chances.items()) + STRANGE / 100) for chances in sounds)


@functools.cache
def _spoken_weights(name: str) -> dict[str, float]:
    weights = SITUATIONS[name].weights
    total = sum(weights.values())
    return {spoken(label): max(weight / total, STRANGE) for label, weight in weights.items()}
