"""Write a synthetic shop as the four CSV files of the competition: the demo shop, or a preset.

``python -m shops.synthesize`` writes the demo shop of params.yaml (a stage of the graph).
``python -m shops.synthesize --preset hm --scale 0.1 --out FOLDER`` writes a shop like the competition's, a tenth as
large.
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

# Modules, loaded by name: the demo shop does not depend on the others.
PRESETS = {"hm": "shops.hm.hm_shop", "parsrec": "research.parsrec.parsrec_shop"}
FILES = {"articles.csv", "customers.csv", "sample_submission.csv", "transactions_train.csv"}


def main() -> None:
    """Write the demo shop or the preset, and print its facts."""
    parser = argparse.ArgumentParser(prog="python -m shops.synthesize", description=__doc__.splitlines()[0])
    parser.add_argument("--preset", choices=PRESETS, help="kind of shop; without it, the demo shop of params.yaml")
    parser.add_argument("--scale", help="customers and transactions relative to the preset's model; at most 1")
    parser.add_argument("--out", type=Path, help="folder to write the files to")
    arguments = parser.parse_args()
    if arguments.preset is None:
        stage.run(write_demo, "synthesize")  # a stage of the graph
    else:
        write = partial(write_preset, arguments.preset, arguments.scale, arguments.out)
        stage.guarded(write, "synthesize")


def write_demo() -> None:
    """Write data/demo."""
    with stage.whole_folder(paths.DEMO) as folder:
        facts = demo_shop.write(folder, params.read().demo)
    print_facts(facts, "demo shop", paths.DEMO)


def write_preset(name: str, scale: str | None, out: Path | None) -> None:
    """Write the shop ``name`` at ``scale`` into the folder ``out``, with the seed of params.yaml.

    InputError where ``scale`` or ``out`` is missing, where the scale is out of range, or where ``out`` has other files.
    """
    if scale is None or out is None:
        raise InputError(f"--preset {name} needs --scale and --out")
    shop = importlib.import_module(PRESETS[name])
    share, seed = parse_scale(scale, shop.LEAST), params.read().seed
    check_replaceable(out)
    with stage.whole_folder(out) as folder:
        facts = shop.write(folder, share, seed)
    print_facts(facts, f"{name} shop at scale {share:g}", out)


def print_facts(facts: dict[str, str], title: str, folder: Path) -> None:
    """Print the facts of a shop as a table."""
    table = Table(title, "", title=str(folder))
    for name, value in facts.items():
        table.add_row(name, value)
    Console().print(table)


def parse_scale(scale: str, least: float) -> float:
    """Convert the scale to a number in ``least..1``; InputError where it is none."""
    try:
        value = float(scale)
    except ValueError as error:
        raise InputError(f"--scale is '{scale}', expected a number such as 0.1") from error
    if not least <= value <= 1:
        raise InputError(f"--scale is {scale}, expected {least:g} to 1")
    return value


def check_replaceable(folder: Path) -> None:
    """Raise InputError where ``folder`` has anything but an earlier shop: it would be lost."""
    if folder.is_dir() and (others := sorted({path.name for path in folder.iterdir()} - FILES)):
        raise InputError(f"{folder}: contains '{others[0]}', which is no file of a shop; name another folder")


if __name__ == "__main__":
    main()
