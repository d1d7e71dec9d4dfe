"""Where training examples come from: the phantom, fastMRI files, or images with simulated coils."""

from __future__ import annotations

from functools import partial

from bench.harness.errors import InputFileError
from bench.training.config import TrainConfig
from bench.training.examples import Examples
from data_prep import fastmri, images, phantom
from data_prep.cases import InputError

# Phantoms are drawn, so that there is no end to them; these are as many as are used where no number is given.
_PHANTOMS, _VALIDATION_PHANTOMS = 300, 16


def open_examples(config: TrainConfig) -> tuple[Examples, Examples, str]:
    """Training and validation examples, and what they are.  Raises InputFileError where there are none."""
    if config.data is None:
        training = _phantoms(config.phantom, "train", config.images or _PHANTOMS)
        validation = _phantoms(config.phantom, "validation", config.validation_images or _VALIDATION_PHANTOMS)
        return training, validation, f"built-in phantom ({config.phantom}), {len(training)} training images"
    try:
        training = _files(config.data, config.images, validation=False)
        validation = _files(config.validation or config.data, config.validation_images, validation=True)
    except InputError as error:
        raise InputFileError(f"--data {error}") from error
    simulated = ", coils and added noise simulated" if images.is_image_file(config.data) else ""
    name = config.data.rstrip("/").rsplit("/", 1)[-1]
    return training, validation, f"{name}, {len(training)} training images{simulated}"


def _phantoms(family: str, split: str, count: int) -> Examples:
    readers = {str(index): partial(phantom.case, family, split, index) for index in range(count)}
    return Examples(readers, [(phantom.COILS, *phantom.SHAPE)] * count)


def _files(path: str, count: int | None, validation: bool) -> Examples:
    if images.is_image_file(path):
        found = images.list_images(path, validation)[:count]
        return Examples({one.name: partial(images.read_image, one) for one in found}, [one.shape for one in found])
    slices = fastmri.list_slices(path)[:count]
    return Examples({one.name: partial(fastmri.read_slice, one) for one in slices}, [one.shape for one in slices])
