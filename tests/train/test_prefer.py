"""Preference optimisation in miniature: rewards as counted by hand, log-probabilities as in plain reading, exact resume, and a reward that grows."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_model import EVIDENCE, LoudnessSemantic, heard_arrays, item, tiny_encoder, tiny_language, tiny_twnm
from torch import Tensor

from twnm.errors import InputError
from twnm.model.language import LoraSettings, Sample, lora_weights, read, score_continuations
from twnm.model.loading import load
from twnm.model.twnm import Twnm
from twnm.questions.schema import Item
from twnm.train import instruct, prefer
from twnm.train.encoder import save_encoder
from twnm.train.instruct import INSTRUCT_RECIPES, train_instruct
from twnm.train.lessons import Lesson
from twnm.train.prefer import PREFER_RECIPES, PreferRecipe, Reply, as_at_the_beginning, claims, hardest, judge, reply_logps, sample_replies, train_prefer

DERIVATION = "dog 90° is left"


def asked() -> Item:
    return item("Where is the dog?", DERIVATION, "on your left").model_copy(
        update={"form": "choice", "options": ("on your right", "on your left"), "answer_letter": "B"}
    )


@pytest.fixture(scope="module")
def lessons() -> list[Lesson]:
    model = tiny_twnm()
    return [Lesson(heard_arrays(model, seed), EVIDENCE, (asked(), asked())) for seed in range(8)]


@pytest.fixture(autouse=True)
def _no_downloads(monkeypatch: pytest.MonkeyPatch, lessons: list[Lesson]) -> None:
    def stream(factory: Any, first: int, workers: int) -> Iterator[Lesson]:
        yield from lessons[first:]

    for module in (instruct, prefer):
        monkeypatch.setattr(module, "ordered_stream", stream)
    monkeypatch.setattr(instruct, "default_semantic", LoudnessSemantic)
    monkeypatch.setattr("twnm.model.loading.default_semantic", LoudnessSemantic)


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    """A trained model in miniature to begin with."""
    save_encoder(tiny_encoder(), tmp_path / "encoder")
    language = tiny_language(tied=True)
    language.model.save_pretrained(tmp_path / "language")
    language.tokenizer.save_pretrained(tmp_path / "language")
    changes = {"language": str(tmp_path / "language"), "lora": LoraSettings(rank=2, alpha=4), "steps": 1}
    train_instruct(INSTRUCT_RECIPES["tiny"].model_copy(update=changes), tmp_path / "encoder", tmp_path / "begun")
    return tmp_path / "begun"


def recipe(begun: Path, **changes: Any) -> PreferRecipe:
    return PREFER_RECIPES["tiny"].model_copy(update={"begin_with": str(begun), "lora_rate": 0.01, "questions": 2, "steps": 4, "warmup": 1, **changes})


def said(model: Twnm, text: str) -> Sample:
    reasoning, _, answer = text.partition("\n")
    return chosen([*model.ids(reasoning), model.newline_id, *model.ids(answer), model.end_id])


def chosen(ids: list[int]) -> Sample:
    return Sample(ids, [True] * len(ids))


def test_the_parts_of_a_reward_are_as_counted_by_hand() -> None:
    model = tiny_twnm()
    best = judge(model, said(model, f"{DERIVATION}\non your left"), asked(), EVIDENCE)
    assert (best.letter, best.right, best.form, best.evidence, best.copied) == (1, 1.0, 1.0, 1.0, 0.0)
    assert best.reward(PreferRecipe(right_weight=1.0, form_weight=0.1, evidence_weight=0.3)) == pytest.approx(1.4)
    wrong = judge(model, said(model, "dog 60°, bell 20 s\non your right"), asked(), EVIDENCE)
    assert (wrong.letter, wrong.right, wrong.form, wrong.evidence) == (0, 0.0, 1.0, 0.0)
    half = judge(model, said(model, "dog 90°, bell 30°\non your left"), asked(), EVIDENCE)
    assert half.evidence == 0.5
    endless = judge(model, chosen(said(model, f"{DERIVATION}\non your left").ids[:-1]), asked(), EVIDENCE)
    assert (endless.right, endless.form) == (1.0, 0.0)
    beside = judge(model, said(model, f"{DERIVATION}\nto the left"), asked(), EVIDENCE)
    assert (beside.letter, beside.right, beside.form) == (None, 0.0, 0.0)
    assert judge(model, chosen([]), asked(), EVIDENCE).form == 0.0
    assert judge(model, said(model, "dog 90°\non your left"), asked(), "bell | left 90° | level 0° | 2.0 m | 0.0-4.0 s").copied == 1.0


def test_claims_are_names_with_their_figures() -> None:
    assert claims("dog -90° - female speech 2.5 m = 3: horn") == {("dog", "-90°"), ("female speech", "2.5 m"), ("horn", "")}


def test_log_probabilities_are_those_of_plain_reading(lessons: list[Lesson]) -> None:
    model = tiny_twnm()
    texts = [f"{DERIVATION}\non your left", "bell\non your right", "no\nno"]
    groups = [[judge(model, said(model, text), asked(), EVIDENCE) for text in texts]] * 2
    logps, mask = reply_logps(model, lessons[0], lessons[0].items, groups)
    assert mask.sum(1).tolist() == [len(reply.ids) for group in groups for reply in group]
    heard = read(model.language.model, model.audio_prefix(lessons[0].heard_batch()))
    told = read(model.language.model, model.embed(model.told_ids(EVIDENCE, "")), heard)
    after = read(model.language.model, model.embed(model.asked_ids("Where is the dog?", asked().options)), told)
    plain = score_continuations(model.language.model, after, [reply.ids for reply in groups[0]])
    torch.testing.assert_close((logps * mask).sum(1), plain.repeat(2), rtol=1e-4, atol=1e-3)


def test_the_hardest_questions_are_asked(lessons: list[Lesson]) -> None:
    model = tiny_twnm()
    items = tuple(replace_text(asked(), text) for text in ("on your left", "on your right", "left", "zzz"))
    lesson = replace(lessons[0], items=items)
    heard = read(model.language.model, model.audio_prefix(lesson.heard_batch()))
    told = read(model.language.model, model.embed(model.told_ids(lesson.evidence, lesson.notes)), heard)
    sure = []
    for one in items:
        after = read(model.language.model, model.embed(model.asked_ids(one.question, one.options)), told)
        right = said(model, f"{one.derivation}\n{one.answer_text}").ids
        sure.append(float(score_continuations(model.language.model, after, [right])[0]))
    wanted = sorted(range(4), key=lambda place: sure[place])[:2]
    assert hardest(model, lesson, 2) == tuple(items[place] for place in wanted)
    assert hardest(model, lesson, 4) == hardest(model, lesson, 9) == items


def replace_text(item: Item, text: str) -> Item:
    return item.model_copy(update={"answer_text": text})


def test_what_was_put_in_is_not_learnt(lessons: list[Lesson]) -> None:
    model = tiny_twnm()
    whole = said(model, f"{DERIVATION}\non your left")
    partly = Sample(whole.ids, [place % 3 > 0 for place in range(len(whole.ids))])
    replies = [judge(model, sample, asked(), EVIDENCE) for sample in (whole, partly, Sample([5, 6], [False, False]))]
    assert replies[2].chosen == (False, True)  # a mean is over one token or more
    _, mask = reply_logps(model, lessons[0], lessons[0].items[:1], [replies])
    assert mask.tolist() == [list(reply.chosen) + [False] * (mask.shape[1] - len(reply.chosen)) for reply in replies]


def test_sampled_reasonings_go_on_as_they_are_reckoned(lessons: list[Lesson]) -> None:
    model = tiny_twnm()
    model.guide = lambda reckoner: lambda said, token: [] if said else [model.ids("dog 90°")]  # type: ignore[method-assign]
    (group, _) = sample_replies(model, lessons[0], lessons[0].items, PREFER_RECIPES["tiny"], torch.Generator().manual_seed(3))
    begun = model.ids("dog 90°")
    assert all(list(reply.ids[: len(begun)]) == begun for reply in group)
    assert all(reply.chosen[: len(begun)] == (False,) * len(begun) and all(reply.chosen[len(begun) :]) for reply in group)


def test_sampled_replies_are_those_of_their_seed(lessons: list[Lesson]) -> None:
    model = tiny_twnm()
    drawn = [sample_replies(model, lessons[0], lessons[0].items, PREFER_RECIPES["tiny"], torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert [len(group) for group in drawn[0]] == [3, 3]
    assert all(1 <= len(reply.ids) <= 12 for group in drawn[0] for reply in group)


def state_of(model: Twnm) -> dict[str, Tensor]:
    return {name: weight.detach().clone() for name, weight in lora_weights(model.language.model).items()}


def odd_share(model: Twnm, sample: Sample, item: Item, evidence: str) -> Reply:
    """A judge by whom random replies differ: the share of odd tokens is what is right."""
    return Reply(tuple(sample.ids), tuple(sample.chosen), None, sum(one % 2 for one in sample.ids) / max(1, len(sample.ids)), 0.0, 0.0, 0.0)


def test_where_all_replies_are_as_good_only_the_lesson_is_learnt(begun: Path, tmp_path: Path) -> None:
    train_prefer(recipe(begun, steps=2, replay_weight=0.0), tmp_path / "nothing")  # bytes at random: no reply has a right answer
    still, before = load(tmp_path / "nothing", half=False).language.model.state_dict(), load(begun, half=False).language.model.state_dict()
    assert all(torch.equal(still[name], before[name]) for name in before)
    train_prefer(recipe(begun, steps=2), tmp_path / "lesson")
    learnt = load(tmp_path / "lesson", half=False).language.model.state_dict()
    assert not all(torch.equal(learnt[name], before[name]) for name in before)
    rows = [json.loads(line) for line in (tmp_path / "lesson" / "log.jsonl").read_text().splitlines()]
    assert [row["spread"] for row in rows] == [0.0, 0.0]


@pytest.mark.parametrize("half", [False, True])
def test_the_first_pass_already_learns_and_the_next_step_starts_from_there(begun: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, half: bool) -> None:
    monkeypatch.setattr(prefer, "judge", odd_share)
    train_prefer(recipe(begun, steps=3, passes=1, replay_weight=0.0, half=half), tmp_path / "run")
    rows = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert rows[0]["divergence"] == 0.0 and rows[-1]["divergence"] > 0.0


@pytest.mark.parametrize("method", ["sapo", "grpo", "dpo"])
def test_a_run_that_is_killed_and_resumed_ends_at_the_same_bits(
    begun: Path, lessons: list[Lesson], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.setattr(prefer, "judge", odd_share)
    wanted = recipe(begun, method=method)
    whole = state_of(train_prefer(wanted, tmp_path / "whole"))

    def killed(factory: Any, first: int, workers: int) -> Iterator[Lesson]:
        yield from itertools.islice(lessons, first, 3)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(prefer, "ordered_stream", killed)
        with pytest.raises(KeyboardInterrupt):
            train_prefer(wanted, tmp_path / "resumed")
    resumed = state_of(train_prefer(wanted, tmp_path / "resumed"))
    for name, value in whole.items():
        torch.testing.assert_close(resumed[name], value, rtol=0, atol=0, msg=name)
    load(tmp_path / "whole")
    rows = [json.loads(line) for line in (tmp_path / "whole" / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
    assert {"reward", "right", "form", "evidence", "copied", "spread", "tokens", "letter_entropy_bits", "divergence"} <= rows[0].keys()
    assert rows[0]["divergence"] == 0.0
    assert rows[-1]["divergence"] > 0.0


def test_a_reward_grows(begun: Path, lessons: list[Lesson], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefer, "judge", odd_share)
    monkeypatch.setattr(prefer, "ordered_stream", lambda factory, first, workers: (lessons[number % 8] for number in itertools.count(first)))
    train_prefer(recipe(begun, steps=40, samples=12, lora_rate=0.03, kl_weight=0.0, replay_weight=0.0, save_every=100), tmp_path / "out")
    rows = [json.loads(line) for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    rewards = [row["reward"] for row in rows]
    assert sum(rewards[-8:]) / 8 > sum(rewards[:8]) / 8 + 0.1


def test_the_model_at_the_beginning_comes_back_for_a_while(begun: Path) -> None:
    model = load_with_lora(begun)
    before = state_of(model)
    with torch.no_grad():
        for weight in lora_weights(model.language.model).values():
            weight.add_(1.0)
    moved = state_of(model)
    with as_at_the_beginning(model, before):
        assert all(torch.equal(value, before[name]) for name, value in state_of(model).items())
    assert all(torch.equal(value, moved[name]) for name, value in state_of(model).items())


def load_with_lora(folder: Path) -> Twnm:
    from twnm.model.loading import read_config

    config = read_config(folder)
    return instruct.prepare(INSTRUCT_RECIPES["tiny"].model_copy(update={"language": config.language, "lora": config.lora, "begin_with": str(folder)}), folder)


def test_a_run_needs_a_model_and_its_own_folder(begun: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no trained model \(twnm.json is absent\)"):
        train_prefer(recipe(tmp_path / "nothing"), tmp_path / "out")
    train_prefer(recipe(begun, steps=1), tmp_path / "out")
    with pytest.raises(InputError, match="holds a run of another recipe"):
        train_prefer(recipe(begun), tmp_path / "out")
