"""Scenes drawn at random from a recipe.

Scene `index` of seed `seed` is a function of (recipe, catalogue, seed, index, split) alone: its generator is seeded by the last three, so that splits
share no room either. Source levels are drawn independently of distance, so that level alone does not give distance away.
"""

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, cast

import numpy as np

from twnm.errors import InputError
from twnm.scene import Directivity, Event, Listener, Room, Scene, Waypoint
from twnm.simulate.background import draw_ambience
from twnm.simulate.clips import ClipPool, clip_pool
from twnm.simulate.microphone import draw_microphone
from twnm.simulate.paths import STILL
from twnm.simulate.places import draw_listener, place_event
from twnm.simulate.recipe import RECIPES, Recipe
from twnm.simulate.rooms import draw_room, ground
from twnm.simulate.situations import SITUATIONS, of_setting
from twnm.simulate.timing import RHYTHMS, draw_series, lay_out, longest_in_lanes, repeats, simultaneous
from twnm.sounds.catalogue import Catalogue, Clip

__all__ = ["RECIPES", "Recipe", "draw_scene"]

MIN_EVENT_S: Final = 0.2
SERIES_S: Final = 1.2
"""Series are drawn to last at least so long, where there is time."""
SCENE_DRAWS: Final = 20
VOICES: Final = frozenset({"female_speech", "laughter", "male_speech", "scream_pain"})
DIRECTIVITIES: Final[dict[str, Directivity]] = {
    **dict.fromkeys(VOICES, "talker"),
    "horn": "cardioid",
    "alarm_phone": "subcardioid",
    "guitar": "subcardioid",
    "piano": "subcardioid",
}
"""Sources that do not radiate alike in all directions; the others are omnidirectional."""
MOSTLY: Final = 0.5
FACES_LISTENER: Final = 0.8
FACING_SPREAD_DEG: Final = 25.0


def draw_scene(catalogue: Catalogue, recipe: Recipe | str | Path, seed: int, index: int, split: str = "train") -> Scene:
    """Draw scene `index` of a seed from the clips of one split ("none": all clips). A recipe in a file is read at every call: `Recipe.of` reads it once.

    Raises InputError for an unknown recipe or split, a negative seed, a split without clips, or events that find no place.
    """
    recipe = Recipe.of(recipe)
    if seed < 0 or index < 0:
        raise InputError(f"seed {seed} and scene index {index} must be 0 or larger")
    pool = clip_pool(catalogue, split)
    rng = np.random.default_rng([zlib.crc32(split.encode()), seed, index])
    for _ in range(SCENE_DRAWS):
        kind, situation, weights = _draw_setting(rng, recipe, pool)
        room = _draw_room(rng, recipe, kind, situation)
        listener = draw_listener(rng, recipe.listener, room, recipe.duration_s)
        events = _draw_events(rng, recipe, pool, weights, room, listener)
        if events is not None:
            break
    else:
        raise InputError(
            f"recipe {recipe.name!r}: its events find no place; widen sources.distance_m, outdoor.distance_m or the room, lower events or min_separation_deg"
        )
    scene = Scene(
        scene_id=f"{recipe.name}-{split}-{seed}-{index:06d}",
        seed=(seed, index),
        split=cast(Literal["train", "val", "test", "none"], split),
        duration_s=recipe.duration_s,
        room=room,
        listener=listener,
        events=events,
        situation=situation,
        renderer="native",
    )
    capsules = recipe.microphone
    microphone = None
    if rng.random() < capsules.probability:
        microphone = draw_microphone(rng, capsules.self_noise_db, capsules.gain_spread_db, capsules.delay_spread_us, capsules.aliasing_hz)
    return scene.model_copy(update={"ambience": draw_ambience(rng, recipe.ambience, scene, pool), "microphone": microphone})


