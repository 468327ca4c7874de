"""Scorers of the ranker's trees: LightGBM called in several ways, and compilers of its trees."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np

from retail import chunks
from retail.log import Array
from stage2_ranker.fast_trees.forest import Forest
from stage2_ranker.model.blend import Blend

PLAIN = "LightGBM"
BLOCK = 2000  # rows per call of the scorer that scores in blocks

Score = Callable[[Array], Array]  # (n, f) float32 features -> (n,) float64 raw scores of one model
Compile = Callable[[Path, int, Path], Score]  # (the model's file, threads, a folder to write to) -> its scorer


class ScorerBlend(Blend):
    """A blend whose models are ``ScorerModel``; none of them is read into bit masks."""

    def score_raw(self, features: Array, begin: int = 0, end: int | None = None, start: Array | None = None) -> Array:
        """Compute raw scores (models, n) with each model's own ``predict``; ValueError for a part of a model."""
        if begin or end is not None or start is not None:
            raise ValueError("other scorers score whole models only; set submit.cascade.keep to 0")
        return np.stack([np.asarray(model.predict(features, raw_score=True)) for model in self.models.values()])


@dataclass(frozen=True)
class ScorerModel:
    """A model scored by ``score``, with LightGBM's interface as far as ``Blend`` uses it."""

    score: Score

    def predict(self, features: Array, raw_score: bool) -> Array:
        """Score ``features`` (n, f) float32: (n,) float64 raw scores; ValueError unless ``raw_score``."""
        if not raw_score:
            raise ValueError("only raw scores are compiled; call with raw_score=True")
        return self.score(features)


def load_plain(file: Path, threads: int, folder: Path) -> Score:
    """Score with LightGBM's default call."""
    booster = lgb.Booster(model_file=file)
    return lambda rows: np.asarray(booster.predict(rows, raw_score=True, num_threads=threads))


def load_masks(file: Path, threads: int, folder: Path) -> Score:
    """Score with bit masks (``stage2_ranker.fast_trees.forest``), as the submission does.

    ValueError if a tree has too many leaves or thresholds.
    """
    forest = Forest.from_model(lgb.Booster(model_file=file))
    if forest is None:
        raise ValueError("a tree has too many leaves or thresholds")

    def score(rows: Array) -> Array:
        with chunks.limit_threads(threads):
            return forest.score(rows)

    return score


def load_row_major(file: Path, threads: int, folder: Path) -> Score:
    """Score with LightGBM on features in row-major order; the table's are in column-major order."""
    score = load_plain(file, threads, folder)
    return lambda rows: score(np.ascontiguousarray(rows))


def load_float64(file: Path, threads: int, folder: Path) -> Score:
    """Score with LightGBM on float64 features."""
    score = load_plain(file, threads, folder)
    return lambda rows: score(rows.astype(np.float64))


def load_blocks(file: Path, threads: int, folder: Path) -> Score:
    """Score with LightGBM, ``BLOCK`` rows per call."""
    score = load_plain(file, threads, folder)
    return lambda rows: np.concatenate([score(rows[k : k + BLOCK]) for k in range(0, len(rows), BLOCK)])


def load_unchecked(file: Path, threads: int, folder: Path) -> Score:
    """Score with LightGBM without its checks of the features."""
    booster = lgb.Booster(model_file=file)
    options: dict[str, Any] = {"predict_disable_shape_check": True, "num_threads": threads}
    return lambda rows: np.asarray(booster.predict(rows, raw_score=True, validate_features=False, **options))


def compile_lleaves(file: Path, threads: int, folder: Path) -> Score:
    """Compile the trees with lleaves."""
    model = import_module("lleaves").Model(model_file=str(file))
    model.compile(raw_score=True)
    return lambda rows: np.asarray(model.predict(rows, n_jobs=threads))


def compile_tl2cgen(file: Path, threads: int, folder: Path) -> Score:
    """Compile the trees with tl2cgen, by way of treelite and gcc."""
    tl2cgen, treelite = import_module("tl2cgen"), import_module("treelite")
    model = treelite.frontend.load_lightgbm_model(file)
    library = folder / f"{file.stem}_{threads}.so"
    tl2cgen.export_lib(model, toolchain="gcc", libpath=library, params={"parallel_comp": 8})
    predictor = tl2cgen.Predictor(library, nthread=threads)

    def score(rows: Array) -> Array:
        as_float64 = tl2cgen.DMatrix(np.ascontiguousarray(rows, np.float64))  # the precision of the thresholds
        return np.asarray(predictor.predict(as_float64, pred_margin=True)).ravel()

    return score


SCORERS: dict[str, tuple[tuple[str, ...], Compile]] = {  # name -> (packages it needs, the function that makes it)
    PLAIN: (("lightgbm",), load_plain),
    "masks": (("numba",), load_masks),
    "LightGBM, features row by row": (("lightgbm",), load_row_major),
    "LightGBM, float64": (("lightgbm",), load_float64),
    f"LightGBM, {BLOCK:,} rows at a time": (("lightgbm",), load_blocks),
    "LightGBM, no checks": (("lightgbm",), load_unchecked),
    "lleaves": (("lleaves", "llvmlite"), compile_lleaves),
    "tl2cgen": (("tl2cgen", "treelite"), compile_tl2cgen),
}
