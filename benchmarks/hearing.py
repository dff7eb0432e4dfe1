"""What hearing in several poses is worth and how long it takes, and which part of what is heard costs how many answers.

    python benchmarks/hearing.py --data BENCH [--of poses] [--split val] [--recordings 334] [--model small]
    python benchmarks/hearing.py --data BENCH --of parts [--split test] [--recordings 300]
    python benchmarks/hearing.py --data BENCH --of time [--recordings 12]

The questions of the first recordings of a benchmark (no twins) are answered by arithmetic from an encoder's slots, as `cascade` does. Poses: in one
pose, in the four quarter turns, in eight and in all sixteen. Parts: in sixteen poses, with a part of what is heard put right by the metadata; heard objects
are those true ones within 60° (optimal assignment by angle). Time: processor time of one thread for a clip, median over the recordings of the least of ten
times and of all. Prints a table in Markdown.
"""

import argparse
import itertools
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

from twnm.ambisonics import angle_between_deg, unit_vector
from twnm.bench.costs import Sounding
from twnm.bench.data import Benchmark
from twnm.bench.symbolic import Estimate, estimate_of, tell
from twnm.bench.systems import cascade
from twnm.model.hear import hear_clips
from twnm.model.hearing import Hearing
from twnm.model.loading import folder_of, load_hearing
from twnm.model.turned import ALL_POSES, AS_IT_IS, QUARTER_TURNS
from twnm.questions.facts import facts_of
from twnm.questions.schema import Item

POSES = {"1": AS_IT_IS, "4": QUARTER_TURNS, "8": ALL_POSES[:8], "16": ALL_POSES}
PARTS = ("names", "number", "distances", "room", "times", "directions", "motions")
MADE_RIGHT: dict[str, tuple[str, ...]] = {
    "as heard": (),
    **{part: (part,) for part in PARTS},
    "names and number": ("names", "number"),
    "all but names": tuple(part for part in PARTS if part != "names"),
    "all": PARTS,
}
MATCHED_WITHIN_DEG = 60.0


def paired(heard: Sequence[Sounding], truth: Sequence[Sounding]) -> list[tuple[int, int, float]]:
    """Heard and true objects that belong together, with the angle between them."""
    if not heard or not truth:
        return []
    first, second = (np.stack([unit_vector(it.heard.azimuth_deg, it.heard.elevation_deg) for it in side]) for side in (heard, truth))
    angles = angle_between_deg(first[:, None], second[None])
    return [(int(row), int(column), float(angles[row, column])) for row, column in zip(*linear_sum_assignment(angles), strict=True)]


def made_right(heard: Estimate, truth: Estimate, parts: Sequence[str]) -> Estimate:
    """What was heard, with some parts of it as they truly are."""
    pairs = {row: column for row, column, angle in paired(heard.objects, truth.objects) if angle < MATCHED_WITHIN_DEG}
    objects = [
        _object(it, truth.objects[pairs[row]], parts) if row in pairs else it for row, it in enumerate(heard.objects) if row in pairs or "number" not in parts
    ]
    if "number" in parts:
        objects += [it for column, it in enumerate(truth.objects) if column not in pairs.values()]
    return Estimate(tuple(sorted(objects, key=lambda it: it.heard.onset_s)), heard.duration_s, truth.rt60_s if "room" in parts else heard.rt60_s)


def _object(it: Sounding, true: Sounding, parts: Sequence[str]) -> Sounding:
    heard, of = it.heard, true.heard
    if "names" in parts:
        heard = replace(heard, label=of.label)
    if "directions" in parts:
        heard = replace(heard, azimuth_deg=of.azimuth_deg, elevation_deg=of.elevation_deg)
    if "distances" in parts:
        heard = replace(heard, distance_m=of.distance_m)
    if "times" in parts:
        heard = replace(heard, onset_s=of.onset_s, offset_s=of.offset_s)
    return Sounding(heard, true.chances if "names" in parts else it.chances, true.motion if "motions" in parts else it.motion)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--of", choices=("poses", "parts", "time"), default="poses")
    parser.add_argument("--split", choices=("val", "test"), default="val")
    parser.add_argument("--recordings", type=int, help="the first so many: 334, of time 12 if absent")
    parser.add_argument("--model", default="small")
    given = parser.parse_args()
    torch.set_num_threads(1)
    benchmark, ears = Benchmark(given.data, given.split), cascade.load(folder_of(given.model))
    if given.of == "time":
        print(times_of(benchmark, load_hearing(folder_of(given.model)), given.recordings or 12))
        return
    right: dict[str, list[bool]] = defaultdict(list)
    figures: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for group in itertools.islice(benchmark.groups(), given.recordings or 334):
        items = [item for item in group if isinstance(item, Item) and item.options and not item.transform]
        foa, scene = benchmark.recording(group[0].file_name)
        if scene is None or not items:
            continue
        truth = estimate_of(facts_of(scene))
        if given.of == "poses":
            heard = {}
            for name, poses in POSES.items():
                ears.poses = poses
                heard[name] = ears.listen(foa)
                count(figures[name], heard[name], truth)
        else:
            plain = ears.listen(foa)
            heard = {name: made_right(plain, truth, parts) for name, parts in MADE_RIGHT.items()}
        for name, estimate in heard.items():
            right[name] += [tell(item.question, item.options, estimate).answer == item.answer_text for item in items]
    extra = list(next(iter(figures.values()))) if figures else []
    print(f"| {' | '.join(['', f'right, % of {len(next(iter(right.values())))}', *extra])} |\n|{'---|' * (2 + len(extra))}")
    for name, values in right.items():
        cells = [f"{(np.median if 'median' in of else np.mean)(of_name):.3f}" for of, of_name in figures[name].items()]
        print(f"| {' | '.join([name, f'{100 * np.mean(values):.1f}', *cells])} |")


def times_of(benchmark: Benchmark, hearing: Hearing, recordings: int) -> str:
    """How long a clip of 5 s takes to be heard."""
    groups = itertools.islice(benchmark.groups(), recordings)
    clips = [torch.from_numpy(benchmark.recording(group[0].file_name)[0])[None] for group in groups]
    lines = ["| poses | ms, the least of ten | ms, of all |", "|---|---|---|"]
    for name, poses in POSES.items():
        times_ms = np.zeros((10, len(clips)))
        for each in times_ms:
            for place, clip in enumerate(clips):
                began = time.process_time()
                hear_clips(hearing.encoder, hearing.semantic, clip, poses)
                each[place] = 1000 * (time.process_time() - began)
        lines.append(f"| {name} | {np.median(times_ms.min(axis=0)):.0f} | {np.median(times_ms):.0f} |")
    return "\n".join(lines)


def count(figures: dict[str, list[float]], heard: Estimate, truth: Estimate) -> None:
    """Add the figures of one recording."""
    pairs = paired(heard.objects, truth.objects)
    figures["number right"].append(float(len(heard.objects) == len(truth.objects)))
    figures["found within 20°"].append(sum(angle < 20 for _, _, angle in pairs) / max(1, len(truth.objects)))
    for row, column, angle in pairs:
        one, other = heard.objects[row].heard, truth.objects[column].heard
        figures["direction, median °"].append(angle)
        figures["named right"].append(float(one.label == other.label))
        figures["distance error, median"].append(abs(one.distance_m - other.distance_m) / other.distance_m)


if __name__ == "__main__":
    main()
