"""A^H A of many coils with fewer Fourier transforms: each row has only as many virtual coils as it needs.

A column mask does not act on the readout, so each row of the image is measured separately.  Within a row, the coils may
be replaced by unitary combinations of them: the principal components of their sensitivities along the row (geometric
coil compression, Zhang et al., MRM 69:571, 2013).  Along one row 15 coils differ in some 7 ways.  Without the other
combinations A^H A changes by no more than their energy at any pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Complex, Int

from jaxcs.complex import abs2
from jaxcs.operators.matrices import eigh
from jaxcs.operators.sense import Sense, filter_coils
from jaxcs.types import Image

# A block of rows leaves out its weakest virtual coils, as long as together they have less than this share of the energy
# at every pixel.  The l1 minimum moves by less than 1e-4 of its norm, a tenth of the error that 500 iterations leave.
_NEGLIGIBLE = 1e-5
# Rows handled at once.  Their image, one map and two spectra then fit a core's first- and second-level caches.
_ROWS = 32
# Virtual coils pay from this many entries of all maps: the search for the combinations takes as long as some eight
# products.
_LEAST = 2**20


@partial(jax.tree_util.register_dataclass, data_fields=("maps", "ranks", "mask"), meta_fields=())
@dataclass(frozen=True)
class RowCoils:
    """The normal operator of `Sense` for a column mask, with the virtual coils of each row in order of their energy.

    The operator is differentiable in x alone.

    Attributes:
        maps: (block, coil, row, nx) maps of blocks of rows; the last block is filled up with zeros.
        ranks: (block,) number of virtual coils that each block uses.
        mask: (nx,) mask, its zero frequency first.
    """

    maps: Complex[Array, "block coil row nx"]
    ranks: Int[Array, "block"]
    mask: Bool[Array, "nx"]

    def normal(self, x: Image) -> Image:
        """Compute A^H A x."""
        return _normal(self, x)


def quickest(sense: Sense) -> Sense | RowCoils:
    """Choose the operator that applies A^H A fastest if it is applied often and not differentiated in the maps.

    For large slices and column masks it uses virtual coils.
    """
    return row_coils(sense) if sense.mask.ndim == 1 and sense.maps.size >= _LEAST else sense


def row_coils(sense: Sense) -> RowCoils:
    """Compute the virtual coils of an operator with a column mask.

    Other devices than CPUs take the coils as they are, because they apply all coils of all rows at once.
    """
    maps = jax.lax.stop_gradient(sense.maps)
    blocks, ranks = jax.lax.platform_dependent(maps, cpu=_virtual, default=_as_they_are)
    return RowCoils(blocks, ranks, jnp.fft.ifftshift(sense.mask))


def _as_they_are(maps: Array) -> tuple[Array, Array]:
    coils, ny, nx = maps.shape
    padded = jnp.pad(maps, ((0, 0), (0, -ny % _ROWS), (0, 0)))
    blocks = padded.reshape(coils, -1, _ROWS, nx).transpose(1, 0, 2, 3)
    return blocks, jnp.full(blocks.shape[0], coils, jnp.int32)


def _virtual(maps: Array) -> tuple[Array, Array]:
    coils, ny, nx = maps.shape
    by_row = jnp.pad(maps.transpose(1, 0, 2), ((0, -ny % _ROWS), (0, 0), (0, 0)))
    gram = jnp.einsum("ycx,ydx->ycd", by_row, jnp.conj(by_row), precision=jax.lax.Precision.HIGHEST)
    _, vectors = eigh(gram)  # in ascending order
    strongest_first = jnp.conj(vectors[:, :, ::-1]).transpose(0, 2, 1)
    virtual = jnp.einsum("yvc,ycx->yvx", strongest_first, by_row, precision=jax.lax.Precision.HIGHEST)
    blocks = virtual.reshape(-1, _ROWS, coils, nx).transpose(0, 2, 1, 3)
    # The energy at each pixel of a virtual coil and all weaker virtual coils.
    remaining = jnp.cumsum(abs2(blocks)[:, ::-1], axis=1)[:, ::-1]
    ranks = jnp.sum(jnp.max(remaining, axis=(2, 3)) > _NEGLIGIBLE, axis=1)
    return blocks, ranks.astype(jnp.int32)


@jax.custom_vjp
def _normal(operator: RowCoils, x: Image) -> Image:
    ny, nx = x.shape
    padded = jnp.pad(x, ((0, -ny % _ROWS), (0, 0))).reshape(-1, _ROWS, nx)
    # Other devices are faster with all coils and rows at once than with a loop.
    blocks = jax.lax.platform_dependent(operator, padded, cpu=_one_by_one, default=_all_at_once)
    return blocks.reshape(-1, nx)[:ny]


def _all_at_once(operator: RowCoils, blocks: Array) -> Array:
    return filter_coils(operator.maps, blocks[:, None], operator.mask, axis=1)


def _one_by_one(operator: RowCoils, blocks: Array) -> Array:
    """Apply one virtual coil after another, up to the rank of the block."""

    def one_block(arguments: tuple[Array, Array, Array]) -> Array:
        maps, rank, block = arguments

        def add(virtual: Array, total: Array) -> Array:
            row_map = jax.lax.dynamic_index_in_dim(maps, virtual, keepdims=False)
            spectrum = jnp.where(operator.mask, jnp.fft.fft(row_map * block), 0)
            return total + jnp.conj(row_map) * jnp.fft.ifft(spectrum)

        return jax.lax.fori_loop(0, rank, add, jnp.zeros_like(block))

    return jax.lax.map(one_block, (operator.maps, operator.ranks, blocks))


def _forward(operator: RowCoils, x: Image) -> tuple[Image, RowCoils]:
    return _normal(operator, x), operator


def _backward(operator: RowCoils, cotangent: Image) -> tuple[None, Image]:
    # Autodiff cannot reverse a loop of unknown length.  The operator is its own adjoint, and cotangents are conjugated.
    return None, jnp.conj(_normal(operator, jnp.conj(cotangent)))


_normal.defvjp(_forward, _backward)
