"""Read the graph's stages from dvc.yaml as commands, so that a benchmark can run them in another folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retail import graph

KEY = "${key}"  # what dvc.yaml writes for an item of a foreach stage


@dataclass(frozen=True)
class Step:
    """A stage, or an item of a foreach stage."""

    name: str  # as in data/costs
    module: str
    arguments: tuple[str, ...]
    outputs: tuple[Path, ...]  # relative to the project


def read_steps(raw: Mapping[str, Any]) -> list[Step]:
    """List every stage after ``synthesize`` for the params ``raw``, each after the stages whose outputs it reads.

    The order is that of dvc.yaml; items of a foreach stage come in the order of their blocks in ``raw``.
    """
    return [_make_step(name, block, key) for name, key, block in graph.read_stages(raw) if name != "synthesize"]


def _make_step(name: str, block: Mapping[str, Any], key: str) -> Step:
    _, _, module, *arguments = block["cmd"].replace(KEY, key).split()
    listed = [*block.get("outs", []), *block.get("metrics", []), *block.get("plots", [])]
    outputs = [next(iter(out)) if isinstance(out, dict) else out for out in listed]
    return Step(
        f"{name} {key}".strip(), module, tuple(arguments), tuple(Path(out.replace(KEY, key)) for out in outputs)
    )
