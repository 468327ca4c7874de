"""Write a benchmark's results to benchmarks/results: figures as JSON, tables as Markdown, plots as PNG.

JSON and Markdown state their origin: digests of the data, seeds, command, seconds, library versions, device.
"""

import json
import platform
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from retail.cores import cores
from retail.kept import digest
from retail.stage import whole_file

RESULTS = Path("benchmarks/results")
LIBRARIES = ("torch", "lightning", "numpy", "scipy", "numba", "lightgbm", "optuna", "polars")


def name_device() -> str:
    """Name the GPU if there is one; otherwise the processor, its threads and, if fewer, the threads in use."""
    if find_spec("torch"):
        import torch  # imported here, so that benchmarks run where torch is not installed

        if torch.cuda.is_available():
            return torch.cuda.get_device_name()
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    used = f" ({cores()} used)" if cores() < len(names) else ""
    return f"{names[0]}, {len(names)} threads{used}" if names else platform.machine()


def describe_origin(data: Sequence[Path], seeds: Sequence[int], command: str, seconds: float) -> dict[str, Any]:
    """Describe the origin of a benchmark's figures.

    ``data``: the files that were read; ``command``: what reproduces the figures; ``seconds``: how long they took. The
    keys of the result are those of "made_from" in the JSON files. Libraries that are not installed are left out.
    """
    installed = [name for name in LIBRARIES if find_spec(name)]
    return {
        "data": {file.name: digest([file]) for file in data},
        "seeds": list(seeds),
        "command": command,
        "seconds": round(seconds, 1),
        "libraries": {"python": platform.python_version(), **{name: version(name) for name in installed}},
        "device": name_device(),
    }


def write_json(name: str, origin: dict[str, Any], figures: dict[str, Any], folder: Path = RESULTS) -> None:
    """Write ``<name>.json``: ``origin``, the result of ``describe_origin``, under "made_from", then ``figures``."""
    with whole_file(folder / f"{name}.json") as part:
        part.write_text(json.dumps({"made_from": origin, **figures}, indent=1) + "\n")


def write_markdown(name: str, origin: dict[str, Any], text: str, folder: Path = RESULTS) -> None:
    """Write ``<name>.md``: ``text``, then a paragraph on its origin."""
    data = ", ".join(f"{file} (sha256 {value[:12]})" for file, value in origin["data"].items())
    libraries = ", ".join(f"{library} {value}" for library, value in origin["libraries"].items())
    seeds = ", ".join(map(str, origin["seeds"]))
    footer = (
        f"Made by `{origin['command']}` in {origin['seconds']:.0f} s of computing on {origin['device']}, "
        f"seeds {seeds}, from {data}, with {libraries}."
    )
    with whole_file(folder / f"{name}.md") as part:
        part.write_text(f"{text}\n\n{footer}\n")


def write_plot(name: str, figure: Figure, folder: Path = RESULTS) -> None:
    """Write ``<name>.png`` without software metadata, so that equal figures give equal bytes."""
    with whole_file(folder / f"{name}.png") as part:
        figure.savefig(part, format="png", dpi=120, metadata={"Software": None})


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Format a Markdown table: the first column aligned left, the others right."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
