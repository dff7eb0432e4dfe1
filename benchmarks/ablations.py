"""What each part of the encoder is worth: small encoders trained on the same scenes, each without one part, three seeds each.

    python benchmarks/ablations.py OUT --sounds BANK [--cache CACHE] [--of parts] [--seeds 3] [--steps 600] [--jobs 2] [--only "full,W only"]

With --of fidelity: what each part of the simulation is worth, from encoders that learn from scenes without it and hear scenes that have all of it.

All variants learn from the same stream (recipe "small": 32 scenes a step, each met four times; --steps 600 are 4,800 scenes) with a small net (width 128,
two layers), and hear the same scenes of the test split. Objects are named by the first pass alone. OUT keeps one file for each run, so that what was
stopped goes on. Prints a table in Markdown, differences with 95 % intervals by scene, p values of sign flips by scene, adjusted by Holm.
"""

import argparse
import functools
import itertools
import json
import re
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch

from twnm.bench.ears_figures import pairs_of
from twnm.bench.statistics import holm, paired_comparison
from twnm.files import atomic_write
from twnm.metrics.localisation import PlacedObject
from twnm.model.accdoa import AccdoaEncoder, read_accdoa
from twnm.model.hear import HeardObject, read_objects
from twnm.train.encoder import ENCODER_RECIPES, EncoderRecipe, to_batch, train_encoder, true_objects
from twnm.train.stream import ChunkMaker, StreamSpec

VARIANTS: dict[str, dict[str, Any]] = {
    "full": {},
    "multi-ACCDOA in place of slots": {"head": "accdoa"},
    "W only": {"spatial": False},
    "without semantics": {"semantics": False},
    "without pointing": {"pointing": False},
    "learned front": {"front": "learned"},
    "4 slots": {"slots": 4},
    "8 slots": {"slots": 8},
    "without R_silent": {"without": ("silent",)},
    "without R_apart": {"without": ("apart",)},
    "without R_disjoint": {"without": ("disjoint",)},
    "without R_steady": {"without": ("steady",)},
    "without all four": {"without": ("silent", "apart", "disjoint", "steady")},
}
FIDELITY: dict[str, dict[str, Any]] = {
    "all, a real microphone in half of the scenes": {},
    "an ideal microphone": {"fidelity": "tail"},
    "no tail either": {"fidelity": "images"},
    "the direct sound alone": {"fidelity": "direct"},
}
FAMILIES = {"parts": VARIANTS, "fidelity": FIDELITY}
SMALL = {"width": 128, "layers": 2, "stem": (16, 32, 48, 64)}
TEST_SEED = 1_000_007
FIGURES = {
    "within 20°": lambda scene: [float(pair.angle_deg <= 20) for pair in scene],
    "and named right": lambda scene: [float(pair.angle_deg <= 20 and pair.label_right == 1) for pair in scene],
}


def recipe_of(variant: str, seed: int, sounds: str, cache: str, steps: int) -> EncoderRecipe:
    """The recipe of one run."""
    changes = SMALL | {"name": "ablation", "sounds": sounds, "cache": cache, "seed": seed, "steps": steps, "half": True, "validation_chunks": 0}
    return ENCODER_RECIPES["small"].model_copy(update=changes | {"save_every": steps} | (VARIANTS | FIDELITY)[variant])


def one_run(out: Path, sounds: str, cache: str, steps: int, chunks: int, run: tuple[str, int]) -> list[dict[str, Any]]:
    """Train one variant with one seed and let it hear the test scenes; rows of true and heard objects."""
    variant, seed = run
    path = out / f"{re.sub('[^a-z0-9]+', '-', variant.lower())}-{seed}.json"
    if path.is_file():
        return json.loads(path.read_text())
    recipe = recipe_of(variant, seed, sounds, cache, steps)
    model = train_encoder(recipe, out / "runs" / path.stem).eval()
    maker = ChunkMaker(StreamSpec(sounds, "indoor", "test", TEST_SEED, recipe.chunk, model.config.classes, 0, cache, audio=recipe.front == "learned"))
    rows = []
    for number in range(chunks):
        chunk = maker.make(number)
        batch = to_batch(chunk, front=recipe.front)
        with torch.no_grad():
            output = model(batch.seen.float(), batch.semantic.float())
        for row in range(recipe.chunk):
            heard = read_accdoa(output, row, model.config.classes) if isinstance(model, AccdoaEncoder) else read_objects(output, row, model.config.classes)
            truth = true_objects(chunk.targets, row, model.config.classes)
            rows.append({"truth": [asdict(it) for it in truth], "heard": [placed(it) for it in heard]})
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(rows))
    return rows


