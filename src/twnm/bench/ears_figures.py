"""Figures of what the encoder hears, from the rows of `twnm.bench.ears`, with bootstrap intervals by scene.

Heard and true objects of a scene are paired by the assignment with the least sum of angles between their places (a true one's: at the middle of its time).
A pair's direction error is that angle; for what moves the mean angle over the frames that both sound in is given too. F20, DOAE and RDE are those of
DCASE 2024 (twnm.metrics.seld, macro). The spread of a distance is good when |ln d' - ln d| <= b ln(1 / (1 - p)) holds for a share p of the pairs.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from twnm.ambisonics import angle_between_deg, unit_vector
from twnm.bench.ears import Row
from twnm.metrics.detections import Detections, detections
from twnm.metrics.seld import Counts, frame_counts, scores_2024

DRAWS = 500
_COVERED = (0.5, 0.8, 0.9)


@dataclass(frozen=True)
class Pair:
    """A true object and the one heard in its place (None: missed), with the true scene's row."""

    scene: Row
    truth: Row
    heard: Row | None
    angle_deg: float = math.nan

    @property
    def distance_error(self) -> float:
        """Relative."""
        return math.nan if self.heard is None else abs(self.heard["distance_m"] - self.truth["distance_m"]) / self.truth["distance_m"]

    @property
    def label_right(self) -> float:
        """1 or 0; NaN for a missed one."""
        return math.nan if self.heard is None else float(self.heard["label"] == self.truth["label"])

    @property
    def track_deg(self) -> float:
        """Mean angle over the frames that both sound in; NaN if there are none."""
        if self.heard is None:
            return math.nan
        first = max(self.truth["first_frame"], self.heard["first_frame"])
        last = min(side["first_frame"] + len(side["azimuths_deg"]) for side in (self.truth, self.heard))
        if last <= first:
            return math.nan
        places = []
        for side in (self.truth, self.heard):
            frames = slice(first - side["first_frame"], last - side["first_frame"])
            places.append(unit_vector(np.array(side["azimuths_deg"][frames]), np.array(side["elevations_deg"][frames])))
        return float(angle_between_deg(*places).mean())


def pairs_of(row: Row, heard_key: str = "heard") -> list[Pair]:
    """All true objects of a scene with what was heard in their places."""
    truth, heard = row["truth"], row[heard_key]
    found: dict[int, tuple[int, float]] = {}
    if truth and heard:
        true_vectors, heard_vectors = (np.stack([unit_vector(it["azimuth_deg"], it["elevation_deg"]) for it in side]) for side in (truth, heard))
        angles = angle_between_deg(true_vectors[:, None], heard_vectors[None])
        found = {int(one): (int(other), float(angles[one, other])) for one, other in zip(*linear_sum_assignment(angles), strict=True)}
    return [Pair(row, item, heard[found[place][0]], found[place][1]) if place in found else Pair(row, item, None) for place, item in enumerate(truth)]


def interval(scenes: Sequence[Sequence[float]], statistic: Callable[[np.ndarray], float], seed: int = 0) -> list[float | None]:
    """[value, low, high] of a statistic of all values, scenes resampled; None where there is nothing. NaN values do not count."""
    values = [[value for value in scene if not math.isnan(value)] for scene in scenes]
    values = [scene for scene in values if scene]
    if not values:
        return [None, None, None]
    rng = np.random.default_rng(seed)
    flat = np.concatenate([np.asarray(scene, float) for scene in values])
    sizes = np.array([len(scene) for scene in values])
    starts = np.cumsum(sizes) - sizes
    drawn = []
    for _ in range(DRAWS):
        chosen = rng.integers(len(values), size=len(values))
        drawn.append(statistic(np.concatenate([flat[starts[one] : starts[one] + sizes[one]] for one in chosen])))
    low, high = np.quantile(drawn, [0.025, 0.975])
    return [round(float(value), 3) for value in (statistic(flat), low, high)]


def _mean(values: np.ndarray) -> float:
    return float(values.mean())


def _median(values: np.ndarray) -> float:
    return float(np.median(values))


