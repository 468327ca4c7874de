"""Stage list_plugins: data/plugins.json changes when a block comes or goes, and only then."""

import json
from pathlib import Path

import pytest
from csv_shop import params

from retail import paths
from retail_input import list_plugins


def test_names_change_with_the_blocks_and_not_with_their_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    raw, written = params(), []
    for change in (lambda: None, lambda: raw["sources"]["popular"].update(take=7), lambda: raw["sources"].pop("ease")):
        change()
        paths.PARAMS.write_text(json.dumps(raw), encoding="utf-8")  # JSON is YAML too
        list_plugins.main()
        written.append(paths.PLUGINS.read_bytes())
    assert written[0] == written[1] != written[2]
    names = json.loads(written[2])
    assert names == {kind: sorted(raw[kind]) for kind in ("sources", "networks", "features")}
    assert "ease" not in names["sources"]
