"""Training spread over processes: each takes its share of every batch, and gradients add up.

    torchrun --nproc-per-node 2 -m ambulo train study-windows --model cnn-lstm

The result is that of one process with the same batch but for rounding, which Adam's first steps
enlarge; only a network that normalises by its batch (batch normalisation) sees smaller ones.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Team:
    """The processes that train together: which of them this is, and how many there are."""

    rank: int = 0
    size: int = 1

    def share(self, index: Tensor) -> Tensor:
        """This process' part of a batch's positions."""
        return index[self.rank :: self.size]

    def add_up(self, tensors: Iterable[Tensor | None]) -> None:
        """Put the sum over all processes into each tensor."""
        if self.size > 1:
            found = [tensor for tensor in tensors if tensor is not None]
            flat = torch.cat([tensor.flatten() for tensor in found])
            torch.distributed.all_reduce(flat)
            for tensor, part in zip(
                found, torch.split(flat, [t.numel() for t in found]), strict=True
            ):
                tensor.copy_(part.view_as(tensor))

    def agree(self, row: dict[str, float]) -> dict[str, float]:
        """The first process' numbers, so that all stop at the same epoch."""
        if self.size == 1:
            return row
        values = torch.tensor([float(value) for value in row.values()], dtype=torch.float64)
        torch.distributed.broadcast(values, 0)
        return dict(zip(row, values.tolist(), strict=True))

    def chance(self, generator: torch.Generator) -> torch.Generator:
        """What draws for this process' windows alone; `generator` draws for all, alike in each."""
        if self.size == 1:
            return generator
        own = torch.Generator()
        own.set_state(generator.get_state())
        return own.manual_seed(int(torch.randint(1 << 62, (), generator=own)) + self.rank)


ALONE = Team()


def team() -> Team:
    """The processes that `torchrun` started this one with; without it, this one alone."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return ALONE
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group("gloo")
    return Team(torch.distributed.get_rank(), torch.distributed.get_world_size())


def first() -> bool:
    """Whether this process is the one to write and to talk."""
    return int(os.environ.get("RANK", "0")) == 0
