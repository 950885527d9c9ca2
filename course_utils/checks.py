"""Checks of arguments that many modules need; each names what was wrong and what it must be."""

from __future__ import annotations

import argparse
import numbers


def whole_number(name: str, value: object, *, at_least: int = 1, error: type[Exception] = ValueError) -> int:
    """Return value as an int.

    Parameters
    ----------
    name
        What the message calls the value.
    value
        An int or one of NumPy's; 2.0 and True are not whole numbers here.
    at_least
        The smallest value that is allowed.
    error
        The exception to raise.

    Raises
    ------
    error
        The value is of another type, or too small.
    """
    if not isinstance(value, numbers.Integral) or isinstance(value, bool):
        raise error(f"{name} is {value!r}; it must be a whole number.")
    if value < at_least:
        raise error(f"{name} is {value}; it must be at least {at_least}.")
    return int(value)


def positive(text: str) -> int:
    """Read a whole number of at least 1 from a command line: a `type` for argparse, which shows the message."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)
