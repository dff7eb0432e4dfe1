"""A simple generator of scenes for the tests of questions: uniform directions, log-uniform distances, one to four events, some of them moving.

The listener is at the origin and looks along x, in the free field or in a room of which only the reverberation time is known.
"""

import numpy as np

from twnm.scene import Ambience, Event, Room, Scene, Waypoint
from twnm.sounds.classes import CLASSES

DURATION_S = 5.0


def place_m(azimuth_deg: float, elevation_deg: float, distance_m: float) -> tuple[float, float, float]:
    azimuth, elevation = np.radians(azimuth_deg), np.radians(elevation_deg)
    return (
        float(distance_m * np.cos(azimuth) * np.cos(elevation)),
        float(distance_m * np.sin(azimuth) * np.cos(elevation)),
        float(distance_m * np.sin(elevation)),
    )


def event(label: str, azimuth_deg: float, distance_m: float = 2.0, elevation_deg: float = 0.0, onset_s: float = 0.0, offset_s: float = 4.0) -> Event:
    path = (Waypoint(time_s=0.0, position_m=place_m(azimuth_deg, elevation_deg, distance_m)),)
    return Event(label=label, clip=f"{label}.wav", onset_s=onset_s, offset_s=offset_s, path=path)


def scene_of(*events: Event, ambience: Ambience | None = None, scene_id: str = "s") -> Scene:
    return Scene(scene_id=scene_id, room=Room(kind="free"), duration_s=DURATION_S, events=events, ambience=ambience or Ambience())


def drawn_event(rng: np.random.Generator, label: str) -> Event:
    onset_s = float(rng.uniform(0, 4))
    offset_s = float(min(DURATION_S, onset_s + rng.uniform(0.5, 3)))
    start = place_m(rng.uniform(-180, 180), rng.uniform(-45, 45), float(np.exp(rng.uniform(np.log(0.6), np.log(8)))))
    path = [Waypoint(time_s=onset_s, position_m=start)]
    if rng.random() < 0.2:
        end = place_m(rng.uniform(-180, 180), 0.0, float(rng.uniform(1, 6)))
        if np.linalg.norm(np.linspace(start, end, 100), axis=1).min() > 0.31:
            path.append(Waypoint(time_s=offset_s, position_m=end))
    return Event(label=label, clip=f"{label}.wav", onset_s=onset_s, offset_s=offset_s, path=tuple(path))


def drawn_scene(rng: np.random.Generator, number: int = 0) -> Scene:
    labels = rng.choice(CLASSES, int(rng.integers(1, 5)), replace=False).tolist()
    if len(labels) > 1 and rng.random() < 0.1:
        labels[1] = labels[0]
    ambience = Ambience(kind="pink", level_db=float(rng.uniform(-75, -40))) if rng.random() < 0.5 else Ambience()
    scene = scene_of(*(drawn_event(rng, label) for label in labels), ambience=ambience, scene_id=f"scene-{number}")
    if rng.random() < 0.3:
        return scene
    room = Room(kind="measured", rt60_s=(float(rng.uniform(0.15, 1.3)),) * 7)
    return scene.model_copy(update={"room": room, "events": tuple(event.model_copy(update={"response": "r"}) for event in scene.events)})


def seeded_scenes(count: int, seed: int = 0) -> list[Scene]:
    return [drawn_scene(np.random.default_rng([seed, number]), number) for number in range(count)]
