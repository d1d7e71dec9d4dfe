"""Forward finite differences, the D of total variation (Chambolle, JMIV 20:89, 2004, eqs. 2-4)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Inexact

# ||D||^2 < 8 in two dimensions (Chambolle 2004, theorem 3.1).
NORM_SQUARED = 8.0


@partial(jax.tree_util.register_dataclass, data_fields=(), meta_fields=())
@dataclass(frozen=True)
class FiniteDifference:
    """D x = (x[i+1, j] - x[i, j], x[i, j+1] - x[i, j]), with 0 at the last row and column."""

    def forward(self, x: Inexact[Array, "ny nx"]) -> Inexact[Array, "2 ny nx"]:
        """Compute the vertical and horizontal differences of an image."""
        down = jnp.diff(x, axis=0, append=x[-1:])
        right = jnp.diff(x, axis=1, append=x[:, -1:])
        return jnp.stack([down, right])

    def adjoint(self, y: Inexact[Array, "2 ny nx"]) -> Inexact[Array, "ny nx"]:
        """Compute minus the divergence; entries that `forward` never writes are ignored."""
        down = y[0, :-1]
        right = y[1, :, :-1]
        rows = jnp.pad(down, ((1, 0), (0, 0))) - jnp.pad(down, ((0, 1), (0, 0)))
        columns = jnp.pad(right, ((0, 0), (1, 0))) - jnp.pad(right, ((0, 0), (0, 1)))
        return rows + columns
