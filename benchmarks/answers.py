"""What each part of answering is worth, and what each way of training further is worth.

    python benchmarks/answers.py OUT --data BENCH [--of parts] [--model small] [--recordings 100] [--jobs 2] [--only "whole,one pose"]
    python benchmarks/answers.py OUT --data BENCH --of training --sounds BANK [--minutes 6] [--seeds 3]
    python benchmarks/answers.py OUT --data BENCH --of time [--recordings 6]

Parts: one model answers the questions of the first recordings of the benchmark's validation split (no twins), each time without one part. Training: models
that went on from the same weights for the same time, each in another way, with three seeds, answer them; "as it began" is where all came from.
Differences are paired by scene, with 95 % bootstrap intervals and p values of sign flips, adjusted by Holm. OUT keeps one file for each run, so that what
was stopped goes on. Prints a table in Markdown.
"""

import argparse
import functools
import itertools
import json
import re
import resource
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from types import MethodType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from twnm.bench.data import Benchmark
from twnm.bench.statistics import holm, paired_comparison, scene_bootstrap
from twnm.bench.systems.ours import mono, stereo
from twnm.files import atomic_write
from twnm.model.language import read
from twnm.model.loading import folder_of, load
from twnm.model.projector import HeardBatch
from twnm.model.turned import AS_IT_IS, QUARTER_TURNS
from twnm.model.twnm import Asked, Listening, Twnm
from twnm.questions.schema import Item
from twnm.train.instruct import INSTRUCT_RECIPES, train_instruct
from twnm.train.prefer import PREFER_RECIPES, train_prefer

GROUPS = ("all", "L1", "L2", "L3", "spatial")
Row = dict[str, Any]


@dataclass(frozen=True)
class Part:
    """A model without a part: what is changed in it once, in what is heard, and in what the questions start from."""

    change: Callable[[Twnm], None] = lambda model: None
    given: Callable[[np.ndarray], np.ndarray] = lambda foa: foa
    listening: Callable[[Twnm, Listening], Listening] = lambda model, listening: listening
    evidence: bool = True


def _in_poses(poses: Any) -> Callable[[Twnm], None]:
    return lambda model: setattr(model, "poses", poses)


def _spelling_figures(model: Twnm) -> None:
    model.reckons = False  # type: ignore[misc]


def _named_by_w(model: Twnm) -> None:
    model.encoder.name = lambda label, evidence, beams: label  # type: ignore[method-assign]


def _tokens(kept: Callable[[Tensor, int], Tensor]) -> Callable[[Twnm], None]:
    """Keep some of the audio tokens, given how many of the first belong to the dense map."""

    def change(model: Twnm) -> None:
        projector = model.projector

        def forward(self: nn.Module, heard: HeardBatch, row: int = 0) -> Tensor:
            return kept(type(projector).forward(projector, heard, row), projector.dense(heard.frames, heard.semantic).shape[1])

        projector.forward = MethodType(forward, projector)  # type: ignore[method-assign]

    return change


def _unbound(model: Twnm, listening: Listening) -> Listening:
    return replace(listening, audio=None)


def _evidence_unread(model: Twnm, listening: Listening) -> Listening:
    assert listening.audio is not None
    return replace(listening, prefix=read(model.language.model, model.embed(model.told_ids("", "")), listening.audio), audio=None)


PARTS: dict[str, Part] = {
    "whole": Part(),
    "figures spelt by the language model": Part(_spelling_figures),
    "answers at once, without reasoning": Part(evidence=False),
    "names in the question not bound": Part(listening=_unbound),
    "four poses": Part(_in_poses(QUARTER_TURNS)),
    "one pose": Part(_in_poses(AS_IT_IS)),
    "named by W, not by beams": Part(_named_by_w),
    "without object and room tokens": Part(_tokens(lambda tokens, dense: tokens[:dense])),
    "without the dense map": Part(_tokens(lambda tokens, dense: tokens[dense:])),
    "without any audio token": Part(_tokens(lambda tokens, dense: tokens[:0])),
    "evidence not read, audio tokens alone": Part(_spelling_figures, listening=_evidence_unread),
    "stereo": Part(given=stereo),
    "W alone": Part(given=mono),
}
TRAINING: dict[str, dict[str, Any]] = {
    "as it began": {},
    "more instruction": {"stage": "instruct"},
    "more instruction, no evidence in the loss": {"stage": "instruct", "evidence_weight": 0.0},
    "reasoning on text alone": {"stage": "instruct", "text": True},
    "dense hybrid map anew": {"stage": "instruct", "map_anew": True},
    "MLP map": {"stage": "instruct", "map_anew": True, "projector": "mlp"},
    "dual-tower map": {"stage": "instruct", "map_anew": True, "projector": "dual"},
    "SAPO": {"stage": "prefer", "method": "sapo"},
    "GRPO": {"stage": "prefer", "method": "grpo"},
    "DPO": {"stage": "prefer", "method": "dpo"},
    "SAPO, evidence not rewarded": {"stage": "prefer", "method": "sapo", "evidence_weight": 0.0},
}
FAMILIES: dict[str, tuple[str, ...]] = {"parts": tuple(PARTS), "training": tuple(TRAINING)}


def trained(variant: str, seed: int, begin: Path, sounds: str, minutes: float, out: Path) -> Path:
    """The folder of a model that went on from another in a variant's way."""
    changes = dict(TRAINING[variant])
    stage = changes.pop("stage", "")
    common = {"sounds": sounds, "seed": 100 + seed, "minutes": minutes, "half": True, "threads": 1, "begin_with": str(begin)}
    if stage == "instruct":
        train_instruct(INSTRUCT_RECIPES["further"].model_copy(update=common | changes), begin, out)
    elif stage == "prefer":
        train_prefer(PREFER_RECIPES["small"].model_copy(update=common | changes), out)
    return out if stage else begin


