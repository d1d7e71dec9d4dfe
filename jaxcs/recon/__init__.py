"""Reconstruction methods, each in its own file: a frozen Config and build(config) -> Reconstructor."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from jaxcs import catalogue
from jaxcs.recon.method import Method, Surrogate
from jaxcs.recon.scale import normalise
from jaxcs.recon.wrapped import DEFENCES, values_of, wrapped
from jaxcs.registry import Registry

__all__ = ["METHODS", "Method", "Surrogate", "fitted", "in_defence", "normalise"]


def fitted(config: Any, matrix: tuple[int, ...], target: tuple[int, ...]) -> Any:
    """The configuration for one shape: a U-Net sees the target's part of the image and no more, as in fastMRI.

    Args:
        config: of any method.
        matrix: (ny, nx) of the k-space.
        target: (ty, tx) of the image that is wanted.
    """
    return replace(config, crop=None if target == matrix else target) if hasattr(config, "crop") else config


METHODS: Registry[Method] = Registry(catalogue.METHODS, Method, catalogue.METHOD_GROUP)


def in_defence(config: Any, **settings: Any) -> Any:
    """Return the configuration of a method in a defence, which `jaxcs.reconstruct` and `jaxcs.attack` take.

        config = jaxcs.recon.in_defence(jaxcs.recon.l1.Config(), smoothing=0.02)
        report = jaxcs.attack(config, kspace, mask)

    Args:
        config: configuration of a method in `METHODS`.
        settings: settings of the defence, see `jaxcs.recon.smoothed` and `jaxcs.recon.cyclic`; one of them is
            `smoothing` or `cyclic`.

    Raises:
        ValueError: no defence is chosen, or a setting makes no sense.
        TypeError: a setting is unknown, or `config` is of no method.
    """
    method = next((METHODS[name] for name in METHODS if METHODS[name].config is type(config)), None)
    if method is None:
        raise TypeError(f"config is {type(config).__name__}; give a method's Config")
    found = wrapped(method, settings)
    if found is method:
        raise ValueError(f"no defence is chosen; give one of {', '.join(DEFENCES)}")
    made = found.config(**values_of(config), **settings)
    if made.problem is not None:
        raise ValueError(made.problem)
    return made
