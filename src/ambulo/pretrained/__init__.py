"""Recognizers that come with Ambulo, and which of them suits a recording.

`scripts/pretrain.py` made them; each card says from whose data, under which terms, and how well
each does on people it never saw.
"""

from __future__ import annotations

from pathlib import Path

from ambulo.errors import RecognizerError
from ambulo.recognizer import Recognizer
from ambulo.recording import Recording
from ambulo.suitability import VERDICTS, Suitability, fit

PRETRAINED = {
    "waist": "a phone at the waist: accelerometer and gyroscope, 50 Hz, six activities",
    "pocket": "a phone in the trouser pocket: accelerometer, 20 Hz, six activities",
    "wrist": "a watch on the wrist: accelerometer, 20 Hz, five activities",
}
"""Each recognizer by the place where the sensor is worn."""


def find(name: str | Path) -> Path:
    """The file of a recognizer: `name` itself, or one that comes along (`PRETRAINED`).

    Raises RecognizerError where there is neither.
    """
    if Path(name).exists():
        return Path(name)
    if str(name) not in PRETRAINED:
        raise RecognizerError(
            f"{name}: there is no such file: train one with 'ambulo train', or name one of those "
            f"that come along: {', '.join(PRETRAINED)}"
        )
    return Path(__file__).parent / f"{name}.ambulo"


def load(name: str | Path) -> Recognizer:
    """A recognizer by its file, or by its name in `PRETRAINED`.

    Raises RecognizerError for a file that is none, and for a name that is not there.
    """
    return Recognizer.load(find(name))


def suiting(recording: Recording) -> tuple[str, Recognizer, str]:
    """The name of the recognizer that suits a recording best, itself, and why.

    A placement named in the recording's channels or notes decides; then the fewest doubts, and then
    the most channels. Where no placement is stated, why names the others that do not refuse. Raises
    RecognizerError where none suits.
    """
    found = [(name, load(name)) for name in PRETRAINED]
    judged = [(name, one, fit(recording, one)) for name, one in found]
    able = [row for row in judged if row[2].verdict != "refuse"]
    if not able:
        reasons = "; ".join(f"{name}: {_worst(suits)}" for name, _, suits in judged)
        raise RecognizerError(
            f"recording '{recording.name}' suits none of the recognizers that come with Ambulo "
            f"({reasons}): name one of your own, or train one"
        )
    name, one, suits = min(able, key=lambda row: _order(*row))
    doubts = ", ".join(check.what for check in suits.of("doubt"))
    why = f"{PRETRAINED[name]}; " + (f"in doubt: {doubts}" if doubts else "all checks are ok")
    others = [row[0] for row in able if row[0] != name]
    if others and not recording.notes.get("placement"):
        why += f"; nothing tells where it was worn: {' or '.join(others)} could be right as well"
        why += f" (--as placement={others[-1]})"
    return name, one, why


def _order(name: str, one: Recognizer, suits: Suitability) -> tuple[int, int, int]:
    """Lower is better."""
    channels = len(one.windowing.channels or ())
    return VERDICTS.index(suits.verdict), len(suits.of("doubt")), -channels


def _worst(suits: Suitability) -> str:
    return "; ".join(f"{check.what}: {check.found}" for check in suits.of("refuse"))
