"""One pass over the training windows: batches, gradients, steps."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ambulo.augmentation import Variation
from ambulo.batches import Values
from ambulo.imbalance import Loss, order
from ambulo.options import Options
from ambulo.parallel import ALONE, Team
from ambulo.state import State


def run_epoch(
    state: State,
    data: tuple[Values, Tensor],
    options: Options,
    loss_of: Loss,
    variation: Variation | None,
    team: Team = ALONE,
) -> tuple[float, float]:
    """One pass over the training windows in random order: mean loss and accuracy."""
    x, y = data
    state.network.train()
    total, right = torch.zeros((), device=x.device), torch.zeros((), device=x.device)
    indices = order(options.imbalance, y, state.classes, state.generator)
    chance = team.chance(state.generator)
    for batch in _batches(indices, options.batch, team.size):
        index = team.share(batch)
        values = x[index]
        if variation:
            values = variation(values, chance)
        with _precision(options, x.device):
            logits = state.network(values)
        loss = loss_of(logits.float(), y[index]) * (len(index) / len(batch))
        state.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        team.add_up(parameter.grad for parameter in state.network.parameters())
        nn.utils.clip_grad_norm_(state.network.parameters(), options.clip)
        state.optimizer.step()
        state.schedule.step()
        if state.average is not None:
            state.average.update_parameters(state.network)
        total += loss.detach() * len(batch)
        right += (logits.detach().argmax(1) == y[index]).sum()
    team.add_up((total, right))
    return float(total) / len(x), float(right) / len(x)


def _batches(indices: Tensor, size: int, processes: int) -> list[Tensor]:
    batches = list(torch.split(indices, max(size, 2 * processes)))
    if len(batches) > 1 and len(batches[-1]) < 2 * processes:
        batches.pop()  # a batch of one has no variance to normalise by
    return batches


def _precision(options: Options, device: torch.device) -> torch.autocast:
    fast = device.type == "cuda" or (device.type == "cpu" and torch.cpu._is_avx512_bf16_supported())
    use = options.precision == "bfloat16" or (options.precision == "auto" and fast)
    return torch.autocast(device.type, torch.bfloat16, enabled=use)
