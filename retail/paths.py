"""Paths of all tables, relative to the project's root (the folder that holds dvc.yaml)."""

from pathlib import Path
from typing import Literal

PARAMS = Path("params.yaml")
DATA = Path("data")
DEMO = DATA / "demo"  # the CSV files of the demo shop
PREPARED = DATA / "prepared"
LOG = PREPARED / "log.parquet"
CUSTOMERS = PREPARED / "customers.parquet"
ARTICLES = PREPARED / "articles.parquet"
WANTED = PREPARED / "wanted.parquet"
CALENDAR = PREPARED / "calendar.json"
NETWORKS = DATA / "networks"  # <network>/weights_<week>.safetensors, .json
CHECKPOINTS = DATA / "checkpoints"  # of unfinished trainings; no stage depends on them
SOURCES = DATA / "sources"  # <source>/state_<week>.npz, <source>/candidates_<week>.parquet
POOL = DATA / "pool"  # pool_<week>.parquet, recall.json
SAMPLE = DATA / "sample"  # sample_<week>.parquet
FEATURES = DATA / "features"  # <group>/rows_<week>.parquet
TABLE = DATA / "table"  # table_<week>.parquet
MODEL = DATA / "model"  # the ranker that is evaluated
FINAL_MODEL = DATA / "final_model"  # the ranker that answers the submission
COMPRESSION: Literal["lz4"] = "lz4"  # of tables that later stages read: half again as large as zstd, twice as quick
SETTINGS = "settings.json"  # in a plug-in's folder: its block of params.yaml, so that later stages depend on it
COSTS = DATA / "costs"  # seconds and memory of each stage; no stage depends on them
EVALUATION = DATA / "evaluation"
OUTPUTS = Path("outputs")  # what a run writes for its reader; ignored by git
SUBMISSION = OUTPUTS / "submission.csv"
METRICS = OUTPUTS / "metrics.json"


def of_week(folder: Path, stem: str, week: int, suffix: str = "parquet") -> Path:
    """Return the path of a week's table: ``of_week(POOL, "pool", 7)`` is ``data/pool/pool_007.parquet``."""
    return folder / f"{stem}_{week:03d}.{suffix}"
