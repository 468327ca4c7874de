"""Test dvc.yaml against the code: each stage depends on all code that it runs and on existing blocks of params.yaml.

DVC does not follow imports. So this file collects the code of a stage: its module, the plug-ins that it loads by name,
and all that these import within the project.
"""

import ast
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from csv_shop import ROOT
from dvc.fs import localfs
from dvc.rwlock import RWLockFileCorruptedError, rwlock
from ruamel.yaml import YAML

from retail import stage
from retail_input import switch_network
from submissions import check

PACKAGES = ("retail", "retail_input", "shops", "stage1_candidates", "features", "stage2_ranker", "submissions")
SOURCES, GROUPS, NETWORKS = "stage1_candidates/sources", "features/groups", "stage1_candidates/networks"
KINDS = {"sources": SOURCES, "networks": NETWORKS, "features": GROUPS}  # block of params.yaml -> folder of its plug-ins
# A stage that imports these modules loads plug-ins of these kinds by name.
LOADERS = {"stage1_candidates/engine/source.py": ("sources", "networks"), "features/engine/group.py": ("features",)}

YAMLS: dict[str, Any] = {
    name: YAML(typ="safe", pure=True).load((ROOT / name).read_text(encoding="utf-8"))
    for name in ("dvc.yaml", "params.yaml")
}
STAGES: dict[str, dict[str, Any]] = {
    name: {**stage, **stage.get("do", {})} for name, stage in YAMLS["dvc.yaml"]["stages"].items()
}


def module_file(dotted: str) -> str | None:
    """Return the path of a module of the project, relative to its root; None for a package or a foreign module."""
    path = Path(*dotted.split(".")).with_suffix(".py")
    return path.as_posix() if path.parts[0] in PACKAGES and (ROOT / path).is_file() else None


def imported(file: str) -> set[str]:
    """List the project's files that ``file`` imports anywhere in its text."""
    names = set()
    for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            names |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {path for path in map(module_file, names) if path}


def closure(files: set[str]) -> set[str]:
    """Return ``files`` and all that they import, directly or indirectly."""
    closed: set[str] = set()
    todo = set(files)
    while todo:
        file = todo.pop()
        closed.add(file)
        todo |= imported(file) - closed
    return closed


def plugins(kind: str) -> dict[str, str]:
    """Map the name of each plug-in of a block of params.yaml to its file."""
    folder = ROOT / KINDS[kind]
    files = folder.glob("*/plugin.py") if kind == "networks" else folder.glob("[!_]*.py")
    return {
        (file.parent if kind == "networks" else file).stem: file.relative_to(ROOT).as_posix() for file in sorted(files)
    }


def runs_of(stage: dict[str, Any]) -> dict[str, set[str]]:
    """Map the key of each run of a stage ("" for a single run) to the code that the run may execute.

    A stage of ``foreach`` loads the plug-in of its key alone; any other stage may load every plug-in.
    """
    module = re.fullmatch(r"python -m ([\w.]+)( \$\{key\})?", stage["cmd"])
    assert module, stage["cmd"]
    main = module_file(module[1]) or module_file(f"{module[1]}.__main__")
    assert main, stage["cmd"]
    files = closure({main})
    if module[2]:
        return {key: closure(files | {file}) for key, file in plugins(stage["foreach"].strip("${}")).items()}
    loaded = {file for loader, kinds in LOADERS.items() if loader in files for kind in kinds
              for file in plugins(kind).values()}  # fmt: skip
    return {"": closure(files | loaded)}


def is_code(dep: str) -> bool:
    return dep.split("/")[0] in PACKAGES and not dep.endswith((".csv", ".json", ".parquet"))


