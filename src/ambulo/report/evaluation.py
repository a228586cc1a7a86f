"""An evaluation as sections of a page."""

from __future__ import annotations

from pathlib import Path

from ambulo.report import figures, insight
from ambulo.report.figures import confusion, curves, marked, people, title
from ambulo.report.insight import percent
from ambulo.report.page import Facts, Part, Picture, Section, Table, Verbatim, write_page
from ambulo.scores import Evaluation
from ambulo.windows import Windows, natural

INFLATED = (
    "The same people are in training and in test, so the score says how well a model knows them "
    "again, not how well it does on anyone new. Do not quote it as a score for new people."
)

_PROTOCOLS = {
    "official": "The data set's published test people; nobody of them was seen in training.",
    "loso": "Each person is tested by a model that was trained on all others.",
    "groups": "People are dealt into groups; each group is tested by a model trained on the rest.",
    "people": "The people named are tested; nobody of them was seen in training.",
}


def write_evaluation(
    evaluation: Evaluation,
    folder: str | Path,
    *,
    windows: Windows | None = None,
    command: str = "",
) -> list[Path]:
    """Write `report.html`, and each part of it as PNG and JSON; gives the files, the page first.

    `scores.json` holds the evaluation's `to_dict`. With the `windows` that were evaluated, examples
    that were right and wrong are drawn; `command` is the command line that made the evaluation. See
    `write_page` for errors; raises EvaluationError for windows that are not the same.
    """
    found = sections(evaluation, windows=windows, command=command)
    return write_page(
        f"{evaluation.model} on {evaluation.dataset}",
        found,
        folder,
        lead=_lead(evaluation),
        stamp=INFLATED if evaluation.inflated else "",
    )


def sections(
    evaluation: Evaluation, *, windows: Windows | None = None, command: str = ""
) -> list[Section]:
    """The sections of an evaluation's page, to which others may be added for `write_page`."""
    return [
        _scores(evaluation),
        _people(evaluation),
        _confusion(evaluation),
        _classes(evaluation),
        *_events(evaluation),
        *_curves(evaluation),
        *insight.examples(evaluation, windows),
        *insight.calibration(evaluation),
        *insight.importance(evaluation),
        *insight.attention(evaluation, windows),
        *_audit(evaluation),
        _origin(evaluation, command),
    ]


def _lead(evaluation: Evaluation) -> str:
    name = evaluation.protocol.partition(":")[0]
    says = "" if evaluation.inflated else " " + _PROTOCOLS.get(name, "")
    people = _number(len(evaluation.people), "test person", "test people")
    context = "" if evaluation.context == "none" else f" Context: {evaluation.context}."
    return (
        f"Protocol {evaluation.protocol}: {people}, "
        f"{_number(len(evaluation.folds), 'fold')}, {_number(len(evaluation.seeds), 'seed')}, "
        f"{evaluation.windows['train']} training and {evaluation.windows['test']} test windows."
        f"{says}{context}"
    )


def _number(n: int, one: str, many: str = "") -> str:
    return f"{n} {one}" if n == 1 else f"{n} {many or one + 's'}"


def _interval(score: dict[str, float]) -> str:
    return f"95 % interval over people {100 * score['low']:.1f} to {100 * score['high']:.1f} %"


