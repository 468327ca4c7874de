"""The seed of what is drawn, as the command line of an insight gives it."""

from retail.errors import InputError


def seed(text: str) -> int:
    """The ``type`` of an argument ``--seed``; InputError where numpy or torch would not take it."""
    number = int(text)
    if not 0 <= number < 2**63:
        raise InputError(f"--seed is {number}; expected 0 to 2**63 - 1")
    return number
