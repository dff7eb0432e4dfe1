"""Tests of twnm.questions.paraphrases: every task, the fields of its wordings, and nothing of what is held out."""

import re

import numpy as np
import pytest

from twnm.questions.paraphrases import CLAUSE_FRAMES, OPENINGS, PARAPHRASES, paraphrase
from twnm.questions.wordings import PARAPHRASED_SHARE, WORDINGS, wording


def fields(text: str) -> set[str]:
    return set(re.findall(r"\{\w+\}", text))


def runs_of_four(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\{\w+\}|[\w']+", text.lower())
    return {tuple(words[first : first + 4]) for first in range(len(words) - 3)}


def test_every_task_has_sentences_and_clauses_of_its_own() -> None:
    assert PARAPHRASES.keys() == WORDINGS.keys()
    for task, known in PARAPHRASES.items():
        texts = (*known.sentences, *known.clauses)
        assert len(set(texts)) == len(texts) >= 16, task
        assert not set(texts) & {*WORDINGS[task].train, *WORDINGS[task].held_out}, task


@pytest.mark.parametrize("task", WORDINGS)
def test_fields_are_those_of_the_wordings(task: str) -> None:
    allowed = [fields(text) for text in (*WORDINGS[task].train, *WORDINGS[task].held_out)]
    for text in (*PARAPHRASES[task].sentences, *PARAPHRASES[task].clauses):
        assert fields(text) in allowed, text


@pytest.mark.parametrize("task", WORDINGS)
def test_nothing_held_out_is_given_away(task: str) -> None:
    known = set().union(*(runs_of_four(text) for text in WORDINGS[task].train))
    held_out = set().union(*(runs_of_four(text) for text in WORDINGS[task].held_out)) - known
    for text in (*PARAPHRASES[task].sentences, *PARAPHRASES[task].clauses):
        assert not runs_of_four(text) & held_out, text
    said = {text for text in (*(frame.replace("{clause}", "") for frame in CLAUSE_FRAMES), *OPENINGS)}
    assert not set().union(*(runs_of_four(text) for text in said)) & set().union(*(runs_of_four(text) for text in WORDINGS[task].held_out))


def test_lessons_ask_in_paraphrases_and_in_the_sentences_of_training() -> None:
    rng = np.random.default_rng(0)
    drawn = [wording("l1_estimate_azimuth", "lessons", rng) for _ in range(400)]
    plain = sum(text in WORDINGS["l1_estimate_azimuth"].train for text in drawn) / len(drawn)
    assert plain == pytest.approx(1 - PARAPHRASED_SHARE, abs=0.06)
    assert len(set(drawn)) > 80
    assert all(fields(text) == {"{a}"} and "{clause}" not in text for text in drawn)
    assert not set(drawn) & set(WORDINGS["l1_estimate_azimuth"].held_out)


def test_a_sentence_behind_an_opening_is_not_capitalised() -> None:
    rng = np.random.default_rng(1)
    drawn = {paraphrase("l1_count_sources", rng) for _ in range(400)}
    assert "A question about the scene: how many sources sound here?" in drawn
    assert not any(re.search(r": [A-Z]", text) for text in drawn)
