"""Systems for the tests of the run loop, each made by a function without arguments; workers import this module by its name."""

import os
import time
from collections.abc import Callable, Sequence

from twnm.bench.systems.base import Labels, Question, Recording, Reply

LABELS = Labels("foa", "nothing", "letter", "all")


class Scripted:
    """Answers recordings by a function of (recording, questions)."""

    name = "scripted"
    two_channels = False

    def __init__(self, script: Callable[[Recording, Sequence[Question]], list[Reply]], labels: Labels = LABELS) -> None:
        self._script, self.labels = script, labels

    def answer(self, recording: Recording, questions: Sequence[Question]) -> list[Reply]:
        return self._script(recording, questions)


def _at(number: int, then: Callable[[], object]) -> Callable[[Recording, Sequence[Question]], list[Reply]]:
    """Says A, but does something else first about one recording."""

    def script(recording: Recording, questions: Sequence[Question]) -> list[Reply]:
        if questions[0].sample_id.startswith(f"r-{number:03d}"):
            then()
        return [Reply("A") for _ in questions]

    return script


def _complain() -> None:
    raise ConnectionError("HTTP 500: try again later")


def first_option() -> Scripted:
    return Scripted(lambda recording, questions: [Reply("A") for _ in questions])


def tells_channels() -> Scripted:
    """Answers with the shape of what it gets and how much its first two channels differ."""

    def script(recording: Recording, questions: Sequence[Question]) -> list[Reply]:
        audio = recording.audio
        told = "nothing" if audio is None else f"{recording.kind} {len(audio)} {'apart' if abs(audio[0] - audio[1]).max() > 0 else 'alike'}"
        return [Reply(told) for _ in questions]

    made = Scripted(script, Labels("binaural", "nothing", "text", "two ears"))
    made.two_channels = True
    return made


def raises_once() -> Scripted:
    return Scripted(_at(1, _complain))


def hangs_once() -> Scripted:
    return Scripted(_at(1, lambda: time.sleep(600)))


def dies_once() -> Scripted:
    return Scripted(_at(1, lambda: os._exit(9)))


def slow() -> Scripted:
    return Scripted(_at(2, lambda: time.sleep(600)))


def talks_nonsense() -> Scripted:
    return Scripted(lambda recording, questions: [Reply("\ud800 Perhaps the left, or <answer> the right" + "x" * 30_000) for _ in questions])


def forgets_one() -> Scripted:
    return Scripted(lambda recording, questions: [Reply("A") for _ in questions[1:]])


def answers_none() -> Scripted:
    return Scripted(lambda recording, questions: [None for _ in questions])  # type: ignore[misc]


def tells_what_it_gets() -> Scripted:
    def script(recording: Recording, questions: Sequence[Question]) -> list[Reply]:
        got = [name for name in ("foa", "truth") if getattr(recording, name) is not None] + ["items"] * bool(recording.items)
        return [Reply(" ".join(got)) for _ in questions]

    return Scripted(script)


def cannot_be_made() -> Scripted:
    from twnm.errors import InputError

    raise InputError("the weights are not there; fetch them")
