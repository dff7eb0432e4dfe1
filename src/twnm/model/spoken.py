"""What was heard in the words of somebody who tells it: sentences for a screen reader, a caption, a robot's voice.

    You hear two sounds in a live room. From the beginning, probably a dog in front of you to the left, above you, about 2 metres away, for 2 seconds. After 1
    second, rain behind you, about 5 metres away, to the end.

It says what the slots say and nothing else, so it is as right as they are; how sure they are decides between "a dog", "probably a dog" and "a dog or a pig".
"""

from types import MappingProxyType
from typing import Final

from twnm.model.hear import HeardObject
from twnm.model.hearing import HeardScene
from twnm.questions.evidence import SECTORS, elevation_word, sector8
from twnm.questions.level1 import DRY_TO_S, HALL_FROM_S, LIVE_FROM_S, LIVE_TO_S
from twnm.sounds.classes import spoken

_PLACES = (
    "in front of you",
    "in front of you to the left",
    "on your left",
    "behind you to the left",
    "behind you",
    "behind you to the right",
    "on your right",
    "in front of you to the right",
)
_HEIGHTS: Final = MappingProxyType({"level": "", "above": ", above you", "below": ", below you"})
_WITHOUT_ARTICLE = frozenset(
    spoken(label)
    for label in (
        *("bird_song", "coins", "drums", "female_speech", "fire_crackling", "footsteps", "glass_breaking", "hammering", "keyboard_typing", "laughter"),
        *("male_speech", "rain", "running_water", "sawing", "thunder", "wind", "wood_chopping"),
    )
)
_COUNTS = ("no sound", "one sound", "two sounds", "three sounds", "four sounds", "five sounds", "six sounds", "seven sounds", "eight sounds", "nine sounds")
_SURE, _UNSURE = 0.7, 0.4
_BEGINNING_S, _END_S, _REACH_M = 0.3, 0.3, 0.8


def tell_scene(scene: HeardScene) -> str:
    """A heard scene in sentences, its sounds by onset."""
    if not scene.objects:
        return "You hear nothing that stands out."
    count = _COUNTS[len(scene.objects)] if len(scene.objects) < len(_COUNTS) else f"{len(scene.objects)} sounds"
    return " ".join([f"You hear {count} {_surroundings(scene)}.", *(_sentence(item, scene.duration_s) for item in scene.objects)])


def _surroundings(scene: HeardScene) -> str:
    if not scene.room.has_walls:
        return "in the open"
    dry_s, hall_s = (DRY_TO_S + LIVE_FROM_S) / 2, (LIVE_TO_S + HALL_FROM_S) / 2
    return "in a dry room" if scene.room.rt60_s < dry_s else "in a live room" if scene.room.rt60_s < hall_s else "in an echoing hall"


def _sentence(item: HeardObject, duration_s: float) -> str:
    when = "From the beginning" if item.onset_s < _BEGINNING_S else f"After {_amount(item.onset_s, 'second')}"
    lasts = "to the end" if item.offset_s > duration_s - _END_S else f"for {_amount(item.offset_s - item.onset_s, 'second')}"
    place = _PLACES[SECTORS.index(sector8(item.azimuth_deg))] + _HEIGHTS[elevation_word(item.elevation_deg)]
    far = "within reach" if item.distance_m < _REACH_M else f"about {_amount(item.distance_m, 'metre')} away"
    moves = "" if item.motion == "stands still" else f", which {item.motion}"
    return f"{when}, {_name(item)} {place}, {far}{moves}, {lasts}."


def _name(item: HeardObject) -> str:
    sure = max(item.chances) if item.chances else item.confidence
    name = _with_article(spoken(item.label))
    if sure >= _SURE:
        return name
    if sure < _UNSURE and item.others:
        return f"{name} or {_with_article(spoken(item.others[0]))}"
    return f"probably {name}"


def _with_article(name: str) -> str:
    return name if name in _WITHOUT_ARTICLE else f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _amount(value: float, unit: str) -> str:
    """To the half below three, else whole: "half a second", "1 metre", "2.5 metres", "4 seconds"."""
    rounded = round(2 * value) / 2 if value < 3 else float(round(value))
    if rounded < 1:
        return f"half a {unit}"
    return f"{rounded:g} {unit}{'' if rounded == 1 else 's'}"
