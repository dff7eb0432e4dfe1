"""Several processes that train one model together, one for each device: torchrun starts them, and tells each its rank by environment variables.

    torchrun --nproc-per-node 8 -m twnm train instruct --recipe 7b --sounds BANK --out RUN

The decoder's layers are frozen and large, so each process keeps a part of them, and a layer is put together while it is needed (FSDP2). What is trained
is small, so each process has all of it, with its optimiser: gradients are added up over the processes, all make the same update, and checkpoints and
weights are those of one process. The embeddings and the vocabulary layer lie whole on each too.

Source: Zhao et al., "PyTorch FSDP: experiences on scaling fully sharded data parallel", 2023.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn
from transformers import PreTrainedModel

from twnm.errors import InputError


@dataclass(frozen=True)
class Processes:
    """This process among those that train together; alone, nothing is sent and nothing changes.

    Attributes:
        rank: 0 to count - 1; process 0 writes logs, checkpoints and weights.
        device: "cpu" or "cuda", the process's own.
    """

    rank: int = 0
    count: int = 1
    device: str = "cpu"

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def share(self, lessons: int) -> int:
        """How many of the lessons of a step are this process's. Raises InputError when they cannot be dealt out evenly."""
        if lessons % self.count:
            raise InputError(f"{lessons} lessons a step cannot be dealt out to {self.count} processes; start a number of processes that divides {lessons}")
        return lessons // self.count

    def number(self, own: int, lessons: int) -> int:
        """The number in the whole stream of this process's lesson number `own`: of each step the process has one run of neighbours."""
        step, place = divmod(own, self.share(lessons))
        return step * lessons + self.rank * self.share(lessons) + place

    def agreed(self, value: float) -> float:
        """The value that process 0 has."""
        if self.count == 1:
            return value
        sent = torch.tensor(value, dtype=torch.float64, device=self.device)
        distributed.broadcast(sent, 0)
        return float(sent)

    def added(self, values: Sequence[float]) -> list[float]:
        """Each value summed over the processes."""
        if self.count == 1:
            return list(values)
        sums = torch.tensor(values, dtype=torch.float64, device=self.device)
        distributed.all_reduce(sums)
        return sums.tolist()

    def add_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Sum gradients over the processes, in place."""
        if self.count == 1:
            return
        gradients = [torch.zeros_like(one) if one.grad is None else one.grad for one in parameters]
        flat: Tensor = nn.utils.parameters_to_vector(gradients)
        distributed.all_reduce(flat)
        for one, summed in zip(parameters, flat.split([one.numel() for one in parameters]), strict=True):
            one.grad = summed.view_as(one)

    def deal_out(self, model: PreTrainedModel) -> None:
        """Leave on each process its part of the decoder's frozen layers, in place; the model is called as before, by all processes at once."""
        if self.count == 1:
            return
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        decoder = model.get_decoder()
        mesh = init_device_mesh(self.device, (self.count,))
        whole = {one for one in model.parameters() if one.requires_grad} | set(model.get_input_embeddings().parameters())
        for module in (*decoder.layers, decoder):
            fully_shard(module, mesh=mesh, ignored_params=whole)


@contextmanager
def together(device: str) -> Iterator[Processes]:
    """This process among those that torchrun started; alone if none did. `device` is that of the recipe: "cpu" (by gloo) or "cuda" (by NCCL).

    A process group that is there already is used and left open.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Processes()
        return
    kind = device.partition(":")[0]
    if kind == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    new = not distributed.is_initialized()
    if new:
        distributed.init_process_group("nccl" if kind == "cuda" else "gloo")
    try:
        yield Processes(distributed.get_rank(), count, kind)
    finally:
        if new:
            distributed.destroy_process_group()
