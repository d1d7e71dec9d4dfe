"""Sources of training examples: the phantom, fastMRI files, or images with simulated coils."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from bench.plan.errors import UsageError
from bench.slices.shifting import Shifts, check_acquisition, in_words, shifted_reader
from bench.slices.source import refused
from bench.training.examples import Examples
from data_prep import ct, phantom
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
    families: Sequence[str],
    images: int | None,
    validation_images: int | None,
    shift: Shifts = (),
    shifted: float = 1.0,
    acquisitions: Sequence[str] = (),
    views: int | None = None,
    sinograms: bool = False,
) -> Opened:
    """Open the training and validation examples: phantoms if `data` is None, otherwise files.

    Args:
        data: path of the training data, or None.
        validation: path of the validation data, or None for a part of the training data.
        families: families of the phantom, each with an equal share of the images.
        images: number of training images, None for all.
        validation_images: number of validation images, None for all.
        shift: shifts of the scans.
        shifted: share of the scans that are shifted [-].
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
        return _sinograms(data, validation, families, images, validation_images, views)
    training, description = training_examples(data, families, images, shift, shifted, acquisitions)
    if data is None:
        held_out = _phantoms(families, "validation", validation_images or _VALIDATION_PHANTOMS, shift, shifted)
        return Opened(training, held_out, description)
    held_out, _ = _files(
        "--validation", validation or data, validation_images, shift, shifted, acquisitions, validation=True
    )
    if validation is None and set(training.names) & set(held_out.names):
        raise UsageError(f"--data {data}: does not say which slices are for validation; name others by --validation")
    return Opened(training, held_out, description)


def _sinograms(
    data: str | None,
    validation: str | None,
    families: Sequence[str],
    images: int | None,
    validation_images: int | None,
    views: int | None,
) -> Opened:
    if data is None:

        def first(split: str, number: int) -> list[ct.CtSlice]:
            listed = {family: ct.phantoms(family, split, number, views) for family in families}
            return [listed[family][index] for family, index in _in_turn(families, number)]

        training = first("train", images or _PHANTOMS)
        held_out = first("validation", validation_images or _VALIDATION_PHANTOMS)
        name = _phantom_words(families)
    else:
        with refused("--data"):
            training = ct.list_images(data, False, views)[:images]
            held_out = ct.list_images(validation or data, True, views)[:validation_images]
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
    families: Sequence[str],
    images: int | None,
    shift: Shifts = (),
    shifted: float = 1.0,
    acquisitions: Sequence[str] = (),
    truth: bool = True,
) -> tuple[Examples, str]:
    """Open the training examples, with ground truth unless `truth` is False; returns them and their description."""
    check_acquisition(acquisitions, data)
    if data is None:
        training = _phantoms(families, "train", images or _PHANTOMS, shift, shifted)
        name, note = _phantom_words(families), ""
    else:
        training, simulated = _files(
            "--data", data, images, shift, shifted, acquisitions, validation=False, truth=truth
        )
        name = data.rstrip("/").rsplit("/", 1)[-1]
        name += f", {' and '.join(acquisitions)}" if acquisitions else ""
        note = ", coils and added noise simulated" if simulated else ""
    note += f", {f'{100 * shifted:g} % ' if shifted < 1 else ''}shifted: {in_words(shift)}" if shift else ""
    return training, f"{name}, {len(training)} training images{note}"


def _phantom_words(families: Sequence[str]) -> str:
    return f"built-in phantom ({' and '.join(families)})"


def _in_turn(families: Sequence[str], count: int) -> list[tuple[str, int]]:
    """The family of each phantom, one after another, and its number in the family."""
    return [(families[index % len(families)], index // len(families)) for index in range(count)]


def _of_share(shift: Shifts, share: float, number: int) -> Shifts:
    """The shifts of the scan with this number, none for some, so that the share is that of every run of scans."""
    return shift if int((number + 1) * share) > int(number * share) else ()


def _phantoms(families: Sequence[str], split: str, count: int, shift: Shifts, shifted: float) -> Examples:
    chosen = _in_turn(families, count)
    shifts = [_of_share(shift, shifted, number) for _, number in chosen]
    readers = {
        str(index): shifted_reader(partial(phantom.case, family, split, number), own)
        for index, ((family, number), own) in enumerate(zip(chosen, shifts, strict=True))
    }
    return Examples(readers, [shape_after(own, (phantom.COILS, *phantom.SHAPE)) for own in shifts])


def _files(
    flag: str,
    path: str,
    count: int | None,
    shift: Shifts,
    shifted: float,
    acquisitions: Sequence[str],
    validation: bool,
    truth: bool = True,
) -> tuple[Examples, bool]:
    """Examples of files, and whether their coils are simulated."""
    with refused(flag):
        found = list_cases(path, validation, truth, acquisitions)
    slices = found.slices[:count]
    shifts = [_of_share(shift, shifted, number) for number in range(len(slices))]
    both = list(zip(slices, shifts, strict=True))
    readers = {one.name: shifted_reader(partial(found.read, one), own) for one, own in both}
    return Examples(readers, [shape_after(own, one.shape) for one, own in both]), found.simulated
