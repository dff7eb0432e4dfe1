"""Symbolic systems listen once to a recording and answer all its questions by arithmetic."""

import time
from collections.abc import Callable, Sequence

import numpy as np

from twnm.bench.symbolic import Estimate, tell
from twnm.bench.systems.base import Question, Recording, Reply

Listen = Callable[[np.ndarray], Estimate]


def hear_and_tell(listen: Listen, recording: Recording, questions: Sequence[Question]) -> list[Reply]:
    """One reply per question; the time of listening is divided among them. Without audio nothing is heard, and the first option is answered."""
    began = time.perf_counter()
    scene = Estimate((), 0.0, None) if recording.foa is None else listen(recording.foa)
    heard_s = (time.perf_counter() - began) / max(1, len(questions))
    replies = []
    for question in questions:
        began = time.perf_counter()
        told = tell(question.question, question.options, scene)
        replies.append(Reply(told.answer, told.evidence, heard_s + time.perf_counter() - began))
    return replies
