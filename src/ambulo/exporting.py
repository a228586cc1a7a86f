"""A recognizer as a file for other runtimes, written only if it decides as the recognizer does.

`onnx` is the graph that the recognizer itself runs (operator set 18, any number of windows at
once), which says in its `doc_string` what goes in and comes out and holds recognizer.json, but for
the card, among its metadata; `float16` stores its weights in half precision, `int8` those of its
products in bytes. `phone` is one zip of network.onnx and recognizer.json (windowing, activities,
temperature, context, card) that a web page loads. `c` is one header of plain C (see
`ambulo.c_header`). ExecuTorch and LiteRT are not offered.
"""

from __future__ import annotations

import io
import json
import logging
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ambulo.c_header import c_header, run, takes
from ambulo.errors import MissingExtraError, OutputError
from ambulo.recognizer import Recognizer
from ambulo.timeline import write_whole

Array = npt.NDArray[Any]

MOST = 1e-3
"""The largest difference in a probability with which an export is written."""
MADE_UP = "made-up windows"
SHARE = 1e-3
"""The largest share of windows that an export may decide otherwise."""


@dataclass(frozen=True)
class Export:
    """What was written and how it compares with the recognizer on `windows` windows.

    `opset` is 0 where it is no graph, `bytes` the size of the graph or of the C; `milliseconds` the
    usual time of one window on one thread;
    `difference` the largest one in a probability, `changed` the share of decisions that differ.
    """

    file: str
    format: str
    opset: int
    bytes: int
    milliseconds: float
    windows: int
    checked_on: str
    difference: float
    changed: float

    def to_dict(self) -> dict[str, Any]:
        """One object that JSON can hold."""
        return asdict(self)


def export(
    recognizer: Recognizer,
    path: str | Path,
    *,
    format: str = "onnx",
    windows: Array | None = None,
    checked_on: str = "given windows",
) -> Export:
    """Write the recognizer for another runtime, whole or not at all.

    `windows` `(n, length, channels)` are what it is checked on; without them, made-up ones of its
    own shape. Raises OutputError for an unknown format, or where the export would differ by more
    than 1e-3 in a probability or in 0.1 % of the decisions.
    """
    if format not in (*FORMATS, "c"):
        raise OutputError(f"there is no format '{format}': choose from {', '.join(FORMATS)}, c")
    if windows is None:
        windows, checked_on = made_up(recognizer), MADE_UP
    if not len(windows):
        raise OutputError(f"{path}: not written: there is no window to check it on")
    content, facts, its = (_c if format == "c" else _graph)(recognizer, format, windows)
    own = recognizer.probabilities(windows)
    changed = float((own.argmax(1) != its.argmax(1)).mean())
    found = Export(
        file=str(path),
        format=format,
        windows=len(windows),
        checked_on=checked_on,
        difference=float(np.abs(own - its).max()),
        changed=changed,
        **facts,
    )
    if not found.difference <= MOST or changed > SHARE:
        real = "check it on real windows (--check), or " if checked_on == MADE_UP else ""
        raise OutputError(
            f"{path}: not written: as {format} it differs by {found.difference:.2g} in a "
            f"probability and in {100 * changed:.2f} % of {len(windows)} decisions ({checked_on}), "
            f"where {MOST:g} and {100 * SHARE:g} % are allowed: {real}export --format "
            "onnx"
        )
    write_whole(Path(path), lambda to: to.write_bytes(content))
    return found


Made = tuple[bytes, dict[str, Any], Array]
"""A file's content, facts about it, and the probabilities that it gives."""


def _graph(recognizer: Recognizer, format: str, windows: Array) -> Made:
    try:
        graph = FORMATS[format](recognizer.graph)
        graph = graph if format == "phone" else _described(recognizer, graph)
        opset = _opset(graph)
    except ImportError as error:
        raise MissingExtraError(error.name or "onnx", "train") from error
    other = replace(recognizer, graph=graph)
    content = _bundle(other) if format == "phone" else graph
    written = replace(other, graph=_graph_in(content) if format == "phone" else content)
    took = _milliseconds(other, windows)
    facts = {"opset": opset, "bytes": len(graph), "milliseconds": took}
    return content, facts, written.probabilities(windows)


