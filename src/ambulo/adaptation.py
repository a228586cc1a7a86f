"""Teach a recognizer a new person or a new activity: a new recognizer with a parent.

Only the head is learnt anew, on features of the parent's network (Donahue et al. 2014). For a
person it is pulled toward the parent's weights (L2-SP: Li, Grandvalet, Davoine 2018), so that a
minute of labels an activity is enough and what the labels do not show stays as it was. For an
activity the parent's head is moved by what old and new windows, and copies of them, show beside the
old ones alone (`ambulo.heads.taught`), and what it says for the new one is raised a little, or
lowered until old people, left out of this in turn, are not harmed. Do no harm: where the child does
not decide better what it was kept from (of a person each third of the windows in turn, of an
activity the latest third), or forgets, there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial, reduce
from hashlib import sha256
from operator import add
from typing import Any

import numpy as np
import numpy.typing as npt

from ambulo.context import Context
from ambulo.context.learning import still
from ambulo.context.reference import EDGES
from ambulo.datasets import DATASETS
from ambulo.errors import AdaptError
from ambulo.heads import (
    COPIES_OF_NEW,
    Head,
    Shown,
    decided,
    features_of,
    logits_of,
    pulled,
    put,
    right,
    shown_by,
    taught,
    temperature_of,
    variation_like,
)
from ambulo.recognizer import Recognizer
from ambulo.suitability import signature
from ambulo.windows import Windows, windows_only

Array = npt.NDArray[Any]

PULLS = (3.0, 0.3, 0.03)
"""How strongly a person's head is pulled toward the parent's: the strongest that helps is taken.
By a minute's own windows a weaker one often looks better; the rest then speaks against it."""
LATEST = 2
"""The third of each activity's windows, the latest ones, that a choice is made on."""
FORGOTTEN = 0.01
"""The share of old windows that a child may decide worse than its parent."""
LOST = 0.02
"""The same where an activity is added, asked of old people who are left out in turn of what the
child learns. In the end it learns from all of them; strangers lost less on average, not always."""
FAVOURS = (0.2, 0.1, 0.0, -0.1, -0.2, -0.3, -0.4, -0.5, -0.6)
"""How much is added to what a head, whose targets are ±1, says for an added activity: the two or
three people who showed it differ less than all who will do it. Lowered as far as others lose."""
MOST_OLD = 3000
"""Old windows that are learnt again beside the new ones, at most."""
PARTS = 4
"""Groups of old people, who are left out in turn and asked what a child forgets of them."""


@dataclass(frozen=True)
class Proof:
    """Parent and child on windows kept aside, and on old ones where there are any: shares right.

    Where activities are added, the old people are left out in turn of what the child learns;
    `favour` is what was added for new activities.
    """

    parent: float
    child: float
    old_parent: float | None = None
    old_child: float | None = None
    favour: float = 0.0

    def __str__(self) -> str:
        text = f"{100 * self.parent:.1f} % right before, {100 * self.child:.1f} % after"
        if self.old_parent is not None and self.old_child is not None:
            before, after = 100 * self.old_parent, 100 * self.old_child
            text += f"; on what was learnt before {before:.1f} % and {after:.1f} %"
        if self.favour:
            text += f"; what is new is favoured by {self.favour:g}"
        return text