def asked_about(model: Twnm, part: Part, data: Path, recordings: int) -> list[list[Row]]:
    """Rows of each recording: the level, the family, and whether the answer was right."""
    benchmark = Benchmark(data, "val")
    rows = []
    for group in itertools.islice(benchmark.groups(), recordings):
        items = [item for item in group if isinstance(item, Item) and item.options and not item.transform]
        foa, _ = benchmark.recording(group[0].file_name)
        listening = part.listening(model, model.listen(torch.from_numpy(part.given(foa))))
        answers = model.answers([Asked(listening, item.question, item.options) for item in items], part.evidence)
        rows.append([{"level": it.level, "family": it.family, "right": a.letter == it.answer_letter} for it, a in zip(items, answers, strict=True)])
    return rows


def one_run(given: argparse.Namespace, run: tuple[str, int]) -> list[list[Row]]:
    """The answers of one variant with one seed."""
    variant, seed = run
    torch.set_num_threads(1)
    path = given.out / f"{re.sub('[^a-z0-9]+', '-', variant.lower())}-{seed}.json"
    if not path.is_file():
        folder: Any = given.model
        if given.of == "training":
            folder = trained(variant, seed, folder_of(given.model), given.sounds, given.minutes, given.out / "runs" / path.stem)
        part = PARTS.get(variant, Part())
        model = load(folder)
        part.change(model)
        with atomic_write(path) as temporary:
            temporary.write_text(json.dumps(asked_about(model, part, given.data, given.recordings)))
    return json.loads(path.read_text())  # type: ignore[no-any-return]


def times(given: argparse.Namespace) -> str:
    """How long a question takes with reasoning and at once, and the memory of this process."""
    model, benchmark = load(given.model), Benchmark(given.data, "val")
    lines = ["| | questions | median, s | longest, s | right |", "|---|---|---|---|---|"]
    for name, evidence in (("with evidence and reasoning", True), ("at once", False)):
        taken_s, right = [], []
        for group in itertools.islice(benchmark.groups(), given.recordings):
            foa, _ = benchmark.recording(group[0].file_name)
            for item in [item for item in group if isinstance(item, Item) and item.options and not item.transform][:4]:
                if not taken_s:
                    model.ask(foa, item.question, item.options, evidence=evidence)  # to be warm
                answer = model.ask(foa, item.question, item.options, evidence=evidence)
                taken_s.append(answer.seconds)
                right.append(answer.letter == item.answer_letter)
        lines.append(f"| {name} | {len(taken_s)} | {np.median(taken_s):.2f} | {max(taken_s):.2f} | {sum(right)} |")
    return "\n".join([*lines, f"\n{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB"])


def table(runs: dict[str, list[list[list[Row]]]]) -> str:
    """All variants against the first, in Markdown."""
    rng = np.random.default_rng(0)
    values = {name: {group: list(_over_seeds(seeds, group)) for group in GROUPS} for name, seeds in runs.items()}
    first, *others = runs
    compared = {name: paired_comparison(values[name]["all"], values[first]["all"], rng) for name in others}
    adjusted = dict(zip(others, holm([compared[name].p_value for name in others]), strict=True)) if others else {}
    lines = [f"| variant | {' | '.join(GROUPS)} | difference, points | p |", "|---" * (len(GROUPS) + 3) + "|"]
    for name, of in values.items():
        means = [f"{100 * scene_bootstrap(of[group], rng)[0]:.1f}" for group in GROUPS]
        rest = ["", ""]
        if name != first:
            it = compared[name]
            rest = [f"{100 * it.difference:+.1f} [{100 * it.low:+.1f}, {100 * it.high:+.1f}]", f"{adjusted[name]:.3f}"]
        lines.append(f"| {' | '.join([name, *means, *rest])} |")
    return "\n".join(lines)


def _over_seeds(seeds: list[list[list[Row]]], group: str) -> Iterator[list[float]]:
    """The mean over the seeds of each answer of each scene, of a level or a family."""
    for scene in zip(*seeds, strict=True):
        kept = [place for place, row in enumerate(scene[0]) if group in ("all", row["level"], row["family"])]
        yield [float(np.mean([rows[place]["right"] for rows in scene])) for place in kept]


def main() -> None:
    """Run what has not been run, then print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--of", choices=(*FAMILIES, "time"), default="parts")
    parser.add_argument("--model", default="small")
    parser.add_argument("--recordings", type=int, help="the first so many: 100, of time 6 if absent")
    parser.add_argument("--sounds", default="")
    parser.add_argument("--minutes", type=float, default=6.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="", help="variants, with commas between them; names that hold commas are found by their beginning")
    given = parser.parse_args()
    given.recordings = given.recordings or (6 if given.of == "time" else 100)
    if given.of == "time":
        print(times(given))
        return
    given.out.mkdir(parents=True, exist_ok=True)
    wanted = [name for name in given.only.split(",") if name]
    chosen = [name for name in FAMILIES[given.of] if not wanted or name in wanted or name.split(",")[0] in wanted]
    seeds = {name: 1 if given.of == "parts" or not TRAINING[name] else given.seeds for name in chosen}
    order = [(name, seed) for seed in range(given.seeds) for name in chosen if seed < seeds[name]]
    with ProcessPoolExecutor(given.jobs, mp_context=get_context("spawn")) as pool:
        done = dict(zip(order, pool.map(functools.partial(one_run, given), order), strict=True))
    print(table({name: [done[name, seed] for seed in range(seeds[name])] for name in chosen}))


if __name__ == "__main__":
    main()
