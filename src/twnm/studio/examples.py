"""Scenes to begin with when no recording is at hand: drawn from the user's sound bank with fixed seeds, and rendered when asked for."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float32

from twnm.errors import InputError
from twnm.questions.ask import ask_all
from twnm.scene import Scene
from twnm.simulate.render import render
from twnm.simulate.sampler import Recipe, draw_scene
from twnm.sounds.catalogue import Catalogue
from twnm.studio.messages import Example
from twnm.studio.recordings import Suggestion

MOST_QUESTIONS: Final = 6
_TRIES: Final = 50
_QUIET: Final = {"snr_db": (25.0, 35.0), "babble": 0.0, "recording": 0.0}
_ROOM: Final = {"length_m": (5.0, 8.0), "width_m": (4.0, 7.0), "rt60_s": (0.2, 0.45)}


@dataclass(frozen=True)
class _Drawn:
    """An example: what the page says of it, and what it is drawn from. `moving` asks for a sound that moves."""

    title: str
    text: str
    recipe: Recipe
    seed: int
    moving: bool = False


def _recipe(name: str, **changes: object) -> Recipe:
    return Recipe.of({"name": name, "distinct_labels_probability": 1.0, "microphone": {"probability": 0.0}, "ambience": _QUIET} | changes)


EXAMPLES: Final[dict[str, _Drawn]] = {
    "three-sounds": _Drawn(
        "Three sounds in a room",
        "Three recordings around you in a furnished room, none of them moving.",
        _recipe("three-sounds", events=(3, 3), room=_ROOM, motion={"probability": 0.0}, places={"shoebox": 1.0, "free": 0.0}),
        2026,
    ),
    "passing-by": _Drawn(
        "Something passes by",
        "A sound moves around you while another stays where it is.",
        _recipe("passing-by", events=(2, 2), room=_ROOM, motion={"probability": 0.6}, places={"shoebox": 1.0, "free": 0.0}),
        11,
        moving=True,
    ),
    "outdoors": _Drawn(
        "Outdoors",
        "Two sounds above grass or gravel, with nothing to reflect them but the ground.",
        _recipe("outdoors", events=(2, 2), motion={"probability": 0.0}, places={"shoebox": 0.0, "ground": 1.0, "free": 0.0}),
        5,
    ),
    "echoing-hall": _Drawn(
        "A hall that echoes",
        "Two sounds in a large room that takes more than a second to fall silent.",
        _recipe(
            "echoing-hall",
            events=(2, 2),
            room={"length_m": (10.0, 15.0), "width_m": (8.0, 12.0), "rt60_s": (1.0, 1.2)},
            motion={"probability": 0.0},
            places={"shoebox": 1.0, "free": 0.0},
        ),
        3,
    ),
}


def list_examples() -> list[Example]:
    """All examples."""
    return [Example(name=name, title=drawn.title, text=drawn.text) for name, drawn in EXAMPLES.items()]


def make_example(name: str, catalogue: Catalogue) -> tuple[Float32[np.ndarray, "4 samples"], Scene, tuple[Suggestion, ...]]:
    """Audio, scene and fitting questions of an example; raises InputError for an unknown name, or a sound bank from which it cannot be drawn."""
    if name not in EXAMPLES:
        raise InputError(f"there is no example {name[:80]!r}; there are {', '.join(EXAMPLES)}")
    drawn = EXAMPLES[name]
    for index in range(_TRIES):
        scene = draw_scene(catalogue, drawn.recipe, drawn.seed, index, "none")
        if len({event.label for event in scene.events}) == len(scene.events) and (not drawn.moving or any(event.moving for event in scene.events)):
            break
    foa, scene = render(scene, catalogue)
    return foa, scene, suggestions(scene)


def suggestions(scene: Scene) -> tuple[Suggestion, ...]:
    """Questions that can be asked about a scene, of different levels."""
    items = ask_all(scene, np.random.default_rng([*scene.seed, 17]), split="test")
    by_level = {level: [item for item in items if item.level == level] for level in ("L1", "L2", "L3")}
    rounds = [by_level[level][turn] for turn in range(MOST_QUESTIONS) for level in by_level if turn < len(by_level[level])]
    return tuple(Suggestion(item.question, item.options) for item in rounds[:MOST_QUESTIONS])
