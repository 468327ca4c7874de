"""Write a small shop as CSV files, for tests that change them: three customers, twelve articles, three of them sold."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]


def unsold_articles(empty: int) -> str:
    """Return the lines of nine articles that nobody bought, items 3 to 11, with ``empty`` empty fields each."""
    return "".join(f"090000000{k},90000{k}{',' * empty}\n" for k in range(1, 10))


FILES = {
    # Neither file is in the order of its ids: codes follow the ids (a, b, c are users 0, 1, 2), answers the file.
    "articles.csv": (
        "article_id,product_code,prod_name,product_type_no,product_type_name,department_no,colour_group_code,detail_desc\n"
        "0200000001,200000,Jeans,272,Trousers,1001,9,Five pockets.\n"
        "0108775044,108775,Strap top,253,Vest top,1676,10,Narrow straps.\n"
        "0108775015,108775,Strap top,253,Vest top,1676,9,\n"
    )
    + unsold_articles(empty=6),
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
    """Return the repository's params.yaml with the block ``data`` for the small shop, updated by ``data``."""
    raw: dict[str, Any] = YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    raw["data"] = {"folder": "shop", "unknown_article": "error", "unknown_customer": "error", **data}
    return raw


def write(root: Path, files: Mapping[str, str | bytes], **data: str) -> None:
    """Write ``root/params.yaml`` and the CSV ``files`` to ``root/shop``."""
    (root / "params.yaml").write_text(json.dumps(params(**data)), encoding="utf-8")  # JSON is YAML too
    folder = root / "shop"
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
