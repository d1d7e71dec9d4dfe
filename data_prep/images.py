"""Complex or magnitude images in HDF5, scanned by a simulated coil array: real anatomy without stored k-space.

The layout is `image` (image, ny, nx), complex or real.  Optional are `validation` (image,), True for images that must
not be used for training, and `block` (image,), which has the same number for neighbouring slices.  The slices of a
block form one volume.

All numbers made from such images are reported as simulated.  The receiver and its noise are simulated
(`data_prep.coil_array`), and the Fourier sampling is on the image's own grid.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import h5py
import numpy as np

from data_prep.cases import Case, InputError
from data_prep.coil_array import COILS, Receiver, measure, sensitivities
from data_prep.fastmri import SliceInfo
from data_prep.fourier import root_sum_of_squares
from data_prep.names import checksum
from data_prep.safe_hdf5 import find_dataset, holds, open_file, read, refusal

_MOST_PIXELS = 1024 * 1024
_SMALLEST, _LARGEST = 1e-15, 1e15  # limits for the maximum of an image


def is_image_file(path: str | Path) -> bool:
    """Check whether a file holds `image` and no k-space.  Raises InputError if the file cannot be read."""
    with open_file(path) as file:
        return holds(file, "image") and not holds(file, "kspace")


def list_images(path: str | Path, validation: bool | None) -> list[SliceInfo]:
    """List the images of a file.

    Args:
        path: the file.
        validation: True lists the validation images, False the training images.  None lists all images, and so does a
            file without `validation`.

    Returns:
        The images, in order.

    Raises:
        InputError: If the file is damaged, or holds no such image.
    """
    path = Path(path)
    with open_file(path) as file:
        images = _images(path, file)
        flags, blocks = (_labels(path, file, name, len(images)) for name in ("validation", "block"))
        wanted = (
            range(len(images))
            if flags is None or validation is None
            else np.flatnonzero(flags.astype(bool) == validation)
        )
        if not len(wanted):
            raise refusal(path, f"no image has validation = {validation}", "use another file")
        return [
            SliceInfo(
                f"{path.name}:{index}",
                path.name if blocks is None else f"{path.name}-{int(blocks[index])}",
                path,
                int(index),
                (COILS, *images.shape[1:]),
            )
            for index in wanted
        ]


def read_image(info: SliceInfo) -> Case:
    """Simulate the measurement of one image with eight coils, with the same noise each time.

    The target is computed as in fastMRI: the root sum of squares of the fully sampled coil images, with the added
    noise.

    Args:
        info: the image.

    Returns:
        The image as a case.

    Raises:
        InputError: If the image cannot be used.
    """
    image = read_pixels(info)
    receiver = Receiver(sensitivities(*square_pixels(image.shape)))
    kspace = measure(image, receiver, noise_seed(info.path, info.slice_index))
    target = root_sum_of_squares(kspace)
    return Case(
        name=info.name,
        volume=info.volume,
        kspace=kspace.astype(np.complex64),
        target=target.astype(np.float32),
        data_range=float(target.max()),
        padding=(0, image.shape[1]),
    )


def read_pixels(info: SliceInfo) -> np.ndarray:
    """Read one image (ny, nx) as it is stored.  Raises InputError if it cannot be used."""
    with open_file(info.path) as file:
        image = read(_images(info.path, file), info.slice_index)
    require_usable(info.path, f"image {info.slice_index}", image)
    return image


def require_usable(path: Path, what: str, image: np.ndarray) -> None:
    """Raise InputError if an image cannot be scanned.

    Args:
        path: its file, for the message.
        what: the image in words, for the message.
        image: (ny, nx) pixels.
    """
    if image.size > _MOST_PIXELS:
        raise refusal(path, f"{what} has shape {image.shape}", f"keep an image to at most {_MOST_PIXELS} pixels")
    with np.errstate(over="ignore", invalid="ignore"):
        if not np.all(np.isfinite(image)) or not np.any(image):
            raise refusal(path, f"{what} is zero or not finite", "leave it out")
        # Beyond these limits the squares of the coil images would overflow or vanish, in float32 if the image is
        # float32.
        largest = float(np.hypot(image.real, image.imag).max())
    if not _SMALLEST <= largest <= _LARGEST:
        raise refusal(path, f"{what} reaches {largest:.4g}", "scale it to a maximum near 1")


def square_pixels(shape: tuple[int, ...]) -> tuple[tuple[int, int], tuple[float, float]]:
    """Give (rows, columns), and the field of view in pixels; the pixels are assumed to be square."""
    ny, nx = shape
    return (ny, nx), (float(ny), float(nx))


def noise_seed(path: Path, index: int) -> np.random.RandomState:
    """Create the random numbers for the noise of an image, the same each time."""
    return np.random.RandomState([checksum(path.name), index])


def read_images(slices: Iterable[SliceInfo]) -> Iterator[Case | InputError]:
    """Read images as `read_image` does; yield the error instead of an image that cannot be used."""
    for info in slices:
        try:
            yield read_image(info)
        except InputError as error:
            yield error


def _images(path: Path, file: h5py.File) -> h5py.Dataset:
    images = find_dataset(file, "image", "fc", (3,))
    if images is None:
        raise refusal(path, "holds no `image`", "the layout is (image, ny, nx)")
    # The simulated array multiplies an image by eight, in float64: a few KB of gzip could take gigabytes.
    if images.shape[1] * images.shape[2] > _MOST_PIXELS:
        raise refusal(path, f"'image' has shape {images.shape}", f"keep an image to at most {_MOST_PIXELS} pixels")
    return images


def _labels(path: Path, file: h5py.File, name: str, count: int) -> np.ndarray | None:
    labels = find_dataset(file, name, "biu", (1,))
    if labels is None:
        return None
    if labels.shape != (count,):
        raise refusal(path, f"`{name}` has shape {labels.shape}", f"it needs one entry for each of {count} images")
    return read(labels)
