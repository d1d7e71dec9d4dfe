"""Reconstructions from elsewhere, as pure functions for attacks to climb; one written in JAX needs nothing of this."""

from jaxcs.interop.torch_bridge import from_torch

__all__ = ["from_torch"]
