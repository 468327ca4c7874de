"""An invented shop as the four CSV files of the competition: the demo shop, or a preset in a folder of your choice.

``python -m shops.synthesize`` writes the demo shop of params.yaml (a stage of the graph);
``python -m shops.synthesize --preset hm --scale 0.1 --out FOLDER`` a shop of the competition's kind, a tenth as large.
"""

import argparse
import importlib
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from retail import params, paths, stage
from retail.errors import InputError
from shops.demo import demo_shop

# Loaded by name: the demo shop does not depend on the others.
PRESETS = {"hm": "shops.hm.hm_shop", "parsrec": "research.parsrec.parsrec_shop"}
FILES = {"articles.csv", "customers.csv", "sample_submission.csv", "transactions_train.csv"}


def main() -> None:
    """Write the shop that was asked for and print what is in it."""
    parser = argparse.ArgumentParser(prog="python -m shops.synthesize", description=__doc__.splitlines()[0])
    parser.add_argument("--preset", choices=PRESETS, help="kind of shop; without it, the demo shop of params.yaml")
    parser.add_argument("--scale", help="1: as many customers and transactions as the shop that the preset is after")
    parser.add_argument("--out", type=Path, help="the folder that the files go to")
    asked = parser.parse_args()
    if asked.preset is None:
        stage.run(demo, "synthesize")  # a stage of the graph
    else:
        stage.guarded(partial(preset, asked.preset, asked.scale, asked.out), "synthesize")


def demo() -> None:
    """Write data/demo."""
    with stage.whole_folder(paths.DEMO) as folder:
        facts = demo_shop.write(folder, params.read().demo)
    show(facts, "demo shop", paths.DEMO)


def preset(name: str, scale: str | None, out: Path | None) -> None:
    """Write the shop ``name`` at ``scale`` into the folder ``out``, with the seed of params.yaml."""
    if scale is None or out is None:
        raise InputError(f"--preset {name} needs --scale and --out")
    shop = importlib.import_module(PRESETS[name])
    share, seed = number(scale, shop.LEAST), params.read().seed
    replaceable(out)
    with stage.whole_folder(out) as folder:
        facts = shop.write(folder, share, seed)
    show(facts, f"{name} shop at scale {share:g}", out)


def show(facts: dict[str, str], title: str, folder: Path) -> None:
    """Print what there is to say of a shop."""
    table = Table(title, "", title=str(folder))
    for name, value in facts.items():
        table.add_row(name, value)
    Console().print(table)


def number(scale: str, least: float) -> float:
    """The scale as a number in ``least..1``."""
    try:
        value = float(scale)
    except ValueError as error:
        raise InputError(f"--scale is '{scale}', expected a number such as 0.1") from error
    if not least <= value <= 1:
        raise InputError(f"--scale is {scale}, expected {least:g} to 1")
    return value


def replaceable(folder: Path) -> None:
    """InputError where ``folder`` holds anything but an earlier shop: it would be lost."""
    if folder.is_dir() and (others := sorted({path.name for path in folder.iterdir()} - FILES)):
        raise InputError(f"{folder}: holds '{others[0]}', which is no file of a shop; name another folder")


if __name__ == "__main__":
    main()
