"""A quick measurement of a model on simulated scenes from the catalogue's test split: unseen recordings, new rooms, held-out wordings.

Localisation: matched direction, distance and class errors by number of sources. Questions: exact multiple choice by level and family, for the
model as it is and with the channels Y, Z and X set to zero, which takes the spatial sound away and leaves everything else: what remains is what the
words, the class and the loudness give. `chance` is the mean of one over the number of options.
"""

import functools
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from twnm.bench.statistics import scene_bootstrap
from twnm.metrics.localisation import ClipErrors, PlacedObject, clip_errors, summarise
from twnm.model.hear import HeardObject
from twnm.model.loading import load
from twnm.model.twnm import Asked as Question
from twnm.model.twnm import Twnm
from twnm.questions.ask import ask_all
from twnm.questions.evidence import heard_of
from twnm.questions.schema import Item
from twnm.scene import Scene
from twnm.simulate.render import render
from twnm.simulate.sampler import draw_scene
from twnm.sounds.catalogue import load_catalogue

Split = Literal["val", "test"]
_SEED = 2_000_003  # apart from every training seed


@dataclass(frozen=True)
class Asked:
    """One answered question: what kind it was, and whether the answer was right."""

    level: str
    task: str
    family: str
    chance: float
    right: bool
    right_without_space: bool | None


@dataclass(frozen=True)
class SceneResult:
    """Everything measured on one scene."""

    errors: ClipErrors
    asked: tuple[Asked, ...]
    errors_without_space: ClipErrors | None = None


def _placed(scene: Scene) -> list[PlacedObject]:
    return [PlacedObject(event.label, event.onset_s, event.offset_s, *scene.place(event)) for event in scene.events]


def as_placed(objects: tuple[HeardObject, ...]) -> list[PlacedObject]:
    """Heard objects for scoring."""
    return [PlacedObject(item.label, item.onset_s, item.offset_s, item.azimuth_deg, item.elevation_deg, item.distance_m) for item in objects]


def evaluate_scene(model: Twnm, scene: Scene, foa: np.ndarray, rng: np.random.Generator, questions: int, control: bool, split: Split = "test") -> SceneResult:
    """Hear one scene, ask about it in the words of a split, and with `control` ask again with Y, Z and X at zero."""
    errors = clip_errors(as_placed(model.scene(foa).objects), _placed(scene))
    flat_foa = foa * np.array([[1], [0], [0], [0]], np.float32)
    flat_errors = clip_errors(as_placed(model.scene(flat_foa).objects), _placed(scene)) if control else None
    items = ask_all(scene, rng, split=split) if heard_of(scene) else []
    chosen = [items[index] for index in sorted(rng.permutation(len(items))[:questions])]
    if not chosen:
        return SceneResult(errors, (), flat_errors)
    right = _right(model, foa, chosen)
    flat: Sequence[bool | None] = _right(model, flat_foa, chosen) if control else [None] * len(chosen)
    asked = tuple(Asked(it.level, it.task, it.family, 1 / len(it.options), yes, without) for it, yes, without in zip(chosen, right, flat, strict=True))
    return SceneResult(errors, asked, flat_errors)


def _right(model: Twnm, foa: np.ndarray, items: list[Item]) -> list[bool]:
    listening = model.listen(torch.from_numpy(foa))
    answers = model.answers([Question(listening, item.question, item.options) for item in items])
    return [answer.letter == item.answer_letter for item, answer in zip(items, answers, strict=True)]


@functools.cache
def _tools(model: str, sounds: str) -> tuple[Twnm, Any]:
    torch.set_num_threads(1)
    return load(model), load_catalogue(Path(sounds) if sounds else None)


def _one(model: str, sounds: str, recipe: str, seed: int, questions: int, control: bool, split: Split, index: int) -> SceneResult:
    twnm, catalogue = _tools(model, sounds)
    foa, scene = render(draw_scene(catalogue, recipe, _SEED + seed, index, split=split), catalogue)
    return evaluate_scene(twnm, scene, foa, np.random.default_rng([_SEED + seed, index]), questions, control, split)


def evaluate_model(
    model: str = "small",
    sounds: str = "",
    *,
    scenes: int = 300,
    questions: int = 2,
    recipe: str = "indoor",
    seed: int = 0,
    control: bool = True,
    split: Split = "test",
    workers: int = 2,
    progress: Callable[[Iterator[SceneResult], int], Iterator[SceneResult]] | None = None,
) -> dict[str, Any]:
    """Measure a model (a name or folder) on `scenes` scenes of recordings and wordings that training never met.

    Args:
        model: as `twnm.load` takes it.
        sounds: folder of the sound bank; empty for the user's own catalogue.
        scenes, questions: how many scenes, and questions of each at most.
        recipe: of the sampler.
        seed: of the scenes.
        control: also answer with Y, Z and X at zero.
        split: of the recordings and wordings.
        workers: processes of one thread each; the figures do not depend on it.
        progress: wraps the iterator of results, given their number.

    Returns:
        {"localisation": {...}, "localisation_without_space": {...},
        "questions": {group: {"n", "accuracy", "interval", "without_space", "chance"}}}, accuracies in per cent.

    Raises:
        InputError: the model or the sounds cannot be loaded.
    """
    job = functools.partial(_one, model, sounds, recipe, seed, questions, control, split)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        results = pool.map(job, range(scenes))
        measured = list(progress(results, scenes) if progress else results)
    flat = [result.errors_without_space for result in measured if result.errors_without_space is not None]
    return {
        "scenes": scenes,
        "recipe": recipe,
        "localisation": summarise([result.errors for result in measured]),
        "localisation_without_space": summarise(flat) if flat else {},
        "questions": _by_group(measured),
    }


def _by_group(results: list[SceneResult]) -> dict[str, dict[str, Any]]:
    """Accuracies of all questions, by level, by family and by task."""
    members: dict[str, list[list[Asked]]] = defaultdict(lambda: [[] for _ in results])
    for row, result in enumerate(results):
        for one in result.asked:
            for group in ("all", one.level, one.family, one.task):
                members[group][row].append(one)
    order = sorted(members, key=lambda name: (name != "all", name.startswith("l"), name))
    return {group: _accuracy(members[group]) for group in order}


def _accuracy(rows: list[list[Asked]]) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    mean, low, high = scene_bootstrap([[float(one.right) for one in row] for row in rows], rng)
    flat, flat_low, flat_high = scene_bootstrap([[float(one.right_without_space) for one in row if one.right_without_space is not None] for row in rows], rng)
    chances = [one.chance for row in rows for one in row]

    def percent(value: float) -> float | None:
        return None if np.isnan(value) else round(100 * value, 1)

    return {
        "n": len(chances),
        "accuracy": percent(mean),
        "interval": [percent(low), percent(high)],
        "without_space": percent(flat),
        "without_space_interval": [percent(flat_low), percent(flat_high)],
        "chance": percent(float(np.mean(chances))),
    }
