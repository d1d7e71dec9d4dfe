"""Centred orthonormal Fourier transforms over the last two axes, and crops of k-space and of images.

The convention of fastMRI and BART: X = fftshift(fft2(ifftshift(x), norm="ortho")).  The zero frequency and the image
centre sit at index n // 2 for odd and even n alike.

K-space is cropped about that centre, by `centre_crop`.  Images are cropped to a target by `image_crop`, whose first
pixel is the one that fastMRI's own crop takes.  The two differ by a pixel if the axis is even and the crop is odd.
"""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Inexact

_AXES = (-2, -1)


def fft2c(image: Inexact[Array, "*batch ny nx"]) -> Inexact[Array, "*batch ny nx"]:
    """Image to k-space, unitary."""
    return jnp.fft.fftshift(jnp.fft.fft2(jnp.fft.ifftshift(image, axes=_AXES), norm="ortho"), axes=_AXES)


def ifft2c(kspace: Inexact[Array, "*batch ny nx"]) -> Inexact[Array, "*batch ny nx"]:
    """K-space to image, the inverse and adjoint of `fft2c`."""
    return jnp.fft.fftshift(jnp.fft.ifft2(jnp.fft.ifftshift(kspace, axes=_AXES), norm="ortho"), axes=_AXES)


def to_rows(x: Inexact[Array, "*batch ny nx"], domain: str | None) -> Inexact[Array, "*batch ny nx"]:
    """The rows of the image, of which k-space keeps the transform of each, and an image is made already.

    domain: of x, "kspace" or "image".
    """
    if domain == "image":
        return x
    return jnp.fft.fftshift(jnp.fft.ifft(jnp.fft.ifftshift(x, axes=-2), axis=-2, norm="ortho"), axes=-2)


def from_rows(rows: Inexact[Array, "*batch ny nx"], domain: str | None) -> Inexact[Array, "*batch ny nx"]:
    """The inverse and adjoint of `to_rows`."""
    if domain == "image":
        return rows
    return jnp.fft.fftshift(jnp.fft.fft(jnp.fft.ifftshift(rows, axes=-2), axis=-2, norm="ortho"), axes=-2)


def centre_slice(size: int, width: int) -> slice:
    """The `width` indices of an axis of length `size` that keep the centre n // 2 on the centre."""
    if not 0 < width <= size:
        raise ValueError(f"centre_slice: width {width} does not fit into an axis of length {size}")
    start = size // 2 - width // 2
    return slice(start, start + width)


def centre_crop(x: Inexact[Array, "*batch ny nx"], shape: tuple[int, int]) -> Inexact[Array, "*batch my mx"]:
    """The central `shape` of the last two axes; each must be no larger than the axis it crops."""
    return x[..., centre_slice(x.shape[-2], shape[0]), centre_slice(x.shape[-1], shape[1])]


def centre_pad(x: Inexact[Array, "*batch ny nx"], shape: tuple[int, int]) -> Inexact[Array, "*batch my mx"]:
    """Zero-pad the last two axes to `shape` about the centre, the adjoint of `centre_crop`."""
    rows, columns = (centre_slice(large, small) for large, small in zip(shape, x.shape[-2:], strict=True))
    widths = ((rows.start, shape[0] - rows.stop), (columns.start, shape[1] - columns.stop))
    return jnp.pad(x, ((0, 0),) * (x.ndim - 2) + widths)


def image_slice(size: int, width: int) -> slice:
    """The `width` indices of an image axis of length `size` that fastMRI's crop keeps.

    They begin at (size - width) // 2, as in `center_crop` of the reference package
    (https://github.com/facebookresearch/fastMRI, fastmri/data/transforms.py).  Raises ValueError if they do not fit.
    """
    if not 0 < width <= size:
        raise ValueError(f"image_slice: width {width} does not fit into an axis of length {size}")
    start = (size - width) // 2
    return slice(start, start + width)


def image_crop(image: Inexact[Array, "*batch ny nx"], shape: tuple[int, int]) -> Inexact[Array, "*batch my mx"]:
    """The part of an image that fastMRI compares: the last two axes by `image_slice`."""
    return image[..., image_slice(image.shape[-2], shape[0]), image_slice(image.shape[-1], shape[1])]
