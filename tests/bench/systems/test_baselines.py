"""The systems without ears: guessing, counting, reading, and knowing."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from twnm.bench.score import score
from twnm.bench.systems import load
from twnm.bench.systems.base import Question, Recording
from twnm.errors import InputError
from twnm.questions.schema import Item

NOTHING = Recording(None)
LINES = ("dog | left 90° | level 0° | 2.0 m | 0.5-1.5 s", "bell | front 0° | level 5° | 1.0 m | 0.0-1.0 s")


def item(number: int, answer: str, options: tuple[str, ...] = ("dog", "cow", "pig", "hen"), question: str = "Which sound?") -> Item:
    return Item(
        sample_id=f"s{number}-l1_identify_event-0",
        scene_id=f"s{number}",
        file_name="",
        level="L1",
        task="l1_identify_event",
        family="semantic",
        question=question,
        options=options,
        answer_letter="ABCD"[options.index(answer)],
        answer_text=answer,
        derivation="",
        evidence=LINES,
    )


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Training items in which near things are dogs and far ones cows, and dogs are the more common."""
    from small_benchmark import write_items

    monkeypatch.setenv("TWNM_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    items = []
    for number in range(120):
        near = number % 3 > 0
        options = tuple(rng.permutation(["dog", "cow", "pig", "hen"]).tolist())
        items.append(item(number, "dog" if near else "cow", options, f"Which sound is {'near' if near else 'far'}?"))
    write_items(tmp_path / "items-train.jsonl", items)
    return tmp_path


def asked(name: str, data: Path, one: Item, recording: Recording = NOTHING) -> str:
    return load(name, data).answer(recording, [Question.of(one)])[0].text


def test_random_is_uniform_and_the_same_for_the_same_question(tmp_path):
    system = load("random", tmp_path)
    questions = [Question.of(item(number, "dog")) for number in range(400)]
    letters = [reply.text for reply in system.answer(NOTHING, questions)]
    assert letters == [reply.text for reply in system.answer(NOTHING, questions)]
    assert all(70 <= count <= 130 for count in Counter(letters).values()) and len(set(letters)) == 4


def test_majority_takes_what_was_right_most_often_when_offered(data):
    assert asked("majority", data, item(999, "cow", ("pig", "cow", "dog"))) == "C"
    assert asked("majority", data, item(999, "cow", ("pig", "cow"))) == "B"


def test_question_only_binds_words_to_answers_and_keeps_what_it_learnt(data):
    far = item(999, "cow", ("dog", "pig", "cow", "hen"), "Which sound is far?")
    assert asked("question-only", data, far) == "C"
    (kept,) = (data / "cache").glob("question-only-*.safetensors")
    before = kept.stat().st_mtime_ns
    assert asked("question-only", data, far) == "C"
    assert kept.stat().st_mtime_ns == before


def test_the_oracle_is_right_and_grounded(tmp_path):
    one = item(0, "dog")
    reply = load("oracle", tmp_path).answer(Recording(None, None, (one,)), [Question.of(one)])[0]
    scored = score(one, reply.text, reply.evidence)
    assert scored.right and scored.grounded


def test_the_oracle_knows_nothing_without_the_items(tmp_path):
    with pytest.raises(InputError, match="the oracle needs the items themselves"):
        asked("oracle", tmp_path, item(0, "dog"))


@pytest.mark.parametrize("name", ["majority", "question-only"])
def test_readers_need_training_items(name, tmp_path):
    with pytest.raises(InputError, match=r"items-train\.jsonl does not exist, which this system learns from"):
        load(name, tmp_path)


@pytest.mark.parametrize("name", ["random", "majority", "question-only"])
def test_open_questions_get_no_answer_from_those_without_ears(name, data):
    fields = item(0, "dog").model_dump() | {"options": (), "answer_letter": None, "form": "open", "tolerance": "text"}
    one = Item(**fields)
    assert score(one, asked(name, data, one)).outcome == "wrong"


def test_the_confidence_is_the_probability_that_each_gives_to_its_answer(data):
    far = Question.of(item(999, "cow", ("dog", "pig", "cow", "hen"), "Which sound is far?"))
    guessed, counted, reading = (load(name, data).answer(NOTHING, [far])[0] for name in ("random", "majority", "question-only"))
    assert guessed.confidence == 0.25
    assert counted.text == "A" and 0.4 < counted.confidence < 0.8  # dogs were right in two of three
    assert reading.text == "C" and reading.confidence > 0.8  # far things were always cows
    question = Question("x", "How far?", (), "open")
    assert [load(name, data).answer(NOTHING, [question])[0].confidence for name in ("random", "majority", "question-only")] == [None] * 3
