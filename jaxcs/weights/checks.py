"""The checks of an array that all importers make before it becomes a parameter."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxcs.weights.errors import WeightsError


def checked(name: str, value: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return the array as float32.

    Args:
        name: name of the array, for messages.
        value: the array.
        shape: shape that the network needs.

    Raises:
        WeightsError: If the value is not an array of real numbers, has another shape, or is not finite in float32.
    """
    if not isinstance(value, np.ndarray) or not jnp.issubdtype(value.dtype, jnp.floating):
        found = f"of type {value.dtype}" if isinstance(value, np.ndarray) else "no array"
        raise WeightsError(f"'{name}' is {found}, where real numbers are needed")
    if value.shape != shape:
        raise WeightsError(f"'{name}' has shape {value.shape}, where the network has {shape}")
    with np.errstate(over="ignore"):
        numbers = value.astype(np.float32)
    if not np.isfinite(numbers).all():
        raise WeightsError(f"'{name}' has values that are not finite")
    return numbers
