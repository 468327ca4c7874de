"""What a fingerprint depends on, and a stored result: whole or missing, computed once, resumed after a kill."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
from pydantic import BaseModel

from retail import kept
from retail.log import Array

AGES = np.array([[20, 30], [40, 50]], np.int32)


class Model(BaseModel):
    rate: float


@dataclass(frozen=True)
class Shape:
    width: int


def about(**changes: Any) -> dict[str, Any]:
    return {"seed": 1, "model": Model(rate=0.1), "shape": Shape(64), "weeks": (3, 4), **changes}


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """log.csv and users.csv."""
    named = [tmp_path / "log.csv", tmp_path / "users.csv"]
    for file in named:
        file.write_text(f"a {file.stem}")
    return named


def test_the_same_input_has_the_same_name(files: list[Path], tmp_path: Path) -> None:
    name = kept.fingerprint(about(), files, [AGES])
    assert len(name) == 16 and set(name) <= set("0123456789abcdef")
    assert kept.fingerprint(dict(reversed(about().items())), files, [AGES.copy(order="F")]) == name
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    copies = [moved / file.name for file in files]
    for file, copy in zip(files, copies, strict=True):
        copy.write_bytes(file.read_bytes())
    assert kept.fingerprint(about(), iter(copies), iter([AGES])) == name


def test_any_change_gives_another_name(files: list[Path]) -> None:
    changes = ({"seed": 2}, {"model": Model(rate=0.2)}, {"shape": Shape(32)}, {"weeks": (3, 5)}, {"more": None})
    arrays = (AGES + 1, AGES.astype(np.int64), AGES.T, AGES.ravel(), AGES.view(np.uint32))
    names = [kept.fingerprint(about(), files, [AGES]), kept.fingerprint(about(), files, [AGES, AGES])]
    names += [kept.fingerprint(about(**change), files, [AGES]) for change in changes]
    names += [kept.fingerprint(about(), files, [array]) for array in arrays]
    names += [kept.fingerprint(about(), order, [AGES]) for order in (files[:1], files[::-1], [*files, files[0]])]
    files[0].write_text("another log")
    names.append(kept.fingerprint(about(), files, [AGES]))
    renamed = files[0].rename(files[0].with_name("renamed.csv"))
    names.append(kept.fingerprint(about(), [renamed, files[1]], [AGES]))
    assert len(set(names)) == len(names)


def test_a_value_that_json_cannot_hold_is_refused() -> None:
    with pytest.raises(TypeError, match="set in a fingerprint; expected JSON"):
        kept.fingerprint({"weeks": {3, 4}})


@pytest.mark.parametrize("result", [{}, {"ages": AGES, "a.b": np.zeros((0, 2), np.float32), "c": np.array(0.5)}])
def test_the_second_call_does_not_compute(result: dict[str, Array], tmp_path: Path) -> None:
    calls: list[Path] = []

    def compute(checkpoints: Path) -> dict[str, Array]:
        calls.append(checkpoints)
        return result

    for _ in range(2):
        stored = kept.keep(tmp_path / "new" / "ages.npz", compute)
        assert list(stored) == list(result)
        for name, values in result.items():
            np.testing.assert_array_equal(stored[name], values, strict=True)
    assert calls == [tmp_path / "new" / "ages.checkpoint"]


def test_a_killed_computation_leaves_its_checkpoints_alone(tmp_path: Path) -> None:
    file = tmp_path / "sum.npz"

    def compute(checkpoints: Path) -> dict[str, Array]:
        """Add 1 and be killed; when run again, add 2 to what the first run left."""
        before = checkpoints / "total"
        if not before.exists():
            checkpoints.mkdir(parents=True)
            before.write_text("1")
            raise KeyboardInterrupt
        return {"total": np.array(int(before.read_text()) + 2)}

    with pytest.raises(KeyboardInterrupt):
        kept.keep(file, compute)
    assert [entry.name for entry in tmp_path.iterdir()] == ["sum.checkpoint"]
    assert int(kept.keep(file, compute)["total"]) == 3
    assert [entry.name for entry in tmp_path.iterdir()] == ["sum.npz"]


def test_a_result_that_is_not_written_to_its_end_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(opened: BinaryIO, **_: Array) -> None:
        opened.write(b"PK")
        raise OSError("No space left on device")

    monkeypatch.setattr(np, "savez", half)
    with pytest.raises(OSError, match="No space"):
        kept.keep(tmp_path / "ages.npz", lambda _: {"ages": AGES})
    assert list(tmp_path.iterdir()) == []
