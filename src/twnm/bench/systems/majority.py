"""`majority`: of the options, the one that was right most often when it was offered in the training items of the same task."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from twnm.bench.data import training_items
from twnm.bench.systems.base import Labels, Question, Recording, Reply
from twnm.questions.answer import LETTERS
from twnm.questions.ask import TASKS
from twnm.questions.schema import Item

_PRIOR = (1.0, 4.0)  # a text never offered counts as right once in four times


def task_of(question: Question) -> str:
    """The task that a question's name tells, "" if it tells none: a reader that knows it is the stronger."""
    return next((task for task in TASKS if f"-{task}-" in question.sample_id), "")


class Majority:
    """Counts how often each text was right and how often it was offered, by task."""

    name = "majority"
    labels = Labels("none", "answers of the train split", "letter", "none")

    def __init__(self, items: Iterable[Item]) -> None:
        self._right: Counter[tuple[str, str]] = Counter()
        self._offered: Counter[tuple[str, str]] = Counter()
        for item in items:
            for task in (item.task, ""):
                self._right[task, item.answer_text] += 1
                self._offered.update((task, option) for option in item.options)

    def answer(self, recording: Recording, questions: Sequence[Question]) -> list[Reply]:
        """The letter of the text that was right most often, its share as the confidence; the commonest answer to an open question is not known."""
        return [self._reply(question) if question.options else Reply("I do not know.") for question in questions]

    def _reply(self, question: Question) -> Reply:
        task = task_of(question)
        shares = [(self._right[task, it] + _PRIOR[0]) / (self._offered[task, it] + _PRIOR[1]) for it in question.options]
        return Reply(LETTERS[shares.index(max(shares))], confidence=max(shares) / sum(shares))


def load(data: Path) -> Majority:
    """The system `majority`, counted on the training items beside the benchmark; raises InputError without them."""
    return Majority(training_items(data))
