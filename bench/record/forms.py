"""Forms of values that were read from JSON: each takes a value, and raises ValueError if it has not the form.

A table of names and forms is itself a form, so that what a file may hold is said once, as a table, and code that works
on what was read needs no care.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

Form = Callable[[Any], None]

# The largest float32.  Every score is one, so that squares and sums of scores are finite numbers of Python.
_LARGEST = 3.5e38
# Our files nest six deep; code that walks a value by recursion can go this deep.
_DEEPEST = 30
_SHOWN = 40  # characters of a value in a message


def text(value: Any) -> None:
    """Take a text."""
    if type(value) is not str:
        raise ValueError(f"{shown(value)} is no text")


def number(value: Any) -> None:
    """Take a finite number within float32."""
    if type(value) not in (float, int) or not -_LARGEST <= value <= _LARGEST:
        raise ValueError(f"{shown(value)} is no number, or too large")


def truth(value: Any) -> None:
    """Take true or false."""
    if type(value) is not bool:
        raise ValueError(f"{shown(value)} is neither true nor false")


def whole(least: int = 0, most: int = 10**9) -> Form:
    """Make the form of a whole number between these."""

    def check(value: Any) -> None:
        if type(value) is not int or not least <= value <= most:
            raise ValueError(f"{shown(value)} is no whole number from {least} to {most}")

    return check


def optional(form: Form) -> Form:
    """Make the form of null, or of a value that `form` takes."""

    def check(value: Any) -> None:
        if value is not None:
            form(value)

    return check


def one_of(choices: Collection[str]) -> Form:
    """Make the form of these texts."""

    def check(value: Any) -> None:
        if type(value) is not str or value not in choices:
            raise ValueError(f"{shown(value)} is none of {', '.join(choices)}")

    return check


def list_of(form: Form, length: int | None = None) -> Form:
    """Make the form of a list, of so many values if `length` is given."""

    def check(value: Any) -> None:
        if type(value) is not list or length not in (None, len(value)):
            raise ValueError(f"{shown(value)} is no list" + ("" if length is None else f" of {length}"))
        for item in value:
            form(item)

    return check


def mapping(form: Form) -> Form:
    """Make the form of an object of any names, whose values are of one form."""
    return _named({}, form)


def table(needed: Mapping[str, Form], more: Mapping[str, Form] | None = None) -> Form:
    """Make the form of an object with all names of `needed`, any of `more`, and others that hold `plain` values."""
    check_names, least = _named({**needed, **(more or {})}, plain), needed.keys()

    def check(value: Any) -> None:
        check_names(value)
        if not least <= value.keys():
            raise ValueError(f"{shown(min(least - value.keys()))} is missing")

    return check


def plain(value: Any, depth: int = 0) -> None:
    """Take anything that does not nest too deep to be written again."""
    if type(value) in (dict, list):
        if depth > _DEEPEST:
            raise ValueError(f"it nests over {_DEEPEST} deep")
        for item in value.values() if type(value) is dict else value:
            plain(item, depth + 1)


def shown(value: Any) -> str:
    """Return a value for a message: short, and printable whatever is in it."""
    if type(value) in (dict, list):
        return "an object" if type(value) is dict else "a list"
    words = ascii(value) if type(value) is not int or abs(value) < 10**_SHOWN else "a huge number"
    return words if len(words) <= _SHOWN else f"{words[:_SHOWN]}..."


def _named(forms: Mapping[str, Form], others: Form) -> Form:
    """An object whose values have the forms of their names, or `others`."""

    def check(value: Any) -> None:
        if type(value) is not dict:
            raise ValueError(f"{shown(value)} is no object")
        for name, item in value.items():
            try:
                forms.get(name, others)(item)
            except ValueError as error:
                raise ValueError(f"{shown(name)}: {error}") from None

    return check
