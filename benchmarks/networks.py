"""Measure MAP@12 with and without each network, as a source and as a feature: ``python -m benchmarks.networks``.

Runs the graph's stages in a scratch folder. Each set of proposing networks has its own pool, with the scores of all
networks as columns. A variant without a network's score trains without that network's columns.
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

RANK = "rank"  # a network's only column that comes from its proposals


def select_networks(blocks: dict[str, Any], only: list[str] | None) -> dict[str, Any]:
    """Select the networks that ``only`` names, optional ones included; all of ``blocks`` if it is None.

    InputError if ``only`` names an unknown network.
    """
    optional = {
        name: dict(switch_network.read_block(name)) for name in switch_network.list_optional() if only is not None
    }
    blocks = {**optional, **blocks}
    if unknown := set(only or ()) - set(blocks):
        raise InputError(f"--only: unknown {sorted(unknown)}; expected some of: {', '.join(sorted(blocks))}")
    return {name: block for name, block in blocks.items() if only is None or name in only}


def switch_networks(raw: dict[str, Any], sources: tuple[str, ...], scores: tuple[str, ...]) -> dict[str, Any]:
    """Return the params ``raw`` in which the networks ``sources`` propose and the networks ``scores`` score."""
    blocks = {
        name: {**block, "use": True, "source": name in sources, "score": name in scores}
        for name, block in raw["networks"].items()
    }
    return {**raw, "networks": blocks}


def list_variants(names: list[str], default: list[str]) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """List the variants: name -> (networks that propose, networks that score).

    ``default``: the networks that params.yaml switches on.
    """
    out: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {"none": ((), ())}
    for name in names:
        out |= {f"{name} as source": ((name,), ()), f"{name} as feature": ((), (name,))}
    if default and default != names:
        out["default"] = (tuple(default), tuple(default))
    out["all"] = (tuple(names), tuple(names))
    return out


def is_unscored(column: str, names: tuple[str, ...], scores: tuple[str, ...]) -> bool:
    """Tell whether ``column`` derives from the score of a network that is not among ``scores``."""
    name, _, suffix = column.partition("__")
    return name in names and name not in scores and suffix != RANK


def main() -> None:
    """Evaluate all variants; print and write the table and the plot."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/online_retail"))
    parser.add_argument("--only", nargs="+", metavar="NETWORK", help="train and compare these networks alone")
    parser.add_argument("--weeks", type=int, default=8, help="label weeks that are reported (%(default)s)")
    parser.add_argument(
        "--drop", type=int, default=0, help="weeks at the end of the log to leave out, to make choices on earlier weeks"
    )
    parser.add_argument("--scratch", type=Path, default=paths.DATA / "bench" / "networks")
    parser.add_argument("--out", type=Path, default=record.RESULTS)
    arguments = parser.parse_args()
    raw = scratch.read_settings(arguments.data, arguments.weeks)
    raw["networks"] = select_networks(raw["networks"], arguments.only)
    names = tuple(sorted(raw["networks"]))
    base = scratch.make_base(arguments.scratch, switch_networks(raw, names, names), arguments.drop)
    ap = {}
    variants = list_variants(list(names), [name for name in names if raw["networks"][name]["use"]])
    by_sources = sorted(variants.items(), key=lambda entry: entry[1][0])
    for sources, same_pool in itertools.groupby(by_sources, lambda entry: entry[1][0]):
        pooled = base.add_variant("_".join(["pool", *sources]), switch_networks(raw, sources, names))
        for name, (_, scores) in same_pool:
            variant = base.add_variant(name.replace(" ", "_"), pooled.raw)
            dropped = []
            if not variant.finished:
                scratch.build_table(pooled)
                dropped = [column for column in scratch.read_columns(pooled) if is_unscored(column, names, scores)]
            ap[name] = scratch.evaluate_without_columns(pooled, variant, dropped)
            print(f"{name}: MAP@12 of all buyer-weeks {np.mean(ap[name]['twelve'].to_numpy()):.4f}", flush=True)
        pooled.remove_tables()
    rows = paired.compare_variants({name: ap[name] for name in variants}, "none")
    only = names if arguments.only else ()
    program = f"python -m benchmarks.networks --only {' '.join(only)}" if only else "make bench-networks"
    command = f"{program} ({arguments.weeks} label weeks, {arguments.drop} dropped)"
    origin = record.describe_origin(sorted(arguments.data.glob("*.csv")), [raw["seed"]], command, base.sum_seconds())
    header = ["networks", "MAP@12", "95%", "minus none", "95%"]
    cells = [paired.format_cells(name, row) for name, row in rows.items()]
    table = Table(*header)
    for line in cells:
        table.add_row(*line)
    Console(width=120).print(table)
    title = "_".join(["networks", *only])
    record.write_json(title, origin, {"weeks": arguments.weeks, "rows": rows}, arguments.out)
    record.write_markdown(title, origin, record.markdown_table(header, cells), arguments.out)
    figure = paired.plot({"with these networks": rows}, "MAP@12 minus that without networks")
    record.write_plot(title, figure, arguments.out)


if __name__ == "__main__":
    stage.guarded(main, "bench-networks")
