"""Find the candidate sources that params.yaml switches on, and load them.

To write a source, add a file to ``stage1_candidates/sources`` and its block to ``sources`` of params.yaml. The file has

    Params       the settings of its block, a subclass of ``blocks.Source``
    fit          learn arrays, the state, from the past of one label week
    factors      give two sparse matrices whose product scores the articles

A source whose scores are no sparse product defines ``propose`` and ``score`` in place of ``factors``. A network is
``plugin.py`` in a folder of ``stage1_candidates/networks``, with ``train`` besides; its ``Params`` extends
``blocks.Network``. ``plugin_types`` has all signatures. Add the new module to tests/test_plugin_types.py: mypy then
checks it. ``loaded.Loaded`` calls these functions for the rest of the project.
"""

from typing import Any

from retail import plugins
from retail.params import Params
from stage1_candidates.engine.plugin_types import NetworkModule, SourceModule


def switched_on(params: Params) -> list[str]:
    """List the sources and networks that serve, in alphabetical order, whatever the order of their blocks."""
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
    """Tell whether network ``name`` has ``use: false``; found without its module, which imports torch."""
    return params.networks.get(name, {}).get("use") is False


def load_network(name: str, params: Params) -> tuple[NetworkModule[Any], Any]:
    """Load the module of network ``name`` and its checked block, the module's own ``Params``."""
    module, settings = plugins.load("stage1_candidates.networks.{}.plugin", "networks", name, params.networks)
    return module, settings
