"""What can be said against a result, computed from the result itself and from the attacks that check it."""

from __future__ import annotations

from typing import Any

from jaxcs.evidence import CONVERGED as CONVERGED
from jaxcs.evidence import FLAGS
from jaxcs.evidence import clean_flags as clean_flags
from jaxcs.evidence import raised as raised
from jaxcs.evidence import search_flags as search_flags
from jaxcs.evidence import victim_flags as victim_flags


def not_checked(several: bool, checked: bool, restarts: int) -> list[str]:
    """Evidence that a run did not gather, a sentence each."""
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


def flag_across(rows: list[dict[str, Any]], losses: dict[tuple[str, str, float], float]) -> None:
    """Add the flags that need several rows of one image.

    losses: errors by the loss that the attack drives up, by source, victim and epsilon.
    """
    own = {(victim, eps): value for (source, victim, eps), value in losses.items() if source == victim}
    worse = set()
    for (victim, eps), value in own.items():
        if any(other == victim and e == eps and d > value for (_, other, e), d in losses.items()):
            worse.add(("transfer stronger", victim, eps))
        if any(other == victim and e < eps and d > value for (other, e), d in own.items()):
            worse.add(("not monotone", victim, eps))
    for row in rows:
        if row["source"] == row["victim"]:
            found = {flag for flag, victim, eps in worse if (victim, eps) == (row["victim"], row["eps"])}
            row["flags"] = [name for name in FLAGS if name in found or name in row["flags"]]
