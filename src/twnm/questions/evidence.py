"""The grammar of what is heard, shared by training targets and by the parser of a model's output.

One object is one line, objects are sorted by onset and joined by "; ":

    dog | front-left 45° | level 5° | 2.1 m | 0.4-2.3 s; bell | right -90° | above 30° | 3.0 m | 1.0-4.2 s

Azimuth and elevation are signed degrees rounded to 5 (positive: left, up), distance and times have one decimal. The sector of eight and the word for the
elevation (level: less than 15°) follow from the rounded angles. No object at all is written "nothing".
"""

import re
from dataclasses import dataclass

from twnm.ambisonics import wrap_deg
from twnm.scene import Event, Scene
from twnm.sounds.classes import spoken

AUDIBLE_DB = 3.0
LEVEL_BELOW_DEG = 15
SECTORS = ("front", "front-left", "left", "back-left", "back", "back-right", "right", "front-right")
SIDES = ("front", "left", "back", "right")
NOTHING = "nothing"

_OBJECT = re.compile(
    r"([^|;<>\n]{1,60}) \| ([a-z-]{4,11}) (-?[0-9]{1,3})° \| ([a-z]{5}) (-?[0-9]{1,2})° \| ([0-9]{1,4}\.[0-9]) m \| ([0-9]{1,5}\.[0-9])-([0-9]{1,5}\.[0-9]) s"
)


def sector8(azimuth_deg: float) -> str:
    """The sector of 45° that an azimuth in degrees lies in; "front" is centred on 0°, "left" on 90°."""
    return SECTORS[int((azimuth_deg % 360.0 + 22.5) // 45.0) % 8]


def side4(azimuth_deg: float) -> str:
    """The quarter that an azimuth in degrees lies in: front, left, back or right."""
    return SIDES[int((azimuth_deg % 360.0 + 45.0) // 90.0) % 4]


def elevation_word(elevation_deg: float) -> str:
    """level, above or below."""
    if abs(elevation_deg) < LEVEL_BELOW_DEG:
        return "level"
    return "above" if elevation_deg > 0 else "below"


@dataclass(frozen=True)
class Heard:
    """One object as the listener hears it: spoken label, direction in degrees, distance in metres, first and last moment in seconds."""

    label: str
    azimuth_deg: float
    elevation_deg: float
    distance_m: float
    onset_s: float
    offset_s: float

    def rounded(self) -> "Heard":
        """The same object with the precision of the grammar."""
        elevation_deg = max(-90.0, min(90.0, 5.0 * round(self.elevation_deg / 5)))
        azimuth_deg = wrap_deg(5.0 * round(self.azimuth_deg / 5)) + 0.0
        times_s = round(self.onset_s, 1), round(self.offset_s, 1)
        return Heard(self.label, azimuth_deg, elevation_deg + 0.0, round(self.distance_m, 1), *times_s)

    def line(self) -> str:
        """The object in the grammar above."""
        it = self.rounded()
        where = f"{sector8(it.azimuth_deg)} {it.azimuth_deg:.0f}° | {elevation_word(it.elevation_deg)} {it.elevation_deg:.0f}°"
        return f"{it.label} | {where} | {it.distance_m:.1f} m | {it.onset_s:.1f}-{it.offset_s:.1f} s"


def audible(scene: Scene) -> tuple[tuple[Event, Heard], ...]:
    """The events at least 3 dB above the ambience, each as it is heard at the middle of its time, exact; ordered by onset."""
    events = sorted((event for event in scene.events if scene.audibility_db(event) >= AUDIBLE_DB), key=lambda event: event.onset_s)
    return tuple((event, Heard(spoken(event.label), *scene.place(event), event.onset_s, event.offset_s)) for event in events)


def heard_of(scene: Scene) -> tuple[Heard, ...]:
    """What is heard in a scene, exact, ordered by onset."""
    return tuple(heard for _, heard in audible(scene))


def write_evidence(heard: tuple[Heard, ...]) -> str:
    """The objects in the grammar, sorted by onset."""
    return "; ".join(it.line() for it in sorted(heard, key=lambda it: it.onset_s)) or NOTHING


def parse_evidence(text: str) -> tuple[Heard, ...] | None:
    """The objects of a text in the grammar, None for any other text; never raises.

    Strict: a text is accepted only if writing what was read gives the same text again, so a sector that contradicts its azimuth is refused.
    """
    if text == NOTHING:
        return ()
    found = []
    for part in text.split("; "):
        match = _OBJECT.fullmatch(part)
        if match is None:
            return None
        label, _, azimuth, _, elevation, distance, onset, offset = match.groups()
        found.append(Heard(label, float(azimuth), float(elevation), float(distance), float(onset), float(offset)))
    heard = tuple(found)
    ordered = all(it.onset_s <= it.offset_s and it.label == it.label.strip() for it in heard)
    return heard if ordered and write_evidence(heard) == text else None
