"""A recognizer as one header of plain C, for processors that run no runtime.

For models without recurrence: `features`, `rocket`, `best` and `small`. What a window is and what
others say of it (resampling, context) is left to the program around.
"""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
import tempfile
import time
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ambulo.errors import OutputError
from ambulo.recognizer import Recognizer
from ambulo.recording import UNITS, housings

Array = npt.NDArray[Any]

MODELS = ("features", "rocket", "best", "small")
"""Models that can be written."""
MOST = 30
"""Channels whose sets fit into an int, a bit each."""
KEPT = {"sensor": True, "both": True, "gravity": False}


def c_header(recognizer: Recognizer) -> str:
    """The header's text: numbers, and `ambulo_decide(window, work, probabilities)`.

    Raises OutputError for a model that it cannot be made of.
    """
    model = recognizer.network.get("model")
    if model not in MODELS:
        raise OutputError(f"no C of model '{model}': train one of {', '.join(MODELS)}")
    if (many := len(recognizer.tensors["scaling.shift"])) > MOST:
        raise OutputError(f"no C of {many} channels: up to {MOST} are written")
    numbers = {**_seen(recognizer), **_convolutions(recognizer)}
    weights = recognizer.tensors["network.head.weight"]
    kernels, used = _kernels(recognizer, weights, numbers["learnt"])
    weights = weights[:, used]
    numbers |= {**kernels, **_statistics(recognizer)}
    numbers |= {"weights": weights, "bias": recognizer.tensors["network.head.bias"]}
    numbers |= {"classes": len(weights), "features": weights.shape[1]}
    numbers |= {"temperature": float(recognizer.temperature)}
    plain = takes(recognizer).replace("²", "2").replace("µ", "u")
    says = f"/* {model}: {re.sub(r'[^a-zA-Z0-9_.,; /]', '_', plain)} */"
    names = ", ".join(map(_text, recognizer.activities))
    known = f"static const char *const ambulo_activities[] = {{{names}}};"
    known += f"\ntypedef {_kernel_type(numbers.get('kernel', [0]))} ambulo_kernel_type;"
    steps = files("ambulo.c_header").joinpath("network.h").read_text(encoding="utf-8")
    lines = [_defined(name, value) for name, value in numbers.items()]
    return "\n".join(["#pragma once", says, *lines, known, steps])


def takes(recognizer: Recognizer) -> str:
    """What a window of a recognizer is, in words: its length, channels, rate and units."""
    w = recognizer.windowing
    names = w.channels or ()
    sensors = dict.fromkeys(name.rpartition(".")[2].rpartition("_")[0] for name in names)
    units = {name: f"{name} in {UNITS[name]}" for name in sensors if name in UNITS}
    if "acc" in units:
        kept = w.gravity == "keep"
        units["acc"] += " with gravity" if kept else " less the mean of each axis in the window"
    length, step = w.samples(w.rate or 1.0)
    return (
        f"{length} samples at {w.rate:g} Hz, a window each {step}; each {', '.join(names)}; "
        f"{', '.join(units.values())}"
    )


def run(header: str, windows: Array, classes: int) -> tuple[Array, float]:
    """What compiled C says of windows `(n, length, channels)`: probabilities `(n, classes)`.

    Beside them, the milliseconds for one. Raises OutputError without a C compiler that takes it.
    """
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise OutputError("C is written only if it decides alike: install a C compiler (cc)")
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder) / "all.c", Path(folder) / "all.so"
        (Path(folder) / "ambulo.h").write_text(header, encoding="utf-8")
        source.write_text(_ALL, encoding="utf-8")
        command = [compiler, "-std=c99", "-O2", "-Wall", "-shared", "-fPIC", "-o"]
        done = subprocess.run(
            [*command, str(library), str(source), "-lm"], capture_output=True, text=True
        )
        if done.returncode or done.stderr:
            raise OutputError(f"{compiler} refuses the C: {done.stderr[:1000]}")
        values = np.ascontiguousarray(windows, np.float32)
        out = np.zeros((len(values), classes), np.float32)
        pointer = ctypes.POINTER(ctypes.c_float)
        decide = ctypes.CDLL(str(library)).all
        start = time.perf_counter()
        decide(values.ctypes.data_as(pointer), len(values), out.ctypes.data_as(pointer))
        took = 1e3 * (time.perf_counter() - start)
    return out, took / max(len(values), 1)


_ALL = """
#include "ambulo.h"
void all(const float *windows, int n, float *out) {
    static ambulo_work work;
    for (int k = 0; k < n; k++)
        ambulo_decide(windows + (long)k * AMBULO_LENGTH * AMBULO_RAW, &work,
                      out + k * AMBULO_CLASSES);
}
"""


def _defined(name: str, value: Any) -> str:
    if isinstance(value, int):
        return f"#define AMBULO_{name.upper()} {value}"
    if isinstance(value, float):
        return f"#define AMBULO_{name.upper()} {value!r}f"
    array = np.asarray(value)
    kind = {"f": "float", "i": "int", "u": "int"}[array.dtype.kind]
    if name == "kernel":  # its first number is a set of channels, a bit each
        kind = _kernel_type(array)
    shape = "".join(f"[{n}]" for n in array.shape[1:]) if array.ndim > 1 and kind != "float" else ""
    rows = (f"{{{', '.join(map(str, row))}}}" for row in array) if shape else map(_c, array.ravel())
    return f"static const {kind} ambulo_{name}[]{shape} = {{{', '.join(rows)}}};"


def _kernel_type(kernel: Any) -> str:
    return "short" if np.max(kernel) <= np.iinfo(np.int16).max else "int"


