"""Switch a network on or off: ``python -m retail_input.switch_network on|off NAME`` edits params.yaml and nothing else.

A network of research/<name>/params.yaml is copied into params.yaml, or removed from it with its tables under data/.
Any other network keeps its block and changes only the value of ``use``.
"""

import io
import shutil
import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from retail import params, paths, stage
from retail.errors import InputError

FOLDER = Path(__file__).parents[1] / "research"
USAGE = "run `make network-on NAME=lens` or `make network-off NAME=lens`"


def list_optional() -> list[str]:
    """List the networks that are not in the default params.yaml, in alphabetical order."""
    return sorted(file.parent.name for file in FOLDER.glob("*/params.yaml"))


def read_block(name: str) -> CommentedMap:
    """Read the settings block of an optional network, with its comments."""
    whole: CommentedMap = _yaml().load((FOLDER / name / "params.yaml").read_text(encoding="utf-8"))[name]
    return whole


def set_network(text: str, name: str, on: bool) -> str:
    """Return the params.yaml ``text`` with network ``name`` on or off; every other line stays as it is.

    InputError where no network has this name.
    """
    yaml = _yaml()
    raw: Any = yaml.load(text)
    networks = raw["networks"]
    if name in list_optional():
        if on and name not in networks:
            networks.insert(len(networks), name, read_block(name))
        elif on:
            networks[name]["use"] = True
        else:
            networks.pop(name, None)
    elif name in networks:
        networks[name]["use"] = on
    else:
        expected = ", ".join(sorted({*networks, *list_optional()}))
        raise InputError(f"network '{name}' is unknown; expected one of: {expected}; {USAGE}")
    out = io.StringIO()
    yaml.dump(raw, out)
    return out.getvalue()


def _yaml() -> YAML:
    """A parser that keeps comments, quotes and long lines."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 10_000
    return yaml


def main() -> None:
    """Edit params.yaml; delete the tables of an optional network that is switched off."""
    if len(sys.argv) != 3 or sys.argv[1] not in ("on", "off"):
        raise InputError(f"expected `on` or `off` and the name of a network; {USAGE}")
    on, name = sys.argv[1] == "on", sys.argv[2]
    params.read()  # a params.yaml with a fault is reported before it is changed
    text = set_network(paths.PARAMS.read_text(encoding="utf-8"), name, on)
    with stage.whole_file(paths.PARAMS) as part:
        part.write_text(text, encoding="utf-8")
    if not on and name in list_optional():  # else its folder would remain an input of the pool
        for folder in (paths.NETWORKS / name, paths.SOURCES / name):
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    stage.guarded(main, "network")