def adapt(
    parent: Recognizer,
    windows: Windows,
    *,
    old: Windows | None = None,
    seed: int = 0,
) -> Recognizer:
    """A child of `parent` that also learnt the labelled `windows`, of the same windowing.

    Activities that the parent does not know are added; `old`, windows of what it was trained on, is
    then needed, and otherwise shows whether the child forgets. The child's card names its parent
    and holds the proof. Raises AdaptError where windows do not fit, an activity has too few of
    them, or no child is better than its parent on windows kept aside without forgetting;
    WindowingError for what are no windows.
    """
    windows_only(windows)
    if old is not None:
        windows_only(old)
    names, windows, old = _together(parent, windows, old)
    besides = {} if old is None else {"old": {"data": old.source, "people": old.people}}
    network = parent.to_network()
    if network is None:
        raise AdaptError(
            f"the network '{parent.network.get('model')}' is none of Ambulo's, so that its head "
            "cannot be learnt: train one of Ambulo's models"
        )
    if old is None or names == parent.activities:
        learnt = _personal(parent, network, windows, old)
    else:
        learnt = _adding(parent, network, windows, old, seed)
    if learnt is None:
        raise AdaptError(
            f"no child is better than its parent on those of {len(windows)} windows that were kept "
            "aside, without forgetting: keep the parent, or give more labelled windows"
        )
    weights, warmth, proof = learnt
    put(network.network.head, weights)
    return _child(replace(parent, temperature=warmth), network, names, windows, proof, besides)


def _personal(
    parent: Recognizer, network: Any, windows: Windows, old: Windows | None
) -> tuple[Head, float, Proof] | None:
    """The head of a child that learns from the new windows alone, its temperature and proof.

    Old windows, where there are any, show whether it forgets.
    """
    head, scale = network.network.head, parent.temperature
    first = (head.weight.detach().numpy(), head.bias.detach().numpy())
    z, y, thirds = features_of(network, windows.values), windows.labels, _thirds(windows)
    before, later = decided(z, first) == y, thirds == LATEST
    for pull in PULLS:
        after = np.zeros(len(y), bool)
        for third in np.unique(thirds):
            out = thirds == third
            part = pulled(first, z[~out], y[~out], pull, scale)
            after[out] = decided(z[out], part) == y[out]
        if after.sum() > before.sum() and after[later].sum() > before[later].sum():
            proof = Proof(float(before.mean()), float(after.mean()))
            solved = pulled(first, z, y, pull, scale)
            if old is not None:
                again = features_of(network, old.values)
                was, now = (right(again, old.labels, each) for each in (first, solved))
                proof = replace(proof, old_parent=was, old_child=now)
            return (solved, scale, proof) if _harmless(proof, FORGOTTEN) else None
    return None


def _adding(
    parent: Recognizer, network: Any, windows: Windows, old: Windows, seed: int
) -> tuple[Head, float, Proof] | None:
    """The same where activities are added; old people, left out in turn, show forgetting."""
    head, later = network.network.head, _thirds(windows) == LATEST
    first = (head.weight.detach().numpy(), head.bias.detach().numpy())
    scale = parent.temperature if getattr(network.network, "solver", "") == "ridge" else None
    shown = partial(shown_by, network, variation_like(parent, old), seed=seed)
    learn, news = partial(taught, first, scale), partial(shown, copies=COPIES_OF_NEW)
    few = old[np.sort(np.random.default_rng(seed).permutation(len(old))[:MOST_OLD])]
    if len(few.people) < 2:
        raise AdaptError("windows of at least 2 people who were learnt before are needed (--old)")
    groups = [few.people[k::PARTS] for k in range(min(PARTS, len(few.people)))]
    olds, mine = [shown(few.of(group)) for group in groups], news(windows)
    every = _sum(olds)

    asked, labels, before = _left_out(
        olds, lambda rest: learn(rest, mine), first if scale is not None else None
    )
    new = np.arange(asked.shape[1]) >= len(first[1])
    for favour in FAVOURS:
        after = float(((asked + favour * new).argmax(1) == labels).mean())
        if after >= before - LOST:
            break

    z, y = features_of(network, windows.values[later]), windows.labels[later]
    late = logits_of(z, _favouring(learn(every, news(windows[~later])), favour * new))
    proof = Proof(
        right(z, y, first), float((late.argmax(1) == y).mean()), before, after, favour=favour
    )
    if not (_harmless(proof, LOST) and proof.child > proof.parent):
        return None
    warmth = temperature_of(np.concatenate([asked + favour * new, late]), np.r_[labels, y])
    return _favouring(learn(every, mine), favour * new), warmth, proof


