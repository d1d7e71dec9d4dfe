"""What every mask recipe asks of its arguments."""

from __future__ import annotations

Seed = int | tuple[int, ...]


def seed_from_name(name: str) -> tuple[int, ...]:
    """The seed of fastMRI for all slices of a volume: the characters of its file name, ".h5" included."""
    return tuple(ord(character) for character in name)


def centre_lines(recipe: str, n: int, acceleration: float, center_fraction: float) -> int:
    """Number of fully sampled lines about the centre of an axis of length `n`, round(n * center_fraction).

    Python's rounding to even on a tie, as in fastMRI.  At least one line, so that no mask can be empty; the
    fastMRI package also accepts fractions that round to none.
    Raises ValueError, with `recipe` in the message, if the request makes no sense.
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
    """The acceleration as an int, or a ValueError: a fixed spacing on a grid is a whole number."""
    if not float(acceleration).is_integer():
        raise ValueError(f"{recipe}: acceleration must be a whole number, got {acceleration}")
    return int(acceleration)


def no_room(recipe: str, centre: int, wanted: float) -> ValueError:
    """The error of a centre that takes all samples which the acceleration allows."""
    return ValueError(
        f"{recipe}: the centre alone takes {centre} of the {wanted:g} samples that the acceleration allows; "
        "lower center_fraction or acceleration"
    )
