"""Changes of the scan beyond additive noise, such as motion, shading or phase drift; each has a bound in its own unit.

Every change acts on the whole k-space of all coils, (coil, ny, nx), before under-sampling, and on the coil maps of the
same shape.  It returns the changed k-space, and the maps that the method is given.  It is differentiable in its
parameters, which are in an l2 ball; parameters of 0 change nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxcs.complex import l2_norm, root_sum_of_squares
from jaxcs.fourier import centre_pad, fft2c, ifft2c, inverse_fft
from jaxcs.threats.balls import Threat
from jaxcs.types import Kspace, Maps, Mask

# Number of cosines along each axis in smooth fields.
_MODES = 4
_HIGHEST = jax.lax.Precision.HIGHEST


class Change(NamedTuple):
    """A change of the scan.

    Attributes:
        unit: unit of epsilon in words.
        moves_object: whether the true image changes as well; otherwise the change is an error of the scan.
        threat: (epsilon, whole k-space, maps, mask) -> the ball of parameters.
        apply: (whole k-space, maps, parameters) -> the changed k-space, and the maps that the method is given.
        maps_stay: whether the maps that the method is given are those of the unchanged scan.
    """

    unit: str
    moves_object: bool
    threat: Callable[[Float[Array, ""], Kspace, Maps, Mask], Threat]
    apply: Callable[[Kspace, Maps, Array], tuple[Kspace, Maps]]
    maps_stay: bool = False


def _ball(shape: tuple[int, ...]) -> Callable[[Array, Array, Array, Array], Threat]:
    """A ball in which all parameters are free and real; their norm is the size of the change."""
    return lambda epsilon, kspace, maps, mask: Threat(jnp.asarray(epsilon), jnp.ones(shape, bool), real=True)


def _moved(move: Callable[[Kspace], Kspace], kspace: Kspace, maps: Maps) -> tuple[Kspace, Maps]:
    """Move the coil images as a whole: they are the images of the moved object under moved maps."""
    together = ifft2c(move(fft2c(maps)))
    size = root_sum_of_squares(together)
    # Maps end at the object's edge, and moving them causes ringing there.
    inside = size > 0.5
    return move(kspace), jnp.where(inside, together / jnp.where(inside, size, 1.0), 0)


def shift(kspace: Kspace, maps: Maps, pixels: Float[Array, "2"]) -> tuple[Kspace, Maps]:
    """Move the coil images by `pixels` (rows, columns), down and to the right, by the Fourier shift theorem."""
    rows, columns = (jnp.arange(n, dtype=jnp.float32) / n - (n // 2) / n for n in kspace.shape[-2:])
    phase = jnp.exp(-2j * jnp.pi * (rows[:, None] * pixels[0] + columns * pixels[1]))
    return _moved(lambda kspace: kspace * phase, kspace, maps)


def rotate(image: Array, degrees: Array) -> Array:
    """Rotate images about their centre n // 2, counter-clockwise as displayed, by up to 45 degrees.

    The rotation is three shears, each a Fourier shift of lines (Larkin, Oldfield & Klemm, Opt. Commun. 139:99, 1997).
    It does not blur, keeps the energy, and -degrees restores the image exactly.  Parts that leave the field of view
    come back on the other side.

    Args:
        image: (..., ny, nx) images.
        degrees: () angle [degrees].
    """
    angle = degrees * jnp.pi / 180
    image = _shear(image, jnp.tan(angle / 2))
    image = jnp.swapaxes(_shear(jnp.swapaxes(image, -2, -1), -jnp.sin(angle)), -2, -1)
    return _shear(image, jnp.tan(angle / 2))


def _shear(image: Array, slope: Array) -> Array:
    """Move each row to the right by slope * (its distance above the centre) [pixels]."""
    ny, nx = image.shape[-2:]
    distance = slope * (jnp.arange(ny) - ny // 2)
    turns = distance[:, None] * jnp.fft.fftfreq(nx, dtype=jnp.float32)
    return inverse_fft(jnp.fft.fft(image, axis=-1) * jnp.exp(-2j * jnp.pi * turns), (-1,))


def rotation(kspace: Kspace, maps: Maps, degrees: Float[Array, "1"]) -> tuple[Kspace, Maps]:
    """Rotate the coil images by `degrees`, see `rotate`."""
    return _moved(lambda kspace: fft2c(rotate(ifft2c(kspace), degrees[0])), kspace, maps)


def smooth_modes(shape: tuple[int, int]) -> Float[Array, "modes modes ny nx"]:
    """Return products of cosines of 0 to 3 half periods along each axis, orthogonal, each with a mean square of 1."""
    axes = []
    for n in shape:
        order, points = (jnp.arange(k, dtype=jnp.float32) for k in (_MODES, n))
        order, points = order[:, None], points + 0.5
        axes.append(jnp.cos(jnp.pi * order * points / n) * jnp.where(order > 0, jnp.sqrt(jnp.float32(2)), 1.0))
    return axes[0][:, None, :, None] * axes[1][None, :, None, :]


def warp(kspace: Kspace, field: Float[Array, "2 ny nx"]) -> Kspace:
    """Move the image: each pixel gets the value at its place minus `field` (rows, columns) [pixels].

    The interpolation uses cubic splines on a grid twice as fine, of whose bandwidth the coil images fill half.  There,
    splines are within 1 % of exact, whereas linear interpolation of the pixels would blur.  Splines have two continuous
    derivatives, so that gradients are right at whole pixels too.  Their coefficients are a division in k-space (Unser,
    IEEE Signal Process. Mag. 16(6):22, 1999).  Parts that leave the field of view come back on the other side.
    """
    ny, nx = kspace.shape[-2:]
    # The Fourier transform of the cubic B-spline at the pixels, 1/6, 2/3 and 1/6.
    rows, columns = ((2 + jnp.cos(jnp.pi * (jnp.arange(n, dtype=jnp.float32) - n // 2) / n)) / 3 for n in (ny, nx))
    fine = 2 * ifft2c(centre_pad(kspace / (rows[:, None] * columns), (2 * ny, 2 * nx)))
    moved = -2 * field
    whole = jnp.floor(moved)
    t = moved - whole
    weights = jnp.stack([(1 - t) ** 3, 4 - 6 * t**2 + 3 * t**3, 1 + 3 * t + 3 * t**2 - 3 * t**3, t**3]) / 6
    # The centre n // 2 of either grid is the same place.
    starts = jnp.meshgrid(*(2 * (jnp.arange(n) - n // 2) + n - 1 for n in (ny, nx)), indexing="ij")
    row, column = whole.astype(jnp.int32) + jnp.stack(starts)

    # Coils run one after another, and again for the gradient: all neighbours of all pixels would not fit in memory.
    @jax.checkpoint
    def interpolate(coil: Array) -> Array:
        total = jnp.zeros(field.shape[1:], coil.dtype)
        for i, j in product(range(4), repeat=2):
            total += weights[i, 0] * weights[j, 1] * coil[(row + i) % (2 * ny), (column + j) % (2 * nx)]
        return total

    return fft2c(jax.lax.map(interpolate, fine))


def deformation(kspace: Kspace, maps: Maps, coefficients: Float[Array, "2 modes modes"]) -> tuple[Kspace, Maps]:
    """Displace each pixel by a smooth field, see `warp`; under 1/42 of the shorter side, the field cannot fold."""
    modes = smooth_modes((kspace.shape[-2], kspace.shape[-1]))
    field = jnp.einsum("akl,klyx->ayx", coefficients, modes, precision=_HIGHEST)
    return _moved(lambda kspace: warp(kspace, field), kspace, maps)


def bias(kspace: Kspace, maps: Maps, coefficients: Float[Array, "modes modes"]) -> tuple[Kspace, Maps]:
    """Multiply the object by exp of a smooth field, as an uneven transmit field does."""
    field = jnp.einsum(
        "kl,klyx->yx", coefficients, smooth_modes((kspace.shape[-2], kspace.shape[-1])), precision=_HIGHEST
    )
    return fft2c(ifft2c(kspace) * jnp.exp(field)), maps


def _bias_threat(epsilon: Array, kspace: Kspace, maps: Maps, mask: Mask) -> Threat:
    # A constant field would only be a change of units.
    support = jnp.ones((_MODES, _MODES), bool).at[0, 0].set(False)
    return Threat(jnp.asarray(epsilon), support, real=True)


def map_error(kspace: Kspace, maps: Maps, coefficients: Array) -> tuple[Kspace, Maps]:
    """Add a smooth error to each coil's map inside the object; the data stay the same.

    The maps are not normalised again: an error that all coils share shades the image.

    Args:
        kspace: whole k-space.
        maps: coil sensitivity maps.
        coefficients: (coil, modes, modes) complex coefficients of modes that are orthonormal over the object, so that
            their norm is that of the error.
    """
    inside = jnp.any(maps != 0, axis=0)
    modes = smooth_modes((maps.shape[-2], maps.shape[-1])) * inside
    # QR by reflections, not from the Gram matrix, which is singular in float32 for a small object.
    orthonormal, _ = jnp.linalg.qr(modes.reshape(_MODES**2, -1).T)
    error = jnp.matmul(coefficients.reshape(-1, _MODES**2), orthonormal.T, precision=_HIGHEST)
    # An object of fewer than 16 pixels has fewer modes, and the others would lie outside.
    return kspace, maps + error.reshape(maps.shape) * inside


def _map_threat(epsilon: Array, kspace: Kspace, maps: Maps, mask: Mask) -> Threat:
    return Threat(epsilon * l2_norm(maps), jnp.ones((maps.shape[0], _MODES, _MODES), bool))


def phase_drift(kspace: Kspace, maps: Maps, radians: Float[Array, "nx"]) -> tuple[Kspace, Maps]:
    """Turn the phase of each phase-encode line by `radians`, as a drifting field does."""
    return kspace * jnp.exp(1j * radians), maps


def _phase_threat(epsilon: Array, kspace: Kspace, maps: Maps, mask: Mask) -> Threat:
    measured = mask if mask.ndim == 1 else jnp.any(mask, axis=0)
    return Threat(epsilon * jnp.sqrt(jnp.sum(measured, dtype=jnp.float32)), measured, real=True)


SHIFT = Change("pixels", True, _ball((2,)), shift)
ROTATION = Change("degrees", True, _ball((1,)), rotation)
DEFORMATION = Change("pixels (root mean square)", True, _ball((2, _MODES, _MODES)), deformation)
BIAS = Change("root mean square of the logarithm of the field", True, _bias_threat, bias, maps_stay=True)
MAPS = Change("the norm of the maps' error over that of the maps", False, _map_threat, map_error)
PHASE = Change("radians (root mean square over the measured lines)", False, _phase_threat, phase_drift, maps_stay=True)
