"""Stage ``submit``: twelve articles for every wanted customer in the week after the data, as the competition's CSV.

Customers are answered in shards, so that memory is bounded by ``submit.shard`` whatever the number of customers, and a
killed run goes on behind the last shard that it answered.
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
from stage1_candidates.pool import loaded
from stage2_ranker.model.blend import Blend
from submissions.answering import answer
from submissions.answering.shards import Shards


def csv_rows(lists: Array, users: Array, customer_id: pl.Series, article_id: pl.Series) -> pl.DataFrame:
    """customer_id, prediction: one row per row of ``lists`` (users, 12), article ids parted by a blank."""
    columns = pl.DataFrame({str(k): article_id.gather(lists[:, k]) for k in range(lists.shape[1])})
    prediction = columns.select(pl.concat_str(pl.all(), separator=" ")).to_series()
    return pl.DataFrame({"customer_id": customer_id.gather(users), "prediction": prediction})


def check(lists: Array, wanted: Array, items: int) -> None:
    """InputError unless every wanted customer has 12 distinct articles of the shop."""
    if len(lists) != len(wanted):
        raise InputError(f"submission: {len(lists)} rows, expected one for each of {len(wanted)} customers")
    ascending = np.sort(lists, axis=1)
    if ascending.size and (ascending[:, 0].min() < 0 or ascending[:, -1].max() >= items):
        raise InputError(f"submission: a list has fewer than {K} articles; the shop needs at least {K} articles")
    if (ascending[:, 1:] == ascending[:, :-1]).any():
        raise InputError("submission: a list names an article twice; expected 12 distinct ones")


def main() -> None:
    params = parameters.read()
    shop = shops.read()
    plan = weeks.plan(shop.log, params.weeks)
    history = weeks.history(shop.log, plan.submission)
    blend, sources = Blend.load(paths.FINAL_MODEL), loaded(plan.submission, params)
    wanted = schema.check(pl.read_parquet(paths.WANTED), schema.WANTED, "wanted", key=("user",))["user"].to_numpy()
    users = np.sort(wanted)
    kept = Shards.of(plan.submission, params)
    lists = np.empty((len(users), K), np.int32)
    done = 0
    with tqdm(total=len(users), desc="submit", unit="customer") as bar:
        for number, part in enumerate(answer.shards(users, params.submit.shard)):
            lists[done : done + len(part)] = kept.answered(
                number, partial(answer.answer, history, shop, part, sources, blend, params)
            )
            done += len(part)
            bar.update(len(part))
    lists = lists[np.searchsorted(users, wanted)]
    check(lists, wanted, shop.log.items)
    customer_id = pl.read_parquet(paths.CUSTOMERS)["customer_id"]
    article_id = pl.read_parquet(paths.ARTICLES)["article_id"]
    with stage.whole_file(paths.SUBMISSION) as part_file:
        csv_rows(lists, wanted, customer_id, article_id).write_csv(part_file)
    kept.forget()


if __name__ == "__main__":
    stage.run(main, "submit")
