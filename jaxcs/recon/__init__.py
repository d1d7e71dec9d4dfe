"""Reconstruction methods, each in its own file: a frozen Config and build(config) -> Reconstructor."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from jaxcs import catalogue
from jaxcs.recon.method import Method, Surrogate
from jaxcs.recon.scale import normalise
from jaxcs.registry import Registry

__all__ = ["METHODS", "Method", "Surrogate", "fitted", "normalise"]


def fitted(config: Any, matrix: tuple[int, ...], target: tuple[int, ...]) -> Any:
    """The configuration for one shape: a U-Net sees the target's part of the image and no more, as in fastMRI.

    Args:
        config: of any method.
        matrix: (ny, nx) of the k-space.
        target: (ty, tx) of the image that is wanted.
    """
    return replace(config, crop=None if target == matrix else target) if hasattr(config, "crop") else config


METHODS: Registry[Method] = Registry(catalogue.METHODS, Method, catalogue.METHOD_GROUP)
