"""Reconstructions of other libraries as pure functions that attacks can differentiate; JAX functions need no bridge."""

from jaxcs.interop.torch_bridge import from_torch

__all__ = ["from_torch"]