def _text(text: str) -> str:
    """A string as C writes it, whatever is in it: a recognizer's file may be anybody's."""
    plain = (c if re.match(r"[\w ,.:+-]", c, re.ASCII) else _octal(c) for c in text)
    return f'"{"".join(plain)}"'


def _octal(character: str) -> str:
    return "".join(f"\\{byte:03o}" for byte in character.encode())


def _c(number: Any) -> str:
    """A number as C writes it; nine digits are all of a float32."""
    if not isinstance(number, np.floating):
        return str(number)
    text = f"{number:.9g}"
    return f"{text}f" if set(text) & set(".e") else f"{text}.f"


def _seen(recognizer: Recognizer) -> dict[str, Any]:
    names, frame = recognizer.windowing.channels or (), recognizer.network.get("frame", "sensor")
    sensors = [] if frame == "sensor" else housings(names)
    turns = recognizer.tensors.get("views.turns", np.zeros(0, np.float32))
    return {
        "length": int(recognizer.network["length"]),
        "raw": len(names),
        "views": len(turns),
        **({"turns": turns} if len(turns) else {}),
        "kept": len(names) if KEPT[frame] else 0,
        "sensors": len(sensors),
        "axes": np.array([axes + gravity for axes, gravity in sensors] or [[0] * 6]),
        "channels": len(recognizer.tensors["scaling.shift"]),
        "shift": recognizer.tensors["scaling.shift"],
        "scale": recognizer.tensors["scaling.scale"],
    }


def _convolutions(recognizer: Recognizer) -> dict[str, Any]:
    """Layers in order: their inputs, outputs and taps, and the steps that each one sees."""
    tensors = recognizer.tensors
    found = [name for name in tensors if ".convolution." in name and name.endswith(".weight")]
    if not found:
        return {"layers": 0, "learnt": 0}
    found.sort(key=lambda name: int(name.split(".")[-2]))
    weights = [tensors[name] for name in found]
    length = int(recognizer.network["length"])
    return {
        "layers": len(weights),
        "layer": np.array([(w.shape[1], w.shape[0], w.shape[2]) for w in weights]),
        "long": np.array([length >> n for n in range(len(weights))]),
        "widest": max(len(w) for w in weights),
        "learnt": 2 * len(weights[-1]),
        "filters": np.concatenate([w.ravel() for w in weights]),
        "offsets": np.concatenate([tensors[n.replace("weight", "bias")] for n in found]),
    }


def _kernels(recognizer: Recognizer, head: Array, at: int) -> tuple[dict[str, Any], Array]:
    """Kernels in the order of their features: row by row, in each by dilation and part.

    The first of these features is number `at` of those that `head` sees. Those that it passes over
    are left out; beside the kernels, whether each of all features is used.
    """
    used = np.ones(head.shape[1], bool)
    found = [name for name in recognizer.tensors if ".kernels_" in name]
    if not found:
        return {"kernels": 0}, used
    groups: list[tuple[Any, ...]] = [
        (*name.rsplit("_", 2)[1:], recognizer.tensors[name][:, :, 0], recognizer.tensors[other])
        for name in sorted(found, key=_order)
        for other in [name.replace("kernels_", "thresholds_")]
    ]
    kernels, thresholds = [], []
    for row in range(len(groups[0][2])):
        for part, dilation, weights, edges in groups:
            here = slice(at, at := at + edges.shape[1])
            used[here] = head[:, here].any(0)
            if not used[here].any():
                continue
            chosen = np.flatnonzero(np.abs(weights[row]).sum(1))
            places = np.flatnonzero(weights[row, chosen[0]] == 2)
            mask = int((1 << chosen).sum())
            kernels.append([mask, int(dilation), int(part == "padded"), *places, used[here].sum()])
            thresholds.append(edges[row].ravel()[used[here]])
    if not kernels:
        return {"kernels": 0}, used
    numbers = {"kernels": len(kernels), "kernel": np.array(kernels), "units": 256.0}
    return {**numbers, "limit": 16.0, "thresholds": np.concatenate(thresholds)}, used


def _order(name: str) -> tuple[int, bool]:
    _, part, dilation = name.rsplit("_", 2)
    return int(dilation), part == "inner"


def _statistics(recognizer: Recognizer) -> dict[str, Any]:
    tensors, channels = recognizer.tensors, len(recognizer.tensors["scaling.shift"])
    found = [tensors[name] for name in tensors if name.endswith(".bands")]
    if not found:
        return {"handmade": 0, "triads": 0}
    bands, triads = found[0], channels // 3 if channels % 3 == 0 else 0
    length = int(recognizer.network["length"])
    turn = 2 * np.pi * np.arange(length) / length
    quarters = [round(q * (length - 1)) for q in (0.0, 0.25, 0.5, 0.75, 1.0)]
    numbers = {
        "handmade": 1,
        "sides": 10.0,
        "triads": triads,
        "statistics": (channels + triads) * (14 + len(bands)) + channels * (channels - 1) // 2,
        "bands": len(bands),
        "band": bands.argmax(0),
        "quarters": np.array(quarters),
        "cosine": np.cos(turn).astype(np.float32),
        "sine": np.sin(turn).astype(np.float32),
        "taper": ((1 - np.cos(turn)) / 2 / length**0.5).astype(np.float32),
    }
    for part in (part for part in ("network", "network.fixed") if f"{part}.shift" in tensors):
        share = float(recognizer.network["sizes"].get("share", 0.2))
        numbers |= {"middle": tensors[f"{part}.shift"], "share": share}
        numbers |= {"spread": tensors[f"{part}.scale"]}
    return numbers
