"""Reconstructions of other libraries as pure functions that attacks can differentiate; JAX functions need no bridge."""

from __future__ import annotations

from typing import Any

from jaxcs.interop.deepinverse import from_deepinv
from jaxcs.interop.signature import is_module, makes_reconstruction, takes_physics
from jaxcs.interop.torch_bridge import from_torch

__all__ = ["from_deepinv", "from_torch", "reconstruction_of"]


def reconstruction_of(given: Any) -> Any:
    """Return what a user names as a JAX function of (k-space, mask) or (k-space, mask, maps).

    Args:
        given: a JAX function; a `torch.nn.Module`, which is put into `eval()` and bridged by `from_torch`; a
            reconstruction of DeepInverse, told by its second argument `physics`, which is bridged by `from_deepinv`; or
            a class or function without arguments that gives one of these.

    Returns:
        The function, or whatever was given if it is none of these.
    """
    made = given() if makes_reconstruction(given) else given
    if takes_physics(made):
        return from_deepinv(made)
    return from_torch(made.eval()) if is_module(made) else made