def _scores(evaluation: Evaluation) -> Section:
    accuracy, f1, worst = evaluation.accuracy(), evaluation.macro_f1(), evaluation.worst_person()
    stamp = "inflated; " if evaluation.inflated else ""
    rows = [
        ("Accuracy", percent(accuracy["mean"]), stamp + _interval(accuracy)),
        ("Macro F1", percent(f1["mean"]), stamp + _interval(f1)),
        ("Worst person", percent(worst["accuracy"]), f"accuracy of person {worst['id']}"),
    ]
    found = evaluation.calibration()
    if found is not None:
        rows.append(("Calibration error", percent(found["ece"]), "expected, of confidence"))
    proper = evaluation.proper()
    if proper is not None:
        rows.append(("Brier score", f"{proper['brier']:.4f}", f"log-loss {proper['log_loss']:.4f}"))
    sets = evaluation.sets()
    if sets is not None:
        reached, wanted = percent(sets["coverage"]), percent(sets["asked"])
        asked = f"hold the true activity for {reached}, asked {wanted}"
        rows.append(("Activities in a set", f"{sets['size']:.2f}", asked))
    if evaluation.audit is not None:
        clean = bool(evaluation.audit.get("clean"))
        rows.append(("Leakage audit", "clean" if clean else "not clean", "see below"))
    text = (
        "The interval is a 95 % bootstrap over people: how far the score would move with other "
        "people of the same kind."
    )
    if evaluation.caution:
        text += f" But {evaluation.caution}."
    if len(evaluation.seeds) > 1:
        spread = 100 * accuracy["seeds_std"]
        text += (
            f" Between the {len(evaluation.seeds)} seeds, accuracy deviates {spread:.1f} points."
        )
    return Section("scores", "Scores", [Facts(rows), text], evaluation.to_dict())


def _people(evaluation: Evaluation) -> Section:
    scores = evaluation.per_person()
    rows = [
        (person, percent(s["accuracy"]), f"{s['macro_f1']:.3f}", s["windows"])
        for person, s in ((person, scores[person]) for person in natural(scores))
    ]
    worst = evaluation.worst_person()
    few = figures.MOST_PEOPLE < len(rows)
    drawn = f"the {figures.MOST_PEOPLE} recognised worst of " if few else ""
    alt = (
        f"Points: accuracy of {drawn}{len(rows)} test people, the lowest "
        f"{percent(worst['accuracy'])} for person {worst['id']}; mean of all "
        f"{percent(evaluation.accuracy()['mean'])}."
    )
    columns = ("person", "accuracy", "macro F1", "windows")
    parts: list[Part] = [
        Picture("people", people(evaluation), alt),
        Table("Every test person", columns, rows, folded=True),
    ]
    return Section("people", "Every person", parts, scores)


def _confusion(evaluation: Evaluation) -> Section:
    counts = evaluation.confusion.sum(axis=(0, 1))
    names = evaluation.activities
    rows = [(name, *row) for name, row in zip(names, counts.tolist(), strict=True)]
    off = counts.copy()
    off[range(len(names)), range(len(names))] = 0
    alt = f"Matrix of {len(names)} activities: true in rows, decided in columns, in per cent."
    if off.any():
        i, j = divmod(int(off.argmax()), len(names))
        alt += f" The commonest mistake: {names[i]} taken for {names[j]}, {off[i, j]} windows."
    parts: list[Part] = [
        Picture("confusion", confusion(evaluation), alt),
        Table(
            "Windows by true activity (rows) and decided activity (columns), all seeds",
            ("true", *names),
            rows,
            folded=True,
        ),
    ]
    data = {"activities": list(names), "counts": counts.tolist()}
    return Section("confusion", "What is taken for what", parts, data)


def _classes(evaluation: Evaluation) -> Section:
    scores = evaluation.per_class()
    rows = [
        (name, *(f"{row[key]:.3f}" for key in ("precision", "recall", "f1")), row["windows"])
        for name, row in scores.items()
    ]
    columns = ("activity", "precision", "recall", "F1", "windows")
    table = Table("Over all test people and seeds", columns, rows)
    return Section("classes", "Every activity", [table], scores)


