"""Input of an attack, made ready: a slice in the units of its measurement, and the attacked method."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxcs.api.methods import Chosen, brought, check_function, check_suits, chosen
from jaxcs.api.slices import acquired, estimate_maps, sampling
from jaxcs.coils.background import noise_factor
from jaxcs.complex import root_sum_of_squares
from jaxcs.fourier import ifft2c, image_crop
from jaxcs.interop import reconstruction_of
from jaxcs.recon.scale import unit_scale
from jaxcs.threats import CHANGES, NORMS
from jaxcs.types import Measurement, SliceData
from jaxcs.weights.files import Weights


def _of_whole(threat: str) -> bool:
    """Whether a threat is defined for a fully sampled slice alone."""
    return CHANGES[threat].moves_object if threat in CHANGES else NORMS[threat].of_whole


class Given(NamedTuple):
    """A slice in the units of its measurement.

    Attributes:
        kspace: (coil, ny, nx) k-space as given, in raw units.
        measurement: the measurement, scaled.
        whole: whether `kspace` is fully sampled.
        scale: raw units per unit of the measurement.
        victim: the method.
        image: (ny, nx) of the method's image.
    """

    kspace: np.ndarray
    measurement: Measurement
    whole: bool
    scale: float
    victim: Chosen
    image: tuple[int, int]

    @classmethod
    def of(cls, reconstruct: Any, kspace: Any, mask: Any, maps: Any, threat: str, weights: Weights | None) -> Given:
        """Check and prepare a slice and its method; arguments and errors are those of `jaxcs.attack`."""
        kspace, mask = np.asarray(kspace, np.complex64), np.asarray(mask, bool)
        whole = sampling(kspace, mask) == "whole"
        if not whole and _of_whole(threat):
            raise ValueError(f"threat {threat!r} needs fully sampled kspace; use 'measured'")
        own = callable(reconstruct)
        reconstruct = reconstruction_of(reconstruct) if own else reconstruct
        victim = brought(reconstruct, 1.0) if own else chosen(reconstruct, weights)
        if not own:
            check_suits(victim, weights, kspace, mask)
        if own and weights is not None:
            raise ValueError("weights: a function of your own has them already; leave them out")
        if maps is None and (victim.needs_maps or threat in CHANGES or NORMS[threat].by_maps):
            maps = estimate_maps(kspace, mask)
        measurement, scale = unit_scale(np.where(mask, kspace, np.complex64(0)), mask, maps)
        if not scale > 0:
            raise ValueError("coil maps are 0 wherever there is signal; give other maps, or None to estimate them")
        image = (kspace.shape[-2], kspace.shape[-1])
        if own:
            image = check_function(reconstruct, measurement)
            victim = brought(reconstruct, scale)
        return cls(kspace, measurement, whole, scale, victim, image)

    def slice_of(self, truth: Any, data_range: float | None, threat: str) -> SliceData:
        """Return the slice to attack and score; without a truth, its target is zeros."""
        kspace = jnp.asarray(self.kspace / self.scale)
        if truth is not None:
            truth = np.asarray(truth)
            fits = truth.ndim == 2 and all(np.less_equal(truth.shape, self.image))
            if not fits or np.iscomplexobj(truth):
                given = f"truth is {truth.dtype} of {truth.shape}"
                raise ValueError(f"{given}; give a magnitude image of at most {self.image}")
            target = jnp.asarray(truth / self.scale)
            # Take the maximum before the division, as for a volume; otherwise the last bit may differ.
            data_range = float(truth.max()) if data_range is None else data_range
        elif self.whole:
            target = image_crop(root_sum_of_squares(ifft2c(kspace)), self.image)
        else:
            target = jnp.zeros(self.image, jnp.float32)
        largest = jnp.max(target) if data_range is None else jnp.asarray(data_range / self.scale, jnp.float32)
        noise = jnp.eye(kspace.shape[0], dtype=jnp.complex64)
        if threat == "whitened":
            noise, _, seen = noise_factor(kspace, self.measurement.mask, acquired(self.kspace))
            if not seen:
                raise ValueError("threat 'whitened': kspace has no background to measure noise in; use 'measured'")
        return SliceData(kspace, self.measurement.mask, self.measurement.maps, target, largest, noise)
