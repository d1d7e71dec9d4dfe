"""The invertible recurrent inference machine.

Putzky & Welling, "Invert to Learn to Invert", NeurIPS 2019; Putzky et al., arXiv:1910.08952, its submission to fastMRI
2019.  The channels of a latent image are, from first to last,

    estimate (2 most_coils): real parts of all coil images, then imaginary parts
    gradient (2 most_coils): real parts of all coils, then imaginary parts
    free (width - 4 most_coils): zero at the beginning

Each unrolled step adds the data's gradient A^H (A x - y) of the estimate x to the gradient channels.  The latent then
passes through the step's reversible layers (`coupling.py`).  The submission also fills free channels with metadata of
the scan (contrast and scanner), which a `Measurement` does not have.  It reads the image from the last latent by one
further convolutional block.  Here the estimate is the output, as in the published code without that block.

Each step can be undone.  The gradient therefore recomputes the latents backwards from the last latent, in memory that
does not depend on the number of steps and layers.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Complex, Float

from jaxcs.nets import coupling
from jaxcs.nets.coupling import Latent
from jaxcs.nets.net import Net
from jaxcs.types import Key, Mask, Params

CoilImages = Complex[Array, "coil ny nx"]


class Data(NamedTuple):
    """The measured data in the form that a step needs.

    Attributes:
        zero_filled: (ny, nx, 2 most_coils) zero-filled coil images, as channels of the estimate.
        mask: (nx,) or (ny, nx) mask of the measurement.
    """

    zero_filled: Float[Array, "ny nx parts"]
    mask: Mask


def irim(steps: int, width: int, hidden: tuple[int, ...], strides: tuple[int, ...], most_coils: int) -> Net:
    """Build the network (zero-filled coil images, mask) -> coil images (coil, ny, nx), complex64, for any ny, nx.

    Its `apply` raises ValueError if a measurement has more than `most_coils` coils.

    Args:
        steps: number of unrolled steps, each with its own weights.
        width: channels of the latent, at least 4 most_coils.
        hidden: channels in the branch of each layer of a step.
        strides: stride of the branch of each layer of a step.
        most_coils: largest number of coils.  With fewer coils the remaining channels begin at zero.
    """

    def init(key: Key) -> Params:
        def one(key: Key) -> Params:
            keys = jax.random.split(key, len(hidden))
            sizes = zip(keys, hidden, strides, strict=True)
            return {f"layer{i}": coupling.init(key, width, *size) for i, (key, *size) in enumerate(sizes)}

        return jax.vmap(one)(jax.random.split(key, steps))

    def apply(params: Params, zero_filled: CoilImages, mask: Mask) -> CoilImages:
        coils = len(zero_filled)
        if coils > most_coils:
            raise ValueError(f"the network has channels for {most_coils} coils, the measurement has {coils}")
        parts = to_channels(jnp.pad(zero_filled, ((0, most_coils - coils), (0, 0), (0, 0))))
        latent = jnp.pad(parts, ((0, 0), (0, 0), (0, width - parts.shape[-1])))
        latent = run(params, latent, Data(parts, mask))
        return to_coils(latent[..., : parts.shape[-1]])[:coils]

    return Net(init, apply)


@jax.custom_vjp
def run(params: Params, latent: Latent, data: Data) -> Latent:
    """Run all steps.

    Args:
        params: parameters of `irim`; each leaf has the steps as its first axis.
        latent: (ny, nx, width) latent image at the beginning.
        data: the measured data.
    """
    return lax.scan(lambda latent, step: (forward(step, latent, data), None), latent, params)[0]


def undo(params: Params, latent: Latent, data: Data) -> Latent:
    """Compute the latent from which `run` gives this latent; the last step is undone first.

    The published code undoes the first step first, `rnn[-i]` for i from 0.  This is right for a single step only.
    """
    return lax.scan(lambda latent, step: (inverse(step, latent, data), None), latent, params, reverse=True)[0]


def forward(step: Params, latent: Latent, data: Data) -> Latent:
    """Run one step: the data's gradient, then the layers."""
    latent = add_data_gradient(latent, data)
    for i in range(len(step)):
        latent = coupling.forward(step[f"layer{i}"], latent)
    return latent


def inverse(step: Params, latent: Latent, data: Data) -> Latent:
    """Compute the latent whose `forward` is this latent."""
    for i in reversed(range(len(step))):
        latent = coupling.inverse(step[f"layer{i}"], latent)
    return add_data_gradient(latent, data, -1.0)


def add_data_gradient(latent: Latent, data: Data, sign: float = 1.0) -> Latent:
    """Add A^H (A x - y) of the estimate x, times a sign, to the gradient channels.

    It is the gradient of 1/2 |A x - y|^2 for each coil image.  The estimate does not change, so the opposite sign
    undoes it.

    Args:
        latent: (ny, nx, width) latent image.
        data: the measured data.
        sign: factor of the gradient, 1 or -1.
    """
    parts = data.zero_filled.shape[-1]
    gradient = to_channels(resampled(to_coils(latent[..., :parts]), data.mask)) - data.zero_filled
    return latent.at[..., parts : 2 * parts].add(sign * gradient)


def resampled(coils: CoilImages, mask: Mask) -> CoilImages:
    """Apply A^H A of the Fourier transform and the mask: set unmeasured k-space to zero.

    The operation is a circular convolution, which commutes with the shifts of the centred transform.  So only the mask
    is shifted.  A column mask does not act on the rows' axis.

    Args:
        coils: (coil, ny, nx) coil images.
        mask: (nx,) or (ny, nx) bool, True where measured.
    """
    axes = (-1,) if mask.ndim == 1 else (-2, -1)
    sampled = jnp.where(jnp.fft.ifftshift(mask), jnp.fft.fftn(coils, axes=axes), 0)
    return jnp.fft.ifftn(sampled, axes=axes)


def to_channels(coils: CoilImages) -> Float[Array, "ny nx parts"]:
    """Turn coil images into channels: real parts of all coils, then imaginary parts."""
    return jnp.moveaxis(jnp.concatenate([jnp.real(coils), jnp.imag(coils)]), 0, -1)


def to_coils(parts: Float[Array, "ny nx parts"]) -> CoilImages:
    """The inverse of `to_channels`."""
    real, imaginary = jnp.split(jnp.moveaxis(parts, -1, 0), 2)
    return lax.complex(real, imaginary)


def _run_forward(params: Params, latent: Latent, data: Data) -> tuple[Latent, tuple[Params, Latent, Data]]:
    latent = run(params, latent, data)
    return latent, (params, latent, data)


def _run_backward(residual: tuple[Params, Latent, Data], gradient: Latent) -> tuple[Params, Latent, Data]:
    params, latent, data = residual

    def step_back(carry: tuple[Latent, Latent, Array], step: Params) -> tuple[tuple[Latent, Latent, Array], Params]:
        latent, gradient, to_data = carry
        to_step = {}
        for i in reversed(range(len(step))):
            name = f"layer{i}"
            latent, to_step[name], gradient = coupling.backward(step[name], latent, gradient)
        latent = add_data_gradient(latent, data, -1.0)
        _, pull = jax.vjp(lambda x, y: add_data_gradient(x, Data(y, data.mask)), latent, data.zero_filled)
        gradient, more = pull(gradient)
        return (latent, gradient, to_data + more), to_step

    start = (latent, gradient, jnp.zeros_like(data.zero_filled))
    (_, gradient, to_data), to_params = lax.scan(step_back, start, params, reverse=True)
    return to_params, gradient, Data(to_data, None)  # type: ignore[arg-type]


run.defvjp(_run_forward, _run_backward)
