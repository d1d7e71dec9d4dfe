"""Distance of the solvers' images from their minimisers, as a sentence beside the scores."""

from __future__ import annotations

from bench.record.rows import Row
from jaxcs.evidence import CONVERGED


def sentence(rows: list[Row]) -> str | None:
    """Say the largest estimated distance over all lines of images.jsonl, by method.

    Args:
        rows: lines of images.jsonl; those of version 0.1 have no estimates.

    Returns:
        The sentence, or None if no method minimises anything.
    """
    found: dict[str, list[float]] = {}
    for row in rows:
        found.setdefault(row.victim, []).extend(row.solver_errors)
    told = [_told(victim, errors) for victim, errors in found.items() if errors]
    return f"solvers: {'; '.join(told)} (estimated, relative)" if told else None


def _told(victim: str, errors: list[float]) -> str:
    largest = max(errors)
    if largest <= CONVERGED:
        return f"every image of {victim} is within {largest:.1g} of its minimiser"
    far = sum(error > CONVERGED for error in errors)
    return (
        f"{far / len(errors):.0%} of the reconstructions of {victim} are over {CONVERGED:g} from their minimiser, the "
        f"farthest {largest:.1g}"
    )
