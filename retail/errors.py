"""Define the exception for input that a user can fix. The user sees only its message."""


class InputError(Exception):
    """Report bad input in one line: file, column and row (or params key), what was expected, and the fix."""
