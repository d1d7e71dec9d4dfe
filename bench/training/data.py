"""Sources of training examples: the phantom, fastMRI files, or images with simulated coils."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from bench.plan.errors import InputFileError, UsageError
from bench.slices.shifting import Shifts, check_acquisition, in_words, shifted_reader
from bench.training.examples import Examples
from data_prep import ct, phantom
from data_prep.cases import InputError
from data_prep.files import list_cases
from data_prep.shifts import shape_after

# Default numbers of phantoms.  Phantoms are generated, so their number has no limit.
_PHANTOMS, _VALIDATION_PHANTOMS = 300, 16


class Opened(NamedTuple):
    """Training and validation examples.

    Attributes:
        training: examples to train on.
        validation: examples to validate on.
        description: the training data in words.
    """

    training: Examples
    validation: Examples
    description: str


def open_examples(
    data: str | None,
    validation: str | None,
    family: str,
    images: int | None,
    validation_images: int | None,
    shift: Shifts = (),
    acquisitions: Sequence[str] = (),
    views: int | None = None,
    sinograms: bool = False,
) -> Opened:
    """Open the training and validation examples: phantoms if `data` is None, otherwise files.

    Args:
        data: path of the training data, or None.
        validation: path of the validation data, or None for a part of the training data.
        family: family of the phantom.
        images: number of training images, None for all.
        validation_images: number of validation images, None for all.
        shift: shifts of every scan.
        acquisitions: only files of these acquisitions, see `data_prep.acquisition.is_of`; all if empty.
        views: number of views of a sinogram, None for the usual number.
        sinograms: whether the examples are sinograms.

    Returns:
        Both sets of examples and their description.

    Raises:
        InputFileError: there are no examples.
        UsageError: training and validation would share slices.
    """
    if sinograms:
        return _sinograms(data, validation, family, images, validation_images, views)
    training, description = training_examples(data, family, images, shift, acquisitions)
    if data is None:
        held_out = _phantoms(family, "validation", validation_images or _VALIDATION_PHANTOMS, shift)
        return Opened(training, held_out, description)
    held_out, _ = _files("--validation", validation or data, validation_images, shift, acquisitions, validation=True)
    if validation is None and set(training.names) & set(held_out.names):
        raise UsageError(f"--data {data}: does not say which slices are for validation; name others by --validation")
    return Opened(training, held_out, description)


def _sinograms(
    data: str | None,
    validation: str | None,
    family: str,
    images: int | None,
    validation_images: int | None,
    views: int | None,
) -> Opened:
    if data is None:
        training = ct.phantoms(family, "train", images or _PHANTOMS, views)
        held_out = ct.phantoms(family, "validation", validation_images or _VALIDATION_PHANTOMS, views)
        name = f"built-in phantom ({family})"
    else:
        try:
            training = ct.list_images(data, False, views)[:images]
            held_out = ct.list_images(validation or data, True, views)[:validation_images]
        except InputError as error:
            raise InputFileError(f"--data {error}") from error
        name = data.rstrip("/").rsplit("/", 1)[-1]
        if validation is None and {one.name for one in training} & {one.name for one in held_out}:
            raise UsageError(
                f"--data {data}: does not say which images are for validation; name others by --validation"
            )
    seen = sorted({one.shape[2] for one in training})
    description = f"{name}, {len(training)} training images, {', '.join(map(str, seen))} views, noise simulated"
    training_set, held_out_set = (
        Examples({one.name: partial(one.read, views) for one in split}, [one.shape for one in split])
        for split in (training, held_out)
    )
    return Opened(training_set, held_out_set, description)


def training_examples(
    data: str | None,
    family: str,
    images: int | None,
    shift: Shifts = (),
    acquisitions: Sequence[str] = (),
    truth: bool = True,
) -> tuple[Examples, str]:
    """Open the training examples, with ground truth unless `truth` is False; returns them and their description."""
    check_acquisition(acquisitions, data)
    if data is None:
        training = _phantoms(family, "train", images or _PHANTOMS, shift)
        name, note = f"built-in phantom ({family})", ""
    else:
        training, simulated = _files("--data", data, images, shift, acquisitions, validation=False, truth=truth)
        name = data.rstrip("/").rsplit("/", 1)[-1]
        name += f", {' and '.join(acquisitions)}" if acquisitions else ""
        note = ", coils and added noise simulated" if simulated else ""
    note += f", shifted: {in_words(shift)}" if shift else ""
    return training, f"{name}, {len(training)} training images{note}"


def _phantoms(family: str, split: str, count: int, shift: Shifts) -> Examples:
    readers = {str(i): shifted_reader(partial(phantom.case, family, split, i), shift) for i in range(count)}
    return Examples(readers, [shape_after(shift, (phantom.COILS, *phantom.SHAPE))] * count)


def _files(
    flag: str,
    path: str,
    count: int | None,
    shift: Shifts,
    acquisitions: Sequence[str],
    validation: bool,
    truth: bool = True,
) -> tuple[Examples, bool]:
    """Examples of files, and whether their coils are simulated."""
    try:
        found = list_cases(path, validation, truth, acquisitions)
    except InputError as error:
        raise InputFileError(f"{flag} {error}") from error
    slices = found.slices[:count]
    readers = {one.name: shifted_reader(partial(found.read, one), shift) for one in slices}
    return Examples(readers, [shape_after(shift, one.shape) for one in slices]), found.simulated
