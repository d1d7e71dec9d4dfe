"""The linear start of a method: what its data give without a prior, with which its clean image is compared.

For k-space this is zero-filling, for a sinogram filtered back-projection.  Records keep its scores as `zero_filled`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from bench.plan.config import are_sinograms


class LinearStart(NamedTuple):
    """A linear start.

    Attributes:
        method: its name in the registry.
        head: its name over a column, and before the word "image".
        words: what it does, in words.
    """

    method: str
    head: str
    words: str


OF_KSPACE = LinearStart("zero_filled", "zero-filled", "zero-filling")
OF_SINOGRAMS = LinearStart("fbp", "FBP", "filtered back-projection")
# The head of a column of both.
EITHER = "linear start"


def of(*, sinograms: bool) -> LinearStart:
    """Return the linear start of sinograms, or of k-space."""
    return OF_SINOGRAMS if sinograms else OF_KSPACE


def of_config(config: Mapping[str, Any]) -> LinearStart:
    """Return the linear start of the data of a configuration, as a record has it."""
    return of(sinograms=are_sinograms(config))
