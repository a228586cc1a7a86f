"""Sections that look into an evaluation: examples, calibration, channels, attention."""

from __future__ import annotations

from ambulo.report import examples as drawing
from ambulo.report import figures
from ambulo.report.examples import Example, choose
from ambulo.report.figures import RED, marked, title
from ambulo.report.page import Part, Picture, Section, Table
from ambulo.scores import Evaluation
from ambulo.timeline import label
from ambulo.windows import Windows


def percent(share: float) -> str:
    """A share in words."""
    return f"{100 * share:.1f} %"


def examples(evaluation: Evaluation, windows: Windows | None) -> list[Section]:
    """Signals of windows that were right and wrong; nothing without the windows."""
    chosen = choose(evaluation, windows) if windows is not None else []
    if windows is None or not chosen:
        return []
    pictures = [_example(evaluation, windows, one, k) for k, one in enumerate(chosen, start=1)]
    text = (
        "Right: of each of the commonest activities, the window of median confidence. Wrong: the "
        f"most confident mistakes, one of each kind first. Decided with seed {evaluation.seeds[0]}."
    )
    if evaluation.attention is not None:
        text += (
            " Below each signal: the attention that each moment received, white for none, dark for "
            "three times an even share or more."
        )
    parts: list[Part] = [text, *pictures]
    if all(one.right for one in chosen):
        parts.append("No test window was decided wrongly.")
    data = [vars(one) | {"right": one.right} for one in chosen]
    return [Section("examples", "Windows that were right and wrong", parts, data)]


def _example(evaluation: Evaluation, windows: Windows, one: Example, number: int) -> Picture:
    verdict = "right" if one.right else "wrong"
    if one.right:
        heading = f"right: {label(one.true)}, {one.probability:.2f}"
        says = f"True and decided: {one.true}, with probability {one.probability:.2f}"
    else:
        heading = f"wrong: {label(one.true)} taken for\n{label(one.decided)}, {one.probability:.2f}"
        says = (
            f"True: {one.true} (probability {one.probability_of_true:.2f}); decided: {one.decided} "
            f"({one.probability:.2f})"
        )
    received = evaluation.attention[one.row] if evaluation.attention is not None else None
    colour = "#1a6e2e" if one.right else RED
    figure = drawing.example(windows.values[one.position], windows, heading, received, colour)
    caption = f"{says}. Person {one.person}, recording {one.recording}, second {one.second:.1f}."
    return Picture(
        f"example-{number}-{verdict}",
        marked(evaluation, figure),
        f"Signals of {windows.length / windows.rate:.2f} s by sensor; decided {verdict}ly.",
        caption,
        small=True,
        bitmap=windows.length * len(windows.channels) > 3000,
    )


def calibration(evaluation: Evaluation) -> list[Section]:
    """Confidence against accuracy; nothing without probabilities."""
    found = evaluation.calibration()
    if found is None:
        return []
    alt = (
        f"Accuracy against confidence in {len(found['bins'])} bins, the diagonal on which they "
        f"agree, and the windows in each; expected calibration error {percent(found['ece'])}."
    )
    text = (
        "When the model says 0.8, is it right in 80 % of windows? Points on the dashed line say "
        "yes; below it the model is too sure. The expected calibration error is the mean distance, "
        "weighted by windows; temperatures were fitted on validation people."
    )
    parts: list[Part] = [text, Picture("calibration", figures.reliability(evaluation), alt)]
    data = found | {"temperatures": list(evaluation.temperatures)}
    return [Section("calibration", "Calibration", parts, data)]


def importance(evaluation: Evaluation) -> list[Section]:
    """Accuracy lost without each channel; nothing where it was not worked out."""
    found = evaluation.importance
    if found is None:
        return []
    rows = [
        (loss.name + (" xyz" if len(loss.channels) > 1 else ""), *_points(loss.mean, loss.std))
        for loss in (*found.sensors, *found.channels)
    ]
    most = max(found.channels, key=lambda loss: loss.mean)
    alt = f"Bars: accuracy lost without each sensor and channel; most without {most.name}."
    text = (
        f"Accuracy lost on {found.windows} test windows when a channel, or a sensor's three axes "
        f"together, is swapped with that of other windows, mean and deviation of {found.repeats} "
        "repeats; the model of the first seed and fold. Channels that tell the same can stand in "
        "for each other, and each then looks unimportant."
    )
    figure = marked(evaluation, figures.importance(found, title(evaluation)))
    table = Table("Accuracy lost, in points", ("channel", "mean", "deviation"), rows, folded=True)
    parts: list[Part] = [text, Picture("importance", figure, alt), table]
    return [Section("importance", "Channels that matter", parts, found.to_dict())]


def _points(mean: float, std: float) -> tuple[str, str]:
    return f"{100 * mean:.1f}", f"{100 * std:.1f}"


def attention(evaluation: Evaluation, windows: Windows | None) -> list[Section]:
    """Where a model with attention looked; nothing for one without."""
    if evaluation.attention is None or evaluation.truth is None or windows is None:
        return []
    alt = "Shades: mean attention at each moment of a window, a row for each true activity."
    text = (
        "The attention that each moment of a test window receives, mean over the windows of an "
        f"activity with seed {evaluation.seeds[0]}: 1 is an even share. It says where the model "
        "looked, not why it decided so. A recurrent layer lies before, so a moment also speaks for "
        "what came before it."
    )
    layers = evaluation.attention.mean(axis=0, dtype=float).round(6).tolist()
    parts: list[Part] = [text, Picture("attention", drawing.attention(evaluation, windows), alt)]
    return [Section("attention", "Attention over time", parts, {"layers": layers})]
