"""Plug-ins: a file of a folder and its block of params.yaml, found by their common name."""

import importlib
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from retail.errors import InputError
from retail.params import validated


def load(room: str, block: str, name: str, blocks: Mapping[str, dict[str, Any]]) -> tuple[ModuleType, Any]:
    """The module ``<room>.<name>`` and ``blocks[name]`` checked by its ``Params``.

    InputError where the block ``<block>.<name>`` is missing from params.yaml, holds a fault, or has no file.
    """
    if name not in blocks:
        raise InputError(f"params.yaml: '{block}.{name}' is missing; add its block")
    try:
        module = importlib.import_module(f"{room}.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"{room}.{name}":
            raise
        folder = room.replace(".", "/")
        raise InputError(f"params.yaml: unknown '{block}.{name}'; expected the name of a file in {folder}") from error
    return module, validated(module.Params, blocks[name], f"{block}.{name}")
