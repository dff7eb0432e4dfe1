"""The losses of preference optimisation: those of TRL, to its last digits; on a toy policy they make what is rewarded more probable."""

import math
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
import torch
from torch import Tensor

from twnm.train.preference import Method, divergence, dpo_loss, group_advantages, policy_loss


def replies(seed: int = 0) -> dict[str, Tensor]:
    """Six replies of up to seven tokens that have moved on since they were sampled."""
    generator = torch.Generator().manual_seed(seed)
    now = -torch.rand(6, 7, generator=generator) * 3
    mask = torch.arange(7) < torch.tensor([7, 5, 1, 6, 7, 3])[:, None]
    shifts = [0.4 * torch.randn(6, 7, generator=generator) for _ in range(2)]
    return {"logps": now, "sampled": now + shifts[0], "reference": now + shifts[1], "mask": mask, "advantages": torch.tensor([1.2, -0.7, 0.3, -1.5, 0.0, 0.7])}


def by_trl(given: dict[str, Tensor], method: str, kl_weight: float) -> Tensor:
    """The loss that TRL's GRPOTrainer computes from the same log-probabilities."""
    from trl.trainer.grpo_trainer import GRPOTrainer

    args = SimpleNamespace(sapo_temperature_pos=1.0, sapo_temperature_neg=1.05, delta=None, use_bias_correction_kl=False)
    settings: dict[str, Any] = {
        "loss_type": method,
        "args": args,
        "beta": kl_weight,
        "epsilon_low": 0.2,
        "epsilon_high": 0.2,
        "importance_sampling_level": "token",
        "off_policy_mask_threshold": None,
        "top_entropy_quantile": 1.0,
        "use_vllm": False,
        "aux_loss_enabled": False,
        "_entropy_bonus_enabled": False,
    }
    trainer = MagicMock(**settings)
    trainer._get_per_token_logps_and_entropies.return_value = (given["logps"], torch.zeros(6, 7), None)
    trainer.model.training = False
    trainer.accelerator.reduce.side_effect = lambda value, reduction: value
    trainer.accelerator.gather.side_effect = lambda value: value
    ids = torch.zeros(6, 7, dtype=torch.long)
    inputs = {"prompt_ids": ids[:, :2], "prompt_mask": ids[:, :2] + 1, "completion_ids": ids, "completion_mask": given["mask"].long()}
    inputs |= {"advantages": given["advantages"], "old_per_token_logps": given["sampled"], "ref_per_token_logps": given["reference"]}
    loss: Tensor = GRPOTrainer._compute_loss(trainer, SimpleNamespace(training=False), inputs)
    return loss


@pytest.mark.parametrize("kl_weight", [0.0, 0.05])
@pytest.mark.parametrize("method", ["sapo", "grpo"])
def test_losses_and_their_gradients_are_trls(method: Method, kl_weight: float) -> None:
    given = replies()
    given["logps"].requires_grad_()
    ours = policy_loss(method, **given, kl_weight=kl_weight)
    theirs = by_trl(given, method, kl_weight)
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-7)
    gradients = [torch.autograd.grad(loss, given["logps"], retain_graph=True)[0] for loss in (ours, theirs)]
    torch.testing.assert_close(*gradients, rtol=1e-5, atol=1e-7)
    assert not gradients[0][~given["mask"]].any()


def test_before_the_first_update_both_methods_push_alike() -> None:
    given = replies()
    slopes = []
    for method in ("sapo", "grpo"):
        now = given["sampled"].clone().requires_grad_()
        slopes.append(torch.autograd.grad(policy_loss(method, **(given | {"logps": now})), now)[0])  # type: ignore[arg-type]
    torch.testing.assert_close(*slopes)


def test_advantages_are_those_of_a_group() -> None:
    rewards = torch.tensor([[1.0, 0.0, 0.0, 1.0], [0.5, 0.5, 0.5, 0.5]])
    found = group_advantages(rewards)
    assert found[0].tolist() == pytest.approx([0.8659, -0.8659, -0.8659, 0.8659], abs=1e-3)
    assert found[1].tolist() == [0.0] * 4


def test_the_divergence_is_zero_where_nothing_changed_and_never_negative() -> None:
    given = replies()
    assert divergence(given["logps"], given["logps"]).abs().max() == 0
    assert divergence(given["logps"], given["reference"]).min() > 0


def test_dpo_is_as_counted_by_hand() -> None:
    loss = dpo_loss(torch.tensor([-4.0]), torch.tensor([-7.0]), torch.tensor([-5.0]), torch.tensor([-6.0]), weight=0.5)
    assert loss.item() == pytest.approx(math.log(1 + math.exp(-0.5 * 2)))


@pytest.mark.parametrize("method", ["sapo", "grpo", "dpo"])
def test_a_toy_policy_comes_to_say_what_is_rewarded(method: Method) -> None:
    generator = torch.Generator().manual_seed(1)
    logits = torch.zeros(4, requires_grad=True)
    begun = logits.detach().log_softmax(0)
    optimiser = torch.optim.Adam([logits], lr=0.1)
    for _ in range(60):
        said = torch.multinomial(logits.detach().softmax(0), 8, replacement=True, generator=generator)
        rewards = (said == 2).float()
        sampled = logits.detach().log_softmax(0)[said][:, None]
        for _ in range(2):
            now = logits.log_softmax(0)[said][:, None]
            if method == "dpo":
                best, worst = rewards.argmax(), rewards.argmin()
                loss = dpo_loss(now[best], now[worst], begun[said[best]][None], begun[said[worst]][None], 1.0)
            else:
                loss = policy_loss(method, now, sampled, group_advantages(rewards[None])[0], torch.ones_like(now, dtype=torch.bool))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    assert logits.softmax(0)[2].item() > 0.9
