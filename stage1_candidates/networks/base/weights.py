"""Convert the weights of a network to arrays by name and back.

This module does not import Lightning, which takes seconds and is needed for training only.
"""

import numpy as np
import torch
from torch import nn

from retail.log import Array

PREFIX = "network."  # of the names of weights in the state of a source


def arrays(network: nn.Module) -> dict[str, Array]:
    """Convert the weights of ``network`` to arrays by name."""
    return {name: value.detach().cpu().numpy() for name, value in network.state_dict().items()}


def with_arrays(network: nn.Module, weights: dict[str, Array]) -> nn.Module:
    """Load ``weights`` into ``network``; return it in evaluation mode, on the GPU if there is one."""
    network.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in weights.items()})
    return network.eval().to(device())


def to_state(weights: dict[str, Array]) -> dict[str, Array]:
    """Rename ``weights`` so that no other array of a source's state has the same name."""
    return {PREFIX + name: value for name, value in weights.items()}


def of_state(state: dict[str, Array]) -> dict[str, Array]:
    """Extract the weights that ``to_state`` put into ``state``."""
    return {name.removeprefix(PREFIX): value for name, value in state.items() if name.startswith(PREFIX)}


def device() -> torch.device:
    """Return the GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
