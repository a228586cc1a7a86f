"""What is asked and answered, as the OpenAPI document states it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Path
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, model_validator

from ambulo.server.options import CODE


def _plain(number: Any) -> Any:
    """A number as JSON has it, which may write 3 as 3.0."""
    if isinstance(number, bool | str):
        raise ValueError("must be a number")
    return number


Code = Annotated[str, Field(pattern=f"^{CODE.pattern}$")]
Session = Annotated[str, Path(pattern=f"^{CODE.pattern}$")]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Row = Annotated[
    list[Annotated[Number, Field(ge=-1e11, le=1e11)]], Field(min_length=4, max_length=7)
]
SIX: dict[str, Any] = {"if": {"properties": {"channels": {"const": 6}}, "required": ["channels"]}}
SIX |= {"then": {"properties": {"samples": {"items": {"minItems": 7}}}}}


class Labelled(BaseModel):
    """An activity from `start` to `end`, in seconds since 1970."""

    start: Number
    end: Number
    activity: Annotated[str, Field(pattern=r"^[\w][\w \-]{0,39}$")]


class Chunk(BaseModel):
    """A part of a recording: rows of time (s since 1970), acc x y z (m/s²), gyro x y z (rad/s).

    `number` counts from 0; `intervals` are all that are labelled so far.
    """

    model_config = ConfigDict(extra="forbid", json_schema_extra=SIX)
    number: Annotated[int, Field(ge=0, lt=1_000_000), BeforeValidator(_plain)]
    person: Code
    placement: Code | Literal[""] = ""
    channels: Literal[3, 6]
    samples: Annotated[list[Row], Field(max_length=5000)]
    intervals: Annotated[list[Labelled], Field(max_length=1000)] = []
    last: StrictBool = False

    @model_validator(mode="after")
    def _rows_are_whole(self) -> Chunk:
        if any(len(row) <= self.channels for row in self.samples):
            raise ValueError("each row needs a time and a value of each channel")
        return self


class Kept(BaseModel):
    """How many chunks of a session are on the server's disk."""

    kept: int


class Bout(BaseModel):
    """One stretch of a timeline, in seconds since the recording began."""

    model_config = ConfigDict(extra="allow")
    start: float
    end: float
    activity: str
    confidence: float


class Said(BaseModel):
    """Why not."""

    detail: str


WHY = {
    400: "The body cannot be read.",
    401: "No valid token.",
    403: "Another site's page may not ask.",
    404: "This server does not offer that.",
    408: "The request came too slowly.",
    409: "The session is another person's, or has another part of this number.",
    413: "Too large.",
    422: "The recording cannot be decided; the message says what to do.",
    429: "Too many requests.",
    507: "No room on the disk.",
}


def answers(*codes: int) -> dict[int | str, dict[str, Any]]:
    """What may be answered other than what was asked for."""
    return {code: {"model": Said, "description": WHY[code]} for code in codes}