def _draw_setting(rng: np.random.Generator, recipe: Recipe, pool: ClipPool) -> tuple[str, str, Mapping[str, float]]:
    """The kind of place, the situation that the sounds are drawn for ("": none), and the weights of their labels."""
    kind = recipe.places.draw(rng)
    fitting = tuple(name for name in of_setting("outdoor" if kind == "ground" else "indoor") if _fits(recipe, pool, name))
    if fitting and rng.random() < recipe.situation_probability:
        situation = fitting[int(rng.integers(len(fitting)))]
        return kind, situation, pool.weights(situation)
    return kind, "", pool.evening_weights(fitting, recipe.situation_probability if fitting else 0.0)


def _draw_room(rng: np.random.Generator, recipe: Recipe, kind: str, situation: str) -> Room:
    """A room or ground that the situation has, with its air."""
    weather = recipe.outdoor if kind == "ground" else recipe.room
    air = round(float(rng.uniform(*weather.temperature_c)), 1), float(round(rng.uniform(*weather.humidity_percent)))
    if kind == "free":
        return Room(kind="free", temperature_c=air[0], humidity_percent=air[1])
    if kind == "ground":
        grounds = [name for name in recipe.outdoor.grounds if not situation or name in SITUATIONS[situation].grounds] or recipe.outdoor.grounds
        return ground(grounds[int(rng.integers(len(grounds)))], *air)
    shape, sides = recipe.room, SITUATIONS[situation].side_m if situation else (0.0, math.inf)
    rest = shape.height_m, shape.rt60_s, shape.scattering, air, shape.materials_probability
    try:
        return draw_room(rng, _common(sides, shape.length_m), _common(sides, shape.width_m), *rest)
    except InputError:  # rooms of the situation's size cannot have such reverberation times
        return draw_room(rng, shape.length_m, shape.width_m, *rest)


def _fits(recipe: Recipe, pool: ClipPool, situation: str) -> bool:
    """Whether the bank has as many of the situation's classes as the recipe may ask for, and enough of them can move if most shall."""
    weights = pool.weights(situation)
    return len(weights) >= max(1, recipe.events[1]) and (recipe.motion.probability <= MOSTLY or _movable_share(weights) >= 0.3)


def _movable_share(weights: Mapping[str, float]) -> float:
    return sum(weight for label, weight in weights.items() if label not in STILL) / sum(weights.values())


def _common(wished: tuple[float, float], allowed: tuple[float, float]) -> tuple[float, float]:
    """The part of `allowed` that lies within `wished`; `allowed` itself when they have nothing in common."""
    low, high = max(wished[0], allowed[0]), min(wished[1], allowed[1])
    return (low, high) if low <= high else allowed


@dataclass(frozen=True)
class _Sound:
    """What an event plays: clips at times within it, and how long that takes."""

    clips: tuple[Clip, ...]
    starts_s: tuple[float, ...]
    length_s: float