@pytest.mark.parametrize("name", STAGES)
def test_all_code_that_a_stage_runs_lies_in_its_dependencies(name: str) -> None:
    deps = [dep for dep in STAGES[name]["deps"] if is_code(dep)]
    for key, files in runs_of(STAGES[name]).items():
        folders = [Path(dep.replace("${key}", key)) for dep in deps]
        outside = [file for file in sorted(files) if not any(Path(file).is_relative_to(folder) for folder in folders)]
        assert not outside, (key, outside)


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_depends_on_no_code_that_it_cannot_run(name: str) -> None:
    files = set().union(*runs_of(STAGES[name]).values())
    for dep in STAGES[name]["deps"]:
        if is_code(dep) and "${key}" not in dep:
            assert any(Path(file).is_relative_to(dep) for file in files), dep


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_is_called_like_its_module(name: str) -> None:
    assert STAGES[name]["cmd"].removeprefix("python -m ").split()[0].split(".")[-1] == name


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_names_blocks_that_exist(name: str) -> None:
    keys = [str(key) for key in STAGES[name].get("params", [])]
    for key in keys:
        whole, _, part_of_each = key.partition(".${key}")
        block = YAMLS["params.yaml"]
        for part in whole.split("."):
            assert part in block, key
            block = block[part]
        for item in block.values() if part_of_each else ():
            assert part_of_each.removeprefix(".") in item, key
    assert len(keys) == len(set(keys))


def test_no_parameter_has_a_name_that_dvc_overlooks() -> None:
    """DVC ignores keys with these names when it compares params, so a stage would not run again for a new value."""

    def names(block: Any) -> set[str]:
        return (
            {str(key) for key in block} | set().union(*map(names, block.values())) if isinstance(block, dict) else set()
        )

    assert not names(YAMLS["params.yaml"]) & {"size", "nfiles"}


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_depends_on_tables_that_a_stage_makes(name: str) -> None:
    outs = [out for stage in STAGES.values() for out in (*stage["outs"], *stage.get("metrics", []))]
    made = {out if isinstance(out, str) else next(iter(out)) for out in outs}
    made |= {str(Path(out).parent) for out in made if out.endswith("${key}")}  # the folder that holds all of a kind
    for dep in STAGES[name]["deps"]:
        assert is_code(dep) or dep in made or dep in ("${data.folder}", "params.yaml"), dep


@pytest.mark.parametrize("name", STAGES)
def test_no_stage_is_skipped_on_a_fresh_clone(name: str) -> None:
    """If git held all outputs of a stage, DVC would skip it: no printed tables, and the costs of another machine."""
    kept_by_git = [next(iter(out)) for out in STAGES[name]["outs"] if isinstance(out, dict)]  # cache: false
    assert len(STAGES[name]["outs"]) > len(kept_by_git)


@pytest.mark.parametrize("block", KINDS)
def test_every_plugin_has_its_block_and_every_block_its_plugin(block: str) -> None:
    optional = switch_network.list_optional() if block == "networks" else []
    assert set(plugins(block)) == {*YAMLS["params.yaml"][block], *optional}


def test_no_plugin_imports_a_plugin() -> None:
    """The fingerprint of a plug-in covers its own file, not those of other plug-ins."""
    every = {file for kind in KINDS for file in plugins(kind).values()}
    for file in every:
        assert not (imported(file) & every), file


def test_a_network_is_made_of_its_own_folder_and_of_what_all_share() -> None:
    """Otherwise a change of a network would not train the networks again that import it."""
    for name, file in plugins("networks").items():
        folders = {Path(path).parent.name for path in closure({file}) if path.startswith(f"{NETWORKS}/")}
        assert folders <= {name, "base"}, file


def test_package_files_hold_no_code() -> None:
    """They run on import but are in no list of dependencies."""
    for package in PACKAGES:
        for path in (ROOT / package).rglob("__init__.py"):
            assert path.read_text(encoding="utf-8") == "", path


