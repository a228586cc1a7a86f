"""Training: one readable loop. Everything that is fitted or chosen sees training people only."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ambulo.augmentation import Variation
from ambulo.batches import Values, in_memory, to_device
from ambulo.building import build, pick_device
from ambulo.closed_form import solve_head, steps, temperature
from ambulo.context import Context
from ambulo.context.learning import learn, still
from ambulo.epochs import run_epoch
from ambulo.errors import TrainingError
from ambulo.imbalance import class_weights, make_loss
from ambulo.memory import keep_freed
from ambulo.models import model_class
from ambulo.models.novelty import Novelty
from ambulo.models.scaling import Scaled
from ambulo.options import Options, make_options
from ambulo.parallel import ALONE, Team, first
from ambulo.parallel import team as started
from ambulo.progress import bar
from ambulo.recognizer import Recognizer
from ambulo.state import State
from ambulo.suitability import signature
from ambulo.windows import Windows, windows_only

Report = Callable[[dict[str, float]], None]


@dataclass(frozen=True)
class Fit:
    """A trained network (scaling inside), its temperature, and how it came about.

    `aside` are the logits of validation people's windows, from before these were learnt too.
    """

    network: Scaled
    temperature: float
    history: list[dict[str, float]]
    validation_people: list[str]
    best_epoch: int
    interrupted: bool = False
    context: Context | None = None
    novelty: Novelty | None = None
    aside: Tensor | None = None


def train(
    model: str | type[nn.Module],
    windows: Windows,
    *,
    seed: int = 0,
    report: Report | None = None,
    checkpoint: str | Path | None = None,
    progress: bool | None = None,
    **options: Any,
) -> Recognizer:
    """Train `model`, a name of `MODELS` or a class, on all people of `windows`.

    `options` are those of `Options`. With `checkpoint`, every epoch is kept there and a run that
    broke off goes on from it; `report` is called with every epoch's row of the history. Ctrl-C ends
    training and gives the best weights so far. Started by `torchrun`, its processes train together
    (see `ambulo.parallel`). Raises TrainingError where data or options do not fit, WindowingError
    for what are no windows.
    """
    windows_only(windows)
    if not windows.each(lambda x: np.asarray(np.isfinite(x).all(axis=(1, 2)))).all():
        raise TrainingError(
            "some windows hold what is no finite number: leave them out, or repair the signal"
        )
    name = model if isinstance(model, str) else model.__name__
    chosen = make_options(options, windows, name)
    together = started()
    with bar(f"training {name}", show=progress if first() else False) as advance:

        def both(row: dict[str, float]) -> None:
            advance(1 / rows(model, chosen), say(row))
            if report and first():
                report(row)

        fitted = fit(
            model,
            windows,
            chosen,
            seed=seed,
            report=both,
            checkpoint=checkpoint,
            context=True,
            team=together,
        )
    return recognizer_of(fitted, windows.labelled(), name, chosen, seed)


def recognizer_of(
    fitted: Fit, windows: Windows, name: str, options: Options, seed: int
) -> Recognizer:
    """What was fitted on the labelled `windows` as a recognizer, with its card."""
    return Recognizer.from_network(
        fitted.network,
        windows,
        context=fitted.context,
        novelty=fitted.novelty,
        name=name,
        sizes=options.sizes,
        temperature=fitted.temperature,
        card=card(windows, fitted, options, seed),
    )


def say(row: dict[str, float]) -> str:
    """An epoch's row of the history in words."""
    text = f"epoch {row['epoch'] + 1:.0f}"
    if "loss" in row:
        text += f", loss {row['loss']:.3f}"
    if "validation_accuracy" in row:
        text += f", {100 * row['validation_accuracy']:.1f} % right on validation people"
    return text


