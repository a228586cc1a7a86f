"""What training carries from epoch to epoch, and what a checkpoint keeps of it."""

from __future__ import annotations

import copy
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from ambulo import checkpoint
from ambulo.errors import TrainingError
from ambulo.models.scaling import Scaled
from ambulo.options import Options
from ambulo.timeline import write_whole

Tensors = tuple[Tensor, ...] | list[Tensor]


@dataclass
class State:
    """A network on its way down: optimiser, learning rate, chance, history and best weights."""

    network: Scaled
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    generator: torch.Generator
    classes: int
    average: AveragedModel | None = None
    history: list[dict[str, float]] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)
    best_epoch: int = -1

    @classmethod
    def start(
        cls, network: Scaled, options: Options, windows: int, classes: int, seed: int
    ) -> State:
        """Before the first epoch over this many windows."""
        optimizer = torch.optim.AdamW(
            network.parameters(), options.learning_rate, weight_decay=options.weight_decay
        )
        steps = options.epochs * -(-windows // options.batch)
        schedule: torch.optim.lr_scheduler.LRScheduler
        if options.schedule == "cosine":
            schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        else:
            schedule = torch.optim.lr_scheduler.ConstantLR(optimizer, 1.0)
        average = None
        if options.average:
            average = AveragedModel(
                network, multi_avg_fn=_running_mean(options.average), use_buffers=True
            )
        generator = torch.Generator().manual_seed(seed)
        return cls(network, optimizer, schedule, generator, classes, average)

    @property
    def kept(self) -> nn.Module:
        """The network whose weights are validated and kept: the running mean, if there is one."""
        return self.network if self.average is None else self.average.module

    def remember(self, row: dict[str, float], validated: bool) -> None:
        """Append to the history; keep the weights if they are the best on validation people."""
        self.history.append(row)
        losses = [past.get("validation_loss", 0.0) for past in self.history]
        if not validated or losses[-1] <= min(losses):
            self.best = copy.deepcopy(self.kept.state_dict())
            self.best_epoch = int(row["epoch"])

    def save(self, path: Path, key: str) -> None:
        """Write everything to a checkpoint, whole or not at all; `key` says whose it is."""
        content = {
            "key": key,
            "network": self.network.state_dict(),
            "average": self.average.state_dict() if self.average else {},
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "generator": self.generator.get_state(),
            "random": torch.get_rng_state(),
            "history": self.history,
            "best": self.best,
            "best_epoch": self.best_epoch,
        }
        write_whole(path, lambda to: checkpoint.save(to, content))

    def resume(self, path: Path, key: str) -> None:
        """Go on from a checkpoint, if there is one.

        Raises TrainingError for a file that is none, or is the checkpoint of something else.
        """
        if not path.exists():
            return
        try:
            content = checkpoint.load(path)
            if content["key"] != key:
                raise TrainingError(
                    f"{path}: is the checkpoint of another model, data set, option or seed: "
                    "remove it or name another file"
                )
        except (KeyError, ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
            raise TrainingError(f"{path}: is not a checkpoint ({error}): remove it") from error
        self.network.load_state_dict(content["network"])
        if self.average is not None:
            self.average.load_state_dict(content["average"])
        self.optimizer.load_state_dict(content["optimizer"])
        self.schedule.load_state_dict(content["schedule"])
        self.generator.set_state(content["generator"])
        torch.set_rng_state(content["random"])
        self.history, self.best = content["history"], content["best"]
        self.best_epoch = content["best_epoch"]


def _running_mean(decay: float) -> Callable[[Tensors, Tensors, Tensor | int], None]:
    """An exponential mean that leans on the newest weights at first, so that short runs keep up."""

    def update(means: Tensors, current: Tensors, steps: Tensor | int) -> None:
        kept = min(decay, (1 + int(steps)) / (10 + int(steps)))
        for mean, value in zip(means, current, strict=True):
            if mean.is_floating_point():
                mean.lerp_(value, 1 - kept)
            else:
                mean.copy_(value)  # a count of batches is no mean

    return update
