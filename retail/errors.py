"""The one exception for input a person can mend: its message is the line they read."""


class InputError(Exception):
    """Bad input: one line that names file, column and row (or params key), what was expected and the mend."""
