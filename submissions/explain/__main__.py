"""Stage ``explain``: compute the reasons for the recommended articles, or print those of one customer.

``python -m submissions.explain`` writes outputs/explanations.parquet for the first ``explain.customers`` customers of
the submission. It has one row per customer and place. Columns:

customer_id, place (1..12), article_id
score               null for a best seller that completes the list
sources             names of the sources and networks that propose the article
reason_1..reason_3  the strongest first; "" if there are fewer

``python -m submissions.explain CUSTOMER_ID`` prints one customer's latest baskets, recommended articles and reasons.
"""

import sys

import polars as pl

from retail import params as parameters
from retail import paths, schema, stage
from retail.errors import InputError
from retail.log import Array
from submissions.explain import explanation_table, one_customer


def write() -> None:
    """Run the stage: write the table of reasons."""
    params = parameters.read()
    requested = schema.check(pl.read_parquet(paths.WANTED), schema.WANTED, "wanted", key=("user",))["user"].to_numpy()
    explanation = explain_users(requested[: params.explain.customers])
    with stage.whole_file(explanation_table.FILE) as part:
        explanation.write_parquet(part)


def show(customer_id: str) -> None:
    """Print one customer's recommendations, read from the stage's output or, if absent there, computed now."""
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
    explanation = explanation_table.read_rows(customer_id)
    one_customer.show(customer, explanation if explanation.height else explain_users(customer["user"].to_numpy()))


def explain_users(users: Array) -> pl.DataFrame:
    """Compute the rows of the table of reasons for ``users``."""
    from submissions.explain import explanations  # imports LightGBM and torch, which stored rows do not need

    return explanations.explain_customers(users, parameters.read())


if __name__ == "__main__":
    if len(sys.argv) > 1:
        stage.guarded(lambda: show(sys.argv[1]), "explain")
    else:
        stage.run(write, "explain")
