"""Centred orthonormal Fourier transforms over the last two axes, and crops of k-space and of images.

fastMRI and BART use the same convention: X = fftshift(fft2(ifftshift(x), norm="ortho")).  The zero frequency and the
image centre are at index n // 2, for odd and even n alike.

`centre_crop` crops k-space about this centre.  `image_crop` crops images to a target, and begins at the same pixel as
fastMRI's crop.  The two crops differ by a pixel if the axis is even and the crop is odd.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Complex, Inexact

_AXES = (-2, -1)


def fft2c(image: Inexact[Array, "*batch ny nx"]) -> Inexact[Array, "*batch ny nx"]:
    """Transform an image to k-space; unitary."""
    return jnp.fft.fftshift(jnp.fft.fft2(jnp.fft.ifftshift(image, axes=_AXES), norm="ortho"), axes=_AXES)


def ifft2c(kspace: Inexact[Array, "*batch ny nx"]) -> Inexact[Array, "*batch ny nx"]:
    """Transform k-space to an image; the inverse and adjoint of `fft2c`."""
    return jnp.fft.fftshift(inverse_fft(jnp.fft.ifftshift(kspace, axes=_AXES), _AXES, "ortho"), axes=_AXES)


def to_rows(x: Inexact[Array, "*batch ny nx"], domain: str | None) -> Inexact[Array, "*batch ny nx"]:
    """Transform k-space back along the readout (ny), so that each row is the spectrum of one row of the image.

    An image is returned as it is.

    Args:
        x: (..., ny, nx) k-space or image.
        domain: the domain of `x`, "kspace" or "image".

    Returns:
        (..., ny, nx) spectra of the rows, or the image.
    """
    if domain == "image":
        return x
    return jnp.fft.fftshift(inverse_fft(jnp.fft.ifftshift(x, axes=-2), (-2,), "ortho"), axes=-2)


def from_rows(rows: Inexact[Array, "*batch ny nx"], domain: str | None) -> Inexact[Array, "*batch ny nx"]:
    """The inverse and adjoint of `to_rows`."""
    if domain == "image":
        return rows
    return jnp.fft.fftshift(jnp.fft.fft(jnp.fft.ifftshift(rows, axes=-2), axis=-2, norm="ortho"), axes=-2)


def filtered(z: Complex[Array, "*batch ny nx"], mask: Bool[Array, "*axes"]) -> Complex[Array, "*batch ny nx"]:
    """Compute F^H M F z, without centring.

    Args:
        z: (..., ny, nx) complex.
        mask: (nx,) for the transforms of the rows or (ny, nx) for transforms of both axes, the zero frequency first.
    """
    axes = _AXES[-mask.ndim :]
    return inverse_fft(jnp.where(mask, jnp.fft.fftn(z, axes=axes), 0), axes, "backward")


def inverse_fft(
    spectrum: Inexact[Array, "*axes"], axes: tuple[int, ...] = _AXES, norm: str = "backward"
) -> Complex[Array, "*axes"]:
    """Compute `jnp.fft.ifftn` in the form that suits the device; not centred.

    XLA's inverse on a GPU is the library's transform and then a pass over memory for the scale.  The conjugate of the
    transform of the conjugate is the same; conjugation and scale become part of the kernels before and after.

    Args:
        spectrum: array of any shape.
        axes: the transformed axes.
        norm: "backward" divides by the number of samples, "ortho" by its root.
    """

    def by_forward(spectrum: Array) -> Array:
        forward = "forward" if norm == "backward" else norm
        return jnp.conj(jnp.fft.fftn(jnp.conj(spectrum), axes=axes, norm=forward))

    by_library = partial(jnp.fft.ifftn, axes=axes, norm=norm)
    result: Array = jax.lax.platform_dependent(spectrum, cpu=by_library, default=by_forward)
    return result


def centre_slice(size: int, width: int) -> slice:
    """Return the slice of `width` indices that keeps the centre n // 2 of an axis on the centre.

    Args:
        size: length n of the axis.
        width: number of indices.

    Raises:
        ValueError: If `width` is not in 1 to `size`.
    """
    if not 0 < width <= size:
        raise ValueError(f"centre_slice: width {width} does not fit into an axis of length {size}")
    start = size // 2 - width // 2
    return slice(start, start + width)


def centre_crop(x: Inexact[Array, "*batch ny nx"], shape: tuple[int, int]) -> Inexact[Array, "*batch my mx"]:
    """Crop the last two axes to the central `shape`, about index n // 2.

    Raises:
        ValueError: If `shape` is larger than the axes.
    """
    return x[..., centre_slice(x.shape[-2], shape[0]), centre_slice(x.shape[-1], shape[1])]


def centre_pad(x: Inexact[Array, "*batch ny nx"], shape: tuple[int, int]) -> Inexact[Array, "*batch my mx"]:
    """Zero-pad the last two axes to `shape` about the centre; the adjoint of `centre_crop`."""
    rows, columns = (centre_slice(large, small) for large, small in zip(shape, x.shape[-2:], strict=True))
    widths = ((rows.start, shape[0] - rows.stop), (columns.start, shape[1] - columns.stop))
    return jnp.pad(x, ((0, 0),) * (x.ndim - 2) + widths)


def image_slice(size: int, width: int) -> slice:
    """Return the slice of `width` indices that fastMRI's crop keeps of an image axis.

    The indices begin at (size - width) // 2, as in `center_crop` of the reference package
    (https://github.com/facebookresearch/fastMRI, fastmri/data/transforms.py).

    Args:
        size: length of the axis [pixels].
        width: number of indices [pixels].

    Raises:
        ValueError: If `width` is not in 1 to `size`.
    """
    if not 0 < width <= size:
        raise ValueError(f"image_slice: width {width} does not fit into an axis of length {size}")
    start = (size - width) // 2
    return slice(start, start + width)


def image_crop(image: Inexact[Array, "*batch ny nx"], shape: tuple[int, int]) -> Inexact[Array, "*batch my mx"]:
    """Crop the last two axes to `shape` by `image_slice`: the part of an image that fastMRI compares."""
    return image[..., image_slice(image.shape[-2], shape[0]), image_slice(image.shape[-1], shape[1])]
