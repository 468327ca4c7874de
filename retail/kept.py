"""Results that outlive a kill: a name for what a result is made from, and a file that holds the result whole."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path

import numpy as np
from pydantic import BaseModel

from retail import stage
from retail.log import Array


def digest(files: Iterable[Path]) -> str:
    """Return the SHA-256, 64 hexadecimal digits, of names and contents of ``files``, in their order."""
    total = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            total.update(file.name.encode() + b"\0" + hashlib.file_digest(stream, "sha256").digest())
    return total.hexdigest()


def fingerprint(about: object, files: Iterable[Path] = (), arrays: Iterable[Array] = ()) -> str:
    """Return a name of 16 hexadecimal digits for what a result is made from; any change gives another name.

    ``about``: what JSON can hold; pydantic models and dataclasses may be in it, the order of keys does not matter.
    ``files``: their names and contents, not their folders. ``arrays``: their types, shapes and values.
    """
    total = hashlib.sha256(json.dumps(about, sort_keys=True, default=_plain).encode())
    total.update(digest(files).encode())
    for array in arrays:
        total.update(f"{array.dtype.str} {array.shape} ".encode())
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()[:16]


def keep(file: Path, compute: Callable[[Path], Mapping[str, Array]]) -> dict[str, Array]:
    """Return the arrays that ``file`` (.npz) holds; where it is missing, compute them first and write it whole.

    ``compute`` gets the path of a folder for checkpoints, and makes it if it needs one. The folder outlives a kill, so
    that the next call can resume. It is removed as soon as the result is written.
    """
    if not file.exists():
        checkpoints = file.with_suffix(".checkpoint")
        result = compute(checkpoints)
        with stage.whole_file(file) as part, part.open("wb") as opened:
            np.savez(opened, **result)  # type: ignore[arg-type]
        shutil.rmtree(checkpoints, ignore_errors=True)
    with np.load(file) as stored:
        return dict(stored)


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"{type(value).__name__} in a fingerprint; expected JSON, a pydantic model or a dataclass")
