"""Scenes drawn at random: a recipe's ranges, and the draw.

Scene `index` of seed `seed` is a function of (recipe, catalogue, seed, index) alone: its generator is `default_rng([seed, index])`. Source levels are
drawn independently of distance, so that level alone does not give distance away.
"""

import functools
import math
from typing import Annotated, Any, Literal, cast

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from twnm.ambisonics import angle_between_deg, unit_vector, wrap_deg
from twnm.audio import SAMPLE_RATE_HZ
from twnm.errors import InputError
from twnm.scene import Ambience, Event, Listener, Position, Room, Scene, Waypoint
from twnm.simulate.rooms import draw_room
from twnm.sounds.catalogue import Catalogue, Clip
from twnm.sounds.classes import SINGLE_SHOT

Range = tuple[Annotated[float, Field(allow_inf_nan=False)], Annotated[float, Field(allow_inf_nan=False)]]
Share = Annotated[float, Field(ge=0, le=1)]
MAX_EVENT_S = 4.0
MIN_EVENT_S = 0.2
MIN_AUDIBLE_S = 0.5
PLACE_DRAWS = 200
SCENE_DRAWS = 20


class Recipe(BaseModel):
    """What scenes are drawn from. Ranges are (lowest, highest), drawn uniformly; metres, seconds, degrees, dB."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    duration_s: Annotated[float, Field(gt=0.5, le=3600)] = 5.0
    events_min: Annotated[int, Field(ge=0, le=8)] = 1
    events_max: Annotated[int, Field(ge=1, le=8)] = 3
    length_m: Range = (3.0, 15.0)
    width_m: Range = (3.0, 12.0)
    height_m: Range = (2.3, 5.0)
    rt60_s: Range = (0.15, 1.2)
    distance_m: Range = (0.5, 6.0)
    source_height_m: Range = (0.2, 2.6)
    level_db: Range = (-34.0, -18.0)
    snr_db: Range = (10.0, 30.0)
    listener_height_m: Range = (1.2, 1.7)
    listener_to_wall_m: Annotated[float, Field(ge=0.1)] = 0.5
    source_to_wall_m: Annotated[float, Field(ge=0.05)] = 0.15
    min_separation_deg: Annotated[float, Field(ge=0, lt=60)] = 15.0
    overlap_probability: Share = 0.6
    anechoic_probability: Share = 0.1
    distinct_labels_probability: Share = 0.95

    @model_validator(mode="after")
    def _ordered(self) -> "Recipe":
        wrong = [name for name, value in self if isinstance(value, tuple) and value[0] > value[1]]
        if self.events_min > self.events_max:
            wrong.append("events_min, events_max")
        if wrong:
            raise ValueError(f"lowest above highest in: {', '.join(wrong)}")
        if self.distance_m[0] < 0.3:
            raise ValueError(f"distance_m begins at {self.distance_m[0]} m; sources must stay 0.3 m from the microphone")
        return self

    @classmethod
    def of(cls, recipe: "str | Recipe | dict[str, Any]") -> "Recipe":
        """A built-in recipe by name, a recipe as it is, or one from a dictionary; raises InputError naming every problem."""
        if isinstance(recipe, Recipe):
            return recipe
        if isinstance(recipe, str):
            if recipe not in RECIPES:
                raise InputError(f"unknown recipe {recipe!r}; choose one of {', '.join(RECIPES)}")
            return RECIPES[recipe]
        try:
            return cls.model_validate(recipe)
        except ValidationError as error:
            problems = "; ".join(f"{'.'.join(map(str, item['loc'])) or 'recipe'}: {item['msg']}" for item in error.errors())
            raise InputError(f"not a valid recipe: {problems}") from None


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(name="indoor"),
        Recipe(name="anechoic", anechoic_probability=1.0, snr_db=(20.0, 40.0)),
        Recipe(name="benchmark", events_min=2, events_max=4, anechoic_probability=0.0),
    )
}


@functools.lru_cache(maxsize=8)
def _split(catalogue: Catalogue, split: str) -> Catalogue:
    return catalogue if split == "none" else catalogue.split(split)


def draw_scene(catalogue: Catalogue, recipe: Recipe | str, seed: int, index: int, split: str = "train") -> Scene:
    """Draw scene `index` of a seed from the clips of one split ("none": all clips).

    Raises InputError for an unknown recipe or split, a negative seed, or a split without clips.
    """
    recipe = Recipe.of(recipe)
    if seed < 0 or index < 0:
        raise InputError(f"seed {seed} and scene index {index} must be 0 or larger")
    clips = _split(catalogue, split)
    if not clips.labels:
        raise InputError(f"the sound bank has no clips in the split {split!r}; use another split or add sounds")
    rng = np.random.default_rng([seed, index])
    for _ in range(SCENE_DRAWS):
        room, listener, events = _draw_contents(rng, recipe, clips)
        if len(events) >= recipe.events_min:
            break
    else:
        raise InputError(f"recipe {recipe.name!r}: {recipe.events_min} events find no place; widen distance_m or the room, or lower events_min")
    scene = Scene(
        scene_id=f"{recipe.name}-{split}-{seed}-{index:06d}",
        seed=(seed, index),
        split=cast(Literal["train", "val", "test", "none"], split),
        duration_s=recipe.duration_s,
        room=room,
        listener=listener,
        events=events,
        renderer="native",
    )
    return scene.model_copy(update={"ambience": _draw_ambience(rng, recipe, scene)})


def _draw_contents(rng: np.random.Generator, recipe: Recipe, clips: Catalogue) -> tuple[Room, Listener, tuple[Event, ...]]:
    free = bool(rng.random() < recipe.anechoic_probability)
    room = Room(kind="free") if free else draw_room(rng, recipe.length_m, recipe.width_m, recipe.height_m, recipe.rt60_s)
    listener = _draw_listener(rng, recipe, room)
    events: list[Event] = []
    labels = _draw_labels(rng, recipe, clips.labels)
    overlap = bool(rng.random() < recipe.overlap_probability)
    for label in labels:
        event = _draw_event(rng, recipe, clips, label, room, listener, events, overlap)
        if event is not None:
            events.append(event)
    return room, listener, tuple(sorted(events, key=lambda event: (event.onset_s, event.label)))


def _draw_listener(rng: np.random.Generator, recipe: Recipe, room: Room) -> Listener:
    yaw_deg = wrap_deg(round(float(rng.uniform(-180, 180)), 1))
    height_m = float(rng.uniform(*recipe.listener_height_m))
    margin_m = recipe.listener_to_wall_m
    if room.size_m is None:
        return Listener(position_m=(0.0, 0.0, round(height_m, 3)), yaw_deg=yaw_deg)
    x, y = (float(rng.uniform(margin_m, side - margin_m)) for side in room.size_m[:2])
    return Listener(position_m=(round(x, 3), round(y, 3), round(min(height_m, room.size_m[2] - margin_m), 3)), yaw_deg=yaw_deg)


def _draw_labels(rng: np.random.Generator, recipe: Recipe, labels: tuple[str, ...]) -> list[str]:
    count = int(rng.integers(recipe.events_min, recipe.events_max + 1))
    distinct = bool(rng.random() < recipe.distinct_labels_probability) and count <= len(labels)
    return [labels[place] for place in rng.choice(len(labels), count, replace=not distinct)]


def _draw_clip(rng: np.random.Generator, clips: tuple[Clip, ...]) -> Clip:
    weights = np.array([clip.weight for clip in clips])
    return clips[int(rng.choice(len(clips), p=weights / weights.sum()))]


def _clip_starts(rng: np.random.Generator, label: str, clip_s: float, longest_s: float) -> tuple[tuple[float, ...], float]:
    """Times at which the clip is played and the duration of the event, seconds: a short clip of a single-shot class is repeated."""
    interval_s = SINGLE_SHOT.get(label)
    if interval_s is None or clip_s > 2 * interval_s:
        return (0.0,), min(clip_s, longest_s)
    step_s = max(interval_s * float(rng.uniform(0.8, 1.25)), 0.6 * clip_s)
    most = max(1, 1 + int((longest_s - clip_s) / step_s)) if longest_s > clip_s else 1
    count = int(rng.integers(min(2, most), most + 1))
    jitter_s = 0.1 * step_s * rng.uniform(-1, 1, count)
    starts = [0.0] + [round(place * step_s + float(jitter_s[place]), 4) for place in range(1, count)]
    return tuple(starts), min(starts[-1] + clip_s, longest_s)


def _draw_onset(rng: np.random.Generator, recipe: Recipe, event_s: float, others: list[Event], overlap: bool) -> float | None:
    """An onset that leaves the event whole; with `overlap` off, one that does not sound together with the others, if a try finds it."""
    for _ in range(40):
        onset_s = round(float(rng.uniform(0, max(recipe.duration_s - event_s, 0))), 3)
        if overlap or all(onset_s + event_s <= other.onset_s or onset_s >= other.offset_s for other in others):
            return onset_s
    return None


def _draw_event(
    rng: np.random.Generator, recipe: Recipe, clips: Catalogue, label: str, room: Room, listener: Listener, others: list[Event], overlap: bool
) -> Event | None:
    """An event beside the `others`; None when there is no time or place for it."""
    clip = _draw_clip(rng, clips.of(label))
    clip_s = clips.read(clip).size / SAMPLE_RATE_HZ
    longest_s = min(MAX_EVENT_S, recipe.duration_s)
    if not overlap and others:
        longest_s = min(longest_s, max(MIN_AUDIBLE_S, (recipe.duration_s - sum(other.offset_s - other.onset_s for other in others)) / 2))
    starts_s, event_s = _clip_starts(rng, label, clip_s, longest_s)
    event_s = math.floor(event_s * 1000) / 1000 if event_s > MIN_EVENT_S else round(MIN_EVENT_S, 3)
    onset_s = _draw_onset(rng, recipe, event_s, others, overlap)
    if onset_s is None:
        return None
    offset_s = round(min(onset_s + event_s, recipe.duration_s), 3)
    position_m = _draw_place(rng, recipe, room, listener, [other for other in others if other.onset_s < offset_s and other.offset_s > onset_s])
    if position_m is None:
        return None
    return Event(
        label=label,
        clip=clip.path,
        package=clip.package,
        licence=clip.licence,
        procedural=clip.procedural,
        onset_s=onset_s,
        offset_s=offset_s,
        clip_starts_s=tuple(start_s for start_s in starts_s if start_s < event_s),
        level_db=round(float(rng.uniform(*recipe.level_db)), 2),
        path=(Waypoint(time_s=0.0, position_m=position_m),),
    )


def _draw_place(rng: np.random.Generator, recipe: Recipe, room: Room, listener: Listener, simultaneous: list[Event]) -> Position | None:
    """A place with uniform azimuth and log-uniform distance, as far as the room has it; apart from the simultaneous events."""
    here = np.array(listener.position_m)
    ears = [np.array(event.path[0].position_m) - here for event in simultaneous]
    for _ in range(PLACE_DRAWS):
        distance_m = math.exp(rng.uniform(*np.log(recipe.distance_m)))
        rise_m = float(rng.uniform(*recipe.source_height_m)) - here[2]
        azimuth_deg = float(rng.uniform(-180, 180))
        if abs(rise_m) > 0.9 * distance_m:
            continue
        offset = distance_m * unit_vector(azimuth_deg, math.degrees(math.asin(rise_m / distance_m)))
        place = np.round(here + offset, 3)
        margin_m = recipe.source_to_wall_m
        if room.size_m is not None and not all(margin_m <= at <= side - margin_m for at, side in zip(place, room.size_m, strict=True)):
            continue
        if all(float(angle_between_deg(place - here, other)) >= recipe.min_separation_deg for other in ears):
            return float(place[0]), float(place[1]), float(place[2])
    return None


def _draw_ambience(rng: np.random.Generator, recipe: Recipe, scene: Scene) -> Ambience:
    snr_db = round(float(rng.uniform(*recipe.snr_db)), 1)
    kind = str(rng.choice(["white", "pink", "brown"]))
    loudest_db = max((scene.received_db(event) for event in scene.events), default=-30.0)
    return Ambience.model_validate({"kind": kind, "level_db": round(loudest_db - snr_db, 2), "snr_db": snr_db})
