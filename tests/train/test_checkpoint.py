"""Checkpoints: training that is stopped and resumed ends at the same bits, and files that do not fit are refused."""

import json
from pathlib import Path

import pytest
import torch
from tiny_model import CONFIG, SEMANTIC_SIZE, tiny_language
from torch import nn

from twnm.errors import InputError
from twnm.model.slots import SlotEncoder
from twnm.train.checkpoint import load_checkpoint, save_checkpoint, trainable_state


def fresh(seed: int = 0) -> tuple[SlotEncoder, torch.optim.AdamW]:
    torch.manual_seed(seed)
    model = SlotEncoder(CONFIG).train()  # with dropout and batch statistics
    return model, torch.optim.AdamW(model.parameters(), lr=1e-3)


def train(model: SlotEncoder, optimiser: torch.optim.Optimizer, steps: range) -> None:
    for step in steps:
        source = torch.Generator().manual_seed(step)
        output = model(torch.randn(2, 7, 50, 64, generator=source), torch.randn(2, 2, SEMANTIC_SIZE, generator=source))
        loss = output.activity.square().mean() + output.label.square().mean() + output.accdoa.square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def test_three_steps_and_three_more_after_a_resume_are_six_steps(tmp_path: Path) -> None:
    whole, optimiser = fresh()
    train(whole, optimiser, range(6))
    first, optimiser = fresh()
    train(first, optimiser, range(3))
    save_checkpoint(tmp_path, 3, first, optimiser, {"note": "half"})
    resumed, optimiser = fresh(seed=99)
    torch.rand(5)
    assert load_checkpoint(tmp_path, resumed, optimiser) == {"step": 3, "note": "half"}
    train(resumed, optimiser, range(3, 6))
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value, rtol=0, atol=0, msg=name)


def test_an_empty_folder_has_no_checkpoint(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path, *fresh()) is None


def test_only_the_newest_checkpoint_stays(tmp_path: Path) -> None:
    model, optimiser = fresh()
    for step in (1, 9, 10):
        save_checkpoint(tmp_path, step, model, optimiser, {})
    assert [path.name for path in tmp_path.iterdir()] == ["step_0000010"]
    assert json.loads((tmp_path / "step_0000010" / "state.json").read_text()) == {"step": 10}


def test_what_a_kill_left_half_written_is_ignored_and_replaced(tmp_path: Path) -> None:
    model, optimiser = fresh()
    save_checkpoint(tmp_path, 1, model, optimiser, {})
    torn = tmp_path / ".building_0000002"
    torn.mkdir()
    (torn / "state.safetensors").write_bytes(b"torn")
    assert load_checkpoint(tmp_path, *fresh()) == {"step": 1}
    save_checkpoint(tmp_path, 2, model, optimiser, {})
    assert load_checkpoint(tmp_path, *fresh()) == {"step": 2}


def test_a_checkpoint_of_another_shape_is_refused_by_name(tmp_path: Path) -> None:
    small, large = nn.Linear(3, 2), nn.Linear(4, 2)
    save_checkpoint(tmp_path, 1, small, torch.optim.AdamW(small.parameters()), {})
    with pytest.raises(InputError, match="does not fit this model: weight; train in another folder"):
        load_checkpoint(tmp_path, large, torch.optim.AdamW(large.parameters()))


def test_frozen_parameters_are_left_out_and_buffers_are_kept() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)).requires_grad_(False)
    model[1].weight.requires_grad_(True)
    assert sorted(trainable_state(model)) == ["1.num_batches_tracked", "1.running_mean", "1.running_var", "1.weight"]


def test_a_frozen_table_that_two_layers_share_is_left_out_too() -> None:
    assert list(trainable_state(tiny_language(tied=True).model)) == []
