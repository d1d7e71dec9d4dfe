"""Complex or magnitude images in HDF5, scanned by a simulated coil array: real anatomy where no k-space was kept.

The layout: `image` (image, ny, nx), complex or real; optionally `validation` (image,), True for those that must not be
trained on, and `block` (image,), the same number for neighbouring slices, which then are one volume.

What is simulated is said with each number made from it: the receiver and its noise (`data_prep.coil_array`), and
Fourier sampling on the image's own grid.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

import h5py
import numpy as np

from data_prep.cases import Case, InputError
from data_prep.coil_array import COILS, add_noise, sensitivities, tissue
from data_prep.fastmri import SliceInfo
from data_prep.fourier import forward, root_sum_of_squares
from data_prep.safe_hdf5 import find_dataset, open_file, read, refusal


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

    The target is fastMRI's, the root sum of squares of the fully sampled coil images, with the added noise.
    Raises InputError where the image cannot be used.
    """
    with open_file(info.path) as file:
        image = read(_images(info.path, file), info.slice_index)
    if not np.all(np.isfinite(image)) or not np.any(image):
        problem = f"image {info.slice_index} is zero or not finite"
        raise refusal(info.path, problem, "leave it out")
    shape = (image.shape[0], image.shape[1])
    maps = _maps(shape)
    coils = maps * image
    clean = forward(coils)
    rng = np.random.RandomState([zlib.crc32(info.path.name.encode()), info.slice_index])
    kspace, _ = add_noise(clean, maps, tissue(np.linalg.norm(coils, axis=0)), rng)
    target = root_sum_of_squares(kspace)
    return Case(
        name=info.name,
        volume=info.volume,
        kspace=kspace.astype(np.complex64),
        target=target.astype(np.float32),
        data_range=float(target.max()),
        padding=(0, shape[1]),
    )


def read_images(slices: Iterable[SliceInfo]) -> Iterator[Case | InputError]:
    """Each image as `read_image` reads it, or why it cannot be used."""
    for info in slices:
        try:
            yield read_image(info)
        except InputError as error:
            yield error


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
    return sensitivities(shape, (float(shape[0]), float(shape[1])))
