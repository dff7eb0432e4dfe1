"""Questions read alone: what the texts give away, before and after balancing."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scene_drawing import seeded_scenes

from twnm.questions import TASKS, Item, ask_all
from twnm.questions.balance import balanced, surprise
from twnm.questions.reader import TextReader

SCENES = 500


def item(answer: str, options: tuple[str, ...], question: str = "Which?", number: int = 0) -> Item:
    return Item(
        sample_id=f"s-{number}",
        scene_id="s",
        file_name="",
        level="L1",
        task="l1_count_sources",
        family="semantic",
        question=question,
        options=options,
        answer_letter="ABCD"[options.index(answer)],
        answer_text=answer,
        derivation=answer,
        evidence=(),
    )


def drawn(rng: np.random.Generator, odds: dict[str, float], count: int, question: str = "Which?") -> list[Item]:
    names = list(odds)
    answers = rng.choice(names, count, p=list(odds.values()))
    return [item(str(answer), tuple(rng.permutation(names).tolist()), question, number) for number, answer in enumerate(answers)]


@pytest.fixture(scope="module")
def read_alone() -> dict[str, dict[str, object]]:
    script = Path(__file__).parent / "reading_alone.py"
    one_thread = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, script, str(SCENES)], capture_output=True, text=True, check=True, env=one_thread)
    return json.loads(done.stdout)


@pytest.mark.parametrize("task", TASKS)
def test_a_trained_reader_of_balanced_questions_stays_near_chance(task, read_alone):
    """Three points and three standard deviations of this small sample; `benchmarks/questions.py` measures thousands."""
    found = read_alone[task]
    deviation = (found["chance"] * (1 - found["chance"]) / found["count"]) ** 0.5
    assert found["count"] >= 8
    assert found["accuracy"] <= found["chance"] + 0.03 + 3 * deviation


@pytest.mark.parametrize("task", TASKS)
def test_balanced_letters_are_uniform(task, read_alone):
    letters = Counter(read_alone[task]["letters"])
    for size in {name[0] for name in letters}:
        counts = [letters[f"{size}{letter}"] for letter in "ABCD"[: int(size)]]
        if sum(counts) >= 40:
            assert max(counts) - min(counts) <= 4 + 0.15 * sum(counts)


def test_the_reader_finds_what_is_given_away_and_nothing_else():
    rng = np.random.default_rng(0)
    leaky = drawn(rng, {"dog": 0.7, "cow": 0.2, "pig": 0.1}, 400)
    even = drawn(rng, {"dog": 1 / 3, "cow": 1 / 3, "pig": 1 / 3}, 400)
    assert TextReader(leaky[:200], rng).accuracy(leaky[200:]) == pytest.approx(0.7, abs=0.08)
    assert TextReader(even[:200], rng).accuracy(even[200:]) == pytest.approx(1 / 3, abs=0.09)


def test_the_reader_binds_words_of_the_question_to_options():
    rng = np.random.default_rng(1)
    items = drawn(rng, {"dog": 0.9, "cow": 0.1}, 200, "What is near?") + drawn(rng, {"dog": 0.1, "cow": 0.9}, 200, "What is far?")
    order = rng.permutation(400)
    reader = TextReader([items[index] for index in order[:200]], rng)
    assert reader.accuracy([items[index] for index in order[200:]]) > 0.85
    assert reader.answer(item("dog", ("dog", "cow"), "What is near?")) == "A"


def test_balancing_evens_out_the_right_texts_and_binds_no_word_to_them():
    rng = np.random.default_rng(2)
    items = drawn(rng, {"dog": 0.6, "cow": 0.4}, 300, "What is near?") + drawn(rng, {"dog": 0.3, "cow": 0.7}, 300, "What is far?")
    chosen = [items[index] for index in balanced([[one] for one in items], 200, rng)]
    assert len(chosen) == 200
    for word in ("near", "far"):
        answers = [one.answer_text for one in chosen if word in one.question]
        assert abs(answers.count("dog") - answers.count("cow")) <= 4


def test_a_group_is_weighed_as_one():
    """Two items whose surprises cancel are chosen before one that is right alone."""
    dog, cow = item("dog", ("dog", "cow")), item("cow", ("dog", "cow"))
    assert np.abs(surprise((dog, cow))).max() < np.abs(surprise((dog,))).max() + 1e-6
    assert balanced([(dog,), (dog, cow)], 1, np.random.default_rng(0)) == [1]


def test_choosing_is_reproducible_and_takes_all_when_there_are_few():
    items = [[one] for scene in seeded_scenes(10) for one in ask_all(scene, np.random.default_rng(0)) if one.task == "l1_estimate_azimuth"]
    assert balanced(items, 3, np.random.default_rng(4)) == balanced(items, 3, np.random.default_rng(4))
    assert sorted(balanced(items, 99, np.random.default_rng(0))) == list(range(len(items)))
    assert balanced([], 3, np.random.default_rng(0)) == []
