"""The exception for input that a person can fix; its message is the line that they read."""


class InputError(Exception):
    """Bad input: one line that names file, column and row (or params key), what was expected and the fix."""