def fit(
    model: str | type[nn.Module],
    windows: Windows,
    options: Options,
    *,
    seed: int = 0,
    report: Report | None = None,
    checkpoint: str | Path | None = None,
    validation: Windows | None = None,
    context: bool = False,
    team: Team = ALONE,
) -> Fit:
    """Train a network on the labelled `windows` of training people; see `train`.

    The epoch is chosen on people drawn from `windows`, or on the windows of `validation`. With
    `context`, what other windows tell is learnt too, from all of these people's windows.
    """
    if context:
        fitted = fit(
            model,
            windows.labelled(),
            options,
            seed=seed,
            report=report,
            checkpoint=checkpoint,
            validation=validation,
            team=team,
        )
        return replace(fitted, context=learn(windows))
    keep_freed()
    windows = windows.labelled()
    if validation is None:
        kept, held = split_people(windows, options.validation, seed)
    else:
        kept, held = windows, validation
    if hasattr(model_class(model), "parts"):
        alone = partial(
            fit,
            windows=windows,
            seed=seed,
            checkpoint=checkpoint,
            validation=validation,
            team=team,
        )
        return _join(model, windows, kept, held, options, seed, report, alone)
    if hasattr(model_class(model), "solver"):
        return _solve(model, windows, kept, held, options, seed, report)
    device = pick_device(options.device)
    training, aside = to_device(kept, device), to_device(held, device)
    network = build(model, kept, training[0], options, seed, device)
    state = State.start(network, options, len(kept), len(kept.activities), seed)
    key = _key(model, windows, options, seed) if checkpoint is not None else ""
    if checkpoint is not None:
        state.resume(Path(checkpoint), key)
    variation = Variation.of(kept, options)
    loss_of = make_loss(options.imbalance, training[1], len(windows.activities), options.smoothing)
    interrupted = False
    try:
        for epoch in range(len(state.history), options.epochs):
            if epoch - state.best_epoch > options.patience and len(held):
                break
            loss, accuracy = run_epoch(state, training, options, loss_of, variation, team)
            row = {"epoch": epoch, "loss": loss, "accuracy": accuracy}
            if len(held):
                row |= _scored(predict_logits(state.kept, aside[0]), aside[1])
            row = team.agree(row)
            state.remember(row, bool(len(held)))
            if checkpoint is not None and not team.rank:
                state.save(Path(checkpoint), key)
            if report:
                report(row)
    except KeyboardInterrupt:
        if not state.best:
            raise
        interrupted = True
    if not state.best:
        raise TrainingError(
            "no epoch had a loss that is a number: give a smaller learning_rate, and look whether "
            "values are in their usual units"
        )
    state.network.load_state_dict(state.best)
    logits = predict_logits(state.network, aside[0]) if len(held) else None
    warmth = temperature(logits, aside[1], training[1]) if logits is not None else 1.0
    return Fit(
        network=state.network.eval(),
        temperature=warmth,
        novelty=_novelty(windows, held, logits, warmth),
        history=state.history,
        validation_people=held.people,
        best_epoch=state.best_epoch,
        interrupted=interrupted,
        aside=logits,
    )


def rows(model: str | type[nn.Module], options: Options) -> int:
    """How many rows of history training reports, if nothing stops it early."""
    kind = model_class(model)
    descends = not hasattr(kind, "solver")
    if hasattr(kind, "parts"):
        descends = bool(options.sizes.get("learnt", True))
    solved = steps(kind.solver, options) if hasattr(kind, "solver") else 0
    return solved + (options.epochs if descends else 0)


def _join(
    model: str | type[nn.Module],
    windows: Windows,
    kept: Windows,
    held: Windows,
    options: Options,
    seed: int,
    report: Report | None,
    alone: Callable[..., Fit],
) -> Fit:
    """Fit a model of several parts: each `alone`, on the same people, then what they say at once.

    The history has the rows of one part after those of the other.
    """
    device = torch.device("cpu")
    network = build(model, kept, to_device(kept, device)[0], options, seed, device)
    inner: Any = network.network
    told: list[dict[str, float]] = []

    def tell(row: dict[str, float]) -> None:
        told.append({**row, "epoch": len(told)})
        if report:
            report(told[-1])

    parts = [
        alone(kind, options=replace(options, sizes=sizes), report=tell)
        for kind, sizes, _ in inner.parts()
    ]
    weights = inner.weights([part.temperature for part in parts])
    inner.join([part.network.cpu().network for part in parts], weights)
    history = [row for part in parts for row in part.history]
    history = [{**row, "epoch": epoch} for epoch, row in enumerate(history)]
    logits, warmth = None, parts[-1].temperature
    if len(held):
        labels = in_memory(held, device)[1]
        said = [
            w * part.aside.cpu()
            for w, part in zip(weights, parts, strict=True)
            if part.aside is not None
        ]
        logits = torch.stack(said).sum(0)
        warmth = temperature(logits, labels, torch.as_tensor(kept.labels.astype(np.int64)))
        history[-1] |= _scored(logits / warmth, labels)
    return Fit(
        network.eval(),
        warmth,
        history,
        held.people,
        len(history) - 1,
        interrupted=any(part.interrupted for part in parts),
        novelty=_novelty(windows, held, logits, warmth),
        aside=logits,
    )


