#!/bin/sh
# LightGBM 4.7.0: `Dataset.set_init_score(None)` does not remove the initial scores of a dataset that is constructed.
# Expected: as the type hints allow None, the next training on the dataset starts from zero again.
# Seen: the old scores stay and the next training starts from them, without a word. `set_field("init_score", None)`
# removes them. Source: lightgbm/basic.py, Dataset.set_init_score, which passes only values other than None on.
# Ends with a code other than 0 if this changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install -qq --disable-pip-version-check lightgbm==4.7.0
cd "$folder"
env/bin/python - <<'PYTHON'
import lightgbm as lgb
import numpy as np

x = np.random.default_rng(0).random((500, 2))
parameters = {"objective": "binary", "verbosity": -1, "num_threads": 1, "min_data_in_leaf": 5}
data = lgb.Dataset(x, (x[:, 0] > 0.5).astype(float), params=parameters, free_raw_data=False)


def train():
    return lgb.train(parameters, data, 3, keep_training_booster=True).predict(x, raw_score=True)


fresh = train()
data.set_init_score(np.full(500, 5.0))
started = train()
assert not np.allclose(fresh, started)
data.set_init_score(None)
assert np.allclose(train(), started), "None removes the scores"
data.set_field("init_score", None)
assert np.allclose(train(), fresh)
print(f"lightgbm {lgb.__version__}: set_init_score(None) keeps the old initial scores")
PYTHON
