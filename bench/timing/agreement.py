"""Every method on this device against the same method on the CPU: images, and gradients through them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bench.timing import work
from data_prep.phantom import sinograms
from jaxcs import catalogue
from jaxcs.catalogue import KSPACE
from jaxcs.complex import root_sum_of_squares
from jaxcs.fourier import ifft2c
from jaxcs.recon import METHODS, Method, fitted
from jaxcs.types import Measurement

# Relative error that counts as agreement [-].
LIMIT = 1e-3
# Adam's fits are chaotic: rounding grows with the steps, and after many of them the images differ on any two devices.
_STEPS = 4
# Rows and columns of the image of a sinogram [pixels].
_SIDE = 64
# The smallest of a network's presets.
_SMALL = ("tiny", "small")


def compare(shape: tuple[int, int, int], gradients: bool, say: Callable[[str], None]) -> dict[str, dict[str, float]]:
    """Reconstruct a slice by every method on both devices, with random weights.

    Args:
        shape: (coils, rows, columns) of the slice.
        gradients: whether gradients are compared too.
        say: called with lines about progress.

    Returns:
        By method, relative errors in the 2-norm [-] of "image" and "gradient", at JAX's own precision of products
        ("default") and at float32 ("highest"); NaN if an image is not finite.
    """
    slice_of = jax.device_get(work.slice_of(shape))
    device, host = jax.devices()[0], jax.devices("cpu")[0]
    precisions: tuple[str | None, ...] = (None,) if device == host else (None, "highest")
    found: dict[str, dict[str, float]] = {}
    for name, entry in METHODS.items():
        config = _quick(entry)
        measurement = _suited(name, entry, config, slice_of)
        config = fitted(config, measurement.maps.shape[1:], measurement.maps.shape[1:])
        values = _values(entry, config, measurement, gradients)
        expected = _on(host, "highest", values, measurement)
        found[name] = {}
        for precision in precisions:
            for what, ours, theirs in zip(
                ("image", "gradient"), _on(device, precision, values, measurement), expected, strict=False
            ):
                error = np.linalg.norm(ours - theirs) / np.linalg.norm(theirs)
                found[name][f"{what} {precision or 'default'}"] = float(error)
        say(f"{name}: {', '.join(f'{what} {error:.1e}' for what, error in found[name].items())}")
    return found


def beyond(found: dict[str, dict[str, float]]) -> list[str]:
    """Name what does not agree at float32; what computes at float32 by default is compared there."""
    at = {name: [what for what in errors if what.endswith("highest")] or list(errors) for name, errors in found.items()}
    return [f"{name}: {what}" for name, names in at.items() for what in names if not found[name][what] <= LIMIT]


def _quick(entry: Method) -> Any:
    """The smallest network, or a few steps of a fit; solvers have their defaults."""
    config = next((entry.presets[name] for name in _SMALL if name in entry.presets), entry.config())
    names = {field.name for field in fields(config)}
    if entry.weights_of is not None:  # the network is another method's
        network = _quick(METHODS[entry.weights_of])
        config = replace(config, **{one.name: getattr(network, one.name) for one in fields(network)})
    return replace(config, n_steps=_STEPS, gradient="unroll") if {"n_steps", "gradient"} <= names else config


def _suited(name: str, entry: Method, config: Any, whole: Measurement) -> Measurement:
    """The slice, or a part of it that suits a network for one coil, or for one size and mask; or a sinogram."""
    if KSPACE not in catalogue.METHODS[name].takes:
        case = sinograms.case("ellipses", "test", 0, _SIDE)
        scanned: tuple[Any, ...] = (case.kspace, case.mask, case.maps)
        return Measurement(*scanned)
    coils = 1 if entry.one_coil else len(whole.maps)
    mask: Any = whole.mask
    kspace, maps = whole.kspace[:coils], whole.maps[:coils]
    if entry.one_coil and entry.check_scan is not None:
        side = config.side
        kspace, maps = kspace[:, :side, :side], maps[:, :side, :side]
        mask = (np.arange(side * side) < config.samples).reshape(side, side)
    arrays: tuple[Any, ...] = (np.where(mask, kspace, 0), mask, np.ones_like(maps) if entry.one_coil else maps)
    return Measurement(*arrays)


def _values(entry: Method, config: Any, measurement: Measurement, gradients: bool) -> Callable[..., tuple[Any, ...]]:
    method = entry.build(config)
    # Drawn on the CPU, so that both devices have the same.
    with jax.default_device(jax.devices("cpu")[0]):
        params = jax.tree.map(np.asarray, method.init(jax.random.key(0)))
        reference = _reference(measurement)
        key: Any = np.asarray(jax.random.key_data(jax.random.key(0)))

    def values(measurement: Measurement) -> tuple[Any, ...]:
        def image(kspace: Any) -> Any:
            return method.apply(params, measurement._replace(kspace=kspace), jax.random.wrap_key_data(key))

        if not gradients:
            return (image(measurement.kspace),)
        return image(measurement.kspace), jax.grad(lambda k: jnp.sum((image(k) - reference) ** 2))(measurement.kspace)

    return values


def _reference(measurement: Measurement) -> np.ndarray:
    """The image from which the gradient leads away; 0 for a sinogram."""
    if not np.iscomplexobj(measurement.kspace):
        return np.zeros(measurement.maps.shape[1:], np.float32)
    return np.asarray(root_sum_of_squares(ifft2c(jnp.asarray(measurement.kspace))))


def _on(device: jax.Device, precision: str | None, values: Callable[..., Any], measurement: Measurement) -> Any:
    with jax.default_matmul_precision(precision), jax.default_device(device):
        return jax.device_get(jax.jit(values)(jax.device_put(measurement, device)))