def _solve(
    model: str | type[nn.Module],
    windows: Windows,
    kept: Windows,
    held: Windows,
    options: Options,
    seed: int,
    report: Report | None,
) -> Fit:
    """Fit a model whose head is solved: one row of history for each part of the work."""
    device = torch.device("cpu")
    training, validation = in_memory(kept, device), in_memory(held, device)
    network = build(model, kept, training[0], options, seed, device).eval()
    history: list[dict[str, float]] = []

    def tell() -> None:
        history.append({"epoch": len(history)})
        if report:
            report(history[-1])

    variation = Variation.of(kept, options)
    if options.imbalance not in ("none", "weights"):
        raise TrainingError(
            f"the head of '{model}' is solved, which allows imbalance none or weights, "
            f"not {options.imbalance}"
        )
    alike = options.imbalance == "none"
    every = torch.cat([training[1], validation[1]])  # which are learnt in the end
    weights = None if alike else class_weights(every, len(kept.activities))
    generator = torch.Generator().manual_seed(seed)
    penalty, (logits, labels) = solve_head(
        network, training, validation, options, variation, weights, generator, tell
    )
    last = {"epoch": len(history) - 1, "penalty": penalty}
    warmth = temperature(logits, labels, training[1])
    if len(held):
        last |= _scored(logits / warmth, labels)
    novelty, aside = _novelty(windows, held, logits, warmth), logits if len(held) else None
    return Fit(network, warmth, [last], held.people, 0, novelty=novelty, aside=aside)


def _novelty(
    windows: Windows, held: Windows, logits: Tensor | None, temperature: float
) -> Novelty | None:
    """What is usual, by all windows and the logits of those kept aside; None if too few are."""
    if not len(held) or logits is None:
        return None
    cpu = torch.device("cpu")
    out = Novelty(len(windows.channels), len(windows.activities))
    out.temperature.fill_(temperature)
    at_rest = still(windows)
    moving = torch.tensor([float(name not in at_rest) for name in windows.activities])
    people = torch.as_tensor(np.unique(windows.subjects, return_inverse=True)[1])
    aside = (to_device(held, cpu)[0], logits.cpu())
    return out if out.fit(to_device(windows, cpu), people, moving, aside) else None


@torch.no_grad()
def predict_logits(network: nn.Module, x: Values, batch: int = 512) -> Tensor:
    """Logits `(windows, classes)` of a network in evaluation mode."""
    network.eval()
    return torch.cat([network(block).float() for block in x.split(batch)])


def _scored(logits: Tensor, y: Tensor) -> dict[str, float]:
    """A row of the history's loss and accuracy on validation people."""
    loss, accuracy = F.cross_entropy(logits, y), (logits.argmax(1) == y).float().mean()
    return {"validation_loss": float(loss), "validation_accuracy": float(accuracy)}


def split_people(windows: Windows, share: float, seed: int) -> tuple[Windows, Windows]:
    """Windows of the people to fit on, and of those kept aside: whole people, drawn by `seed`."""
    if not len(windows):
        raise TrainingError("there is no labelled window to train on: check labels and activities")
    people = windows.people
    n = max(round(share * len(people)), 1) if share else 0
    if n and len(people) < 2:
        raise TrainingError(
            "early stopping needs a second person to validate on, and the training windows are all "
            f"of '{people[0]}': give more people, or validation=0 to train all epochs"
        )
    held = np.random.default_rng(seed).choice(people, n, replace=False)
    aside = np.isin(windows.subjects, held)
    if (left := len(windows) - int(aside.sum())) < 2:
        raise TrainingError(
            f"{left} of {len(windows)} windows is left to learn from beside those of people kept "
            "aside to stop early: give more windows, or validation=0 to learn from all of them"
        )
    return windows[~aside], windows[aside]


def _key(model: str | type[nn.Module], windows: Windows, options: Options, seed: int) -> str:
    name = model if isinstance(model, str) else model.__name__
    facts = [name, windows.describe(), windows.digest(), asdict(options), seed]
    return json.dumps(facts, default=str)


def card(windows: Windows, fitted: Fit, options: Options, seed: int) -> dict[str, Any]:
    """What a reader of the recognizer must know: data, people, options, scores, versions, terms."""
    last = fitted.history[fitted.best_epoch]
    return {
        "data": windows.source,
        "people": windows.people,
        "windows": len(windows),
        "validation people": fitted.validation_people,
        "validation accuracy": last.get("validation_accuracy"),
        "scores": "none on unseen people yet: run 'ambulo evaluate'",
        "options": asdict(replace(options, sizes={})),
        "seed": seed,
        "epochs": f"{len(fitted.history)}, best {fitted.best_epoch}",
        "interrupted": fitted.interrupted,
        "versions": {name: version(name) for name in ("ambulo", "torch", "numpy")}
        | {"python": platform.python_version()},
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "history": fitted.history,
        "placements": list(windows.placements),
        "signal": signature(windows),
        "terms": windows.terms,
        "citation": windows.citation,
    }
