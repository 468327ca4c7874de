"""The weights of a network as arrays by name: how they are stored, and how a network gets them back.

Apart from training, so that whoever only asks a network does not wait for Lightning to be imported.
"""

import numpy as np
import torch
from torch import nn

from retail.log import Array

PREFIX = "network."  # of the weights in a source's state


def arrays(network: nn.Module) -> dict[str, Array]:
    """The weights of ``network`` by name."""
    return {name: value.detach().cpu().numpy() for name, value in network.state_dict().items()}


def with_arrays(network: nn.Module, weights: dict[str, Array]) -> nn.Module:
    """``network`` with ``weights``, in evaluation mode, on the GPU where there is one."""
    network.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in weights.items()})
    return network.eval().to(device())


def to_state(weights: dict[str, Array]) -> dict[str, Array]:
    """``weights`` under names that no other array of a source's state has."""
    return {PREFIX + name: value for name, value in weights.items()}


def of_state(state: dict[str, Array]) -> dict[str, Array]:
    """The weights that ``to_state`` put into ``state``."""
    return {name.removeprefix(PREFIX): value for name, value in state.items() if name.startswith(PREFIX)}


def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