def placed(it: HeardObject) -> dict[str, Any]:
    """The place of a heard object as a row."""
    return asdict(PlacedObject(it.label, it.onset_s, it.offset_s, it.azimuth_deg, it.elevation_deg, it.distance_m))


def table(runs: dict[str, list[list[dict[str, Any]]]]) -> str:
    """All variants against the first, in Markdown."""
    rng = np.random.default_rng(0)
    pairs = {variant: [[pairs_of(row) for row in rows] for rows in seeds] for variant, seeds in runs.items()}
    values = {
        name: {variant: _over_seeds([[figure(scene) for scene in scenes] for scenes in seeds]) for variant, seeds in pairs.items()}
        for name, figure in FIGURES.items()
    }
    values["number right"] = {
        variant: _over_seeds([[[float(len(row["truth"]) == len(row["heard"]))] for row in rows] for rows in seeds]) for variant, seeds in runs.items()
    }
    first, *others = runs
    compared = {name: {variant: paired_comparison(of[variant], of[first], rng) for variant in others} for name, of in values.items()}
    adjusted = {name: dict(zip(others, holm([of[variant].p_value for variant in others]), strict=True)) for name, of in compared.items()}
    heads = ["variant", "direction, median ° (seeds)", "distance error", *(f"{name}, %" for name in values)]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for variant, seeds in pairs.items():
        found = [[pair for scene in scenes for pair in scene if pair.heard is not None] for scenes in seeds]
        if all(found):
            angles = [np.median([pair.angle_deg for pair in one]) for one in found]
            distances = [np.median([pair.distance_error for pair in one]) for one in found]
            cells = [variant, f"{np.mean(angles):.1f} ({', '.join(f'{angle:.1f}' for angle in angles)})", f"{np.mean(distances):.2f}"]
        else:
            cells = [variant, "nothing heard", ""]
        for name, of in values.items():
            mean = f"{100 * np.mean(list(itertools.chain.from_iterable(of[variant]))):.1f}"
            if variant != first:
                it = compared[name][variant]
                mean += f" ({100 * it.difference:+.1f} [{100 * it.low:+.1f}, {100 * it.high:+.1f}], p {adjusted[name][variant]:.3f})"
            cells.append(mean)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _over_seeds(seeds: Any) -> list[list[float]]:
    """The mean over the seeds of each value of each scene."""
    return [np.mean(scene, axis=0).tolist() if len(scene[0]) else [] for scene in zip(*seeds, strict=True)]


def main() -> None:
    """Run what has not been run, then print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--sounds", required=True)
    parser.add_argument("--cache", default="")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--chunks", type=int, default=16, help="test scenes, in chunks of 16")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--of", choices=FAMILIES, default="parts", help="what is left out: parts of the encoder, or of the simulation it learns from")
    parser.add_argument("--only", default="", help="variants, with commas between them")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    chosen = [name for name in FAMILIES[given.of] if not given.only or name in given.only.split(",")]
    order = [(variant, seed) for seed in range(given.seeds) for variant in chosen]
    work = functools.partial(one_run, given.out, given.sounds, given.cache or str(given.out / "cache"), given.steps, given.chunks)
    with ProcessPoolExecutor(given.jobs, mp_context=get_context("spawn")) as pool:
        done = dict(zip(order, pool.map(work, order), strict=True))
    print(table({variant: [done[variant, seed] for seed in range(given.seeds)] for variant in chosen}))


if __name__ == "__main__":
    main()