def _left_out(
    olds: Sequence[Shown], learn: Callable[[Shown], Head], parent: Head | None
) -> tuple[Array, Array, float]:
    """What heads learnt from the others say of each part of the old, labels, and parent's accuracy.

    Without `parent`, its head is one solved on the others too.
    """
    logits, labels, hits = [], [], []
    for out, part in enumerate(olds):
        rest, (z, y) = _sum([*olds[:out], *olds[out + 1 :]]), part.rows[0]
        logits.append(logits_of(z, learn(rest)))
        labels.append(y)
        hits.append(decided(z, parent or rest.solved) == y)
    return np.concatenate(logits), np.concatenate(labels), float(np.concatenate(hits).mean())


def _sum(parts: Sequence[Shown]) -> Shown:
    return reduce(add, parts)


def _favouring(head: Head, favour: Array) -> Head:
    return head[0], head[1] + favour


def _together(
    parent: Recognizer, windows: Windows, old: Windows | None
) -> tuple[tuple[str, ...], Windows, Windows | None]:
    """All activities, and both sets of windows labelled with them."""
    windows = windows.labelled()
    _check(parent, windows)
    news = [name for name in windows.shown() if name not in parent.activities]
    names = (*parent.activities, *news)
    windows = windows.coded(names)
    if old is not None:
        old = old.labelled()
        _check(parent, old)
        known = _data_of(parent.card)
        if known and old.source in DATASETS and old.source not in known:
            raise AdaptError(
                f"the old windows are of {old.source}, but the recognizer learnt from "
                f"{' and '.join(known)}: give that as old (--old)"
            )
        old = old[[n in names for n in np.asarray(old.activities)[old.labels]]].coded(names)
        missing = [name for name in parent.activities if name not in old.shown()]
        if news and missing:
            raise AdaptError(
                f"the old windows show no {', '.join(missing)}, which the recognizer knows and "
                "must not forget: give the data it was trained on, by the same activities"
            )
    elif news:
        raise AdaptError(
            f"to add {', '.join(news)} without forgetting, windows of "
            "what the recognizer knows already are needed: give its data set as old (--old)"
        )
    return names, windows, old


def _data_of(card: dict[str, Any]) -> list[str]:
    """What a recognizer learnt from, and those that it was made of."""
    own = [str(part["data"]) for part in (card, card.get("old", {})) if part.get("data")]
    above = card.get("parent", {}).get("card", {})
    return list(dict.fromkeys([*(_data_of(above) if above else []), *own]))


def _check(parent: Recognizer, windows: Windows) -> None:
    if not len(windows):
        raise AdaptError("there is no labelled window to learn from: check labels and activities")
    if unlike := windows.unlike(parent.windowing):
        raise AdaptError(f"{unlike}: cut them by recognizer.windowing")


def _thirds(windows: Windows) -> Array:
    """0, 1 or LATEST: in which third of what its person shows of its activity each window is.

    Where windows overlap, thirds share samples at their borders. That flatters a child little: to
    learn without the windows at a border changed the proof by one window of 270 at most, for each
    of ten people of hapt.
    """
    thirds = np.zeros(len(windows), np.int64)
    for person in windows.people:
        for label in np.unique(windows.labels):
            index = np.flatnonzero((windows.subjects == person) & (windows.labels == label))
            index = index[np.lexsort((windows.seconds[index], windows.recordings[index]))]
            thirds[index] = 3 * np.arange(len(index)) // max(len(index), 1)
    if not (thirds == LATEST).any():
        raise AdaptError(
            f"{len(windows)} windows are too few to learn from and to choose by: label at least "
            "ten seconds of each activity"
        )
    return thirds


def _harmless(proof: Proof, limit: float) -> bool:
    before, after = proof.old_parent or 0.0, proof.old_child or 0.0
    return after >= before - limit