def _draw_events(
    rng: np.random.Generator, recipe: Recipe, pool: ClipPool, weights: Mapping[str, float], room: Room, listener: Listener
) -> tuple[Event, ...] | None:
    """The events in the order of their onsets; None when one finds no place."""
    sources = _draw_labels(rng, recipe, weights)
    lanes = 1
    if len(sources) > 1 and rng.random() < recipe.overlap_probability:
        lanes = int(rng.integers(2, min(len(sources), recipe.simultaneous_max) + 1))
    longest_s = min(recipe.longest_event_s, longest_in_lanes(len(sources), lanes, recipe.duration_s))
    sounds = [_draw_sound(rng, pool, label, longest_s) for label, _ in sources]
    onsets_s = lay_out(rng, [sound.length_s for sound in sounds], lanes, recipe.duration_s)
    events: list[Event] = []
    for (label, moves), sound, onset_s in sorted(zip(sources, sounds, onsets_s, strict=True), key=lambda drawn: (drawn[2], drawn[0][0])):
        event = _event(rng, recipe, label, sound, onset_s)
        path = place_event(rng, recipe, room, listener, event, moves, [other for other in events if simultaneous(event, other)])
        if path is None:
            return None
        events.append(event.model_copy(update={"path": path, **_draw_facing(rng, recipe, label, path[len(path) // 2].position_m, listener)}))
    return tuple(events)


def _draw_labels(rng: np.random.Generator, recipe: Recipe, possible: Mapping[str, float]) -> list[tuple[str, bool]]:
    """The labels of the events, drawn by weight, and whether each moves.

    Of those that can move, so many do that the recipe's share of all events moves. Where most shall move and too few can, scenes of them alone fill up.
    """
    wanted, share = recipe.motion.probability, _movable_share(possible)
    chance = min(1.0, wanted / share) if share else 0.0
    if wanted > MOSTLY and 0 < share < wanted and rng.random() < (wanted - share) / (1 - share):
        possible = {label: weight for label, weight in possible.items() if label not in STILL}
    count = int(rng.integers(recipe.events[0], recipe.events[1] + 1))
    distinct = bool(rng.random() < recipe.distinct_labels_probability) and count <= len(possible)
    chosen: list[str] = []
    while len(chosen) < count:  # the earliest of Poisson processes whose rates are the weights: so drawn, labels are distinct
        order = np.argsort(rng.standard_exponential(len(possible)) / np.array(list(possible.values()))).tolist()
        names = list(possible)
        chosen += [names[place] for place in order[: count if distinct else 1]]
    return [(label, label not in STILL and bool(rng.random() < chance)) for label in chosen]


def _draw_sound(rng: np.random.Generator, pool: ClipPool, label: str, longest_s: float) -> _Sound:
    """A clip, or a series of takes that belong together when the clip is a single shot."""
    clip = pool.draw(rng, label)
    rhythm = RHYTHMS.get(label)
    takes: list[Clip] = [clip]
    starts_s: tuple[float, ...] = (0.0,)
    if rhythm is not None and repeats(rhythm, pool.length_s(clip)):
        likes = [like for like in pool.takes(clip) if repeats(rhythm, pool.length_s(like))]

        def next_length_s(number: int) -> float:
            while len(takes) <= number:
                others = [like for like in likes if like is not takes[-1]] or likes
                takes.append(others[int(rng.integers(len(others)))])
            return pool.length_s(takes[number])

        starts_s = draw_series(rng, rhythm, next_length_s, float(rng.uniform(min(SERIES_S, longest_s), longest_s)))
    used = tuple(takes[: len(starts_s)])
    end_s = max(start_s + pool.length_s(take) for start_s, take in zip(starts_s, used, strict=True))
    return _Sound(used, starts_s, math.floor(max(min(end_s, longest_s), MIN_EVENT_S) * 1000) / 1000)


def _event(rng: np.random.Generator, recipe: Recipe, label: str, sound: _Sound, onset_s: float) -> Event:
    """An event without its place."""
    first = sound.clips[0]
    return Event(
        label=label,
        clip=first.path,
        clips=tuple(clip.path for clip in sound.clips) if len(set(sound.clips)) > 1 else (),
        package=first.package,
        licence=first.licence,
        procedural=first.procedural,
        onset_s=onset_s,
        offset_s=round(min(onset_s + sound.length_s, recipe.duration_s), 3),
        clip_starts_s=sound.starts_s,
        level_db=round(float(rng.uniform(*recipe.sources.level_db)), 2),
        path=(Waypoint(time_s=0.0, position_m=(0.0, 0.0, 0.0)),),
    )


def _draw_facing(
    rng: np.random.Generator, recipe: Recipe, label: str, place_m: tuple[float, float, float], listener: Listener
) -> dict[str, Directivity | float]:
    """How a source radiates and where it points: voices mostly towards the listener, others anywhere."""
    if rng.random() >= recipe.sources.directivity_probability or label not in DIRECTIVITIES:
        return {}
    facing_deg = float(rng.uniform(-180, 180))
    if label in VOICES and rng.random() < FACES_LISTENER:
        towards = math.atan2(listener.position_m[1] - place_m[1], listener.position_m[0] - place_m[0])
        facing_deg = math.degrees(towards) + FACING_SPREAD_DEG * float(rng.standard_normal())
    return {"directivity": DIRECTIVITIES[label], "facing_deg": round(math.remainder(facing_deg, 360.0), 1)}
