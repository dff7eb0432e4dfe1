"""Training of the second opinion on names, on random patches: what a step learns from, its figures, an exact resume, and the encoder that comes out."""

import itertools
import json
from collections.abc import Generator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tiny_model import tiny_encoder

from twnm.errors import InputError
from twnm.model.loading import load_encoder
from twnm.model.namer import Namer
from twnm.model.yamnet import CLASS_COUNT, YamNet
from twnm.train import names
from twnm.train.encoder import save_encoder
from twnm.train.log import read_rows
from twnm.train.names import NAMES_RECIPES, NamesRecipe, Patches, name_loss, train_names, validate_names, varied_patches

TINY = NAMES_RECIPES["tiny"]


def random_patches(number: int) -> Patches:
    rng = np.random.default_rng([3, number])
    return Patches(rng.standard_normal((4, 96, 64)).astype(np.float16), np.array([0, 0, 1, 2]), rng.integers(2, size=3))


class RandomMaker:
    def __init__(self, spec: object) -> None:
        pass

    def make(self, number: int) -> Patches:
        return random_patches(1000 + number)


def made(recipe: NamesRecipe, classes: tuple[str, ...], first: int) -> Generator[Patches]:
    yield from (random_patches(number) for number in itertools.count(first))


@pytest.fixture
def _random_patches(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    network = YamNet(tuple(str(number) for number in range(CLASS_COUNT))).requires_grad_(False).eval()
    monkeypatch.setattr(names, "default_semantic", lambda: SimpleNamespace(network=network))
    monkeypatch.setattr(names, "PatchMaker", RandomMaker)
    monkeypatch.setattr(names, "_made", made)


@pytest.fixture
def before(tmp_path: Path) -> Path:
    save_encoder(tiny_encoder(), tmp_path / "encoder")
    return tmp_path / "encoder"


def test_what_is_mixed_in_counts_by_its_share_and_the_patches_stay_as_they_are() -> None:
    mel, labels = torch.randn(200, 96, 64), torch.arange(200) % 5
    kept = mel.clone()
    mixed, told = varied_patches(mel, labels, 5, np.random.default_rng(0))
    torch.testing.assert_close(mel, kept, rtol=0, atol=0)
    torch.testing.assert_close(told.sum(dim=1), torch.ones(200))
    assert (told.gather(1, labels[:, None]) >= 0.5).all()
    assert 0.3 < float((told.amax(dim=1) < 1).float().mean()) < 0.6
    assert torch.isfinite(mixed).all()
    spread = mixed.flatten(1).std(dim=1)
    assert (spread > 0.3).all()


def test_the_loss_is_cross_entropy_with_smoothed_labels() -> None:
    logits, labels = torch.randn(6, 5), torch.tensor([0, 1, 2, 3, 4, 0])
    expected = torch.nn.functional.cross_entropy(logits, labels, label_smoothing=0.05)
    torch.testing.assert_close(name_loss(logits, torch.nn.functional.one_hot(labels, 5).float()), expected)


def test_figures_are_of_objects_not_of_patches() -> None:
    told = torch.tensor([[0.0, 5.0], [6.0, 0.0], [4.0, 0.0], [0.0, 3.0]])

    class Told(Namer):
        def forward(self, network: YamNet, patches: torch.Tensor) -> torch.Tensor:
            return told

    network = YamNet(tuple(str(number) for number in range(CLASS_COUNT)))
    chunk = Patches(np.zeros((4, 96, 64), np.float16), np.array([0, 0, 1, 2]), np.array([0, 1, 1]))
    figures = validate_names(Told(("a", "b")), network, [chunk, Patches(np.zeros((0, 96, 64), np.float16), np.zeros(0, int), np.zeros(0, int))])
    assert figures["named"] == pytest.approx(2 / 3, abs=1e-3)
    assert figures["class_mean"] == pytest.approx(0.75)


@pytest.mark.usefixtures("_random_patches")
def test_a_run_that_is_killed_and_resumed_ends_at_the_same_bits(before: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = train_names(TINY, before, tmp_path / "whole")

    def killed(recipe: NamesRecipe, classes: tuple[str, ...], first: int) -> Generator[Patches]:
        yield from itertools.islice(made(recipe, classes, first), 3)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(names, "_made", killed)
        with pytest.raises(KeyboardInterrupt):
            train_names(TINY, before, tmp_path / "parts")
    parts = train_names(TINY, before, tmp_path / "parts")
    for (name, first), second in zip(whole.state_dict().items(), parts.state_dict().values(), strict=True):
        torch.testing.assert_close(first, second, rtol=0, atol=0, msg=name)
    assert [row["step"] for row in read_rows(tmp_path / "parts")] == [row["step"] for row in read_rows(tmp_path / "whole")]


@pytest.mark.usefixtures("_random_patches")
def test_the_encoder_that_comes_out_is_the_one_before_with_a_namer(before: Path, tmp_path: Path) -> None:
    train_names(TINY, before, tmp_path / "out")
    encoder = load_encoder(tmp_path / "out")
    assert encoder.namer is not None
    assert encoder.config.namer_rank == TINY.rank == json.loads((tmp_path / "out" / "encoder.json").read_text())["namer_rank"]
    old = load_encoder(before).state_dict()
    for name, value in old.items():
        torch.testing.assert_close(encoder.state_dict()[name], value, rtol=0, atol=0)
    assert all(float(up.abs().amax()) > 0 for up in encoder.namer.up)


@pytest.mark.usefixtures("_random_patches")
def test_a_folder_of_another_run_is_refused(before: Path, tmp_path: Path) -> None:
    train_names(TINY, before, tmp_path / "out")
    with pytest.raises(InputError, match="another recipe"):
        train_names(TINY.model_copy(update={"seed": 5}), before, tmp_path / "out")
    train_names(TINY.model_copy(update={"workers": 2}), before, tmp_path / "out")  # how it is run may change


@pytest.mark.usefixtures("_random_patches")
def test_a_loss_that_is_not_finite_stops_the_run(before: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(recipe: NamesRecipe, classes: tuple[str, ...], first: int) -> Generator[Patches]:
        for number, patches in enumerate(made(recipe, classes, first)):
            yield Patches(patches.mel * np.float16("nan"), patches.owners, patches.labels) if number == 2 else patches

    monkeypatch.setattr(names, "_made", broken)
    with pytest.raises(RuntimeError, match="not finite at step"):
        train_names(TINY.model_copy(update={"replay": 1}), before, tmp_path / "out")
