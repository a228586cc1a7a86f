"""Training options: what they mean, their defaults, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ambulo.errors import TrainingError
from ambulo.windows import Windows

SCALINGS = ("standard", "minmax", "none")
FRAMES = ("sensor", "gravity", "both")
IMBALANCE = ("none", "weights", "sampling", "focal", "logits")


@dataclass(frozen=True)
class Options:
    """How to train.

    `validation` is the share of training people kept aside for early stopping, calibration and
    nothing else (0: nobody; then all `epochs` run and the last weights count). `frame` is what the
    network sees of three-axis sensors: their axes ("sensor"), their parts along and across gravity
    ("gravity"), or "both" (see `ambulo.models.frame`). `imbalance` is what is done about rare
    activities: "none", "weights", "sampling", "focal" or "logits" (see `ambulo.imbalance`);
    `schedule` "cosine" or "constant"; `rotate` turns each window's sensor frame by a random
    rotation vector with this many degrees of deviation per axis, `around` by a random angle about
    the wearer's vertical, `stretch` its time by a random factor, and `mirror` names axes, as in "x"
    or "xy", each reversed in half of the windows (see `ambulo.augmentation`); `copies` is how many
    such copies of each window a solved head learns from beside the window itself; `tta`, where not
    0, is by how many degrees sensors are turned to four sides when a window is decided, on the mean
    of what is said of them, in three to four times the time (test-time augmentation: see
    `ambulo.models.views`); `kept` is the share of its features that a head solved by least squares
    keeps: those of least weight are left out, and not computed (see `ambulo.models.rocket.Chosen`);
    `precision` is "auto", "float32" or "bfloat16"; `clip` bounds the gradient's norm; `smoothing`
    is the share of a label that goes to the other activities;
    `average` is the decay per step of a running mean of the weights, which is then what is
    validated and kept (0: the weights themselves). `initial` are the first weights: "torch" or
    "keras" (see `ambulo.models.initial`).
    """

    epochs: int = 20
    batch: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    patience: int = 8
    validation: float = 0.15
    frame: str = "sensor"
    scaling: str = "standard"
    imbalance: str = "none"
    initial: str = "torch"
    schedule: str = "cosine"
    clip: float = 1.0
    smoothing: float = 0.1
    average: float = 0.99
    rotate: float = 0.0
    around: float = 0.0
    stretch: float = 0.0
    mirror: str = ""
    copies: int = 4
    tta: float = 0.0
    kept: float = 1.0
    device: str = "auto"
    precision: str = "auto"
    sizes: dict[str, Any] = field(default_factory=dict)

    @property
    def varied(self) -> bool:
        """Whether training windows are changed at random."""
        return bool(self.rotate or self.around or self.stretch or self.mirror)

    def __post_init__(self) -> None:
        for name, item in Options.__dataclass_fields__.items():
            value = getattr(self, name)
            kind = {"float": (int, float), "int": int, "str": str}.get(str(item.type), dict)
            if not isinstance(value, kind) or isinstance(value, bool):  # type: ignore[arg-type]
                raise TrainingError(f"{name} must be of type {item.type}, got {value!r}")
        allowed = {
            "frame": FRAMES,
            "scaling": SCALINGS,
            "imbalance": IMBALANCE,
            "initial": ("torch", "keras"),
            "schedule": ("cosine", "constant"),
            "precision": ("auto", "float32", "bfloat16"),
        }
        for name, choices in allowed.items():
            if getattr(self, name) not in choices:
                raise TrainingError(
                    f"{name} must be one of {', '.join(choices)}, got {getattr(self, name)!r}"
                )
        if sorted(self.mirror) != sorted(set(self.mirror) & set("xyz")):
            raise TrainingError(f"mirror must name axes, as in x or xy, got {self.mirror!r}")
        if not 0 <= self.tta < 90:
            raise TrainingError(f"tta must be from 0 to below 90 degrees, got {self.tta!r}")
        if not 0 < self.kept <= 1:
            raise TrainingError(f"kept must be a share above 0, up to 1, got {self.kept!r}")
        for name, (least, most, says) in _RANGES.items():
            if not least <= getattr(self, name) <= most:
                raise TrainingError(f"{name} must be {says}, got {getattr(self, name)!r}")
        if self.epochs < 1 or self.batch < 2 or not 0 <= self.validation < 1:
            raise TrainingError(
                "epochs must be at least 1, batch 2, and validation from 0 to below 1"
            )


_TINY, _HUGE, _BELOW = 1e-12, 1e12, 1 - 1e-12
_RANGES = {
    "learning_rate": (_TINY, _HUGE, "a number above 0"),
    "weight_decay": (0, _HUGE, "0 or more"),
    "patience": (1, _HUGE, "at least 1: epochs without a gain before training ends"),
    "clip": (_TINY, _HUGE, "a number above 0"),
    "smoothing": (0, _BELOW, "from 0 to below 1"),
    "average": (0, _BELOW, "from 0 to below 1"),
    "rotate": (0, 180, "from 0 to 180 degrees"),
    "around": (0, 180, "from 0 to 180 degrees"),
    "stretch": (0, _BELOW, "from 0 to below 1"),
    "copies": (0, _HUGE, "0 or more"),
}
"""The least and most of options, and both in words."""
_KIN = {"small": "best"}
"""Models that suit data with the same options as another."""


def make_options(options: dict[str, Any], windows: Windows, model: str = "") -> Options:
    """Options from keyword arguments, else what suits the windows, else the defaults.

    What suits the windows is in their `training`; under a model's name stands what suits it alone.

    Raises TrainingError for a name that is none.
    """
    unknown = set(options) - set(Options.__dataclass_fields__)
    if unknown:
        raise TrainingError(
            f"unknown training options {', '.join(sorted(unknown))}: choose from "
            f"{', '.join(Options.__dataclass_fields__)}"
        )
    suits = {key: item for key, item in windows.training.items() if not isinstance(item, dict)}
    own = dict(windows.training.get(model, windows.training.get(_KIN.get(model, ""), {})))
    if model not in windows.training:
        own.pop("sizes", None)  # those of its kin
    sizes = options.get("sizes", {})
    if isinstance(sizes, dict):
        sizes = {**own.get("sizes", {}), **sizes}
    return Options(**{**suits, **own, **options, "sizes": sizes})