def _child(
    parent: Recognizer,
    network: Any,
    names: tuple[str, ...],
    windows: Windows,
    proof: Proof,
    besides: dict[str, Any],
) -> Recognizer:
    """The recognizer of the child; its card tells `fit` what it was taught to see, and where.

    That is what the windows look like where they show all activities, else what the parent's did.
    """
    taught = [_told(windows, name) for name in names[len(parent.activities) :]]
    whole = set(parent.activities) <= set(windows.shown())
    signal = signature(windows) if whole else parent.card.get("signal", {})
    places = list(windows.placements) or parent.card.get("placements", [])
    card: dict[str, Any] = {
        "parent": {"sha256": sha256(parent.graph).hexdigest(), "card": _short(parent.card)},
        "data": windows.source,
        "people": windows.people,
        **besides,
        "windows": len(windows),
        "adapted": str(proof),
        **({"added": taught} if taught else {}),
        "scores": "none on unseen people: only what 'adapted' says of these people's later windows",
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        **{key: parent.card[key] for key in ("options", "terms", "citation") if key in parent.card},
        "placements": places,
        "signal": signal,
    }
    child = Recognizer.from_network(
        network,
        replace(windows, windowing=parent.windowing, activities=names),
        name=str(parent.network["model"]),
        sizes=parent.network["sizes"],
        temperature=parent.temperature,
        card=card,
        context=_with(parent.context, windows),
        novelty=parent.to_novelty() if names == parent.activities else None,
    )
    return _knowing(replace(child, network={**parent.network, **child.network}), windows)


def _told(windows: Windows, name: str) -> dict[str, Any]:
    """Who showed an activity that is added, and for how long."""
    one = windows[windows.labels == windows.activities.index(name)]
    seconds = len(one) * windows.windowing.spacing(windows.rate)
    return {"activity": name, "people": one.people, "seconds": round(seconds)}


def _knowing(child: Recognizer, windows: Windows) -> Recognizer:
    """The child, to whom at most as many of the windows that it learnt are unknown as is usual."""
    from ambulo.models.novelty import LIMIT

    if child.unknown is None:
        return child
    taught = float(np.quantile(child.look(windows.values)[1], LIMIT))
    above = max(child.unknown.above, taught)
    return replace(child, unknown=replace(child.unknown, above=above))


def _short(card: dict[str, Any]) -> dict[str, Any]:
    return {key: item for key, item in card.items() if key not in ("history", "signal")}


def _with(context: Context | None, windows: Windows) -> Context | None:
    """The context with the activities that `windows` add.

    Nothing is known of when they come, so that any may follow any, nor of the angle that the wearer
    holds in them; but whether the wearer keeps still, which is where angles decide. What was known
    of the others stays in proportion.
    """
    if context is None or windows.activities == context.activities:
        return context
    n, k = len(windows.activities), len(context.activities)
    news = windows.activities[k:]
    follows = np.full((n, n), 1 / max(n - 1, 1))
    np.fill_diagonal(follows, 0)
    follows[:k, :k] = np.asarray(context.follows) * (k - 1) / (n - 1)
    reference = context.reference
    if reference is not None:
        flat = (tuple(np.full(len(EDGES), -np.log(len(EDGES))).tolist()),) * (n - k)
        quiet = [name for name in still(windows) if name in news]
        reference = replace(
            reference,
            angles=reference.angles + flat,
            stood=reference.stood and reference.stood + flat,
            still=(*reference.still, *quiet),
        )
    middle = float(np.median(context.seconds))
    return replace(
        context,
        activities=windows.activities,
        seconds=(*context.seconds, *[middle] * (n - k)),
        follows=tuple(tuple(row) for row in follows.tolist()),
        prior=tuple((np.r_[context.prior, [1 / n] * (n - k)] / (1 + (n - k) / n)).tolist()),
        reference=reference,
    )
