"""Directions from the sound field itself: each slot weighs the intensity vectors of time and frequency that are its own.

The acoustic intensity of a bin points to the sound that rules it, whatever the rest of the network has learnt of a room or a microphone, and it turns as the
recording turns. A slot k says with a query in each frame which bins (t', b) of that frame (five moments, sixteen bands) are its own,

    m_k(t', b) = exp(q_k(t) . e(t', b) / sqrt(d)),      l_k(t) = sum m_k I / sum m_k,      M_k(t) = sum m_k,

with e a linear map of the stem's second layer and I the intensity of the features. Means over time follow, each with its own reach tau,

    p_k,tau(t) = sum_s r_k,tau(t, s) l_k(s),      r_k,tau(t, s) ~ M_k(s) a_k(s) exp(-|t - s| / tau),

a_k being the activity: tau = 0 for what darts about, infinite for what stands still. The direction is that of c_k(t) + sum_tau g_k,tau(t) p_k,tau(t): c_k
and the gates g_k come from the slot's head, gates begin at zero. The lengths |p_k,tau| fall as the reverberant field takes over from the direct sound (a
plane wave has 3/4, a diffuse field 0), so they tell of distance.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from twnm.model.features import FRAMES_PER_LABEL

REACHES_FRAMES = (0.0, 2.0, 8.0, math.inf)
"""tau, in frames of 100 ms."""
_SIZE = 32
_LEAST_SHARE = 1e-4


class Pointing(nn.Module):
    """Intensity pooled by slots; `hidden` is the width of the slots' heads, `channels` that of the stem's map."""

    def __init__(self, hidden: int, channels: int) -> None:
        super().__init__()
        self.query = nn.Linear(hidden, _SIZE)
        self.key = nn.Linear(channels, _SIZE)
        self.gates = nn.Linear(hidden, len(REACHES_FRAMES))
        nn.init.zeros_(self.gates.weight)
        nn.init.zeros_(self.gates.bias)

    def forward(
        self,
        hidden: Float[Tensor, "batch slots time hidden"],
        activity: Float[Tensor, "batch slots time"],
        early: Float[Tensor, "batch channels moments bands"],
        intensity: Float[Tensor, "batch 3 moments mels"],
    ) -> tuple[Float[Tensor, "batch slots time 3"], Float[Tensor, "batch slots time reaches"]]:
        """What is added to the slots' own directions (x, y, z), and the lengths; `intensity` is in the order of AmbiX (y, z, x), `activity` in logits."""
        own = nn.functional.avg_pool2d(intensity[:, [2, 0, 1]], (1, intensity.shape[-1] // early.shape[-1]))
        keys, vectors = self.key(_by_frame(early)), _by_frame(own)
        scores = torch.einsum("bktd,btnd->bktn", self.query(hidden), keys).float() / math.sqrt(_SIZE)
        moment = torch.einsum("bktn,btnx->bktx", scores.softmax(dim=-1), vectors.float())
        mass = scores.logsumexp(dim=-1) + activity.float().sigmoid().clamp_min(_LEAST_SHARE).log()
        pointed = torch.stack([_reach(moment, mass, tau) for tau in REACHES_FRAMES], dim=-1)
        return (pointed * self.gates(hidden)[..., None, :]).sum(dim=-1), (pointed.square().sum(dim=-2) + 1e-6).sqrt()


def _by_frame(maps: Float[Tensor, "batch channels moments bands"]) -> Float[Tensor, "batch time bins channels"]:
    """The bins of each frame of 100 ms."""
    return maps.unflatten(2, (-1, FRAMES_PER_LABEL)).permute(0, 2, 3, 4, 1).flatten(2, 3)


def _reach(moment: Float[Tensor, "batch slots time 3"], mass: Float[Tensor, "batch slots time"], tau: float) -> Float[Tensor, "batch slots time 3"]:
    """p_k,tau of the module's text."""
    if tau == 0:
        return moment
    if math.isinf(tau):
        return (mass.softmax(dim=-1)[..., None] * moment).sum(dim=2, keepdim=True).expand_as(moment)
    frames = torch.arange(mass.shape[-1], device=mass.device)
    apart = (frames[:, None] - frames).abs() / tau
    return (mass[:, :, None] - apart).softmax(dim=-1) @ moment
