"""PyTorch reconstructions as JAX functions that have gradients.

PyTorch is not a dependency.  It is imported only when `from_torch` is called.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from jaxcs.types import Kspace, Magnitude, Mask

if TYPE_CHECKING:
    import torch


def from_torch(
    function: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], output_shape: tuple[int, int] | None = None
) -> Callable[[Kspace, Mask], Magnitude]:
    """Turn a PyTorch reconstruction into a JAX function of (k-space, mask) that is differentiable in the k-space.

    The JAX function works under `jax.jit`, `jax.lax.map`, `jax.lax.scan` and `jax.vmap`, which calls PyTorch once for
    each element.  A gradient runs `function` forward once more before it goes backward, because nothing is kept between
    the two calls.  The parameters, their `requires_grad` and their `grad` are not touched.  Second derivatives and
    forward mode are not available.  If `function` takes the square root of 0, PyTorch's gradient is not finite.

    Args:
        function: a module or another callable.  Its inputs are complex64 (coil, ny, nx) and bool (nx,) or (ny, nx),
            both on the CPU, and it may change them.  It returns the real magnitude image (ny, nx), on any device, in
            any precision and in any units.  It must be differentiable by PyTorch and give the same output for the same
            input.  The caller puts a network with dropout or batch normalisation into `eval()`.
        output_shape: (ny, nx) of the image.  None determines it by a call of `function` on zeros with a mask that is
            True everywhere, once for each new shape of k-space.

    Returns:
        A function (k-space, mask) -> float32 magnitude image (ny, nx).  A call raises ValueError if the image is
        complex or not (ny, nx).  Within a compiled call JAX reports what `function` itself raises.

    Raises:
        ImportError: If PyTorch is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise ImportError("from_torch needs PyTorch, which is not installed: pip install 'jaxcs[torch]'") from error

    def image_of(kspace: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        image = function(kspace, mask)
        if image.ndim != 2 or image.is_complex():
            found = f"{image.dtype} of shape {tuple(image.shape)}"
            raise ValueError(f"from_torch: the function has to return a real image (ny, nx), and returned {found}")
        return image

    def tensor(array: Array) -> torch.Tensor:
        # JAX may lend a read-only view of its memory, so PyTorch gets a copy.  No JAX function may be called here.
        return torch.from_numpy(np.array(array))

    @lru_cache(maxsize=8)
    def shape_of(kspace: tuple[int, ...], mask: tuple[int, ...]) -> tuple[int, ...]:
        with torch.no_grad():
            image = image_of(torch.zeros(kspace, dtype=torch.complex64), torch.ones(mask, dtype=torch.bool))
        return tuple(image.shape)

    def forward(kspace: Array, mask: Array) -> np.ndarray:
        with torch.no_grad():
            return image_of(tensor(kspace), tensor(mask)).float().numpy(force=True)

    def backward(kspace: Array, mask: Array, cotangent: Array) -> np.ndarray:
        with torch.enable_grad():
            variable = tensor(kspace).requires_grad_()
            # The clone may be changed in place, which PyTorch forbids for the variable itself.
            image = image_of(variable.clone(), tensor(mask)).float()
            (ascent,) = torch.autograd.grad(image, variable, tensor(cotangent).to(image.device))
        # PyTorch's gradient is the direction of steepest ascent.  JAX's cotangent is its conjugate.
        return np.conj(ascent.numpy(force=True))

    @jax.custom_vjp
    def apply(kspace: Complex[Array, "coil ny nx"], mask: Mask) -> Float[Array, "ty tx"]:
        image = jax.ShapeDtypeStruct(output_shape or shape_of(kspace.shape, mask.shape), jnp.float32)
        return jax.pure_callback(forward, image, kspace, mask, vmap_method="sequential")

    def keep(kspace: Array, mask: Array) -> tuple[Array, tuple[Array, Array]]:
        return apply(kspace, mask), (kspace, mask)

    def pull_back(kept: tuple[Array, Array], cotangent: Float[Array, "ty tx"]) -> tuple[Array, None]:
        kspace, mask = kept
        like = jax.ShapeDtypeStruct(kspace.shape, kspace.dtype)
        return jax.pure_callback(backward, like, kspace, mask, cotangent, vmap_method="sequential"), None

    apply.defvjp(keep, pull_back)

    def reconstruct(kspace: Kspace, mask: Mask) -> Magnitude:
        return apply(jnp.asarray(kspace, jnp.complex64), jnp.asarray(mask, bool))

    return reconstruct
