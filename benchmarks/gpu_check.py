"""Does a CUDA device agree with the CPU, and how much faster is it? ``python -m benchmarks.gpu_check``.

faiss must find the same articles on both, up to ties, and the two-tower network's loss must fall along the same curve.
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
from stage1_candidates.networks.two_tower.batches import Batch, Examples, batch, label_week
from stage1_candidates.networks.two_tower.inputs import Customers, attribute_codes, trait_rows
from stage1_candidates.networks.two_tower.network import Settings, TwoTower

TAKE = 100
CLOSE = 1e-4  # difference of two scores that counts as a tie
STEPS, CURVE = 50, 1e-3  # of the training; difference of two losses, relative
CUSTOMERS, ARTICLES, DAYS, ENTRIES = 2000, 3000, 70, 60_000  # of the shop that it trains on
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
EXAMPLES = Examples(weeks=1, hold=1, customers=2000, most=2000, batch=512, negatives=1000, power=0.75, basket=0.5)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu_check", description=__doc__)
    parser.add_argument("--articles", type=int, default=105_542)
    parser.add_argument("--queries", type=int, default=10_000)
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        print("no CUDA device was found: nothing to compare")
        return
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, faiss {faiss.__version__}")
    fine = losses_agree()
    if faiss.get_num_gpus() == 0:
        print("faiss sees no GPU: its search was not compared")
    else:
        fine &= searches_agree(arguments.articles, arguments.queries)
    if not fine:
        raise SystemExit(1)


def searches_agree(articles: int, queries: int) -> bool:
    """Print the rates of faiss's flat index on both devices, and whether they differ by more than ties."""
    rng = np.random.default_rng(1)
    table, asked = (_unit(rng.normal(size=(n, SETTINGS.width))) for n in (articles, queries))
    on_cpu = faiss.IndexFlatIP(SETTINGS.width)
    on_cpu.add(table)
    on_gpu = faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), 0, on_cpu)
    found = {}
    for name, index in (("CPU", on_cpu), ("GPU", on_gpu)):
        index.search(asked[:100], TAKE)  # kernels and memory are made ready
        began = time.perf_counter()
        found[name] = index.search(asked, TAKE)[1]
        print(f"faiss on the {name}: {queries / (time.perf_counter() - began):,.0f} queries per second")
    apart = beyond_ties(table, asked, found["CPU"], found["GPU"])
    print(f"articles that only one of them found and that are no ties: {apart} of {found['CPU'].size:,}")
    return apart == 0


def beyond_ties(table: Array, asked: Array, left: Array, right: Array) -> int:
    """How many of ``left`` (q, k) are not in ``right`` though they score above the worst of ``right`` by CLOSE."""
    apart = 0
    for query, one, other in zip(asked, left, right, strict=True):
        only = np.setdiff1d(one, other)
        apart += int((table[only] @ query > (table[other] @ query).min() + CLOSE).sum())
        only = np.setdiff1d(other, one)
        apart += int((table[only] @ query > (table[one] @ query).min() + CLOSE).sum())
    return apart


def losses_agree() -> bool:
    """Print the last losses and the rates of both devices, and whether their curves differ by more than CURVE."""
    shop = random_shop()
    week = label_week(shop.log, shop.log.weeks - 1, EXAMPLES, 1)
    rows = [np.arange(k, min(k + EXAMPLES.batch, len(week.users))) for k in range(0, len(week.users), EXAMPLES.batch)]
    batches = [batch(week, some, shop, SETTINGS.bag, EXAMPLES, np.random.default_rng(k)) for k, some in enumerate(rows)]
    curves = {name: trained(shop, batches, torch.device(name)) for name in ("cpu", "cuda")}
    apart = float(np.max(np.abs(np.array(curves["cpu"]) / np.array(curves["cuda"]) - 1)))
    print(f"losses after {STEPS} steps: {curves['cpu'][-1]:.5f}, {curves['cuda'][-1]:.5f}; at most {apart:.1e} apart")
    return apart < CURVE


def trained(shop: Shop, batches: list[Batch], device: torch.device) -> list[float]:
    """The loss of every step from the same first weights."""
    torch.manual_seed(1)
    network = TwoTower(attribute_codes(shop), trait_rows(shop), SETTINGS).to(device)
    optimiser = torch.optim.AdamW(network.parameters(), 1e-3)
    losses = []
    began = time.perf_counter()
    for step in range(STEPS):
        loss = network.loss(moved(batches[step % len(batches)], device))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(float(loss.detach()))  # waits for the device
    print(f"two towers on {device}: {STEPS / (time.perf_counter() - began):.1f} steps per second")
    return losses


def moved(of: Batch, device: torch.device) -> Batch:
    customers = Customers(*(part.to(device) for part in of.customers))
    return of._replace(
        customers=customers,
        **{name: part.to(device) for name, part in of._asdict().items() if name != "customers"},
    )


def random_shop() -> Shop:
    """Customers who come back to a few articles, in a shop of some best sellers."""
    rng = np.random.default_rng(1)
    user = rng.integers(CUSTOMERS, size=ENTRIES)
    often = rng.integers(ARTICLES, size=(CUSTOMERS, 5))[user, rng.integers(5, size=ENTRIES)]
    item = np.where(rng.random(ENTRIES) < 0.5, often, (ARTICLES * rng.random(ENTRIES) ** 3).astype(np.int64))
    tx = pl.DataFrame(
        {
            "user": user, "item": item, "day": rng.integers(DAYS, size=ENTRIES), "price": rng.lognormal(3, 1, ENTRIES),
            "channel": np.full(ENTRIES, 2), "quantity": np.ones(ENTRIES),
        },
        schema_overrides=dict(schema.LOG),
    ).unique(["user", "item", "day"], keep="first", maintain_order=True)  # fmt: skip
    customers = pl.DataFrame({"user": range(CUSTOMERS)})
    articles = pl.DataFrame({"product_code": pl.Series(np.arange(ARTICLES) // 2, dtype=pl.Int32)})
    return shops.of_tables(tx, customers, articles, DAYS)


def _unit(rows: Array) -> Array:
    of_length_one: Array = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return of_length_one


if __name__ == "__main__":
    main()
