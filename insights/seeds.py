"""Parse the command line argument ``--seed`` of an insight."""

from retail.errors import InputError


def parse_seed(text: str) -> int:
    """Convert the argument to a seed; raise InputError if numpy or torch would reject it."""
    number = int(text)
    if not 0 <= number < 2**63:
        raise InputError(f"--seed is {number}; expected 0 to 2**63 - 1")
    return number
