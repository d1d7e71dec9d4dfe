"""Checks at the door, each a ValueError or TypeError of one line: of configurations, and of the input of a method.

The input is judged by shapes and types alone, so that the checks work while JAX traces, and cost nothing in what it
compiles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

import jax
import jax.numpy as jnp

from jaxcs.types import Key, Kspace, Magnitude, Measurement, Params

_MAPS = "coil maps (coil, ny, nx), such as those of jaxcs.estimate_maps(kspace, mask)"


def check_choice(name: str, value: str, choices: Iterable[str]) -> None:
    """Raise ValueError if `value` is not in `choices`."""
    if value not in choices:
        raise ValueError(f"{name} {value!r} is unknown; choose from {', '.join(choices)}")


def check_at_least(name: str, value: float, low: float) -> None:
    """Raise ValueError if `value` is below `low` or not a number."""
    if not value >= low:
        raise ValueError(f"{name} is {value:g}; it must be at least {low:g}")


def check_one_coil(kspace: Kspace) -> None:
    """Raise ValueError if a measurement has several coils and the network is for one."""
    if len(kspace) != 1:
        raise ValueError(f"the network is for one coil, the measurement has {len(kspace)}; combine them before")


def check_measurement(kspace: Any, mask: Any, maps: Any, *, needs_maps: bool) -> None:
    """Judge the shapes and types of one slice.

    Args:
        kspace: should be (coil, ny, nx), complex.
        mask: should be (nx,) or (ny, nx), bool or 0 and 1.
        maps: should be shaped like `kspace`, or None.
        needs_maps: whether None is an error too.

    Raises:
        ValueError: for a shape that does not fit, or maps that are missing.
        TypeError: for numbers of the wrong kind.
    """
    shape = _shape("kspace", kspace)
    if not jnp.issubdtype(kspace.dtype, jnp.complexfloating):
        given = f"kspace is {kspace.dtype} of shape {shape}; it must be complex"
        if shape and shape[-1] == 2:
            raise TypeError(f"{given}: join the last axis, kspace[..., 0] + 1j * kspace[..., 1]")
        raise TypeError(f"{given}, the scanner's samples and not a magnitude")
    if len(shape) == 2:
        raise ValueError(f"kspace is {shape}; it must be (coil, ny, nx): give a single coil as kspace[None]")
    if len(shape) != 3:
        raise ValueError(f"kspace is {shape}; it must be (coil, ny, nx), one slice: use jax.vmap for a batch of slices")
    _, ny, nx = shape
    seen = _shape("mask", mask)
    if seen not in ((nx,), (ny, nx)):
        raise ValueError(
            f"mask is {seen} and kspace {shape}; the mask must be (nx,) = ({nx},) for whole columns or (ny, nx) = "
            f"({ny}, {nx}) for single samples, True where measured"
        )
    if jnp.issubdtype(mask.dtype, jnp.complexfloating):
        raise TypeError(f"mask is {mask.dtype}; it must be bool, True where measured")
    if maps is None and needs_maps:
        raise ValueError(f"maps are None; this method needs {_MAPS}")
    if maps is not None and needs_maps:
        if _shape("maps", maps) != shape:
            raise ValueError(f"maps are {_shape('maps', maps)} and kspace {shape}; they must be alike: give {_MAPS}")
        if not jnp.issubdtype(maps.dtype, jnp.complexfloating):
            raise TypeError(f"maps are {maps.dtype}; they must be complex")


def checked(
    apply: Callable[[Params, Measurement, Key], Magnitude],
    *,
    needs_maps: bool,
    trained: bool = False,
    sinograms: bool = False,
) -> Callable[[Params, Measurement, Key], Magnitude]:
    """Wrap a method's `apply` so that it checks its input first; see `check_measurement`.

    Args:
        apply: (parameters, measurement, key) -> image.
        needs_maps: whether it needs coil maps from outside.
        trained: whether it needs parameters.
        sinograms: whether it takes sinograms too, which are told by their real maps; see `check_sinogram`.
    """

    @wraps(apply)
    def at_the_door(params: Params, measurement: Measurement, key: Key) -> Magnitude:
        if sinograms and jnp.issubdtype(getattr(measurement.maps, "dtype", complex), jnp.floating):
            check_sinogram(*measurement)
        else:
            check_measurement(*measurement, needs_maps=needs_maps)
        _check_trained(trained, params)
        return apply(params, measurement, key)

    return at_the_door


def check_sinogram(kspace: Any, mask: Any, maps: Any) -> None:
    """Judge the shapes and types of one sinogram.

    Args:
        kspace: should be (1, detector, view), real.
        mask: should be (detector, view), bool.
        maps: should be (1, size, size), real, with a size of at most the number of detectors.

    Raises:
        ValueError: for a shape that does not fit.
        TypeError: for numbers of the wrong kind.
    """
    shape, seen, field = _shape("sinogram", kspace), _shape("mask", mask), _shape("maps", maps)
    if jnp.issubdtype(kspace.dtype, jnp.complexfloating):
        raise TypeError(f"the method reconstructs sinograms, which are real; this is {kspace.dtype}, as k-space is")
    if len(shape) != 3 or shape[0] != 1 or seen != shape[1:]:
        raise ValueError(f"sinogram is {shape} and mask {seen}; they must be (1, detector, view) and (detector, view)")
    if len(field) != 3 or field[0] != 1 or field[1] != field[2] or jnp.issubdtype(maps.dtype, jnp.complexfloating):
        raise ValueError(f"maps are {maps.dtype} of shape {field}; a sinogram's are real, (1, size, size)")


def sinogram_checked(
    apply: Callable[[Params, Measurement, Key], Magnitude], *, trained: bool = False
) -> Callable[[Params, Measurement, Key], Magnitude]:
    """Wrap a method for sinograms so that it checks its input first; see `check_sinogram`."""

    @wraps(apply)
    def at_the_door(params: Params, measurement: Measurement, key: Key) -> Magnitude:
        check_sinogram(*measurement)
        _check_trained(trained, params)
        return apply(params, measurement, key)

    return at_the_door


def _check_trained(trained: bool, params: Params) -> None:
    if trained and not jax.tree.leaves(params):
        raise ValueError("the network has no weights; give the params of jaxcs.load_weights, or train it")


def _shape(name: str, value: Any) -> tuple[int, ...]:
    """The shape of an array, and nothing else."""
    if not hasattr(value, "shape") or not hasattr(value, "dtype"):
        raise TypeError(f"{name} is {type(value).__name__}; it must be an array")
    return tuple(value.shape)
