"""Checks of the arguments that all mask functions share."""

from __future__ import annotations

Seed = int | tuple[int, ...]


def seed_from_name(name: str) -> tuple[int, ...]:
    """Make fastMRI's seed for all slices of a volume: the characters of its file name, including ".h5"."""
    return tuple(ord(character) for character in name)


def centre_lines(recipe: str, n: int, acceleration: float, center_fraction: float) -> int:
    """Compute the number of fully sampled lines about the centre of an axis, round(n * center_fraction).

    Python rounds a tie to even, as in fastMRI.  The number is at least 1, so no mask can be empty.  The fastMRI package
    also accepts fractions that round to no line.

    Args:
        recipe: name of the mask, for messages.
        n: length of the axis.
        acceleration: requested acceleration, >= 1 [-].
        center_fraction: requested share of the axis, in (0, 1] [-].

    Raises:
        ValueError: If the request makes no sense.
    """
    if not acceleration >= 1:
        raise ValueError(f"{recipe}: acceleration must be at least 1, got {acceleration}")
    if not 0 < center_fraction <= 1:
        raise ValueError(f"{recipe}: center_fraction must lie in (0, 1], got {center_fraction}")
    lines = round(n * center_fraction)
    if lines < 1:
        raise ValueError(f"{recipe}: center_fraction {center_fraction} of {n} lines rounds to none")
    return lines


def whole(recipe: str, acceleration: float) -> int:
    """Return the acceleration as an int: a fixed spacing on a grid is a whole number.

    Raises:
        ValueError: If the acceleration is not a whole number.
    """
    if not float(acceleration).is_integer():
        raise ValueError(f"{recipe}: acceleration must be a whole number, got {acceleration}")
    return int(acceleration)


def no_room(recipe: str, centre: int, wanted: float) -> ValueError:
    """Make the error for a centre that takes all samples which the acceleration allows."""
    return ValueError(
        f"{recipe}: the centre alone takes {centre} of the {wanted:g} samples that the acceleration allows; "
        "lower center_fraction or acceleration"
    )
