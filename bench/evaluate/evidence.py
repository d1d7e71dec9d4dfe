"""Objections to a run's results that need several rows, and evidence that was not gathered."""

from __future__ import annotations

from dataclasses import replace

from bench.record.rows import Row
from jaxcs.evidence import FLAGS


def not_checked(several: bool, checked: bool, restarts: int) -> list[str]:
    """Say which evidence a run did not gather, a sentence each.

    Args:
        several: whether perturbations were made for several methods.
        checked: whether the run had --check.
        restarts: number of starting points of the attack.
    """
    missing = []
    if not checked:
        missing += [
            "whether more steps find worse was judged by the last half of those taken; --check runs twice as many",
            "whether an attack without gradients finds worse was not tried; --check does",
        ]
        if restarts == 1:
            missing.append("whether other starts find worse was not tried; --check or --restarts does")
    if not several:
        missing.append("whether perturbations made for other methods do more harm was not tried; --victims does")
    return missing


def flag_across(rows: list[Row], losses: dict[tuple[str, str, float], float]) -> list[Row]:
    """Add the flags that need several rows of one image.

    Args:
        rows: the rows of the image.
        losses: values of the loss that the attack maximises, by (source, victim, epsilon).

    Returns:
        The rows with their flags.
    """
    own = {(victim, eps): value for (source, victim, eps), value in losses.items() if source == victim}
    worse = set()
    for (victim, eps), value in own.items():
        if any(other == victim and e == eps and d > value for (_, other, e), d in losses.items()):
            worse.add(("transfer stronger", victim, eps))
        if any(other == victim and e < eps and d > value for (other, e), d in own.items()):
            worse.add(("not monotone", victim, eps))
    return [_with(row, {flag for flag, *of in worse if of == [row.victim, row.eps]}) for row in rows]


def _with(row: Row, found: set[str]) -> Row:
    """The row with more flags, if it is of a method under its own attack."""
    if row.source != row.victim:
        return row
    return replace(row, flags=tuple(name for name in FLAGS if name in found or name in row.flags))
