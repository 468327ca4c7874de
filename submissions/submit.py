"""Stage ``submit``: write submission.csv, twelve articles per requested customer for the week after the data.

Customers are processed in shards of ``submit.shard``, so memory does not grow with the number of customers. A killed
run resumes after its last finished shard.
"""

from functools import partial

import numpy as np
import polars as pl
from tqdm import tqdm

from retail import params as parameters
from retail import paths, schema, stage, weeks
from retail import shop as shops
from retail.errors import InputError
from retail.log import Array
from retail.metrics import K
from stage1_candidates.pool import load_sources
from stage2_ranker.model.blend import Blend
from submissions.answering import answer
from submissions.answering.shards import Shards


def format_rows(lists: Array, users: Array, customer_id: pl.Series, article_id: pl.Series) -> pl.DataFrame:
    """Format the rows of submission.csv, customer_id and prediction: one for each row of ``lists`` (users, 12).

    ``prediction`` holds the article ids, separated by a space. ``customer_id`` and ``article_id`` are ordered by code.
    """
    columns = pl.DataFrame({str(k): article_id.gather(lists[:, k]) for k in range(lists.shape[1])})
    prediction = columns.select(pl.concat_str(pl.all(), separator=" ")).to_series()
    return pl.DataFrame({"customer_id": customer_id.gather(users), "prediction": prediction})


def check_lists(lists: Array, requested: Array, items: int) -> None:
    """Raise InputError unless every requested customer has 12 distinct articles of the shop."""
    if len(lists) != len(requested):
        raise InputError(f"submission: {len(lists)} rows, expected one for each of {len(requested)} customers")
    ascending = np.sort(lists, axis=1)
    if ascending.size and (ascending[:, 0].min() < 0 or ascending[:, -1].max() >= items):
        raise InputError(f"submission: a list has fewer than {K} articles; the shop needs at least {K} articles")
    if (ascending[:, 1:] == ascending[:, :-1]).any():
        raise InputError(f"submission: a list contains an article twice; expected {K} distinct articles")


def main() -> None:
    """Answer every requested customer, check the lists, and write submission.csv."""
    params = parameters.read()
    shop = shops.read()
    plan = weeks.plan(shop.log, params.weeks)
    history = weeks.history(shop.log, plan.submission)
    blend, sources = Blend.load(paths.FINAL_MODEL), load_sources(plan.submission, params)
    requested = schema.check(pl.read_parquet(paths.WANTED), schema.WANTED, "wanted", key=("user",))["user"].to_numpy()
    users = np.sort(requested)
    finished = Shards.open(plan.submission, params)
    lists = np.empty((len(users), K), np.int32)
    done = 0
    with tqdm(total=len(users), desc="submit", unit="customer") as bar:
        for number, shard in enumerate(answer.split_shards(users, params.submit.shard)):
            lists[done : done + len(shard)] = finished.load_or_answer(
                number, partial(answer.answer, history, shop, shard, sources, blend, params)
            )
            done += len(shard)
            bar.update(len(shard))
    lists = lists[np.searchsorted(users, requested)]
    check_lists(lists, requested, shop.log.items)
    customer_id = pl.read_parquet(paths.CUSTOMERS)["customer_id"]
    article_id = pl.read_parquet(paths.ARTICLES)["article_id"]
    with stage.whole_file(paths.SUBMISSION) as part_file:
        format_rows(lists, requested, customer_id, article_id).write_csv(part_file)
    finished.remove_all()


if __name__ == "__main__":
    stage.run(main, "submit")
