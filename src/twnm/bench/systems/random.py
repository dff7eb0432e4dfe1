"""`random`: any of the options, each as likely; the same for the same question. An open question gets no answer."""

import hashlib
from collections.abc import Sequence

import numpy as np

from twnm.bench.systems.base import Labels, Question, Recording, Reply


class Random:
    """Guesses."""

    name = "random"
    labels = Labels("none", "nothing", "letter", "none")

    def answer(self, recording: Recording, questions: Sequence[Question]) -> list[Reply]:
        """A letter drawn from the question's name and words; the confidence is that of guessing."""
        return [Reply(_guess(question), confidence=1 / len(question.options) if question.options else None) for question in questions]


def _guess(question: Question) -> str:
    if not question.options:
        return "I do not know."
    text = "\0".join((question.sample_id, question.question, *question.options))
    rng = np.random.default_rng(list(hashlib.sha256(text.encode()).digest()[:16]))
    return "ABCDEFGH"[int(rng.integers(len(question.options)))]


def load() -> Random:
    """The system `random`."""
    return Random()