def group_figures(scenes: Sequence[Sequence[Pair]]) -> dict[str, Any]:
    """Direction, class, distance and recall of pairs given by scene."""
    every = [pair for scene in scenes for pair in scene]
    return {
        "n": len(every),
        "direction_deg": interval([[pair.angle_deg for pair in scene] for scene in scenes], _median),
        "within_20_deg": interval([[float(pair.angle_deg <= 20) for pair in scene] for scene in scenes], _mean),
        "class": interval([[pair.label_right for pair in scene] for scene in scenes], _mean),
        "distance": interval([[pair.distance_error for pair in scene] for scene in scenes], _median),
        "recall": interval([[float(pair.heard is not None) for pair in scene] for scene in scenes], _mean),
    }


def _distance_group(pair: Pair) -> str:
    return _bin(pair.truth["distance_m"], (1, 2, 4, 8), "m")


def _rt60_group(pair: Pair) -> str:
    times = pair.scene["room"]["rt60_s"]
    return "no walls" if times is None else _bin(times[1], (0.3, 0.6, 0.9), "s")


def _snr_group(pair: Pair) -> str:
    return "none" if pair.scene["snr_db"] is None else _bin(pair.scene["snr_db"], (15, 20, 25), "dB")


def _bin(value: float, borders: Sequence[float], unit: str) -> str:
    place = int(np.searchsorted(borders, value, side="right"))
    if place == 0:
        return f"below {borders[0]:g} {unit}"
    return f"from {borders[-1]:g} {unit}" if place == len(borders) else f"{borders[place - 1]:g} to {borders[place]:g} {unit}"


_GROUPS: dict[str, Callable[[Pair], str]] = {
    "sources": lambda pair: str(len(pair.scene["truth"])),
    "distance": _distance_group,
    "rt60": _rt60_group,
    "snr": _snr_group,
    "motion": lambda pair: "moves" if pair.truth["moves"] else "still",
    "class": lambda pair: str(pair.truth["label"]),
}


def figures(rows: Sequence[Row], classes: tuple[str, ...]) -> dict[str, Any]:
    """All figures of measured rows.

    Returns:
        Plain data: `by` group and value, `seld`, `count`, `false_objects`, `room`, `spread`, `moving`, `without_space`. Figures that have an interval are
        lists [value, low, high].
    """
    scenes = [row for row in rows if row["kind"] == "scene"]
    pairs = [pairs_of(row) for row in scenes]
    by: dict[str, dict[str, Any]] = {"all": {"all": group_figures(pairs)}}
    for name, group in _GROUPS.items():
        values = sorted({group(pair) for scene in pairs for pair in scene})
        by[name] = {value: group_figures([[pair for pair in scene if group(pair) == value] for scene in pairs]) for value in values}
    return {
        "scenes": len(scenes),
        "by": by,
        "seld": seld_figures(scenes, classes),
        "count": interval([[float(len(row["truth"]) == len(row["heard"]))] for row in scenes], _mean),
        "false_objects": {
            kind: interval([[float(bool(row["heard"]))] for row in rows if row["kind"] == kind], _mean)
            for kind in ("noise", "silence")
            if any(row["kind"] == kind for row in rows)
        },
        "room": room_figures([row for row in scenes if row["heard_room"] is not None]),
        "spread": spread_figures(pairs),
        "moving": moving_figures(pairs),
        "without_space": _without_space(scenes),
    }


def _without_space(scenes: Sequence[Row]) -> dict[str, Any] | None:
    flat = [pairs_of(row, "heard_flat") for row in scenes if row["heard_flat"] is not None]
    return group_figures(flat) if flat else None


def as_detections(objects: Sequence[Row], classes: tuple[str, ...]) -> Detections:
    """Objects as DCASE rows; those that sound too shortly to fill a frame have none."""
    rows = []
    for item in objects:
        distances_m = item["distances_m"] or [item["distance_m"]] * len(item["azimuths_deg"])
        for step, (azimuth, elevation, distance_m) in enumerate(zip(item["azimuths_deg"], item["elevations_deg"], distances_m, strict=True)):
            rows.append((item["first_frame"] + step, classes.index(item["label"]), azimuth, elevation, max(distance_m, 1e-2)))
    return detections(rows)


