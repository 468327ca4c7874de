"""Keep results across kills: fingerprint what a result is computed from, and store the result in one file."""

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
    """Return the SHA-256 (64 hexadecimal digits) of the names and contents of ``files``, in the given order."""
    total = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            total.update(file.name.encode() + b"\0" + hashlib.file_digest(stream, "sha256").digest())
    return total.hexdigest()


def fingerprint(about: object, files: Iterable[Path] = (), arrays: Iterable[Array] = ()) -> str:
    """Return 16 hexadecimal digits that identify the inputs of a result. Any change of an input changes them.

    ``about``: JSON values, pydantic models and dataclasses, nested; the order of keys does not matter.
    ``files``: their names and contents, not their folders. ``arrays``: their types, shapes and values.
    """
    total = hashlib.sha256(json.dumps(about, sort_keys=True, default=_plain).encode())
    total.update(digest(files).encode())
    for array in arrays:
        total.update(f"{array.dtype.str} {array.shape} ".encode())
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()[:16]


def keep(file: Path, compute: Callable[[Path], Mapping[str, Array]]) -> dict[str, Array]:
    """Return the arrays of ``file`` (.npz). If the file is missing, compute them and write it first.

    ``compute`` gets the path of a folder for checkpoints, and creates the folder itself. After a kill the folder
    remains, so that the next call can resume. It is removed once the result is written.
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
