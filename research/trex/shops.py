"""Prepare the two shops of the benchmark with the pipeline's own stages, each in its own folder."""

import contextlib
import io
import json
from pathlib import Path

from ruamel.yaml import YAML

from retail import params, paths, shop, stage
from retail.errors import InputError
from retail.shop import Shop
from retail_input import prepare
from shops.demo import demo_shop

ROOT = Path(__file__).parents[2]
ONLINE_RETAIL = ROOT.parent / "shared/data/online_retail"
NAMES = ("online_retail", "demo")


def check() -> None:
    """Raise InputError if the files of Online Retail are absent."""
    if not ONLINE_RETAIL.is_dir():
        raise InputError(
            f"{ONLINE_RETAIL}: no such folder; expected the CSV files of UCI Online Retail II in the competition's "
            "format; put them there, or run with --data demo"
        )


def read(name: str, folder: Path) -> Shop:
    """Read the shop ``name``; prepare it in ``folder`` first if needed."""
    if name == "online_retail":
        check()
    raw = YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    raw["data"]["folder"] = str(ONLINE_RETAIL if name == "online_retail" else paths.DEMO)
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()):
        paths.PARAMS.write_text(json.dumps(raw), encoding="utf-8")  # JSON is YAML too
        if not paths.PREPARED.exists():
            if name == "demo":
                with stage.whole_folder(paths.DEMO) as part:
                    demo_shop.write(part, params.read().demo)
            prepare.main()
        return shop.read()
