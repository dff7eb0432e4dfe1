"""What was heard as a scene of its own, about which questions can be asked, and the notes on it: what the evidence has no room for.

The notes follow the evidence in what the language model reads: the place, what each object may be instead, and how the moving ones move,

    RT60 0.6 s; pig or dog; footsteps moves 20° 1.1 m, 60° 0.5 m, 110° 0.9 m

(begin, nearest and end, as questions about motion see them). A place without walls is "open air".
"""

from collections.abc import Collection, Sequence

import numpy as np

from twnm.ambisonics import unit_vector
from twnm.model.features import LABEL_RATE_HZ
from twnm.model.hear import END_FRAMES, HeardObject, HeardRoom
from twnm.questions.evidence import write_evidence
from twnm.questions.facts import Facts, Motion, facts_of
from twnm.scene import BAND_CENTRES_HZ, MIN_DISTANCE_M, Event, Listener, Room, Scene, Waypoint, nearest_approach_m
from twnm.sounds.classes import spoken

_WAYPOINTS = 5
_AROUND_FRAMES = 2
_STANDS_STILL = "stands still"


def heard_scene(
    objects: Sequence[HeardObject],
    room: HeardRoom,
    *,
    duration_s: float,
    scene_id: str = "heard",
    situation: str = "",
    labels: Sequence[str] = (),
    follow: Collection[str] = (),
) -> Scene:
    """A scene of what was heard, the listener in its origin; `labels` name the objects in place of their own.

    Objects of the labels in `follow` are followed even if they seem to stand still, for a question that asks how one moves.
    """
    events = []
    for item, label in zip(objects, labels or [item.label for item in objects], strict=True):
        events.append(
            Event(label=label, clip="heard", onset_s=item.onset_s, offset_s=item.offset_s, response="heard", path=_path(item, follow=label in follow))
        )
    around = Room(kind="measured", rt60_s=(room.rt60_s,) * len(BAND_CENTRES_HZ)) if room.has_walls else Room(kind="free")
    return Scene(scene_id=scene_id, duration_s=duration_s, room=around, events=tuple(events), situation=situation)


def _path(item: HeardObject, *, follow: bool) -> tuple[Waypoint, ...]:
    """Where an object was heard: one place if it stands still, else a few, each the mean over half a second."""
    still = (_waypoint(0.0, unit_vector(item.azimuth_deg, item.elevation_deg) * max(item.distance_m, MIN_DISTANCE_M)),)
    if len(item.distances_m) < 2 * END_FRAMES or not (follow or item.motion != _STANDS_STILL):
        return still
    places_m = unit_vector(np.array(item.azimuths_deg), np.array(item.elevations_deg)) * np.array(item.distances_m)[:, None]
    knots = np.unique(np.linspace(0, len(places_m) - 1, _WAYPOINTS).round().astype(int))
    means_m = [places_m[max(0, knot - _AROUND_FRAMES) : knot + _AROUND_FRAMES + 1].mean(axis=0) for knot in knots]
    path = tuple(_waypoint(item.onset_s + knot / LABEL_RATE_HZ, place_m) for knot, place_m in zip(knots, means_m, strict=True))
    return still if nearest_approach_m(path, Listener()) < MIN_DISTANCE_M else path


def _waypoint(time_s: float, place_m: np.ndarray) -> Waypoint:
    x, y, z = (float(value) for value in place_m)
    return Waypoint(time_s=time_s, position_m=(x, y, z))


def tell(objects: Sequence[HeardObject], room: HeardRoom, duration_s: float, follow: Collection[str] = ()) -> tuple[str, str]:
    """The evidence and the notes on what was heard, as the language model reads them; a moving object is where it was at the middle of its time.

    `follow`: as for `heard_scene`.
    """
    others = [" or ".join(spoken(label) for label in (item.label, *item.others)) for item in objects if item.others]
    return tell_facts(facts_of(heard_scene(objects, room, duration_s=duration_s, follow=follow)), others)


def tell_facts(facts: Facts, others: Sequence[str] = ()) -> tuple[str, str]:
    """The evidence and the notes on a scene as it is; `others` are notes on what the objects may be instead."""
    place = "open air" if facts.rt60_s is None else f"RT60 {facts.rt60_s:.1f} s"
    motions = [note_of_motion(source.label, source.motion) for source in facts.sources if source.motion is not None]
    return write_evidence(tuple(source.heard for source in facts.sources)), "; ".join([place, *others, *motions])


def note_of_motion(name: str, motion: Motion) -> str:
    """Where a moving object begins, is nearest and ends."""
    moments = (motion.begin.rounded(), motion.nearest.rounded(), motion.end.rounded())
    return f"{name} moves " + ", ".join(f"{it.azimuth_deg:.0f}° {it.distance_m:.1f} m" for it in moments)
