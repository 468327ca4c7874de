"""Find the candidate sources that params.yaml switches on, and load them.

To write a source, add a file to ``stage1_candidates/sources`` and its block to ``sources`` of params.yaml. The file has

    Params       the settings of its block, a subclass of ``blocks.Source``
    fit          compute the state, named arrays, from the history before one label week
    factors      compute two sparse matrices whose product is the scores

A source whose scores are no sparse product defines ``propose`` and ``score`` instead of ``factors``. A network is
``plugin.py`` in a folder of ``stage1_candidates/networks``, which also defines
``train``; its ``Params`` extends ``blocks.Network``. ``plugin_types`` has all signatures. Add the new module to
tests/test_plugin_types.py, so that mypy checks it. ``loaded.Loaded`` calls these functions for the rest of the project.
"""

from typing import Any

from retail import plugins
from retail.params import Params
from stage1_candidates.engine.plugin_types import NetworkModule, SourceModule


def switched_on(params: Params) -> list[str]:
    """List the active sources and networks in alphabetical order."""
    names = sorted([*params.sources, *(name for name in params.networks if not is_off(name, params))])
    blocks = {name: load(name, params)[1] for name in names}
    return [name for name, block in blocks.items() if block.proposes or block.scores]


def proposing(params: Params) -> list[str]:
    """List those of ``switched_on`` that propose candidates."""
    return [name for name in switched_on(params) if load(name, params)[1].proposes]


def load(name: str, params: Params) -> tuple[SourceModule, Any]:
    """Load the module of source or network ``name`` and its checked block, the module's own ``Params``."""
    if name in params.networks:
        return load_network(name, params)
    module, settings = plugins.load("stage1_candidates.sources.{}", "sources", name, params.sources)
    return module, settings


def is_off(name: str, params: Params) -> bool:
    """Tell whether network ``name`` has ``use: false``, without importing its module and torch."""
    return params.networks.get(name, {}).get("use") is False


def load_network(name: str, params: Params) -> tuple[NetworkModule[Any], Any]:
    """Load the module of network ``name`` and its checked block, the module's own ``Params``."""
    module, settings = plugins.load("stage1_candidates.networks.{}.plugin", "networks", name, params.networks)
    return module, settings
