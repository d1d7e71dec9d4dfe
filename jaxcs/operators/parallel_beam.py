"""The measurement operator of a sinogram, and the choice between it and that of k-space."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxcs.operators.radon import Radon, even_angles
from jaxcs.operators.sense import Sense
from jaxcs.types import Maps, Mask


@partial(jax.tree_util.register_dataclass, data_fields=("maps", "mask"), meta_fields=())
@dataclass(frozen=True)
class ParallelBeam:
    """y = M R x: integrals of a real image along parallel rays, laid out as a measurement.

    The views are spread evenly over 180 degrees, beginning with 0, whatever their number.

    Attributes:
        maps: (1, size, size) float32, 1 in the field of view and 0 outside.
        mask: (detector, view) bool, True where measured.
    """

    maps: Float[Array, "1 size size"]
    mask: Bool[Array, "detector view"]

    @property
    def radon(self) -> Radon:
        """The Radon transform of all detectors."""
        detectors, views = self.mask.shape[-2:]
        return Radon(even_angles(views), self.maps.shape[-1], detectors)

    def forward(self, x: Array) -> Float[Array, "1 detector view"]:
        """Project the real part of an image (size, size)."""
        return jnp.where(self.mask, self.radon.forward(self.maps[0] * jnp.real(x)).T[None], 0)

    def adjoint(self, y: Float[Array, "1 detector view"]) -> Float[Array, "size size"]:
        """Back-project without a filter."""
        return self.maps[0] * self.radon.adjoint(jnp.where(self.mask, y, 0)[0].T)

    def normal(self, x: Float[Array, "size size"]) -> Float[Array, "size size"]:
        """Compute A^H A x."""
        return self.adjoint(self.forward(x))

    def fbp(self, y: Float[Array, "1 detector view"]) -> Float[Array, "size size"]:
        """Reconstruct by filtered back-projection, in the units of the image that was projected."""
        return self.maps[0] * self.radon.fbp(jnp.where(self.mask, y, 0)[0].T)

    def squared_norm(self) -> Float[Array, ""]:
        """Bound ||A||^2 from above: no entry is negative, so it is at most the largest row sum of A^H A."""
        return jnp.max(self.normal(jnp.ones_like(self.maps[0])))


def forward_model(maps: Maps, mask: Mask) -> Sense | ParallelBeam:
    """Choose the operator of a measurement: `ParallelBeam` if the maps are real, as those of a sinogram are."""
    return Sense(maps, mask) if jnp.iscomplexobj(maps) else ParallelBeam(maps, mask)
