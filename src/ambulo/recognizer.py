"""The Recognizer: one file that holds windowing, network, labels, calibration and card."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ambulo.context import Context
from ambulo.context.windows import decide
from ambulo.errors import RecognizerError
from ambulo.recording import Recording
from ambulo.timeline import Timeline, from_windows, write_whole
from ambulo.windows import Windowing, Windows

if TYPE_CHECKING:
    from torch import nn

Array = npt.NDArray[Any]

FORMAT = 2
"""Version of the file format; a file with a higher one is refused."""
_LARGEST = 256 << 20
_BATCH = 512
"""Windows that go through the network together, where the model does not say otherwise."""


@dataclass(frozen=True)
class Recognizer:
    """Windowing, network (an ONNX graph with its scaling inside), activities, temperature, card.

    Loading executes no code and predicting needs no torch. `tensors` are the weights by name, for
    training on; `network` names the model class and its sizes; `context` is what windows tell about
    each other.
    """

    windowing: Windowing
    activities: tuple[str, ...]
    graph: bytes = field(repr=False)
    network: dict[str, Any] = field(default_factory=dict)
    tensors: dict[str, Array] = field(default_factory=dict, repr=False, compare=False)
    temperature: float = 1.0
    card: dict[str, Any] = field(default_factory=dict, repr=False)
    context: Context | None = field(default=None, repr=False)

    @classmethod
    def from_network(
        cls,
        network: nn.Module,
        windows: Windows,
        *,
        name: str,
        sizes: dict[str, Any],
        temperature: float = 1.0,
        card: dict[str, Any] | None = None,
        context: Context | None = None,
    ) -> Recognizer:
        """Make the artifact of a trained network that takes `windows.values`."""
        from ambulo.models.graph import to_onnx

        state = {key: value.numpy() for key, value in network.cpu().state_dict().items()}
        return cls(
            windowing=windows.windowing,
            activities=windows.activities,
            graph=to_onnx(network, windows.length, len(windows.channels)),
            network={
                "model": name,
                "length": windows.length,
                "sizes": sizes,
                "frame": getattr(getattr(network, "frame", None), "kind", "sensor"),
                "batch": getattr(getattr(network, "network", network), "batch", _BATCH),
            },
            tensors=state,
            temperature=temperature,
            card=card or {},
            context=context,
        )

    def __getstate__(self) -> dict[str, Any]:
        """The fields without the sessions opened on them, for other processes."""
        return {name: self.__dict__[name] for name in self.__dataclass_fields__}

    def save(self, path: str | Path) -> Path:
        """Write the file, whole or not at all. Raises OutputError where that is not possible."""
        path = Path(path)
        write_whole(path, self._write)
        return path

    def head(self) -> dict[str, Any]:
        """All but the numbers of the network, as JSON can hold it: what recognizer.json says."""
        return {
            "format": FORMAT,
            "windowing": asdict(self.windowing),
            "activities": self.activities,
            "network": self.network,
            "temperature": self.temperature,
            "card": self.card,
            "context": self.context.to_dict() if self.context else None,
        }

    def _write(self, path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
            out.writestr("recognizer.json", json.dumps(self.head(), indent=1))
            out.writestr("network.onnx", self.graph)
            for name, tensor in self.tensors.items():
                buffer = io.BytesIO()
                np.save(buffer, tensor, allow_pickle=False)
                out.writestr(f"tensors/{name}.npy", buffer.getvalue())

    @classmethod
    def load(cls, path: str | Path) -> Recognizer:
        """Read a file that `save` wrote.

        Raises RecognizerError for a file that is absent, damaged, no recognizer, or from a newer
        Ambulo.
        """
        try:
            with zipfile.ZipFile(path) as archive:
                if sum(info.file_size for info in archive.infolist()) > _LARGEST:
                    raise RecognizerError(f"{path}: would unpack to over 256 MiB: refused")
                return cls._read(path, archive)
        except FileNotFoundError as error:
            raise RecognizerError(
                f"{path}: there is no such file: train one with 'ambulo train'"
            ) from error
        except (zipfile.BadZipFile, OSError, KeyError, ValueError, TypeError, EOFError) as error:
            raise RecognizerError(
                f"{path}: is not a recognizer, or is damaged ({error}): copy or train it again"
            ) from error

    @classmethod
    def _read(cls, path: str | Path, archive: zipfile.ZipFile) -> Recognizer:
        head = json.loads(archive.read("recognizer.json"))
        if int(head["format"]) > FORMAT:
            raise RecognizerError(
                f"{path}: was written by a newer Ambulo (format {head['format']}, this one reads "
                f"{FORMAT}): pip install --upgrade ambulo"
            )
        shape = head["windowing"]
        tensors = {
            name[len("tensors/") : -len(".npy")]: np.load(
                io.BytesIO(archive.read(name)), allow_pickle=False
            )
            for name in archive.namelist()
            if name.startswith("tensors/") and name.endswith(".npy")
        }
        return cls(
            windowing=Windowing(**{**shape, "channels": tuple(shape["channels"])}),
            activities=tuple(head["activities"]),
            graph=archive.read("network.onnx"),
            network=head["network"],
            tensors=tensors,
            temperature=float(head["temperature"]),
            card=head["card"],
            context=Context.from_dict(head["context"]) if head.get("context") else None,
        )

    @cached_property
    def _session(self) -> Any:
        return self._open()

    @cached_property
    def _session_of_one(self) -> Any:
        """For one window or block: threads that wait for each other would only delay it."""
        return self._open(threads=1)

    def _open(self, threads: int = 0) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level, options.intra_op_num_threads = 3, threads
        try:
            return onnxruntime.InferenceSession(
                self.graph, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime raises classes of its own, without a common base
            raise RecognizerError(
                f"the network inside cannot be run ({error}): train it again"
            ) from error

    def logits(self, values: Array) -> Array:
        """The network's output for windows `(n, length, channels)`: `(n, classes)` float32."""
        values = np.asarray(values, np.float32)
        size = max(int(self.network.get("batch", _BATCH)), 1)
        blocks = [values[at : at + size] for at in range(0, len(values), size)]
        if len(blocks) > 1:
            out = list(self._threads.map(self._run_alone, blocks))
        else:
            session = self._session_of_one if len(values) == 1 else self._session
            out = [session.run(["logits"], {"signal": block})[0] for block in blocks]
        return np.concatenate([np.zeros((0, len(self.activities)), np.float32), *out])

    def _run_alone(self, block: Array) -> Array:
        return np.asarray(self._session_of_one.run(["logits"], {"signal": block})[0])

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        """One block a core: twice as quick as all cores on one block after the other."""
        return ThreadPoolExecutor(os.cpu_count() or 1)

    def probabilities(self, values: Array) -> Array:
        """Calibrated probabilities `(n, classes)` of windows `(n, length, channels)`."""
        return softmax(self.logits(values) / self.temperature)

    def prepare(self, recording: Recording) -> Recording:
        """The recording with this recognizer's channels and rate.

        Raises RecognizerError if it lacks channels or was recorded too slowly.
        """
        channels = [channel.name for channel in recording.channels]
        self.check(channels, recording.rate, f"recording '{recording.name}'")
        return self.windowing.prepare(recording)

    def check(self, channels: Sequence[str], rate: float, what: str) -> None:
        """Raise RecognizerError if a signal, `what`, lacks channels or comes too slowly."""
        missing = [name for name in self.windowing.channels or () if name not in channels]
        if missing:
            raise RecognizerError(
                f"{what} lacks the channels {', '.join(missing)} that this "
                f"recognizer was trained on; it has {', '.join(channels)}: rename its columns, or "
                "use a recognizer for these channels ('ambulo describe' shows them)"
            )
        trained = self.windowing.rate or rate
        if rate < 0.8 * trained:
            raise RecognizerError(
                f"{what} has {rate:g} Hz, this recognizer was trained at {trained:g} Hz: record at "
                f"{trained:g} Hz or more, or train one for this rate"
            )

    def predict(self, recording: Recording, *, context: str = "offline", lag: int = 0) -> Timeline:
        """What the wearer did, and when.

        `context` says which other windows speak for one: "offline" all of them, "causal" those
        before it (and `lag` after it), as in a stream, and "none" leaves each window to itself.
        Raises WindowingError for less than one window.
        """
        prepared = replace(self.prepare(recording), intervals=())
        windows = self.windowing.cut([prepared], self.activities)
        return from_windows(
            self.decide(windows, context=context, lag=lag),
            windows.starts,
            windows.length,
            prepared.segments,
            prepared.rate,
            self.activities,
            start=recording.start,
            recording=recording.name,
        )

    def decide(self, windows: Windows, *, context: str = "offline", lag: int = 0) -> Array:
        """Calibrated probabilities `(n, classes)` of windows, given those of their recording."""
        own = self.probabilities(windows.values)
        if self.context is None:
            return own
        return decide(self.context, windows, own, context, lag)

    def describe(self) -> str:
        """The card in plain words."""
        w, sizes = self.windowing, _plain(self.network.get("sizes", {}))
        facts = {
            "recognises": self.activities,
            "from": w.channels or (),
            "windowing": f"{w.seconds:g} s, overlap {w.overlap:g}, {w.rate:g} Hz, "
            f"gravity {w.gravity}",
            "network": f"{self.network.get('model')} {sizes} {len(self.graph) / 1e6:.2f} MB",
            "temperature": self.temperature,
            **{key: value for key, value in self.card.items() if key not in ("history", "signal")},
        }
        return "\n".join(f"{key:<20} {_plain(value)}" for key, value in facts.items())


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{key} {_plain(item)}" for key, item in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(str, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def softmax(logits: Array) -> Array:
    """Probabilities of logits along the last axis."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))
