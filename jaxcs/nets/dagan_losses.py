"""The losses of DAGAN's training, as its published code computes them; images are in [-1, 1].

The published loss has a fourth term, 0.0025 times the distance of features of VGG-16, whose weights are not to be had
here.  Its frequency term compares magnitudes of the whole spectrum, not of the measured samples as the paper says.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxcs.complex import magnitude, safe_sqrt

Pictures = Float[Array, "batch ny nx 1"]
Logits = Float[Array, "batch"]
Scalar = Float[Array, ""]


def generator_loss(
    images: Pictures, targets: Pictures, logits: Logits | None, pixels: float = 15, frequencies: float = 0.1
) -> Scalar:
    """Compute 15 `relative_error` + 0.1 `spectrum_error` + `seems_real` of the logits of the generated images.

    Args:
        images: generated images.
        targets: true images.
        logits: the judging network's logits of `images`; None leaves this term out.
        pixels: weight of the first term.
        frequencies: weight of the second term.
    """
    loss = pixels * relative_error(images, targets) + frequencies * spectrum_error(images, targets)
    return loss if logits is None else loss + seems_real(logits)


def discriminator_loss(real: Logits, generated: Logits) -> Scalar:
    """Compute the cross entropy of both decisions: true images are real, generated ones are not."""
    return seems_real(real) + seems_real(-generated)


def seems_real(logits: Logits) -> Scalar:
    """Compute the cross entropy of the decision "real": the mean of log(1 + exp(-logit))."""
    return jnp.mean(jax.nn.softplus(-logits))


def relative_error(images: Pictures, targets: Pictures) -> Scalar:
    """Compute the mean over images of ||image - target|| / ||target||."""
    norms = (safe_sqrt(jnp.sum(x**2, (1, 2, 3))) for x in (images - targets, targets))
    error, size = norms
    return jnp.mean(error / size)


def spectrum_error(images: Pictures, targets: Pictures) -> Scalar:
    """Compute the mean over images and frequencies of (|F image| - |F target|)^2, with images in [0, 1].

    F is not normalised, so the term is about ny nx times the mean squared error of pixels.
    """
    spectra = (magnitude(jnp.fft.fft2((x[..., 0] + 1) / 2)) for x in (images, targets))
    generated, true = spectra
    return jnp.mean((generated - true) ** 2)
