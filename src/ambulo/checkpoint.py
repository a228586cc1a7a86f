"""Training states on disk: nested dicts and lists of tensors and plain values, without pickle."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch

_TENSOR = "tensor:"


def save(path: Path, content: Any) -> None:
    """Write `content` as a NumPy archive: its tensors, and its shape as JSON."""
    arrays: dict[str, Any] = {}
    tree = _take_apart(content, arrays)
    with open(path, "wb") as out:
        np.savez(out, tree=np.array(json.dumps(tree)), **arrays)


def load(path: Path) -> Any:
    """What `save` wrote. Raises ValueError, OSError or KeyError for anything else."""
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            return _put_together(json.loads(str(arrays["tree"])), arrays)
    except (NotImplementedError, zlib.error) as error:  # of bytes that name a way of packing
        raise ValueError(str(error)) from error


def _take_apart(item: Any, arrays: dict[str, Any]) -> Any:
    if isinstance(item, torch.Tensor):
        arrays[f"t{len(arrays)}"] = item.cpu().numpy()
        return f"{_TENSOR}t{len(arrays) - 1}"
    if isinstance(item, dict):
        return {"keys": list(item), "values": [_take_apart(v, arrays) for v in item.values()]}
    if isinstance(item, (list, tuple)):
        return [_take_apart(value, arrays) for value in item]
    return item


def _put_together(item: Any, arrays: Any) -> Any:
    if isinstance(item, str) and item.startswith(_TENSOR):
        return torch.as_tensor(arrays[item[len(_TENSOR) :]])
    if isinstance(item, dict):
        values = [_put_together(value, arrays) for value in item["values"]]
        return dict(zip(item["keys"], values, strict=True))
    if isinstance(item, list):
        return [_put_together(value, arrays) for value in item]
    return item
