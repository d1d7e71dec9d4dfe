"""A reconstruction of one slice, in the units that it comes in."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxcs.api.methods import check_suits, chosen
from jaxcs.api.slices import check_slice, estimate_maps
from jaxcs.keys import new_key
from jaxcs.recon import normalise
from jaxcs.types import Kspace, Magnitude, Maps, Mask, Measurement
from jaxcs.weights.files import Weights


def reconstruct(
    method: Any, kspace: Kspace, mask: Mask, maps: Maps | None = None, *, weights: Weights | None = None, seed: int = 0
) -> Magnitude:
    """Reconstruct one slice by a method of the library.

        image = jaxcs.reconstruct("l1", kspace, mask)

    Args:
        method: a name in `jaxcs.METHODS`, or a configuration such as `jaxcs.recon.l1.Config(lam=0.005)`.
        kspace: (coil, ny, nx) complex, centred orthonormal k-space in any units: either measured, 0 where the mask is
            False; or fully sampled, and the method then gets the samples of the mask.
        mask: (nx,) for whole columns or (ny, nx) for single samples, True where measured, zero frequency at n // 2.
        maps: (coil, ny, nx) complex coil maps, sum over coils of |maps|^2 = 1 within the object; None estimates them by
            ESPIRiT, see `jaxcs.estimate_maps`.
        weights: weights of a trained network, from `jaxcs.load_weights`; None for other methods.
        seed: seed of an un-trained network.

    Returns:
        The magnitude image (ny, nx), float32, in the units of `kspace`.

    Raises:
        ValueError: shapes, masks, maps or names do not fit; the message is one line.
        TypeError: numbers are of the wrong kind; the message is one line.

    Under `jax.jit` and `jax.vmap` shapes and types are checked, values are not, and maps must be given unless the mask
    is a constant.
    """
    ready = chosen(method, weights)
    check_slice(kspace, mask, maps)
    check_suits(ready, weights, kspace, mask)
    if maps is None:
        maps = estimate_maps(kspace, mask)
    mask = jnp.asarray(mask, bool)
    measured = jnp.where(mask, jnp.asarray(kspace, jnp.complex64), 0)
    # Divided by its maximum, because squares of raw units of 1e-25 would vanish in float32.
    largest = jnp.max(jnp.abs(measured))
    largest = jnp.where(largest > 0, largest, 1)
    measurement, scale = normalise(Measurement(measured / largest, mask, jnp.asarray(maps, jnp.complex64)))
    return ready.method.build(ready.config).apply(ready.params, measurement, new_key(seed)) * (scale * largest)
