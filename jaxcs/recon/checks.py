"""Checks of configurations and measurements; each raises a ValueError with one line."""

from __future__ import annotations

from collections.abc import Iterable

from jaxcs.types import Kspace


def check_choice(name: str, value: str, choices: Iterable[str]) -> None:
    """Raise ValueError if `value` is not in `choices`."""
    if value not in choices:
        raise ValueError(f"{name} {value!r} is unknown; choose from {', '.join(choices)}")


def check_at_least(name: str, value: float, low: float) -> None:
    """Raise ValueError if `value` is below `low` or not a number."""
    if not value >= low:
        raise ValueError(f"{name} is {value:g}; it must be at least {low:g}")


def check_one_coil(kspace: Kspace) -> None:
    """Raise ValueError if a measurement has several coils and the network is for one."""
    if len(kspace) != 1:
        raise ValueError(f"the network is for one coil, the measurement has {len(kspace)}; combine them before")
