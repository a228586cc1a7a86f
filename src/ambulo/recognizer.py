"""The Recognizer: one file that holds windowing, network, labels, calibration and card."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ambulo.context import Context
from ambulo.context.unknown import Unknown
from ambulo.context.windows import decide, mean_acceleration
from ambulo.errors import RecognizerError, RecordingError
from ambulo.recording import Recording, housings
from ambulo.runtime import Runtime
from ambulo.timeline import Timeline, from_windows, write_whole
from ambulo.windows import Windowing, Windows

if TYPE_CHECKING:
    from torch import nn

    from ambulo.models.novelty import Novelty
    from ambulo.models.scaling import Scaled

Array = npt.NDArray[Any]

FORMAT = 4
"""Version of the file format; a file with a higher one is refused."""
_LARGEST = 256 << 20
_NOVELTY = "novelty."
_BATCH = 512
"""Windows that go through the network together, where the model does not say otherwise."""


@dataclass(frozen=True)
class Recognizer:
    """Windowing, network (an ONNX graph with its scaling inside), activities, temperature, card.

    Loading executes no code and predicting needs no torch. `tensors` are the weights by name, for
    training on; `network` names the model class and its sizes; `context` is what windows tell about
    each other, and `unknown` when they show nothing that was learnt.
    """

    windowing: Windowing
    activities: tuple[str, ...]
    graph: bytes = field(repr=False)
    network: dict[str, Any] = field(default_factory=dict)
    tensors: dict[str, Array] = field(default_factory=dict, repr=False, compare=False)
    temperature: float = 1.0
    card: dict[str, Any] = field(default_factory=dict, repr=False)
    context: Context | None = field(default=None, repr=False)
    unknown: Unknown | None = field(default=None, repr=False)

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
        novelty: Novelty | None = None,
    ) -> Recognizer:
        """Make the artifact of a trained network that takes `windows.values`."""
        from ambulo.models.graph import to_onnx

        state = {key: value.numpy() for key, value in network.cpu().state_dict().items()}
        if novelty is not None:
            state |= {_NOVELTY + k: v.numpy() for k, v in novelty.cpu().state_dict().items()}
        return cls(
            windowing=replace(windows.windowing, align="recording"),  # nobody labels what it is for
            activities=windows.activities,
            graph=to_onnx(network, windows.length, len(windows.channels), novelty),
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
            unknown=Unknown(novelty.above) if novelty is not None else None,
        )

    def to_network(self) -> Scaled | None:
        """The network as a torch module, to look into or train on; None if it is not Ambulo's.

        Raises RecognizerError where the weights are those of another Ambulo's network.
        """
        import torch

        from ambulo.models import MODELS, model_class
        from ambulo.models.frame import Frame
        from ambulo.models.scaling import Scaled
        from ambulo.models.views import Views

        name, names = self.network.get("model"), self.windowing.channels or ()
        if name not in MODELS:
            return None
        frame, channels = None, len(names)
        if self.network.get("frame", "sensor") != "sensor":
            frame = Frame(channels, housings(names), self.network["frame"])
            channels = frame.channels
        sizes = (channels, self.network["length"], len(self.activities))
        model = model_class(name)(*sizes, **self.network["sizes"])
        own = {k: torch.as_tensor(v) for k, v in self.tensors.items() if _NOVELTY not in k}
        views = Views(own["views.turns"]) if "views.turns" in own else None
        network = Scaled(model, channels, frame, views)
        try:
            network.load_state_dict(own)
        except RuntimeError as error:
            says = "are not this Ambulo's: the file still predicts, but to learn on from it, or to"
            raise RecognizerError(f"weights of '{name}' {says} look inside, train anew") from error
        return network.eval()

    def to_novelty(self) -> Novelty | None:
        """What tells the unknown as a torch module; None if the recognizer has no such thing."""
        import torch

        from ambulo.models.novelty import Novelty

        own = {k.removeprefix(_NOVELTY): v for k, v in self.tensors.items() if _NOVELTY in k}
        if self.unknown is None or not own:
            return None
        novelty = Novelty(len(self.windowing.channels or ()), len(self.activities))
        novelty.load_state_dict({k: torch.as_tensor(v) for k, v in own.items()})
        novelty.above = self.unknown.above
        return novelty

    def __getstate__(self) -> dict[str, Any]:
        """The fields without what is opened on them, for other processes."""
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
            "unknown": asdict(self.unknown) if self.unknown else None,
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
        except IsADirectoryError as error:
            raise RecognizerError(f"{path}: is a folder: name a recognizer's file") from error
        except FileNotFoundError as error:
            raise RecognizerError(
                f"{path}: there is no such file: train one with 'ambulo train', or take one that "
                "comes along, as ambulo.pretrained.load('waist')"
            ) from error
        except RecognizerError:
            raise
        except Exception as error:  # zip, zlib, JSON and numpy have a dozen classes for bad bytes
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
            activities=_names(head["activities"]),
            graph=archive.read("network.onnx"),
            network=head["network"],
            tensors=tensors,
            temperature=float(head["temperature"]),
            card=_whole(head["card"]),
            context=Context.from_dict(head["context"]) if head.get("context") else None,
            unknown=Unknown.from_dict(head["unknown"]) if head.get("unknown") else None,
        )

    @cached_property
    def _runtime(self) -> Runtime:
        return Runtime(self.graph, int(self.network.get("batch", _BATCH)))

    def on_one_thread(self) -> Recognizer:
        """The same recognizer, whose network leaves the other cores to others."""
        other = replace(self)
        other.__dict__.update(self.__dict__, _runtime=self._runtime.on_one_thread())
        return other

    def with_overlap(self, overlap: float) -> Recognizer:
        """The same recognizer, whose windows overlap by this share: 0 to below 1.

        With less it decides less often and is done sooner, with more it tells changes sooner. What
        it makes of a window by itself stays the same, and so do decisions where it is set back: it
        is worked out from how it was loaded or trained. Raises WindowingError for another share.
        """
        first: Recognizer = self.__dict__.get("_first", self)
        windowing = replace(first.windowing, overlap=overlap)
        rate = windowing.rate or 100.0
        ratio = windowing.spacing(rate) / first.windowing.spacing(rate)
        context = first.context.every(first.context.step * ratio) if first.context else None
        unknown = first.unknown.each(ratio) if first.unknown else None
        other = replace(self, windowing=windowing, context=context, unknown=unknown)
        other.__dict__.update(_runtime=self._runtime, _first=first)
        return other

    def _run(self, values: Array, names: tuple[str, ...]) -> list[Array]:
        """The named outputs for windows `(n, length, channels)`."""
        values = np.asarray(values, np.float32)
        if not len(values):
            empty = {"logits": np.zeros((0, len(self.activities)), np.float32)}
            return [empty.get(name, np.zeros(0, np.float32)) for name in names]
        takes = (self.network.get("length"), len(self.windowing.channels or ()) or None)
        if values.ndim != 3 or any(
            n not in (None, m) for n, m in zip(takes, values.shape[1:], strict=True)
        ):
            asked = ", ".join(str(n or "…") for n in takes)
            raise RecognizerError(
                f"windows are (n, {asked}), but these are {values.shape}; one alone is values[None]"
            )
        return self._runtime(values, names)

    def logits(self, values: Array) -> Array:
        """The network's output for windows `(n, length, channels)`: `(n, classes)` float32."""
        return self._run(values, ("logits",))[0]

    def probabilities(self, values: Array) -> Array:
        """Calibrated probabilities `(n, classes)` of windows `(n, length, channels)`.

        Raises RecognizerError for windows of another shape.
        """
        return softmax(self.logits(values) / self.temperature)

    def look(self, values: Array) -> tuple[Array, Array]:
        """Calibrated probabilities `(n, classes)`, and novelty `(n,)`: 0 where that is not known.

        Novelty is how unlike the windows are to all that was learnt (`ambulo.models.novelty`).
        """
        if self.unknown is None:
            return self.probabilities(values), np.zeros(len(values), np.float32)
        logits, novelty = self._run(values, ("logits", "novelty"))
        return softmax(logits / self.temperature), novelty

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
        Raises WindowingError for less than one window, RecordingError for what is no recording.
        """
        if not isinstance(recording, Recording):
            kind = type(recording).__name__
            raise RecordingError(
                f"predict takes one Recording, not a {kind}: ambulo.read(FILE) gives one, "
                "Recording(values=…, rate=…, channels=…) makes one of an array"
            )
        prepared = replace(self.prepare(recording), intervals=())
        windows = self.windowing.cut([prepared], self.activities)
        own, novelty = self.look(windows.values)
        up = mean_acceleration(windows)
        decided, odd = self.judge(own, novelty, windows.seconds, up, context, lag)
        return from_windows(
            decided,
            windows.starts,
            windows.length,
            prepared.segments,
            prepared.rate,
            self.activities,
            start=recording.start,
            recording=recording.name,
            unknown=odd,
        )

    def judge(
        self,
        own: Array,
        novelty: Array,
        seconds: Array,
        gravity: Array | None,
        context: str = "offline",
        lag: int = 0,
    ) -> tuple[Array, Array | None]:
        """What `look` says of one recording's windows, in order, and what others say of each.

        Probabilities `(n, activities)`, and that of none of them `(n,)`, None where that is not
        known. `seconds` `(n,)` says when windows start, `gravity` `(n, 3)` is their mean
        acceleration.
        """
        odd = None
        if self.unknown is not None:
            rate = self.windowing.rate or 1.0
            step = self.windowing.spacing(rate)
            mode = "none" if self.context is None else context
            odd = self.unknown.decide(novelty, seconds, step, mode, lag)
        if self.context is not None:
            own = self.context.decide(own, seconds, context, gravity=gravity, lag=lag)
        return own, odd

    def decide(self, windows: Windows, *, context: str = "offline", lag: int = 0) -> Array:
        """Calibrated probabilities `(n, classes)` of windows, given those of their recording.

        They are of the activities that were learnt, whether or not the windows show one of them.
        """
        return self._given(windows, self.probabilities(windows.values), context, lag)

    def _given(self, windows: Windows, own: Array, context: str, lag: int) -> Array:
        overlap = windows.windowing.overlap
        paced = self if overlap == self.windowing.overlap else self.with_overlap(overlap)
        if paced.context is None:
            return own
        return decide(paced.context, windows, own, context, lag)

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


def _names(given: Any) -> tuple[str, ...]:
    """A file's list of names; raises TypeError for what would pass for one, as a text does."""
    if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
        raise TypeError("activities and people are lists of names")
    return tuple(given)


def _whole(card: Any) -> dict[str, Any]:
    """The card, if it and those of its parents tell whom they learnt from as a list.

    Who has been learnt from is left out of every later score.
    """
    for part in (card, card.get("old", {})):
        _names(part.get("people", []))
    if (above := card.get("parent", {}).get("card")) is not None:
        _whole(above)
    return dict(card)


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{key} {_plain(item)}" for key, item in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(_plain, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def softmax(logits: Array) -> Array:
    """Probabilities of logits along the last axis."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))
