"""Test the comparison of two runs by hand: one file equal, one different, one missing, one moved."""

from pathlib import Path

from benchmarks.compare_runs import compare


def write(root: Path, **contents: str) -> Path:
    for name, text in contents.items():
        file = root / name.replace("__", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


def test_each_file_of_the_old_run_is_equal_different_or_missing(tmp_path: Path) -> None:
    old = write(tmp_path / "old", data__a="1", data__b="2", data__c="3", data__refit__m="4", data__costs__x="5")
    new = write(tmp_path / "new", data__a="1", data__b="9", data__final__m="4")
    outcome = compare(old, new, ("data",), {"data/refit": "data/final"})
    names = {kind: [file.as_posix() for file in files] for kind, files in outcome.items()}
    assert names == {"equal": ["data/a", "data/refit/m"], "different": ["data/b"], "missing": ["data/c"]}


def test_files_that_hold_seconds_are_left_out(tmp_path: Path) -> None:
    old = write(tmp_path / "old")
    (old / "outputs").mkdir(parents=True)
    (old / "outputs" / "report.html").write_text("took 3 s")
    (old / "outputs" / "submission.csv").write_text("a")
    outcome = compare(old, old, ("outputs",), {})
    assert [file.name for file in outcome["equal"]] == ["submission.csv"]
