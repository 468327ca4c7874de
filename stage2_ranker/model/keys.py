"""The columns of the ranker's table that are no features."""

KEYS = ("user", "item", "label", "sampled")
