"""Losses of preference optimisation, as functions of token log-probabilities; the reduction is the mean over replies of their means over tokens.

With the ratio r = p(token) / p(token when it was sampled) and the advantage A of the reply:

    GRPO  -min(r A, clip(r, 1 - e, 1 + e) A)                       Shao et al., DeepSeekMath, arXiv 2402.03300
    SAPO  -(4 / t) sigmoid(t (r - 1)) A, t by the sign of A        Gao et al., Soft adaptive policy optimization, arXiv 2511.20347
    DPO   -log sigmoid(b (log-ratio of the better reply - log-ratio of the worse))   Rafailov et al., arXiv 2305.18290

The log-ratios of DPO are against the model at the beginning, from which the other two are kept by b (q/p - log(q/p) - 1), q its probability.
"""

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

Method = Literal["sapo", "grpo", "dpo"]
_LEAST_SPREAD = 1e-4


def group_advantages(rewards: Float[Tensor, "groups samples"]) -> Float[Tensor, "groups samples"]:
    """How much better each reply is than its group: rewards less their mean, over their standard deviation."""
    return (rewards - rewards.mean(1, keepdim=True)) / (rewards.std(1, keepdim=True) + _LEAST_SPREAD)


def policy_loss(
    method: Method,
    logps: Float[Tensor, "replies tokens"],
    sampled: Float[Tensor, "replies tokens"],
    advantages: Float[Tensor, " replies"],
    mask: Bool[Tensor, "replies tokens"],
    *,
    clip: float = 0.2,
    temperatures: tuple[float, float] = (1.0, 1.05),
    reference: Float[Tensor, "replies tokens"] | None = None,
    kl_weight: float = 0.0,
) -> Float[Tensor, ""]:
    """The loss of SAPO or GRPO.

    Args:
        logps: log-probabilities of the tokens now.
        sampled: those when the replies were sampled.
        advantages: of the replies.
        mask: which tokens count; every reply has at least one.
        clip: how far a ratio is followed (GRPO).
        temperatures: of the soft gate, for better and for worse replies (SAPO).
        reference: log-probabilities at the beginning, for the divergence from there.
        kl_weight: of that divergence.
    """
    ratio = (logps - sampled).exp()
    gain = advantages[:, None]
    if method == "sapo":
        better, worse = temperatures
        temperature = torch.where(gain > 0, better, worse)
        losses = -torch.sigmoid(temperature * (ratio - 1)) * 4 / temperature * gain
    else:
        losses = -torch.minimum(ratio * gain, ratio.clamp(1 - clip, 1 + clip) * gain)
    if reference is not None and kl_weight:
        losses = losses + kl_weight * divergence(logps, reference)
    return ((losses * mask).sum(1) / mask.sum(1)).mean()


def divergence(logps: Float[Tensor, "replies tokens"], reference: Float[Tensor, "replies tokens"]) -> Float[Tensor, "replies tokens"]:
    """The estimate of the divergence from the reference at each token, never negative (Schulman's k3)."""
    return (reference - logps).exp() - (reference - logps) - 1


def dpo_loss(
    better: Float[Tensor, " pairs"],
    worse: Float[Tensor, " pairs"],
    reference_better: Float[Tensor, " pairs"],
    reference_worse: Float[Tensor, " pairs"],
    weight: float = 0.1,
) -> Float[Tensor, ""]:
    """The loss of DPO from the log-probabilities of whole replies now and at the beginning."""
    return -nn.functional.logsigmoid(weight * ((better - reference_better) - (worse - reference_worse))).mean()
