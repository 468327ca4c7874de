"""Check that a CUDA device agrees with the CPU, and measure how much faster it is: ``python -m benchmarks.gpu_check``.

faiss must return the same articles on both devices, up to ties. The two-tower network's training loss must follow the
same curve. Exits with code 1 if either differs.
"""

import argparse
import time

import faiss
import numpy as np
import polars as pl
import torch

from retail import schema
from retail import shop as shops
from retail.log import Array
from retail.shop import Shop
from stage1_candidates.networks.two_tower.batches import Batch, Examples, make_batch, prepare_week
from stage1_candidates.networks.two_tower.inputs import Customers, count_trait_rows, encode_attributes
from stage1_candidates.networks.two_tower.network import Settings, TwoTower

TAKE = 100  # nearest articles that a search returns
CLOSE = 1e-4  # difference of two scores that counts as a tie
STEPS, CURVE = 50, 1e-3  # training steps; largest relative difference of two losses
CUSTOMERS, ARTICLES, DAYS, ENTRIES = 2000, 3000, 70, 60_000  # of the shop that the network trains on
SETTINGS = Settings(  # without dropout: the devices draw different random numbers
    width=128,
    hidden=256,
    entries=200,
    half_lives=(30, 180),
    mass=0.5,
    own_dropout=0,
    dropout=0,
    trait_customers=0,
    temperature=0.08,
)
EXAMPLES = Examples(
    weeks=1, warm_weeks=1, hold=1, customers=2000, most=2000, per_customer=1, batch=512, negatives=1000, power=0.75,
    basket=0.5,
)  # fmt: skip


def main() -> None:
    """Compare losses and searches on both devices; exit with code 1 if they differ."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu_check", description=__doc__)
    parser.add_argument("--articles", type=int, default=105_542)
    parser.add_argument("--queries", type=int, default=10_000)
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        print("no CUDA device was found: nothing to compare")
        return
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, faiss {faiss.__version__}")
    agree = compare_losses()
    if faiss.get_num_gpus() == 0:
        print("faiss sees no GPU: skipped its search")
    else:
        agree &= compare_searches(arguments.articles, arguments.queries)
    if not agree:
        raise SystemExit(1)


def compare_searches(articles: int, queries: int) -> bool:
    """Print the rate of faiss's flat index on each device; return whether the results agree up to ties."""
    rng = np.random.default_rng(1)
    table, vectors = (_normalise(rng.normal(size=(n, SETTINGS.width))) for n in (articles, queries))
    on_cpu = faiss.IndexFlatIP(SETTINGS.width)
    on_cpu.add(table)
    on_gpu = faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), 0, on_cpu)
    nearest = {}
    for name, index in (("CPU", on_cpu), ("GPU", on_gpu)):
        index.search(vectors[:100], TAKE)  # warm up kernels and memory
        began = time.perf_counter()
        nearest[name] = index.search(vectors, TAKE)[1]
        print(f"faiss on the {name}: {queries / (time.perf_counter() - began):,.0f} queries per second")
    differing = count_differences(table, vectors, nearest["CPU"], nearest["GPU"])
    print(f"articles returned on one device only, ties excluded: {differing} of {nearest['CPU'].size:,}")
    return differing == 0


def count_differences(table: Array, queries: Array, left: Array, right: Array) -> int:
    """Count the articles in only one of the results ``left`` and ``right`` (q, k), ties excluded.

    ``table`` (n, d) and ``queries`` (q, d) are the vectors. An article ties if its score exceeds the lowest score of
    the other result by at most CLOSE.
    """
    differing = 0
    for query, first, second in zip(queries, left, right, strict=True):
        only = np.setdiff1d(first, second)
        differing += int((table[only] @ query > (table[second] @ query).min() + CLOSE).sum())
        only = np.setdiff1d(second, first)
        differing += int((table[only] @ query > (table[first] @ query).min() + CLOSE).sum())
    return differing


def compare_losses() -> bool:
    """Print the last loss and the rate on each device; return whether the loss curves differ by less than CURVE."""
    shop = make_shop()
    week = prepare_week(shop.log, shop.log.weeks - 1, EXAMPLES, 1)
    rows = [np.arange(k, min(k + EXAMPLES.batch, len(week.users))) for k in range(0, len(week.users), EXAMPLES.batch)]
    batches = [
        make_batch(week, row, shop, SETTINGS.bag, EXAMPLES, np.random.default_rng(k)) for k, row in enumerate(rows)
    ]
    curves = {name: train(shop, batches, torch.device(name)) for name in ("cpu", "cuda")}
    difference = float(np.max(np.abs(np.array(curves["cpu"]) / np.array(curves["cuda"]) - 1)))
    print(f"losses after {STEPS} steps: {curves['cpu'][-1]:.5f}, {curves['cuda'][-1]:.5f}; differ by {difference:.1e}")
    return difference < CURVE


def train(shop: Shop, batches: list[Batch], device: torch.device) -> list[float]:
    """Train from fixed initial weights; return the loss of each step."""
    torch.manual_seed(1)
    network = TwoTower(encode_attributes(shop), count_trait_rows(shop), SETTINGS).to(device)
    optimiser = torch.optim.AdamW(network.parameters(), 1e-3)
    losses = []
    began = time.perf_counter()
    for step in range(STEPS):
        loss = network.loss(move(batches[step % len(batches)], device))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(float(loss.detach()))  # waits for the device
    print(f"two towers on {device}: {STEPS / (time.perf_counter() - began):.1f} steps per second")
    return losses


def move(batch: Batch, device: torch.device) -> Batch:
    """Copy a batch to a device."""
    customers = Customers(*(part.to(device) for part in batch.customers))
    return batch._replace(
        customers=customers,
        **{name: part.to(device) for name, part in batch._asdict().items() if name != "customers"},
    )


def make_shop() -> Shop:
    """Make a random shop with a few best sellers, whose customers repeat purchases."""
    rng = np.random.default_rng(1)
    user = rng.integers(CUSTOMERS, size=ENTRIES)
    favourite = rng.integers(ARTICLES, size=(CUSTOMERS, 5))[user, rng.integers(5, size=ENTRIES)]
    item = np.where(rng.random(ENTRIES) < 0.5, favourite, (ARTICLES * rng.random(ENTRIES) ** 3).astype(np.int64))
    tx = pl.DataFrame(
        {
            "user": user, "item": item, "day": rng.integers(DAYS, size=ENTRIES), "price": rng.lognormal(3, 1, ENTRIES),
            "channel": np.full(ENTRIES, 2), "quantity": np.ones(ENTRIES),
        },
        schema_overrides=dict(schema.LOG),
    ).unique(["user", "item", "day"], keep="first", maintain_order=True)  # fmt: skip
    customers = pl.DataFrame({"user": range(CUSTOMERS)})
    articles = pl.DataFrame({"product_code": pl.Series(np.arange(ARTICLES) // 2, dtype=pl.Int32)})
    return shops.build(tx, customers, articles, DAYS)


def _normalise(rows: Array) -> Array:
    """Scale each row to length one."""
    unit: Array = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


if __name__ == "__main__":
    main()