def seld_figures(scenes: Sequence[Row], classes: tuple[str, ...]) -> dict[str, list[float | None]]:
    """F20, DOAE and RDE (2024, macro) with intervals."""
    counts = [frame_counts(as_detections(row["truth"], classes), as_detections(row["heard"], classes), len(classes)) for row in scenes]
    if not counts:
        return {}
    stacked = {field.name: np.stack([getattr(one, field.name) for one in counts]) for field in fields(Counts)}
    rng = np.random.default_rng(0)
    weights = [np.ones(len(counts)), *rng.multinomial(len(counts), np.full(len(counts), 1 / len(counts)), size=DRAWS).astype(float)]
    drawn = [scores_2024(Counts(**{name: weight @ values for name, values in stacked.items()})) for weight in weights]
    out: dict[str, list[float | None]] = {}
    for name in ("f20", "doae_deg", "rde"):
        low, high = np.nanquantile([one[name] for one in drawn[1:]], [0.025, 0.975])
        out[name] = [round(float(value), 3) for value in (drawn[0][name], low, high)]
    return out


def room_figures(scenes: Sequence[Row]) -> dict[str, Any]:
    """Relative errors (median) of the reverberation times and the volume where there are walls, and how often walls are told from none."""
    walled = [row for row in scenes if row["room"]["rt60_s"] is not None]
    out: dict[str, Any] = {"n": len(walled)}
    for place, name in enumerate(("low_rt60_s", "rt60_s", "high_rt60_s")):
        out[name] = interval([[abs(row["heard_room"][name] / row["room"]["rt60_s"][place] - 1)] for row in walled], _median)
    sized = [row for row in walled if row["room"]["volume_m3"] is not None]  # of a measured room nobody knows it
    out["volume_m3"] = interval([[abs(row["heard_room"]["volume_m3"] / row["room"]["volume_m3"] - 1)] for row in sized], _median)
    out["walls_right"] = interval([[float((row["heard_room"]["walls"] > 0.5) == (row["room"]["rt60_s"] is not None))] for row in scenes], _mean)
    out["open_found"] = interval([[float(row["heard_room"]["walls"] <= 0.5)] for row in scenes if row["room"]["rt60_s"] is None], _mean)
    return out


def spread_figures(scenes: Sequence[Sequence[Pair]]) -> dict[str, Any]:
    """Which share of the log distances lies within the intervals that the spreads promise, and the mean error over the spread (1: calibrated)."""
    ratios = [
        [
            abs(math.log(pair.heard["distance_m"] / pair.truth["distance_m"])) / pair.heard["distance_spread"]
            for pair in scene
            if pair.heard is not None and pair.heard["distance_spread"]
        ]
        for scene in scenes
    ]
    out: dict[str, Any] = {"error_over_spread": interval(ratios, _mean)}
    for share in _COVERED:
        out[f"within_{100 * share:.0f}"] = interval([[float(ratio <= -math.log(1 - share)) for ratio in scene] for scene in ratios], _mean)
    return out


def moving_figures(scenes: Sequence[Sequence[Pair]]) -> dict[str, Any]:
    """Whether motion is noticed, and how well it is followed."""
    heard = [[pair for pair in scene if pair.heard is not None] for scene in scenes]
    moving = [[pair for pair in scene if pair.truth["moves"]] for scene in heard]
    return {
        "told_right": interval([[float((pair.heard["moves"] > 0.5) == pair.truth["moves"]) for pair in scene if pair.heard] for scene in heard], _mean),
        "found": interval([[float(pair.heard["moves"] > 0.5) for pair in scene if pair.heard] for scene in moving], _mean),
        "track_deg": interval([[pair.track_deg for pair in scene] for scene in moving], _median),
        "track_deg_still": interval([[pair.track_deg for pair in scene if not pair.truth["moves"]] for scene in heard], _median),
    }
