"""Our whole model: it listens once to a recording and answers each question in words, with the evidence it read; also with mono or stereo input."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType
from typing import Final

import numpy as np
import torch
from jaxtyping import Float32

from twnm.ambisonics import decode_stereo, encode
from twnm.audio import SAMPLE_RATE_HZ
from twnm.bench.systems.base import Input, Labels, Question, Recording, Reply
from twnm.errors import InputError
from twnm.model.hear import WINDOW_S
from twnm.model.hearing import choose_window
from twnm.model.loading import load as load_model
from twnm.model.twnm import Asked, Twnm

STEREO_DEG = 60.0
Foa = Float32[np.ndarray, "4 samples"]
Pair = Float32[np.ndarray, "2 samples"]


def whole(foa: Foa) -> Foa:
    """All four channels as they are."""
    return foa


def mono(foa: Foa) -> Foa:
    """W with Y, Z and X at zero."""
    return np.concatenate([foa[:1], np.zeros_like(foa[1:])])


def middle(pair: Pair) -> Foa:
    """The mean of left and right as W, with Y, Z and X at zero."""
    return np.concatenate([pair.mean(axis=0, keepdims=True), np.zeros((3, pair.shape[1]), np.float32)])


def stereo(foa: Foa) -> Foa:
    """What two cardioids at +60° and -60° pick up, as two plane waves from there."""
    return as_waves(decode_stereo(foa, STEREO_DEG))


def as_waves(pair: Pair) -> Foa:
    """Left and right as plane waves from +60° and -60°."""
    left, right = pair
    return encode(left, STEREO_DEG, 0.0) + encode(right, -STEREO_DEG, 0.0)


@dataclass(frozen=True)
class View:
    """What of a recording the model is given, and how that is labelled; `of_pair`: of one with two channels, None where that cannot be."""

    given: Callable[[Foa], Foa]
    input: Input
    spatial_access: str
    of_pair: Callable[[Pair], Foa] | None = None


VIEWS: Final = MappingProxyType(
    {
        "twnm": View(whole, "foa", "all four channels"),
        "twnm-mono": View(mono, "mono", "none: W alone, the other channels are zero; the model was trained on four", middle),
        "twnm-stereo": View(
            stereo,
            "stereo",
            "the level difference of two cardioids at +60° and -60° (of a recording of two channels: of these), encoded as plane waves from there: left and "
            "right within the front; neither height nor behind; the model was trained on four channels",
            as_waves,
        ),
    }
)


class Ours:
    """A trained model as a system."""

    def __init__(self, name: str, model: Twnm) -> None:
        self.name, self.model = name, model
        self.view = VIEWS[name.partition(":")[0]]
        self.two_channels = self.view.of_pair is not None
        self.labels = Labels(self.view.input, "answers of the train split", "constrained", self.view.spatial_access)

    def answer(self, recording: Recording, questions: Sequence[Question]) -> list[Reply]:
        """Listens once, then answers all questions together; options are scored, open questions answered in words. Without audio it hears silence.

        The time of listening is divided among the questions; of a longer recording the loudest 5 s are heard. The confidence is the probability of the chosen
        option's words among those of all options.
        """
        return self.answer_together([(recording, questions)])[0]

    def answer_together(self, asked: Sequence[tuple[Recording, Sequence[Question]]]) -> list[list[Reply]]:
        """`answer` about several recordings: all are heard, then all questions answered together."""
        began = time.perf_counter()
        heard = [self.model.listen(torch.from_numpy(choose_window(self._given(recording), None)[1])) for recording, _ in asked]
        whole = [Asked(listening, one.question, one.options) for listening, (_, questions) in zip(heard, asked, strict=True) for one in questions]
        heard_s = (time.perf_counter() - began) / max(1, len(whole))
        answers = iter(self.model.answers(whole))
        return [
            [Reply(given.text, given.evidence, heard_s + given.seconds, confidence=share_of_best(given.scores)) for given in islice(answers, len(questions))]
            for _, questions in asked
        ]

    def _given(self, recording: Recording) -> Foa:
        if recording.pair is not None and self.view.of_pair is not None:
            return self.view.of_pair(recording.pair)
        return self.view.given(np.zeros((4, round(WINDOW_S * SAMPLE_RATE_HZ)), np.float32) if recording.foa is None else recording.foa)


def share_of_best(log_probabilities: Sequence[float]) -> float | None:
    """The best of some probabilities as a share of their sum; None without any."""
    if not log_probabilities:
        return None
    best = max(log_probabilities)
    return 1.0 / sum(math.exp(value - best) for value in log_probabilities)


def load(name: str = "twnm") -> Ours:
    """The system of a name: twnm, twnm-mono or twnm-stereo, with ":FOLDER" for a model trained into a folder. Raises InputError for another name."""
    view, colon, folder = name.partition(":")
    if view not in VIEWS or (colon and not folder):
        raise InputError(f"unknown system {name!r}; allowed: {', '.join(VIEWS)}, each also with :FOLDER")
    return Ours(name, load_model(folder or "small"))
