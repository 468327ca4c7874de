"""List the stages of dvc.yaml in its order, which is the order in which DVC runs them."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from retail import paths

GRAPH = Path(__file__).parent.parent / "dvc.yaml"


def expand(stages: Mapping[str, Any], settings: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield each stage as (name, key, block); a foreach stage once per item of its block of ``settings``.

    The key is "" for a stage without foreach.

    >>> list(expand({"a": {"cmd": "x"}, "b": {"foreach": "${few}", "do": {"cmd": "y"}}}, {"few": {"p": {}, "q": {}}}))
    [('a', '', {'cmd': 'x'}), ('b', 'p', {'cmd': 'y'}), ('b', 'q', {'cmd': 'y'})]
    """
    for name, block in stages.items():
        if "foreach" not in block:
            yield name, "", block
            continue
        items: Any = block["foreach"]
        if isinstance(items, str):  # such as ${sources}
            path, items = items.removeprefix("${").removesuffix("}").split("."), settings
            for part in path:
                items = items[part]
        for key in items:
            yield name, str(key), block["do"]


def read_stages(settings: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Read dvc.yaml and yield its stages for the params ``settings``, as ``expand`` does."""
    return expand(_load(GRAPH)["stages"], settings)


def list_stages() -> list[str]:
    """List the stages as DVC names them, such as pool and propose@item_cf, for the project's params.yaml."""
    return [f"{name}@{key}" if key else name for name, key, _ in read_stages(_load(paths.PARAMS))]


def _load(path: Path) -> dict[str, Any]:
    """Load a YAML file with the parser in C: 4 ms for dvc.yaml, against 30 ms in Python."""
    raw: dict[str, Any] = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    return raw
