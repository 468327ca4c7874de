"""Test the run that compiles the kernels: it reaches every stage, leaves nothing to compile, and changes no file."""

import json
import sys
from pathlib import Path

import pytest
from numba.core import event

from benchmarks import compile_kernels
from retail import paths


def test_every_stage_runs_on_the_tiny_shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["compile_kernels"])
    before, here = (compile_kernels.ROOT / paths.PARAMS).read_bytes(), Path.cwd()
    compile_kernels.compile_all(tmp_path, 1)
    assert (tmp_path / paths.SUBMISSION).exists() and (tmp_path / paths.OUTPUTS / "report.html").exists()
    assert (compile_kernels.ROOT / paths.PARAMS).read_bytes() == before and Path.cwd() == here


def test_a_run_on_other_data_compiles_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel whose types depend on the data would be compiled again in a user's first run."""
    monkeypatch.setattr(sys, "argv", ["compile_kernels"])
    params = compile_kernels.make_tiny_params()
    (tmp_path / "first").mkdir()
    compile_kernels.compile_all(tmp_path / "first", 1)
    params["demo"] = {"customers": 200, "articles": 90, "weeks": 16, "seed": 2}
    monkeypatch.setattr(compile_kernels, "make_tiny_params", lambda: json.loads(json.dumps(params)))
    with event.install_recorder("numba:compile") as recorder:
        (tmp_path / "other").mkdir()
        compile_kernels.compile_all(tmp_path / "other", 1)
    compiled = {each.data["dispatcher"].py_func.__qualname__ for _, each in recorder.buffer}
    assert compiled == set()
