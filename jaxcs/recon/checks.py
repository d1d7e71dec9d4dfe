"""Checks that configurations make of themselves, each a ValueError of one line."""

from __future__ import annotations

from collections.abc import Iterable


def check_choice(name: str, value: str, choices: Iterable[str]) -> None:
    """Raise ValueError where `value` is none of `choices`."""
    if value not in choices:
        raise ValueError(f"{name} {value!r} is unknown; choose from {', '.join(choices)}")


def check_at_least(name: str, value: float, low: float) -> None:
    """Raise ValueError where `value` is below `low` or not a number."""
    if not value >= low:
        raise ValueError(f"{name} is {value:g}; it must be at least {low:g}")
