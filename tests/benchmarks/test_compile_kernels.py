"""Test the run that compiles the kernels: it reaches every stage and changes neither params.yaml nor the folder."""

import sys
from pathlib import Path

import pytest

from benchmarks import compile_kernels
from retail import paths


def test_every_stage_runs_on_the_tiny_shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["compile_kernels"])
    before, here = (compile_kernels.ROOT / paths.PARAMS).read_bytes(), Path.cwd()
    compile_kernels.run_stages(tmp_path)
    assert (tmp_path / paths.SUBMISSION).exists() and (tmp_path / paths.OUTPUTS / "report.html").exists()
    assert (compile_kernels.ROOT / paths.PARAMS).read_bytes() == before and Path.cwd() == here
