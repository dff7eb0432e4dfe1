"""Training of projector and LoRA in miniature: its schedule, an exact resume, and weights that load into the same model."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_model import EVIDENCE, LoudnessSemantic, heard_arrays, item, tiny_encoder, tiny_language, tiny_twnm
from torch import Tensor, nn

from twnm.errors import InputError
from twnm.model.language import LoraSettings, lora_weights, merge_lora
from twnm.model.loading import load
from twnm.model.twnm import Twnm
from twnm.train import instruct
from twnm.train.encoder import save_encoder
from twnm.train.instruct import INSTRUCT_RECIPES, InstructRecipe, lessons_loss, prepare, train_instruct
from twnm.train.lessons import Lesson, pack

QUESTION = item("Where is the dog?", "dog 90° is left", "on your left")


@pytest.fixture(scope="module")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("encoder")
    save_encoder(tiny_encoder(), folder)
    return folder


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> InstructRecipe:
    """The tiny recipe with a language model of two layers, four steps, a checkpoint after every second."""
    folder = tmp_path_factory.mktemp("language")
    language = tiny_language(tied=True)
    language.model.save_pretrained(folder)
    language.tokenizer.save_pretrained(folder)
    rates = {"lora_rate": 0.01, "projector_rate": 0.01, "warmup": 2}
    changes = {"language": str(folder), "lora": LoraSettings(rank=2, alpha=4), "steps": 4, "save_every": 2} | rates
    return INSTRUCT_RECIPES["tiny"].model_copy(update=changes)


@pytest.fixture(scope="module")
def lessons() -> list[Lesson]:
    model = tiny_twnm()
    return [Lesson(heard_arrays(model, seed), EVIDENCE, (QUESTION,)) for seed in range(8)]


@pytest.fixture(autouse=True)
def _no_downloads(monkeypatch: pytest.MonkeyPatch, lessons: list[Lesson]) -> None:
    def stream(factory: Any, first: int, workers: int) -> Iterator[Lesson]:
        yield from lessons[first:]

    monkeypatch.setattr(instruct, "default_semantic", LoudnessSemantic)
    monkeypatch.setattr("twnm.model.loading.default_semantic", LoudnessSemantic)
    monkeypatch.setattr(instruct, "ordered_stream", stream)


def state_of(model: Twnm) -> dict[str, Tensor]:
    return dict(model.projector.state_dict()) | {name: weight.detach() for name, weight in lora_weights(model.language.model).items()}


def rates_at(recipe: InstructRecipe, step: int) -> list[float]:
    weights = [nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))]
    optimiser = torch.optim.SGD([{"params": weights[:1]}, {"params": weights[1:]}], lr=0.0)
    instruct.update(optimiser, weights, recipe, step)
    return [group["lr"] for group in optimiser.param_groups]


def test_both_rates_warm_up_and_decay_to_three_per_cent() -> None:
    recipe = InstructRecipe(steps=120, warmup=20, lora_rate=1.0, projector_rate=2.0)
    assert rates_at(recipe, 0) == pytest.approx([1 / 20, 2 / 20])
    assert rates_at(recipe, 19) == pytest.approx([1.0, 2.0])
    assert rates_at(recipe, 20) == pytest.approx([1.0, 2.0])
    assert rates_at(recipe, 70) == pytest.approx([0.03 + 0.97 / 2, 0.06 + 0.97])
    assert rates_at(recipe, 120) == pytest.approx([0.03, 0.06])


def test_gradients_are_clipped_together_and_cleared() -> None:
    recipe = InstructRecipe(steps=120, warmup=1, lora_rate=1.0, projector_rate=1.0)
    weights = [nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))]
    optimiser = torch.optim.SGD([{"params": weights[:1]}, {"params": weights[1:]}], lr=0.0)
    weights[0].grad, weights[1].grad = torch.tensor([30.0]), torch.tensor([-40.0])
    instruct.update(optimiser, weights, recipe, 0)
    assert [weight.item() for weight in weights] == pytest.approx([-0.6, 0.8], abs=1e-4)
    assert weights[0].grad is None


def test_the_stage_begins_at_the_language_model_itself(recipe: InstructRecipe, encoder_folder: Path, lessons: list[Lesson]) -> None:
    model = prepare(recipe, encoder_folder)
    before = lessons_loss(model, [pack(model, lessons[0])])[0].item()
    merge_lora(model.language.model)
    assert lessons_loss(model, [pack(model, lessons[0])])[0].item() == pytest.approx(before)
    trained = [name for name, weight in model.language.model.named_parameters() if weight.requires_grad]
    assert trained == []  # after merging nothing of the language model is trainable
    assert not any(weight.requires_grad for weight in model.encoder.parameters())


def test_a_run_that_is_killed_and_resumed_ends_at_the_same_bits(
    recipe: InstructRecipe, encoder_folder: Path, lessons: list[Lesson], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train_instruct(recipe, encoder_folder, tmp_path / "whole")

    def killed(factory: Any, first: int, workers: int) -> Iterator[Lesson]:
        yield from itertools.islice(lessons, first, 3)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(instruct, "ordered_stream", killed)
        with pytest.raises(KeyboardInterrupt):
            train_instruct(recipe, encoder_folder, tmp_path / "resumed")
    resumed = state_of(train_instruct(recipe, encoder_folder, tmp_path / "resumed"))
    begun = state_of(prepare(recipe, encoder_folder))
    for name, value in state_of(whole).items():
        torch.testing.assert_close(resumed[name], value, rtol=0, atol=0, msg=name)
        assert name.endswith("anchors") or not torch.equal(value, begun[name]), f"{name} was not trained"


def test_training_makes_the_lesson_more_probable_and_the_weights_load_into_the_same_model(
    recipe: InstructRecipe, encoder_folder: Path, lessons: list[Lesson], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instruct, "ordered_stream", lambda factory, first, workers: (lessons[0] for _ in itertools.count()))
    fresh = prepare(recipe, encoder_folder)
    before = lessons_loss(fresh, [pack(fresh, lessons[0])])[0].item()
    trained = train_instruct(recipe.model_copy(update={"steps": 15}), encoder_folder, tmp_path)
    after = lessons_loss(trained, [pack(trained, lessons[0])])[0].item()
    assert after < 0.95 * before
    loaded = load(tmp_path, half=False)
    assert lessons_loss(loaded, [pack(loaded, lessons[0])])[0].item() == pytest.approx(after, rel=1e-3)
    assert not any(name for name, _ in loaded.language.model.named_parameters() if ".lora_" in name)
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [5, 10, 15]
    assert rows[-1]["loss"] < rows[0]["loss"]


def test_a_run_can_go_on_from_a_trained_model(recipe: InstructRecipe, encoder_folder: Path, tmp_path: Path) -> None:
    first = train_instruct(recipe, encoder_folder, tmp_path / "first")
    going_on = recipe.model_copy(update={"begin_with": str(tmp_path / "first")})
    for name, value in state_of(prepare(going_on, encoder_folder)).items():
        torch.testing.assert_close(value, state_of(first)[name], rtol=1e-2, atol=1e-3, msg=name)  # kept in half precision
    with pytest.raises(InputError, match=r"holds no trained model \(projector.safetensors is absent\)"):
        prepare(recipe.model_copy(update={"begin_with": str(tmp_path / "none")}), encoder_folder)


def test_a_run_of_lessons_ends_by_its_minutes_and_learns_from_a_pool(
    recipe: InstructRecipe, encoder_folder: Path, lessons: list[Lesson], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instruct, "ordered_stream", lambda factory, first, workers: (lessons[number % 2] for number in itertools.count()))
    train_instruct(recipe.model_copy(update={"minutes": 0.02, "pool": 20, "lessons": 2, "save_every": 10_000}), encoder_folder, tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert rows[-1]["seconds"] >= 1.2
    assert rows[-1]["loss"] < rows[0]["loss"]


def test_the_logged_loss_is_the_weighted_mean_over_targets(recipe: InstructRecipe, encoder_folder: Path, lessons: list[Lesson], tmp_path: Path) -> None:
    two = recipe.model_copy(update={"steps": 1, "lessons": 2, "evidence_weight": 0.25})
    fresh = prepare(two, encoder_folder)
    losses, weights = zip(*(lessons_loss(fresh, [pack(fresh, lesson, 0.25)]) for lesson in lessons[:2]), strict=True)
    train_instruct(two, encoder_folder, tmp_path)
    row = json.loads((tmp_path / "log.jsonl").read_text())
    assert row["loss"] == pytest.approx(np.sum([loss.item() for loss in losses]) / np.sum([weight.item() for weight in weights]), abs=1e-3)


def test_a_folder_with_another_recipe_is_refused(recipe: InstructRecipe, encoder_folder: Path, tmp_path: Path) -> None:
    train_instruct(recipe.model_copy(update={"steps": 1}), encoder_folder, tmp_path)
    with pytest.raises(InputError, match="holds a run of another recipe"):
        train_instruct(recipe, encoder_folder, tmp_path)


def test_a_run_from_before_the_large_recipes_is_gone_on_with(recipe: InstructRecipe, encoder_folder: Path, tmp_path: Path) -> None:
    train_instruct(recipe, encoder_folder, tmp_path)
    path = tmp_path / "step_0000004" / "state.json"
    state = json.loads(path.read_text())
    del state["recipe"]["semantic"], state["recipe"]["checkpointing"]
    path.write_text(json.dumps(state))
    train_instruct(recipe, encoder_folder, tmp_path)
    with pytest.raises(InputError, match="holds a run of another recipe"):
        train_instruct(recipe.model_copy(update={"checkpointing": True}), encoder_folder, tmp_path)
