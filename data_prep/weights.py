"""Weights from files, as `jaxcs.load_weights` reads them; unusable weights are an `InputError`."""

from __future__ import annotations

from pathlib import Path

from data_prep.cases import InputError
from jaxcs.weights.files import Weights, WeightsFileError, load_weights, shipped

__all__ = ["Weights", "read_weights", "shipped"]


def read_weights(source: str | Path) -> Weights:
    """Read shipped weights by name, or weights from a file.

    Raises:
        InputError: the weights cannot be used; the message is one line.
    """
    try:
        return load_weights(source)
    except WeightsFileError as error:
        raise InputError(str(error)) from error
