"""Load a plug-in: a module and a block of params.yaml with the same name."""

import importlib
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from retail.errors import InputError
from retail.params import validate_block


def load(place: str, block: str, name: str, blocks: Mapping[str, dict[str, Any]]) -> tuple[ModuleType, Any]:
    """Load plug-in ``name`` and check its block of params.yaml with the plug-in's own ``Params``.

    ``place``: dotted name of a plug-in's module, with ``{}`` for the plug-in's name ("features.groups.{}").

    InputError where the block ``<block>.<name>`` is missing or invalid, where no module has this name, or where a
    library that the module imports is not installed.
    """
    if name not in blocks:
        raise InputError(f"params.yaml: '{block}.{name}' is missing; add its block")
    try:
        module = importlib.import_module(place.format(name))
    except ModuleNotFoundError as error:
        if not f"{place.format(name)}.".startswith(f"{error.name}."):  # a library that the plug-in imports
            raise InputError(
                f"params.yaml: '{block}.{name}' needs the package {error.name}, which is not installed; run "
                f"`pip install -e '.[deep]'` or set {block}.{name}.use to false"
            ) from error
        folder, what = place.split(".{}")[0].replace(".", "/"), "folder" if place.endswith(".plugin") else "file"
        raise InputError(f"params.yaml: unknown '{block}.{name}'; expected the name of a {what} in {folder}") from error
    return module, validate_block(module.Params, blocks[name], f"{block}.{name}")