def _events(evaluation: Evaluation) -> list[Section]:
    if evaluation.events is None:
        return []
    names = ("true", "correct", "deleted", "fragmented", "merged", "fragmented_and_merged")
    rows = [
        (
            activity,
            *(getattr(scores, name) for name in (*names, "inserted")),
            f"{scores.overfill:.0f} / {scores.underfill:.0f}",
            "" if scores.latency is None else f"{scores.latency:.1f}",
            "" if scores.precision[0.5] is None else f"{scores.precision[0.5]:.3f}",
        )
        for activity, scores in evaluation.events.items()
    ]
    # \u00ad is where a heading may break, so that the table stays narrow
    short = ("true", "cor\u00adrect", "de\u00adleted", "frag\u00admented", "merged", "both")
    measures = ("in\u00adserted", "over- / under\u00adfill, s", "la\u00adtency, s", "AP at 0.5")
    columns = ("activity", *short, *measures)
    caption = (
        f"Timelines of the first seed as events; context: {evaluation.context}. True events are "
        "found (correct), deleted, fragmented, merged or both; inserted ones are found where there "
        "is none"
    )
    data = {name: scores.to_dict() for name, scores in evaluation.events.items()}
    return [Section("events", "As events", [Table(caption, columns, rows)], data)]


def _curves(evaluation: Evaluation) -> list[Section]:
    """How training went: curves over epochs, and what there is to tell of a head that is solved."""
    epochs = [[row for row in run if "penalty" not in row] for run in evaluation.histories]
    solved = [[row for row in run if "penalty" in row] for run in evaluation.histories]
    parts: list[Part] = []
    if any(epochs):
        most = max(map(len, epochs))
        alt = (
            f"Two charts over epochs of {len(epochs)} training run(s) of up to {most} epochs: "
            "loss and accuracy, each for training people and validation people."
        )
        caption = (
            "Validation people are people of the training side who are kept aside to stop early "
            "and to calibrate. Losses of training are measured while the network learns, with "
            "dropout."
        )
        parts.append(
            Picture("curves", marked(evaluation, curves(epochs, title(evaluation))), alt, caption)
        )
    if any(solved):
        parts.append(_solved(solved, "" if any(epochs) else "so that there are no epochs. "))
    if not parts:
        return []
    name = "Learning curves" if any(epochs) else "Learning"
    return [Section("curves", name, parts, evaluation.histories)]


def _solved(runs: list[list[dict[str, float]]], remark: str) -> Table:
    rows = [
        (
            str(number),
            f"{row['penalty']:g}",
            f"{row['validation_loss']:.3f}" if "validation_loss" in row else "",
            percent(row["validation_accuracy"]) if "validation_accuracy" in row else "",
        )
        for number, run in enumerate(runs, 1)
        for row in run
    ]
    caption = (
        f"A head that is solved takes one step{', ' + remark if remark else '. '}Its penalty is "
        "the one with the least loss on validation people, who are kept aside among the training "
        "people; then it is solved anew on all of them. Loss and accuracy are those of the whole "
        "model."
    )
    columns = ("training run", "penalty", "loss on validation people", "accuracy on them")
    return Table(caption, columns, rows)


def _audit(evaluation: Evaluation) -> list[Section]:
    audit = evaluation.audit
    if audit is None:
        return []
    verdict = str(audit.get("verdict") or ("Clean." if audit.get("clean") else "Not clean."))
    rows = [
        (finding.get("kind", ""), finding.get("count", ""), finding.get("text", ""))
        for finding in audit.get("findings", [])
    ]
    table = [Table("Findings", ("kind", "count", "what"), rows, words=(2,))] if rows else []
    return [Section("audit", "Leakage audit", [verdict, *table], audit)]


def _origin(evaluation: Evaluation, command: str) -> Section:
    content = evaluation.to_dict()
    versions = "\n".join(f"{name} {number}" for name, number in content["versions"].items())
    options = "\n".join(f"{name} = {value}" for name, value in evaluation.options.items())
    parts: list[Part] = []
    if command:
        parts += ["The command:", Verbatim(command)]
    else:
        parts += ["Made from Python, not by a command."]
    parts += ["Versions:", Verbatim(versions), "Training options:", Verbatim(options)]
    for key in ("terms", "citation"):
        if evaluation.data.get(key):
            parts.append(f"{key.capitalize()} of the data: {evaluation.data[key]}")
    data = {"command": command, "versions": content["versions"], "options": content["options"]}
    return Section("origin", "How this was made", parts, data)
