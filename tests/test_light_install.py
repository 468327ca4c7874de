"""The pipeline without the extra [deep]: neither torch nor lightning nor faiss can be imported."""

import builtins
import sys
from typing import Any

import pytest
from world import PARAMS

from retail import params as parameters
from retail.errors import InputError
from retail.params import Params
from stage1_candidates.engine import source
from submissions import check

DEEP = ("torch", "lightning", "faiss")
OFF = PARAMS.model_copy(update={"networks": {name: {**block, "use": False} for name, block in PARAMS.networks.items()}})
ON = PARAMS.model_copy(update={"networks": {**OFF.networks, "two_tower": {**OFF.networks["two_tower"], "use": True}}})


@pytest.fixture
def light(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An interpreter in which the libraries of [deep] are missing and no network has been imported."""
    real = builtins.__import__

    def without_deep(name: str, *arguments: Any, **keywords: Any) -> Any:
        if name.split(".")[0] in DEEP:
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)
        return real(name, *arguments, **keywords)

    for name in [name for name in sys.modules if name.startswith("stage1_candidates.networks.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without_deep)
    monkeypatch.setattr(check, "DEEP_INSTALLED", False)
    return monkeypatch


def check_with(params: Params, light: pytest.MonkeyPatch) -> None:
    light.setattr(parameters, "read", lambda: params)
    light.setattr(check, "put_aside", lambda project: None)
    check.main()


def test_with_all_networks_off_the_check_passes_and_the_sources_are_listed(light: pytest.MonkeyPatch) -> None:
    check_with(OFF, light)
    assert source.switched_on(OFF) == sorted(PARAMS.sources)


def test_a_network_that_is_on_names_the_missing_package_and_the_fix(light: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"'networks.two_tower' needs the package (torch|faiss), .*'\.\[deep\]'"):
        check_with(ON, light)
