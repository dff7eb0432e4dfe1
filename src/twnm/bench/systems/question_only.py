"""`question-only`: a trained reader of questions and options (`twnm.questions.reader`), one for each task, that never hears a recording.

It learns from the training items beside the benchmark: scenes, recordings, rooms and wordings that validation and test do not use. Bench v1 is chosen
so that this reader finds nothing; what it scores above chance on other items, their questions give away. Training takes a minute, once: the weights are
kept in the cache by the hash of the items.
"""

from collections.abc import Sequence
from pathlib import Path

from twnm.bench.choose import trained_readers
from twnm.bench.data import items_path, training_items
from twnm.bench.systems.base import Labels, Question, Recording, Reply
from twnm.bench.systems.majority import task_of
from twnm.files import atomic_write, cache_dir, sha256_file
from twnm.questions.reader import TextReader
from twnm.questions.schema import Item


class QuestionOnly:
    """Readers by task; a question whose name tells no task is read by that of the first."""

    name = "question-only"
    labels = Labels("none", "answers of the train split", "letter", "none")

    def __init__(self, readers: dict[str, TextReader]) -> None:
        self._readers = readers

    def answer(self, recording: Recording, questions: Sequence[Question]) -> list[Reply]:
        """The letter of the option that its task's reader finds most probable, with that probability; an open question gets no answer."""
        return [self._reply(question) if question.options else Reply("I do not know.") for question in questions]

    def _reply(self, question: Question) -> Reply:
        reader = self._readers.get(task_of(question)) or next(iter(self._readers.values()))
        item = _as_item(question)
        return Reply(reader.answer(item), confidence=min(1.0, max(reader.chances(item))))


def _as_item(question: Question) -> Item:
    """A question as the reader takes it; the answer in it is of no account."""
    return Item(
        sample_id=question.sample_id,
        scene_id="",
        file_name="",
        level="L1",
        task="",
        family="semantic",
        question=question.question,
        options=question.options,
        answer_letter="A",
        answer_text=question.options[0],
        derivation="",
        evidence=(),
    )


def load(data: Path) -> QuestionOnly:
    """The system `question-only`, trained or from the cache; raises InputError without training items."""
    from safetensors.numpy import load_file, save_file

    items = training_items(data)
    path = cache_dir() / f"question-only-{sha256_file(items_path(data, 'train'))[:16]}.safetensors"
    if not path.is_file():
        trained = {task: reader.weights for task, reader in trained_readers(items).items()}
        with atomic_write(path) as temporary:
            save_file(trained, temporary)
    return QuestionOnly({task: TextReader.of(weights) for task, weights in load_file(path).items()})
