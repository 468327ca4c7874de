"""Change settings in params.yaml and keep its comments.

``python runs/set_params.py weeks.validation=12 pool.take=80``
"""

import io
import sys
from pathlib import Path

from ruamel.yaml import YAML

PARAMS = Path("params.yaml")


def set_values(text: str, assignments: list[str]) -> str:
    """Return the params.yaml ``text`` with each ``dotted.key=value`` set; KeyError where a key does not exist.

    >>> set_values("pool:\\n  take: 120  # candidates\\n", ["pool.take=80"])
    'pool:\\n  take: 80   # candidates\\n'
    """
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 10_000  # long lines stay on one line
    raw = yaml.load(text)
    for assignment in assignments:
        dotted, _, value = assignment.partition("=")
        *path, key = dotted.split(".")
        block = raw
        for name in path:
            block = block[name]
        if key not in block:
            raise KeyError(dotted)
        block[key] = YAML(typ="safe").load(value)
    out = io.StringIO()
    yaml.dump(raw, out)
    return out.getvalue()


def main() -> None:
    if len(sys.argv) < 2 or not all("=" in assignment for assignment in sys.argv[1:]):
        raise SystemExit(__doc__)
    try:
        text = set_values(PARAMS.read_text(encoding="utf-8"), sys.argv[1:])
    except (KeyError, TypeError) as error:
        raise SystemExit(
            f"params.yaml: key {error} is unknown; expected dotted keys such as weeks.validation"
        ) from error
    PARAMS.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
