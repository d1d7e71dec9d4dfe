"""Weights from files, as `jaxcs.load_weights` reads them, and from the hub; unusable weights are an `InputError`."""

from __future__ import annotations

from pathlib import Path

from data_prep.cases import InputError
from data_prep.hub import file_of, is_of_hub
from jaxcs.weights.files import Weights, WeightsFileError, lacking, load_weights, shipped

__all__ = ["Weights", "lacking", "read_weights", "shipped"]


def read_weights(source: str | Path) -> Weights:
    """Read shipped weights by name, weights from a file, or weights of the hub by hf:OWNER/REPO[/FILE][@REVISION].

    Raises:
        InputError: the weights cannot be used; the message is one line.
    """
    try:
        return load_weights(file_of(source) if is_of_hub(source) else source)
    except WeightsFileError as error:
        raise InputError(str(error)) from error
