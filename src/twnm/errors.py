"""The one error type for bad input.

A message is one line: what was given, what is allowed, what to do. The command line prints it and exits with 2.
"""


class InputError(ValueError):
    """Something the user gave cannot be used: a file, a value, a configuration."""
