"""Where the listener and the sources are."""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from twnm.ambisonics import wrap_deg
from twnm.scene import Event, Listener, Pose, Position, Room, Waypoint, nearest_approach_m
from twnm.simulate.paths import Path, draw_path, draw_speed_m_s
from twnm.simulate.recipe import NEAREST_M, ListenerRecipe, Recipe

PLACE_DRAWS: Final = 240
PATH_DRAWS: Final = 48
PATHS_PER_SPEED: Final = 4
LISTENER_DRAWS: Final = 12
GROUND_MARGIN_M: Final = 0.05
STEEPEST: Final = 0.9
"""Largest sine of the elevation of a drawn place."""
HIGH_M: Final = {"aircraft": (6.0, 25.0), "bird_song": (1.5, 12.0), "thunder": (8.0, 25.0)}
"""Heights, metres, of what is in the air outdoors; elsewhere the height says nothing about the class."""


def draw_listener(rng: np.random.Generator, recipe: ListenerRecipe, room: Room, duration_s: float) -> Listener:
    """The listener somewhere in the room, looking anywhere; with the recipe's probabilities it walks straight or turns during the whole scene."""
    yaw_deg = wrap_deg(round(float(rng.uniform(-180, 180)), 1))
    height_m, margin_m = float(rng.uniform(*recipe.height_m)), recipe.to_wall_m
    if room.size_m is None:
        place = (0.0, 0.0, round(height_m, 3))
    else:
        x, y = (float(rng.uniform(margin_m, side - margin_m)) for side in room.size_m[:2])
        place = (round(x, 3), round(y, 3), round(min(height_m, room.size_m[2] - margin_m), 3))
    walks, turns = (rng.random(2) < (recipe.moving_probability, recipe.turning_probability)).tolist()
    if not walks and not turns:
        return Listener(position_m=place, yaw_deg=yaw_deg)
    end = _draw_walk(rng, recipe, room, place, duration_s) if walks else place
    turn_deg = float(rng.choice([-1, 1]) * rng.uniform(*recipe.turning_deg_s)) * duration_s if turns else 0.0
    poses = Pose(time_s=0.0, position_m=place, yaw_deg=yaw_deg), Pose(time_s=duration_s, position_m=end, yaw_deg=round(yaw_deg + turn_deg, 1))
    return Listener(position_m=place, yaw_deg=yaw_deg, path=poses)


def _draw_walk(rng: np.random.Generator, recipe: ListenerRecipe, room: Room, start_m: Position, duration_s: float) -> Position:
    """Where a straight walk ends; where the room is too small for the drawn ones, it ends early at a wall's margin."""
    x, y, z = start_m
    for _ in range(LISTENER_DRAWS):
        heading, length_m = float(rng.uniform(-math.pi, math.pi)), float(rng.uniform(*recipe.speed_m_s)) * duration_s
        x, y = start_m[0] + length_m * math.cos(heading), start_m[1] + length_m * math.sin(heading)
        if room.size_m is None or _inside((x, y, z), room, recipe.to_wall_m):
            return round(x, 3), round(y, 3), z
    assert room.size_m is not None
    x, y = (min(max(at, recipe.to_wall_m), side - recipe.to_wall_m) for at, side in zip((x, y), room.size_m[:2], strict=True))
    return round(x, 3), round(y, 3), z


def _inside(place_m: Position, room: Room, margin_m: float) -> bool:
    if room.size_m is not None:
        return all(margin_m <= at <= side - margin_m for at, side in zip(place_m, room.size_m, strict=True))
    return room.kind != "ground" or place_m[2] >= GROUND_MARGIN_M


def place_event(
    rng: np.random.Generator, recipe: Recipe, room: Room, listener: Listener, event: Event, moves: bool, others: Sequence[Event]
) -> tuple[Waypoint, ...] | None:
    """A place or a way for an event whose times are known, apart in direction from `others`; None when the draws find none.

    A place has uniform azimuth and log-uniform distance, as far as the room has it, at the middle of the event.
    """
    middle_s = 0.5 * (event.onset_s + event.offset_s)
    here = _listener_at(listener, middle_s)
    avoid = [_direction_at(other, listener, 0.5 * (max(event.onset_s, other.onset_s) + min(event.offset_s, other.offset_s))) for other in others]
    outdoor = room.kind == "ground"
    farthest_m = (recipe.outdoor if outdoor else recipe.sources).distance_m[1]
    motion, speed_m_s = recipe.motion.kinds[0], 0.0
    for draw in range(PATH_DRAWS):
        place = _draw_place(rng, recipe, room, here, event.label, avoid)
        if place is None:
            return None
        path: Path | None = [(0.0, place)]
        if moves:
            if draw % PATHS_PER_SPEED == 0:
                motion, speed_m_s = recipe.motion.kinds[int(rng.integers(len(recipe.motion.kinds)))], draw_speed_m_s(rng, event.label, outdoor)
            path = draw_path(rng, motion, place, here, speed_m_s * (event.offset_s - event.onset_s), (event.onset_s, event.offset_s), farthest_m)
        if path is None or (moves and not all(_inside(at, room, recipe.sources.to_wall_m) for _, at in path)):
            continue
        points = tuple(Waypoint(time_s=time_s, position_m=at) for time_s, at in path)
        if nearest_approach_m(points, listener) >= NEAREST_M - 2e-3:  # places are rounded to millimetres
            return points
    return None


def _draw_place(rng: np.random.Generator, recipe: Recipe, room: Room, here: Position, label: str, avoid: Sequence[Position]) -> Position | None:
    outdoor = room.kind == "ground"
    low_m, high_m = HIGH_M.get(label, recipe.outdoor.height_m) if outdoor else recipe.sources.height_m
    nearest, farthest = (math.log(distance_m) for distance_m in (recipe.outdoor if outdoor else recipe.sources).distance_m)
    closest = math.cos(math.radians(recipe.sources.min_separation_deg))
    margin_m = recipe.sources.to_wall_m
    for _ in range(PLACE_DRAWS // 16):
        for far, high, round_about in rng.random((16, 3)).tolist():
            distance_m = math.exp(nearest + far * (farthest - nearest))
            rise_m = low_m + high * (high_m - low_m) - here[2]
            if abs(rise_m) > STEEPEST * distance_m:
                continue
            flat_m, azimuth = math.sqrt(distance_m**2 - rise_m**2), 2 * math.pi * round_about
            x, y = flat_m * math.cos(azimuth), flat_m * math.sin(azimuth)
            place = (here[0] + x, here[1] + y, here[2] + rise_m)
            if _inside(place, room, margin_m) and all(x * to[0] + y * to[1] + rise_m * to[2] <= closest * distance_m for to in avoid):
                return round(place[0], 3), round(place[1], 3), round(place[2], 3)
    return None


def _listener_at(listener: Listener, time_s: float) -> Position:
    if not listener.path:
        return listener.position_m
    x, y, z = listener.position_at(np.array([time_s]))[0].tolist()
    return x, y, z


def _direction_at(event: Event, listener: Listener, time_s: float) -> Position:
    """Unit vector from the listener to an event, in the room's axes."""
    there = event.path[0].position_m if len(event.path) == 1 else event.position_at(np.array([time_s]))[0].tolist()
    x, y, z = (a - b for a, b in zip(there, _listener_at(listener, time_s), strict=True))
    distance_m = math.sqrt(x * x + y * y + z * z)
    return x / distance_m, y / distance_m, z / distance_m
