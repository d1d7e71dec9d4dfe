"""The end-to-end variational network (Sriram et al., MICCAI 2020, arXiv:2004.06688) of the `fastmri` package."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Complex

from jaxcs.complex import root_sum_of_squares, safe_sqrt
from jaxcs.nets.net import Net
from jaxcs.nets.unet import unet
from jaxcs.types import Key, Kspace, Magnitude, Mask, Params

_Transform = Callable[[Array], Array]


def varnet(cascades: int, channels: int, pools: int, sens_channels: int, sens_pools: int, centre: int) -> Net:
    """Build the network (kspace, mask) -> magnitude (ny, nx), the root sum of squares of the coils of `varnet_coils`.

    The arguments are the same as for `varnet_coils`.
    """
    net = varnet_coils(cascades, channels, pools, sens_channels, sens_pools, centre)

    def apply(params: Params, kspace: Kspace, mask: Mask) -> Magnitude:
        return root_sum_of_squares(net.apply(params, kspace, mask))

    return Net(net.init, apply)


def varnet_coils(cascades: int, channels: int, pools: int, sens_channels: int, sens_pools: int, centre: int) -> Net:
    """Build the network (kspace, mask) -> coil images (coil, ny, nx) after the last cascade.

    Args:
        cascades: number of refinements, each with its own U-Net.
        channels: channels at the first level of the refinements' U-Nets.
        pools: levels below the first of the refinements' U-Nets.
        sens_channels: channels at the first level of the U-Net that estimates the coil sensitivity maps.
        sens_pools: levels below the first of the U-Net that estimates the coil sensitivity maps.
        centre: number of columns from which the maps are estimated; 0 takes the fully sampled centre of the mask.
    """
    refinement, sensitivity = norm_unet(channels, pools), norm_unet(sens_channels, sens_pools)

    def init(key: Key) -> Params:
        sens_key, *keys = jax.random.split(key, cascades + 1)
        networks = jax.vmap(refinement.init)(jnp.stack(keys))
        # Training begins near the zero-filled image.  In fastMRI it begins at the output of random networks.
        networks["last"] = jax.tree.map(jnp.zeros_like, networks["last"])
        return {
            "sensitivity": sensitivity.init(sens_key),
            "cascades": networks,
            "data_consistency": jnp.ones(cascades, jnp.float32),
        }

    def apply(params: Params, kspace: Kspace, mask: Mask) -> Complex[Array, "coil ny nx"]:
        measured, to_image, to_kspace, axes = _transforms(kspace, mask)
        at_corner, at_centre = partial(jnp.fft.ifftshift, axes=axes), partial(jnp.fft.fftshift, axes=axes)

        coils = at_centre(to_image(jnp.where(at_corner(calibration_region(mask, centre)), measured, 0)))
        maps = _one_by_one_on_cpu(partial(sensitivity.apply, params["sensitivity"]), coils)
        norm = root_sum_of_squares(maps)
        maps = at_corner(maps / jnp.where(norm > 0, norm, 1.0))
        mask = at_corner(mask)

        def cascade(kspace: Array, weights: tuple[Params, Array]) -> tuple[Array, None]:
            network, eta = weights
            combined = at_centre(jnp.sum(jnp.conj(maps) * to_image(kspace), axis=0))
            refined = to_kspace(maps * at_corner(refinement.apply(network, combined)))
            return kspace - eta * jnp.where(mask, kspace - measured, 0) - refined, None

        kspace, _ = lax.scan(cascade, measured, (params["cascades"], params["data_consistency"]))
        return at_centre(to_image(kspace))

    return Net(init, apply)


def _one_by_one_on_cpu(function: _Transform, coils: Array) -> Array:
    """Apply the function coil by coil on the CPU: equally fast, and 5.3 instead of 6.4 GB at full size."""
    return lax.platform_dependent(coils, cpu=lambda coils: lax.map(function, coils), default=function)


def _transforms(kspace: Kspace, mask: Mask) -> tuple[Array, _Transform, _Transform, tuple[int, ...]]:
    """Measured data, transforms to and from coil images, and the transformed axes, whose zero is in the corner.

    A column mask, and all operations on k-space here, do not act on the rows' axis, so its transform is done only once.
    With the zero in the corner no transform needs a shift.
    """
    axes: tuple[int, ...] = (-2, -1)
    measured = jnp.where(mask, kspace, 0)
    if mask.ndim == 1:
        axes = (-1,)
        measured = jnp.fft.ifftshift(measured, axes=-2)
        measured = jnp.fft.fftshift(jnp.fft.ifft(measured, axis=-2, norm="ortho"), axes=-2)
    return (
        jnp.fft.ifftshift(measured, axes=axes),
        lambda kspace: jnp.fft.ifftn(kspace, axes=axes, norm="ortho"),
        lambda image: jnp.fft.fftn(image, axes=axes, norm="ortho"),
        axes,
    )


def calibration_region(mask: Mask, centre: int) -> Bool[Array, "..."]:
    """Select the samples from which the maps are estimated.

    With `centre` 0 the region is the symmetric fully sampled centre of the mask.  As in fastMRI 0.3, its width is 2
    min(left, right), at least 1. left and right are the lengths of the runs of samples beside the zero frequency.  If
    the mask has no gap at all, every sample is selected, while fastMRI would take one column.  A (ny, nx) mask is
    treated in this way along both of its central lines.

    Args:
        mask: (nx,) or (ny, nx) bool, True where measured.
        centre: number of columns, or 0.

    Returns:
        A bool array of the mask's shape, True where selected.
    """
    if mask.ndim == 2:
        rows, columns = (
            calibration_region(line, centre) for line in (mask[:, mask.shape[1] // 2], mask[mask.shape[0] // 2])
        )
        return rows[:, None] & columns
    n = len(mask)
    index = jnp.arange(n)
    if centre == 0:
        left, right = (jnp.sum(jnp.cumprod(run)) for run in (mask[: n // 2][::-1], mask[n // 2 :]))
        width = jnp.maximum(2 * jnp.minimum(left, right), 1)
    else:
        width = jnp.asarray(centre)
    start = (n - width + 1) // 2
    return (index >= start) & (index < start + width)


def norm_unet(channels: int, pools: int) -> Net:
    """Build a U-Net on complex images (..., ny, nx).

    Real and imaginary part are normalised separately, and the image is padded to multiples of 16.

    Args:
        channels: channels of the first level.
        pools: number of levels below the first.
    """
    net = unet(2, 2, channels, pools)

    def apply(params: Params, image: Complex[Array, "*batch ny nx"]) -> Complex[Array, "*batch ny nx"]:
        x = jnp.stack([jnp.real(image), jnp.imag(image)], axis=-1)
        ny, nx = image.shape[-2:]
        mean = jnp.mean(x, (-3, -2), keepdims=True)
        # The standard deviation is unbiased.  A constant image stays at 0, while fastMRI divides by 0.
        variance = jnp.sum((x - mean) ** 2, (-3, -2), keepdims=True) / (ny * nx - 1)
        std = safe_sqrt(variance)
        x = (x - mean) / jnp.where(variance > 0, std, 1.0)
        rows, columns = _margins(ny), _margins(nx)
        y = net.apply(params, jnp.pad(x, [*[(0, 0)] * (image.ndim - 2), rows, columns, (0, 0)])).astype(x.dtype)
        y = y[..., rows[0] : rows[0] + ny, columns[0] : columns[0] + nx, :] * std + mean
        return lax.complex(y[..., 0], y[..., 1])

    return Net(net.init, apply)


def _margins(size: int) -> tuple[int, int]:
    """The numbers of zeros before and after an axis that make it the next multiple of 16."""
    missing = -size % 16
    return missing // 2, missing - missing // 2
