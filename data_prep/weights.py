"""Weights from files, as `jaxcs.load_weights` reads them; what cannot be used is an error of the input."""

from __future__ import annotations

from pathlib import Path

from data_prep.cases import InputError
from jaxcs.weights.files import Weights, WeightsFileError, load_weights, shipped

__all__ = ["Weights", "read_weights", "shipped"]


def read_weights(source: str | Path) -> Weights:
    """Weights by the name of shipped ones, or from a file.  Raises InputError, in one line, if they cannot be used."""
    try:
        return load_weights(source)
    except WeightsFileError as error:
        raise InputError(str(error)) from error
