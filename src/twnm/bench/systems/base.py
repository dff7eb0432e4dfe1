"""What a system is to the benchmark: it gets questions about one recording and replies in text; its audit labels say what it was given.

A system lives in one process, is made once by a factory that pickles (`load`), and never sees the answers: the items it gets have them taken out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32

from twnm.corpora.shared import UnansweredItem
from twnm.questions.schema import Form, Item
from twnm.scene import Scene

Input = Literal["none", "mono", "stereo", "binaural", "foa", "metadata"]
Trained = Literal["nothing", "answers of the train split", "scenes of the train split", "other data"]
Output = Literal["letter", "text", "constrained"]
Kind = Literal["foa", "binaural", "stereo"]


@dataclass(frozen=True)
class Labels:
    """The audit labels of a row of results: what the system was given, what it was trained on, how it answers, what of space reaches it."""

    input: Input
    trained_on: Trained
    output: Output
    spatial_access: str


@dataclass(frozen=True)
class Question:
    """An item as a system sees it: no answer, no evidence."""

    sample_id: str
    question: str
    options: tuple[str, ...]
    form: Form

    @classmethod
    def of(cls, item: Item | UnansweredItem) -> "Question":
        """The question of an item."""
        return cls(item.sample_id, item.question, item.options, item.form)


@dataclass(frozen=True)
class Recording:
    """What is asked about, at 24 kHz, after the item's transform and the control: `foa` is AmbiX; a `kind` of two channels has `pair` (left, right) instead.

    Both are None where no recording is given. `truth` and `items` are there for systems labelled `metadata` only.
    """

    foa: Float32[np.ndarray, "4 samples"] | None
    truth: Scene | None = None
    items: tuple[Item | UnansweredItem, ...] = ()
    pair: Float32[np.ndarray, "2 samples"] | None = None
    kind: Kind = "foa"

    @property
    def audio(self) -> Float32[np.ndarray, "channels samples"] | None:
        """What there is: four channels or two, or nothing."""
        return self.foa if self.pair is None else self.pair


@dataclass(frozen=True)
class Reply:
    """A system's whole text, the evidence if it gives it apart from the text, how long it took, and the tokens it produced if it counts them.

    `confidence` is the probability, 0 to 1, that the system itself gives to its answer; None unless it has a distribution over the options. `error` says
    why there is no reply to this question while others about the recording may have one: its outcome is then "failed".
    """

    text: str
    evidence: str | None = None
    seconds: float = 0.0
    tokens: int | None = None
    error: str = ""
    confidence: float | None = None


@runtime_checkable
class System(Protocol):
    """Anything that answers questions.

    One that hears, and is no `metadata` one, gets recordings of two channels only if it has an attribute `two_channels` that is True; to others they are
    not applicable.
    """

    name: str
    labels: Labels

    def answer(self, recording: Recording, questions: Sequence[Question]) -> list[Reply]:
        """One reply per question about one recording. May raise: the run loop reports the failure for these questions and goes on."""
        ...


@runtime_checkable
class AnswersTogether(System, Protocol):
    """A system that is faster if it is asked about several recordings at once: one as it is, its twins, and under controls."""

    def answer_together(self, asked: Sequence[tuple[Recording, Sequence[Question]]]) -> list[list[Reply]]:
        """The replies of `answer` about each recording. If it raises, `answer` is asked about each."""
        ...
