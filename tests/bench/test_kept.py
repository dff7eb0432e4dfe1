"""Tests of twnm.bench.kept: sound questions, answers by likelihood, and a model that was not trained has lost nothing."""

import pytest
import torch
from tiny_model import CONFIG, tiny_language, tiny_twnm

from twnm.bench import kept
from twnm.bench.kept import QUESTIONS, knowledge_kept, right_answers
from twnm.model.language import LanguageModel
from twnm.model.loading import ModelConfig
from twnm.report import kept_view


def test_questions_have_four_different_options_and_two_kinds() -> None:
    assert [sum(one.kind == kind for one in QUESTIONS) for kind in ("sound", "other")] == [32, 32]
    assert all(len(set(one.options)) == 4 and one.question.endswith("?") for one in QUESTIONS)
    assert len({one.question for one in QUESTIONS}) == len(QUESTIONS)


def test_the_likeliest_option_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    language = tiny_language()
    asked: list[int] = []

    def scores(model: object, prefix: object, continuations: list[list[int]]) -> torch.Tensor:
        asked.append(len(continuations))
        lengths = torch.tensor([float(len(ids)) for ids in continuations])
        return lengths * torch.tensor([-1.0, -2.0, -2.0, -2.0] if len(asked) % 2 else [-2.0, -1.0, -2.0, -2.0])

    monkeypatch.setattr(kept, "score_continuations", scores)
    assert right_answers(language) == [number % 2 == 0 for number in range(len(QUESTIONS))]
    assert set(asked) == {4}


def test_what_was_not_trained_lost_nothing_and_another_model_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_twnm()
    bases: dict[str, LanguageModel] = {"same": model.language, "other": tiny_language(seed=9)}
    monkeypatch.setattr(kept, "load_language_model", lambda name: bases[name])
    same = knowledge_kept(model, ModelConfig(CONFIG, "same"))
    assert same["all"]["difference"] == (0.0, 0.0, 0.0) and same["all"]["questions"] == 64
    assert same["sound"]["before"] == same["sound"]["after"]
    other = knowledge_kept(model, ModelConfig(CONFIG, "other"))
    share = sum(right_answers(bases["other"])) / 64
    assert other["all"]["before"][0] == pytest.approx(share)
    assert other["all"]["difference"][0] == pytest.approx(other["all"]["after"][0] - share)
    assert kept_view(other).row_count == 3