def _described(recognizer: Recognizer, graph: bytes) -> bytes:
    """The graph with all that a program needs which has nothing else."""
    import onnx

    model = onnx.load_from_string(graph)
    model.doc_string = (
        f"signal (windows, length, channels) float32: {takes(recognizer)}. "
        f"Probabilities of {', '.join(recognizer.activities)}: "
        f"softmax(logits / {recognizer.temperature!r})."
    )
    if recognizer.unknown is not None:
        limit = recognizer.unknown.above
        model.doc_string += f" A novelty above {limit!r} speaks for none of these."
    head = {key: part for key, part in recognizer.head().items() if key != "card"}
    terms = str(recognizer.card.get("terms", ""))
    onnx.helper.set_model_props(model, {"recognizer.json": json.dumps(head), "terms": terms})
    return bytes(model.SerializeToString())


def _c(recognizer: Recognizer, format: str, windows: Array) -> Made:
    header = c_header(recognizer)
    found, took = run(header, windows, len(recognizer.activities))
    facts = {"opset": 0, "bytes": len(header), "milliseconds": took}
    return header.encode(), facts, found


def made_up(recognizer: Recognizer, n: int = 512) -> Array:
    """Windows `(n, length, channels)` of noise about random postures, where there is no data.

    In one of eight the sensor lies so still that every sample is the same.
    """
    rng, w = np.random.default_rng(0), recognizer.windowing
    length, _ = w.samples(w.rate or 50.0)
    names = w.channels or ()
    level = rng.normal(0, 1, (n, 1, len(names))) * [
        5.7 if "acc_" in name else 0.5 for name in names
    ]
    moves = rng.exponential(1.0, (n, 1, 1)) * rng.normal(0, 1, (n, length, len(names)))
    moves[::8] = 0
    return np.asarray(level + moves, np.float32)


def _same(graph: bytes) -> bytes:
    return graph


def _float16(graph: bytes) -> bytes:
    """Weights in half precision, cast back once on loading; what is computed stays float32."""
    return _stored(graph, np.dtype(np.float16))


def _int8(graph: bytes) -> bytes:
    """Weights of products in bytes with a scale of their own (dynamic quantisation)."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = onnx.load_from_string(graph)
    nodes = model.graph.node
    cast = {name for node in nodes if node.op_type == "Cast" for name in node.output}
    halves = [
        node.name
        for node in nodes
        if node.op_type == "Conv"
        and any(name in cast or ".kernels_" in name for name in node.input)
    ]
    views = [node.name for node in _at_the_signal(model)]
    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder) / "a.onnx", Path(folder) / "b.onnx"
        before.write_bytes(graph)
        logging.getLogger().addFilter(_quiet)
        try:
            quantize_dynamic(
                before,
                after,
                weight_type=QuantType.QInt8,
                per_channel=True,
                nodes_to_exclude=halves + views,
            )
        finally:
            logging.getLogger().removeFilter(_quiet)
        return after.read_bytes()


def _quiet(record: logging.LogRecord) -> bool:
    """The quantiser advises to prepare graphs, which ours need not."""
    return "pre-processing" not in record.getMessage()


def _at_the_signal(model: Any) -> list[Any]:
    """Steps that take the signal itself, as `Views` does: what turns it is exact, or all is off."""
    return [node for node in model.graph.node if "signal" in node.input]


def _stored(graph: bytes, kind: np.dtype[Any]) -> bytes:
    import onnx
    from onnx import numpy_helper

    model = onnx.load_from_string(graph)
    turns = {name for node in _at_the_signal(model) for name in node.input}
    casts: list[Any] = []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.size >= 64 and tensor.name not in turns:
            name = tensor.name
            tensor.CopyFrom(numpy_helper.from_array(values.astype(kind), name + "_half"))
            to = onnx.TensorProto.FLOAT
            casts.append(onnx.helper.make_node("Cast", [name + "_half"], [name], to=to))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return bytes(model.SerializeToString())


FORMATS: dict[str, Callable[[bytes], bytes]] = {
    "onnx": _same,
    "float16": _float16,
    "int8": _int8,
    "phone": _same,
}
"""Every format: what it makes of the recognizer's graph."""


def _opset(graph: bytes) -> int:
    import onnx

    return int(onnx.load_from_string(graph).opset_import[0].version)


def _milliseconds(recognizer: Recognizer, windows: Array) -> float:
    took = []
    for k in range(50):
        start = time.perf_counter()
        recognizer.probabilities(windows[k % len(windows)][None])
        took.append(time.perf_counter() - start)
    return 1e3 * float(np.median(took))


def _graph_in(bundle: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        return archive.read("network.onnx")


def _bundle(recognizer: Recognizer) -> bytes:
    """The recognizer's own file without what only training needs."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("recognizer.json", json.dumps(recognizer.head(), indent=1))
        archive.writestr("network.onnx", recognizer.graph)
    return out.getvalue()
