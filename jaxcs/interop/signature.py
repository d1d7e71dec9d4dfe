"""The arguments of a user's function, as its signature tells them."""

from __future__ import annotations

import inspect
from typing import Any

# The class that all networks of PyTorch are of.
_MODULE = ("torch.nn.modules.module", "Module")


def takes_maps(function: Any) -> bool:
    """Return whether a function of (k-space, mask) accepts coil maps as a third argument."""
    told = getattr(function, "takes_maps", None)  # of a function that is bridged
    if isinstance(told, bool):
        return told
    # The call of a module takes anything, and hands it on to `forward`.
    return _accepts(function.forward if is_module(function) else function, 3)


def takes_physics(function: Any) -> bool:
    """Return whether the second argument of a function is called `physics`, as of reconstructions of DeepInverse."""
    try:
        names = list(inspect.signature(function.forward if is_module(function) else function).parameters)
    except (TypeError, ValueError):  # no function, or none with a signature
        return False
    return names[1:2] == ["physics"]


def makes_reconstruction(given: Any) -> bool:
    """Return whether this is to be called without arguments, and then gives the reconstruction."""
    if isinstance(given, type):
        return _accepts(given, 0)
    if is_module(given) or not callable(given):
        return False
    try:
        kinds = {one.kind for one in inspect.signature(given).parameters.values()}
    except (TypeError, ValueError):  # a function that is not written in Python may have no signature
        return False
    return inspect.Parameter.VAR_POSITIONAL not in kinds and _accepts(given, 0)


def is_module(given: Any) -> bool:
    """Return whether this is a `torch.nn.Module`; PyTorch is not imported for the question."""
    return any((base.__module__, base.__qualname__) == _MODULE for base in type(given).__mro__)


def _accepts(function: Any, arguments: int) -> bool:
    try:
        inspect.signature(function).bind(*[None] * arguments)
    except (TypeError, ValueError):
        return False
    return True
