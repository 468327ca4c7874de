"""A shop of three customers and twelve articles, three of them sold, as CSV files, to spoil one thing in it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]


def unsold(empty: int) -> str:
    """The lines of nine articles that nobody bought, items 3 to 11, with so many empty fields each."""
    return "".join(f"090000000{k},90000{k}{',' * empty}\n" for k in range(1, 10))


FILES = {
    # Neither file is in the order of its ids: codes go by id (a, b, c are users 0, 1, 2), answers by file order.
    "articles.csv": (
        "article_id,product_code,prod_name,product_type_no,product_type_name,department_no,colour_group_code,detail_desc\n"
        "0200000001,200000,Jeans,272,Trousers,1001,9,Five pockets.\n"
        "0108775044,108775,Strap top,253,Vest top,1676,10,Narrow straps.\n"
        "0108775015,108775,Strap top,253,Vest top,1676,9,\n"
    )
    + unsold(empty=6),
    "customers.csv": (
        "customer_id,FN,Active,club_member_status,fashion_news_frequency,age,postal_code\n"
        "c,1.0,1.0,ACTIVE,Regularly,49,p2\n"
        "a,,,PRE-CREATE,NONE,,p1\n"
        "b,1.0,,ACTIVE,None,21,p2\n"
    ),
    "transactions_train.csv": (
        "t_dat,customer_id,article_id,price,sales_channel_id\n"
        "2020-09-01,b,0108775044,0.05,2\n"
        "2020-09-01,a,0200000001,0.03,1\n"
        "2020-09-01,b,0108775044,0.04,1\n"
        "2020-09-03,b,0108775044,0.05,2\n"
        "2020-09-03,a,0108775015,0.02,\n"
        "2020-09-09,a,0108775015,0.02,2\n"
    ),
}


def params(**data: str) -> dict[str, Any]:
    """The repository's params.yaml, its block ``data`` set to the small shop and to ``data``."""
    raw: dict[str, Any] = YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    raw["data"] = {"folder": "shop", "unknown_article": "error", "unknown_customer": "error", **data}
    return raw


def write(root: Path, files: Mapping[str, str | bytes], **data: str) -> None:
    """Write ``root/params.yaml`` and the CSV files of ``root/shop``."""
    (root / "params.yaml").write_text(json.dumps(params(**data)), encoding="utf-8")  # JSON is YAML too
    folder = root / "shop"
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
