"""MAP@12 with and without each network, as a source and as a feature: ``python -m benchmarks.networks``.

Runs the graph's own stages in a scratch folder. A pool is made for each set of proposing networks, with the scores of
all networks as columns; a variant that lacks a network's score is trained without its columns.
"""

import argparse
import itertools
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import paired, record, scratch
from retail import paths, stage
from retail.errors import InputError
from retail_input import switch_network

RANK = "rank"  # the one column of a network that it owes to its proposals


def chosen(blocks: dict[str, Any], only: list[str] | None) -> dict[str, Any]:
    """Select the networks that ``only`` names, optional ones included; all of ``blocks`` where it is None."""
    optional = {name: dict(switch_network.block(name)) for name in switch_network.optional() if only is not None}
    blocks = {**optional, **blocks}
    if unknown := set(only or ()) - set(blocks):
        raise InputError(f"--only: unknown {sorted(unknown)}; expected some of: {', '.join(sorted(blocks))}")
    return {name: block for name, block in blocks.items() if only is None or name in only}


def with_networks(raw: dict[str, Any], sources: tuple[str, ...], scores: tuple[str, ...]) -> dict[str, Any]:
    """``raw`` params with these networks proposing and scoring."""
    blocks = {
        name: {**block, "use": True, "source": name in sources, "score": name in scores}
        for name, block in raw["networks"].items()
    }
    return {**raw, "networks": blocks}


def variants(names: list[str], default: list[str]) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Name of a variant -> (networks that propose, networks that score); ``default``: those that params.yaml uses."""
    out: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {"none": ((), ())}
    for name in names:
        out |= {f"{name} as source": ((name,), ()), f"{name} as feature": ((), (name,))}
    if default and default != names:
        out["default"] = (tuple(default), tuple(default))
    out["all"] = (tuple(names), tuple(names))
    return out


def unscored(column: str, names: tuple[str, ...], scores: tuple[str, ...]) -> bool:
    """Whether ``column`` is the score of a network that does not score, or anything made with it."""
    name, _, what = column.partition("__")
    return name in names and name not in scores and what != RANK


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/online_retail"))
    parser.add_argument("--only", nargs="+", metavar="NETWORK", help="the others are off in every row, and not trained")
    parser.add_argument("--weeks", type=int, default=8, help="label weeks that are reported (%(default)s)")
    parser.add_argument("--drop", type=int, default=0, help="weeks at the end of the log to leave out: to choose on")
    parser.add_argument("--scratch", type=Path, default=paths.DATA / "bench" / "networks")
    parser.add_argument("--out", type=Path, default=record.RESULTS)
    asked = parser.parse_args()
    raw = scratch.asked(asked.data, asked.weeks)
    raw["networks"] = chosen(raw["networks"], asked.only)
    names = tuple(sorted(raw["networks"]))
    base = scratch.base(asked.scratch, with_networks(raw, names, names), asked.drop)
    ap = {}
    wanted = variants(list(names), [name for name in names if raw["networks"][name]["use"]])
    every = sorted(wanted.items(), key=lambda one: one[1][0])
    for sources, some in itertools.groupby(every, lambda one: one[1][0]):
        pooled = base.variant("_".join(["pool", *sources]), with_networks(raw, sources, names))
        for name, (_, scores) in some:
            variant = base.variant(name.replace(" ", "_"), pooled.raw)
            left_out = []
            if not variant.finished:
                scratch.pool(pooled)
                left_out = [column for column in scratch.columns(pooled) if unscored(column, names, scores)]
            ap[name] = scratch.without_columns(pooled, variant, left_out)
            print(f"{name}: MAP@12 of all buyer-weeks {np.mean(ap[name]['twelve'].to_numpy()):.4f}", flush=True)
        pooled.tidy()
    rows = paired.compared({name: ap[name] for name in wanted}, "none")
    only = names if asked.only else ()
    called = f"python -m benchmarks.networks --only {' '.join(only)}" if only else "make bench-networks"
    command = f"{called} ({asked.weeks} label weeks, {asked.drop} dropped)"
    made = record.made_from(sorted(asked.data.glob("*.csv")), [raw["seed"]], command, base.seconds())
    header = ["networks", "MAP@12", "95%", "minus none", "95%"]
    cells = [paired.cells(name, row) for name, row in rows.items()]
    table = Table(*header)
    for line in cells:
        table.add_row(*line)
    Console(width=120).print(table)
    title = "_".join(["networks", *only])
    record.write_json(title, made, {"weeks": asked.weeks, "rows": rows}, asked.out)
    record.write_markdown(title, made, record.markdown_table(header, cells), asked.out)
    figure = paired.plot({"with these networks": rows}, "MAP@12 minus that without networks")
    record.write_plot(title, figure, asked.out)


if __name__ == "__main__":
    stage.guarded(main, "bench-networks")
