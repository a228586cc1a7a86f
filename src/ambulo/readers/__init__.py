"""Files in, Recordings out: `read("monday.csv")`."""

from __future__ import annotations

from ambulo.readers.table import read

__all__ = ["read"]
