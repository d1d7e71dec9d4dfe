"""Complex or magnitude images in HDF5, scanned by a simulated coil array: real anatomy where no k-space was kept.

The layout: `image` (image, ny, nx), complex or real; optionally `validation` (image,), True for those that must not be
trained on, and `block` (image,), the same number for neighbouring slices, which then are one volume.

What is simulated is said with each number made from it: eight loops around the field of view, noise that they share,
Fourier sampling on the image's own grid.
"""

from __future__ import annotations

import zlib
from functools import lru_cache
from pathlib import Path

import h5py
import numpy as np

from data_prep.cases import Case
from data_prep.fastmri import SliceInfo
from data_prep.safe_hdf5 import find_dataset, open_file, read, refusal
from jaxcs.coils.simulate import loop_sensitivities, noise_covariance

COILS = 8
# As for the phantoms: the array's radius in half diagonals, a loop's in radii of the array, the share of common noise.
_ARRAY_RADIUS, _LOOP_RADIUS, _COUPLING = 1.5, 0.42, 0.3
# Signal-to-noise ratio of the added noise: the median over tissue by the standard deviation in one coil.
_SNR = (30.0, 40.0)
_TISSUE = 0.1


def is_image_file(path: str | Path) -> bool:
    """Whether a file holds `image`, and no k-space.  Raises InputError where it cannot be read."""
    if Path(path).is_dir():
        return False
    with open_file(path) as file:
        return "image" in file and "kspace" not in file


def list_images(path: str | Path, validation: bool) -> list[SliceInfo]:
    """The images of a file to validate on, or those to train on; all of them where the file does not say.

    Raises InputError where the file is damaged, or holds none.
    """
    path = Path(path)
    with open_file(path) as file:
        images = _images(path, file)
        flags, blocks = (_labels(path, file, name, len(images)) for name in ("validation", "block"))
        wanted = range(len(images)) if flags is None else np.flatnonzero(flags.astype(bool) == validation)
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
    """One image as eight coils measure it, with noise of its own, the same each time.

    The target is the root sum of squares of the coils without the noise that is added here; the image's own stays.
    Raises InputError where the image cannot be used.
    """
    with open_file(info.path) as file:
        image = read(_images(info.path, file), info.slice_index)
    if not np.all(np.isfinite(image)) or not np.any(image):
        problem = f"image {info.slice_index} is zero or not finite"
        raise refusal(info.path, problem, "leave it out")
    maps = _maps((image.shape[0], image.shape[1]))
    clean = maps * image
    target = np.sqrt(np.sum(np.abs(clean) ** 2, axis=0))
    tissue = target > _TISSUE * target.max()
    rng = np.random.RandomState([zlib.crc32(info.path.name.encode()), info.slice_index])
    sigma = np.median(target[tissue]) / rng.uniform(*_SNR)
    real, imaginary = rng.normal(size=(2, COILS, image.size))
    factor = np.linalg.cholesky(noise_covariance(maps, tissue, _COUPLING))
    noise = sigma * factor @ (real + 1j * imaginary)
    axes = (-2, -1)
    kspace = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(clean, axes=axes), norm="ortho"), axes=axes)
    return Case(
        name=info.name,
        volume=info.volume,
        kspace=(kspace + noise.reshape(clean.shape)).astype(np.complex64),
        target=target.astype(np.float32),
        data_range=float(target.max()),
        padding=(0, image.shape[1]),
    )


def _images(path: Path, file: h5py.File) -> h5py.Dataset:
    images = find_dataset(file, "image", "fc", (3,))
    if images is None:
        raise refusal(path, "holds no `image`", "the layout is (image, ny, nx)")
    return images


def _labels(path: Path, file: h5py.File, name: str, count: int) -> np.ndarray | None:
    labels = find_dataset(file, name, "biu", (1,))
    if labels is None:
        return None
    if labels.shape != (count,):
        raise refusal(path, f"`{name}` has shape {labels.shape}", f"it needs one entry for each of {count} images")
    return read(labels)


@lru_cache(maxsize=4)
def _maps(shape: tuple[int, int]) -> np.ndarray:
    """Coil sensitivities; lengths are in pixels, which are taken to be square."""
    extent = (float(shape[0]), float(shape[1]))
    radius = _ARRAY_RADIUS * float(np.hypot(*extent)) / 2
    return loop_sensitivities(shape, extent, COILS, radius, _LOOP_RADIUS * radius)
