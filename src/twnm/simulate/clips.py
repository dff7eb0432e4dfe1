"""The clips of one split as the sampler needs them: drawn by weight, with their real lengths, and with the takes that belong together."""

import functools
from bisect import bisect_right
from collections import defaultdict
from itertools import accumulate

import numpy as np

from twnm.audio import SAMPLE_RATE_HZ
from twnm.errors import InputError
from twnm.simulate.situations import SITUATIONS
from twnm.sounds.catalogue import Catalogue, Clip
from twnm.sounds.splits import Recording


class ClipPool:
    """The clips of a catalogue, with what is worth remembering about them."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.labels = catalogue.labels
        self._sums = {label: tuple(accumulate(clip.weight for clip in catalogue.of(label))) for label in self.labels}
        self._lengths_s: dict[str, float] = {}
        self._belonging: dict[str, dict[str, float]] = {}
        self._evening: dict[tuple[tuple[str, ...], float], dict[str, float]] = {}
        takes: dict[tuple[str, str], list[Clip]] = defaultdict(list)
        for clip in catalogue.clips:
            takes[clip.label, Recording(clip.path, clip.label, clip.package, clip.source, clip.speaker).group].append(clip)
        self._takes = {clip.path: tuple(clips) for clips in takes.values() for clip in clips}

    def weights(self, situation: str) -> dict[str, float]:
        """The labels that belong to a situation and have clips here, with their weights."""
        if situation not in self._belonging:
            weights = SITUATIONS[situation].weights
            self._belonging[situation] = {label: weights[label] for label in self.labels if label in weights}
        return self._belonging[situation]

    def evening_weights(self, situations: tuple[str, ...], probability: float) -> dict[str, float]:
        """Weights of all labels for scenes without situation: those that bring the labels to equal numbers, as far as may be, when scenes are drawn with
        `probability` for one of these situations; a label that they have too often keeps a fifth of its share."""
        key = situations, probability
        if key not in self._evening:
            taken = dict.fromkeys(self.labels, 0.0)
            for situation in situations:
                weights = self.weights(situation)
                for label, weight in weights.items():
                    taken[label] += probability * weight / sum(weights.values()) / len(situations)
            fair = 1 / len(self.labels)
            self._evening[key] = {label: max(fair - share, 0.2 * fair * (1 - probability)) for label, share in taken.items()}
            if probability == 1:  # no scene without situation, unless none fits
                self._evening[key] = dict.fromkeys(self.labels, 1.0)
        return self._evening[key]

    def draw(self, rng: np.random.Generator, label: str) -> Clip:
        """A clip of a label, in proportion to the weights."""
        sums = self._sums[label]
        return self.catalogue.of(label)[min(bisect_right(sums, float(rng.random()) * sums[-1]), len(sums) - 1)]

    def takes(self, clip: Clip) -> tuple[Clip, ...]:
        """The clips of the same label that sound as if recorded together with this one: the same speaker, or the same shoe on the same ground."""
        return self._takes[clip.path]

    def length_s(self, clip: Clip) -> float:
        """How long a clip sounds, seconds, without the silence around it; read once."""
        if clip.path not in self._lengths_s:
            self._lengths_s[clip.path] = self.catalogue.read(clip).size / SAMPLE_RATE_HZ
        return self._lengths_s[clip.path]


@functools.lru_cache(maxsize=8)
def clip_pool(catalogue: Catalogue, split: str) -> ClipPool:
    """The pool of one split ("none": all clips); raises InputError for an unknown split or one without clips."""
    pool = ClipPool(catalogue if split == "none" else catalogue.split(split))
    if not pool.labels:
        raise InputError(f"the sound bank has no clips in the split {split!r}; use another split or add sounds")
    return pool
