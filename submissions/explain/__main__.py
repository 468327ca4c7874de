"""Stage ``explain``: the reasons of the twelve articles of the first customers of the submission; or of one, printed.

``python -m submissions.explain`` writes outputs/explanations.parquet, one row per customer and place, of the first
``explain.customers`` customers of the submission: customer_id, place (1..12), article_id, score (null where an article
only fills the list up), sources (those whose list holds the article), reason_1..reason_3 (the strongest first, ""
where fewer speak for it). ``python -m submissions.explain CUSTOMER_ID`` prints that customer's page.
"""

import sys

import polars as pl

from retail import params as parameters
from retail import paths, schema, stage
from retail.errors import InputError
from retail.log import Array
from submissions.explain import explanation_table, one_customer


def write() -> None:
    """The stage."""
    params = parameters.read()
    wanted = schema.check(pl.read_parquet(paths.WANTED), schema.WANTED, "wanted", key=("user",))["user"].to_numpy()
    found = explained(wanted[: params.explain.customers])
    with stage.whole_file(explanation_table.FILE) as part:
        found.write_parquet(part)


def show(customer_id: str) -> None:
    """The page of one customer, from the stage's output where it holds the customer, else made now."""
    for path in (paths.PREPARED, paths.FINAL_MODEL):
        if not path.exists():
            raise InputError(f"{path}: no such folder; run `dvc repro` first")
    customers = pl.read_parquet(paths.CUSTOMERS)
    customer = customers.filter(pl.col("customer_id") == customer_id)
    if customer.height == 0:
        raise InputError(
            f"customer {customer_id!r}: not in customers.csv, expected one of its ids, such as "
            f"{customers['customer_id'][0]!r}"
        )
    found = explanation_table.stored(customer_id)
    one_customer.show(customer, found if found.height else explained(customer["user"].to_numpy()))


def explained(users: Array) -> pl.DataFrame:
    """The table's rows of ``users``, made now."""
    from submissions.explain import explanations  # brings LightGBM and torch, which a stored page has no use for

    return explanations.of(users, parameters.read())


if __name__ == "__main__":
    if len(sys.argv) > 1:
        stage.guarded(lambda: show(sys.argv[1]), "explain")
    else:
        stage.run(write, "explain")
