"""Memory that a training step frees stays with the process, for the next step to take."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # malloc.h
_LARGEST = 32 << 20
_KEPT = 1 << 30


def keep_freed() -> bool:
    """Ask the C library not to hand freed memory back to the system after every step.

    A step takes and frees the same tens of megabytes each time. By default glibc returns them, and
    the system clears every page anew: some 15,000 page faults a step, a third of its time. Blocks
    over 32 MiB, and what is free beyond 1 GiB, still go back. Says whether it took effect: where
    the C library is not glibc nothing changes (`mallopt(3)`).
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return all(mallopt(*o) for o in ((_MMAP_THRESHOLD, _LARGEST), (_TRIM_THRESHOLD, _KEPT)))
