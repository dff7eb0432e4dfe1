"""`oracle`: the answers themselves, with the items' own evidence. What it does not get right is a fault of the benchmark or of the scorer."""

from collections.abc import Sequence

from twnm.bench.systems.base import Labels, Question, Recording, Reply
from twnm.errors import InputError
from twnm.questions.evidence import write_evidence
from twnm.questions.schema import Item


class Oracle:
    """Reads the truth."""

    name = "oracle"
    labels = Labels("metadata", "nothing", "text", "all: it is given the answers")

    def answer(self, recording: Recording, questions: Sequence[Question]) -> list[Reply]:
        """The answer's words and the evidence of the item."""
        items = {item.sample_id: item for item in recording.items if isinstance(item, Item)}
        if any(question.sample_id not in items for question in questions):
            raise InputError("the oracle needs the items themselves, with their answers; it answers nothing else")
        return [Reply(items[it.sample_id].answer_text, write_evidence(items[it.sample_id].heard)) for it in questions]


def load() -> Oracle:
    """The system `oracle`."""
    return Oracle()