def test_folders_count_sources_alone() -> None:
    """Compiled code next to the sources and the halves of killed stages must change no dependency."""
    assert {"__pycache__", ".*.part"} <= set((ROOT / ".dvcignore").read_text(encoding="utf-8").splitlines())


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("    depth: 1000", "    deph: 1000", "unknown key 'sources.popular.deph'; expected one of: depth"),
        ("  match:\n", "  macth:\n", "unknown 'features.macth'; expected the name of a file in"),
        ("hazard_smoothing: 20", "hazard_smoothing: -1", "'features.own.hazard_smoothing' is -1; Input should be"),
        ("shard: 5000", "shart: 5000", "unknown key 'submit.shart'; expected one of: cascade, shard"),
        ("num_leaves: 31", "num_leafs: 31", "params.yaml: 'ranker.models.binary_deep.settings': unknown 'num_leafs'"),
        ("num_leaves: 31", "num_leaves: 1", "'ranker.models.binary_deep.settings': LightGBM says: Check failed: "),
    ],
)  # fmt: skip
def test_a_typo_is_named_before_the_first_stage(
    old: str, new: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "params.yaml").write_text(text.replace(old, new), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        stage.guarded(check.main, "check")
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert line in error and error.count("\n") == 1


LOCKED = """schema: '2.0'
stages:
  prepare:
    cmd: python -m retail_input.prepare
    outs:
    - path: data/prepared
      hash: md5
      md5: 4b5189c9a880ca32ca7b80750f31052b.dir
      size: 3349
"""


@pytest.mark.parametrize("end", ["", "schema: '2", "stages:\n", "    cmd", "    outs:\n    -"])
def test_a_lock_file_that_a_kill_cut_off_is_put_aside(
    end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lock, cut = tmp_path / "dvc.lock", LOCKED[: LOCKED.index(end) + len(end)]
    lock.write_text(cut, encoding="utf-8")
    monkeypatch.setattr(check, "MOMENT", 0)
    check.put_aside(tmp_path)
    assert not lock.exists() and (tmp_path / "dvc.lock.cut").read_text(encoding="utf-8") == cut
    assert "restored from DVC's cache" in capsys.readouterr().out


def holders(project: Path, text: str) -> Path:
    file = project / ".dvc/tmp/rwlock"
    file.parent.mkdir(parents=True)
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize("text", ["", '{"read": {"/a', '{"read": {}, "write": {}'])
def test_a_list_of_holders_that_a_kill_cut_off_is_removed(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = holders(tmp_path, text)
    with pytest.raises(RWLockFileCorruptedError), rwlock(str(file.parent), localfs, "repro", [], ["a"], False):
        pass  # so DVC would fail
    monkeypatch.setattr(check, "MOMENT", 0)
    check.put_aside(tmp_path)
    assert not file.exists() and "cannot read" in capsys.readouterr().out
    with rwlock(str(file.parent), localfs, "repro", [], ["a"], False):
        held = file.read_text(encoding="utf-8")
        check.put_aside(tmp_path)
        assert file.read_text(encoding="utf-8") == held  # a complete file is kept


def test_files_that_are_being_written_are_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock, file = tmp_path / "dvc.lock", holders(tmp_path, '{"read"')
    lock.write_text("schema: '2", encoding="utf-8")

    def written(_: float) -> None:
        lock.write_text(LOCKED, encoding="utf-8")
        file.write_text("{}", encoding="utf-8")

    monkeypatch.setattr(check, "time", SimpleNamespace(sleep=written))  # of this module alone: other threads sleep, too
    check.put_aside(tmp_path)
    assert lock.read_text(encoding="utf-8") == LOCKED and file.read_text(encoding="utf-8") == "{}"


def test_a_whole_lock_file_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lock = tmp_path / "dvc.lock"
    lock.write_text(LOCKED, encoding="utf-8")
    check.put_aside(tmp_path)
    assert lock.read_text(encoding="utf-8") == LOCKED and not capsys.readouterr().out


def test_no_lock_file_is_no_fault(tmp_path: Path) -> None:
    check.put_aside(tmp_path)
    assert not list(tmp_path.iterdir())
