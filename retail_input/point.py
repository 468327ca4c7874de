"""Point the pipeline at a shop: ``python -m retail_input.point FOLDER`` sets data.folder in params.yaml."""

import io
import sys
from pathlib import Path

from ruamel.yaml import YAML

from retail import params, paths, stage
from retail.errors import InputError
from retail_input.prepare import ARTICLES, CUSTOMERS, TRANSACTIONS


def check_folder(folder: Path) -> None:
    """Raise InputError unless ``folder``, relative to the project's root, has the three CSV files of a shop."""
    if folder == paths.DEMO:
        return  # stage ``synthesize`` writes it
    if not folder.is_dir():
        raise InputError(
            f"{folder}: no such folder; expected one with {ARTICLES}, {CUSTOMERS} and {TRANSACTIONS}, "
            "its path absolute or relative to the project's root; fix DATA="
        )
    for name in (ARTICLES, CUSTOMERS, TRANSACTIONS):
        if not (folder / name).is_file():
            raise InputError(f"{folder / name}: no such file; add the file or give another folder as DATA=")


def set_folder(text: str, folder: Path) -> str:
    """Return the params.yaml ``text`` with data.folder set; comments, blanks and order stay."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 10_000  # do not wrap long flow mappings
    raw = yaml.load(text)
    raw["data"]["folder"] = folder.as_posix()
    out = io.StringIO()
    yaml.dump(raw, out)
    return out.getvalue()


def main() -> None:
    """Check the folder and set data.folder in params.yaml."""
    if len(sys.argv) != 2:
        raise InputError(f"{len(sys.argv) - 1} arguments, expected one folder: `python -m retail_input.point FOLDER`")
    folder = Path(sys.argv[1])
    check_folder(folder)
    if params.read().data.folder == folder:
        return
    text = set_folder(paths.PARAMS.read_text(encoding="utf-8"), folder)
    with stage.whole_file(paths.PARAMS) as part:
        part.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    stage.guarded(main, "point")
