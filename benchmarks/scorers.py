"""Who may score with the ranker's trees: LightGBM in several ways, and compilers of its trees."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numba
import numpy as np

from retail.log import Array
from stage2_ranker.fast_trees.forest import Forest
from stage2_ranker.model.blend import Blend

PLAIN = "LightGBM"
BLOCK = 2000  # rows at a time where LightGBM is given few of them

Score = Callable[[Array], Array]  # (n, f) float32 features -> (n,) float64 raw scores of one model
Compile = Callable[[Path, int, Path], Score]  # of a model's file, for so many threads, with a folder to write to


class Lent(Blend):
    """A blend whose models are ``Trees``, none of them read into masks."""

    @property
    def forests(self) -> dict[str, Forest | None]:
        return dict.fromkeys(self.models)


@dataclass(frozen=True)
class Trees:
    """A model in another's hands, to stand where ``Blend`` has LightGBM's."""

    score: Score

    def predict(self, features: Array, raw_score: bool) -> Array:
        if not raw_score:
            raise ValueError("only raw scores are compiled")
        return self.score(features)


def plain(file: Path, threads: int, folder: Path) -> Score:
    booster = lgb.Booster(model_file=file)
    return lambda rows: np.asarray(booster.predict(rows, raw_score=True, num_threads=threads))


def masks(file: Path, threads: int, folder: Path) -> Score:
    """What answers use: ``stage2_ranker.fast_trees.forest``."""
    forest = Forest.from_model(lgb.Booster(model_file=file))
    if forest is None:
        raise ValueError("a tree has too many leaves or thresholds")

    def score(rows: Array) -> Array:
        before = numba.get_num_threads()
        numba.set_num_threads(min(threads, before))
        try:
            return forest.score(rows)
        finally:
            numba.set_num_threads(before)

    return score


def by_rows(file: Path, threads: int, folder: Path) -> Score:
    """LightGBM on features that lie row by row; the table's lie column by column."""
    score = plain(file, threads, folder)
    return lambda rows: score(np.ascontiguousarray(rows))


def in_float64(file: Path, threads: int, folder: Path) -> Score:
    score = plain(file, threads, folder)
    return lambda rows: score(rows.astype(np.float64))


def in_blocks(file: Path, threads: int, folder: Path) -> Score:
    score = plain(file, threads, folder)
    return lambda rows: np.concatenate([score(rows[k : k + BLOCK]) for k in range(0, len(rows), BLOCK)])


def unchecked(file: Path, threads: int, folder: Path) -> Score:
    booster = lgb.Booster(model_file=file)
    spared: dict[str, Any] = {"predict_disable_shape_check": True, "num_threads": threads}
    return lambda rows: np.asarray(booster.predict(rows, raw_score=True, validate_features=False, **spared))


def lleaves(file: Path, threads: int, folder: Path) -> Score:
    model = import_module("lleaves").Model(model_file=str(file))
    model.compile(raw_score=True)
    return lambda rows: np.asarray(model.predict(rows, n_jobs=threads))


def tl2cgen(file: Path, threads: int, folder: Path) -> Score:
    tl2cgen, treelite = import_module("tl2cgen"), import_module("treelite")
    model = treelite.frontend.load_lightgbm_model(file)
    library = folder / f"{file.stem}_{threads}.so"
    tl2cgen.export_lib(model, toolchain="gcc", libpath=library, params={"parallel_comp": 8})
    predictor = tl2cgen.Predictor(library, nthread=threads)

    def score(rows: Array) -> Array:
        as_float64 = tl2cgen.DMatrix(np.ascontiguousarray(rows, np.float64))  # as precise as the thresholds
        return np.asarray(predictor.predict(as_float64, pred_margin=True)).ravel()

    return score


SCORERS: dict[str, tuple[tuple[str, ...], Compile]] = {  # its name -> the packages that it needs, and how it is made
    PLAIN: (("lightgbm",), plain),
    "masks": (("numba",), masks),
    "LightGBM, features row by row": (("lightgbm",), by_rows),
    "LightGBM, float64": (("lightgbm",), in_float64),
    f"LightGBM, {BLOCK:,} rows at a time": (("lightgbm",), in_blocks),
    "LightGBM, no checks": (("lightgbm",), unchecked),
    "lleaves": (("lleaves", "llvmlite"), lleaves),
    "tl2cgen": (("tl2cgen", "treelite"), tl2cgen),
}
