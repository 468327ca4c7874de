"""The graph's stages as commands, read from dvc.yaml, so that a benchmark runs them in a folder of its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

GRAPH = Path(__file__).parent.parent / "dvc.yaml"
KEY = "${key}"


@dataclass(frozen=True)
class Step:
    """A stage, or one item of a foreach stage."""

    name: str  # as in data/costs
    module: str
    arguments: tuple[str, ...]
    outputs: tuple[Path, ...]


def steps(raw: Mapping[str, Any]) -> list[Step]:
    """Every stage behind ``synthesize`` in an order in which each finds its input, for the params ``raw``.

    The stages of dvc.yaml stand in such an order; those of one foreach come in the order of their blocks.
    """
    stages = YAML(typ="safe", pure=True).load(GRAPH.read_text(encoding="utf-8"))["stages"]
    found = []
    for name, block in stages.items():
        if name == "synthesize":
            continue
        if "foreach" not in block:
            found.append(_step(name, block, ""))
            continue
        of = block["foreach"].removeprefix("${").removesuffix("}")
        found += [_step(name, block["do"], key) for key in raw[of]]
    return found


def _step(name: str, block: Mapping[str, Any], key: str) -> Step:
    _, _, module, *arguments = block["cmd"].replace(KEY, key).split()
    every = [*block.get("outs", []), *block.get("metrics", []), *block.get("plots", [])]
    outputs = [next(iter(out)) if isinstance(out, dict) else out for out in every]
    return Step(
        f"{name} {key}".strip(), module, tuple(arguments), tuple(Path(out.replace(KEY, key)) for out in outputs)
    )
