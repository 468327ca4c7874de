"""What a benchmark leaves in benchmarks/results: figures as JSON, a table as Markdown, a plot as PNG.

Each carries what it was made from: the data's digests, the seeds, the command, its seconds, the libraries, the device.
"""

import json
import platform
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure

from retail.kept import digest
from retail.stage import whole_file
from stage1_candidates.networks.base.side_by_side import cores

RESULTS = Path("benchmarks/results")
LIBRARIES = ("torch", "lightning", "numpy", "scipy", "numba", "lightgbm", "optuna", "polars")


def device() -> str:
    """The GPU's name where there is one, else the processor's, its threads, and how many of them served if not all."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    used = f" ({cores()} used)" if cores() < len(names) else ""
    return f"{names[0]}, {len(names)} threads{used}" if names else platform.machine()


def made_from(data: Sequence[Path], seeds: Sequence[int], command: str, seconds: float) -> dict[str, Any]:
    """What stands beside every figure; ``data``: the files that were read."""
    return {
        "data": {file.name: digest([file]) for file in data},
        "seeds": list(seeds),
        "command": command,
        "seconds": round(seconds, 1),
        "libraries": {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}},
        "device": device(),
    }


def write_json(name: str, made: dict[str, Any], figures: dict[str, Any], folder: Path = RESULTS) -> None:
    """``<name>.json``: ``made_from``'s answer under "made_from", then ``figures``."""
    with whole_file(folder / f"{name}.json") as part:
        part.write_text(json.dumps({"made_from": made, **figures}, indent=1) + "\n")


def write_markdown(name: str, made: dict[str, Any], text: str, folder: Path = RESULTS) -> None:
    """``<name>.md``: ``text``, then in one paragraph what it was made from."""
    data = ", ".join(f"{file} (sha256 {value[:12]})" for file, value in made["data"].items())
    libraries = ", ".join(f"{library} {value}" for library, value in made["libraries"].items())
    seeds = ", ".join(map(str, made["seeds"]))
    last = (
        f"Made by `{made['command']}` in {made['seconds']:.0f} s of computing on {made['device']}, seeds {seeds}, "
        f"from {data}, with {libraries}."
    )
    with whole_file(folder / f"{name}.md") as part:
        part.write_text(f"{text}\n\n{last}\n")


def write_plot(name: str, figure: Figure, folder: Path = RESULTS) -> None:
    """``<name>.png``; without the date, so that the same figure gives the same bytes."""
    with whole_file(folder / f"{name}.png") as part:
        figure.savefig(part, format="png", dpi=120, metadata={"Software": None})


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, the first column to the left, the others to the right."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
