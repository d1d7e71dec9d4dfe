"""How strongly each pixel of a reconstruction answers to noise in the data: the row norms of its Jacobian.

The norm of row i is the standard deviation of pixel i, to first order, under white noise of standard deviation 1 in the
real and the imaginary part of each sample.  Random perturbations estimate all rows at once, as multiple replicas
estimate noise in parallel imaging (Robson et al., MRM 60:895, 2008): E |(J e)_i|^2 is the squared norm of row i.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxcs.attacks.base import Delta
from jaxcs.attacks.spectral import jacobian_product
from jaxcs.complex import safe_sqrt
from jaxcs.threats.balls import Threat
from jaxcs.types import Key


def sensitivity_map(
    reconstruct: Callable[[Delta], Float[Array, "ny nx"]], threat: Threat, key: Key, n_probes: int = 32
) -> Float[Array, "ny nx"]:
    """Estimate the row norms of the Jacobian of a reconstruction at zero perturbation.

    Args:
        reconstruct: perturbation -> magnitude image (ny, nx).  Methods that cannot be differentiated forward get a
            central difference over a tenth of the radius.
        threat: one ball of perturbations, such as `jaxcs.threats.balls.measured`; its support is what is perturbed.
        key: random key of the probes.
        n_probes: number of probes, each about as costly as two reconstructions.  The relative standard deviation of an
            estimated norm is 1 / sqrt(2 n_probes).

    Returns:
        (ny, nx) row norms [-], in units of the image per unit of the data.

    Raises:
        ValueError: If the threat has several balls.
    """
    if threat.radius.ndim:
        raise ValueError("sensitivity_map: the threat has a ball for each coil; give one ball, such as `measured`")
    product = jacobian_product(
        reconstruct, jnp.zeros(threat.support.shape, jnp.float32 if threat.real else jnp.complex64)
    )
    squares = jax.lax.map(lambda one: product(threat.random(one)) ** 2, jax.random.split(key, n_probes))
    # A probe has the norm of the radius, and white noise of standard deviation 1 the root of its number of entries.
    entries = jnp.sum(threat.support) * (1 if threat.real else 2)
    return safe_sqrt(jnp.mean(squares, axis=0) * entries) / threat.radius
