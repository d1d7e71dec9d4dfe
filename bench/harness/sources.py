"""Where cases come from: the built-in phantom, fastMRI files, or images with simulated coils."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax

from bench.harness.case_list import listed, phantom_numbers
from bench.harness.config import RunConfig
from bench.harness.errors import InputFileError, UsageError
from bench.harness.subjects import Subject
from data_prep import phantom
from data_prep.cases import Case, InputError
from data_prep.files import list_cases
from jaxcs.recon import METHODS

# Images of the phantom where no number is given: as many as two cores attack in about a minute.
_PHANTOM_IMAGES, _FEW_IMAGES = 10, 2
_SLOW = {"varnet"} | {name for name, method in METHODS.items() if method.fitted}


class Source(NamedTuple):
    """Cases that have been found, but not read.

    names: of each, slices of one shape together, so that they fill batches and few compiled functions are alive.
    shapes: (coil, ny, nx) of each.  sha256: of each file and of the list of --only, by name; nothing for the phantom,
    which the version decides.
    cases: reads them one after another, in the order of the names; each a case, or why it cannot be used.
    """

    description: str
    names: list[str]
    shapes: list[tuple[int, int, int]]
    notes: tuple[str, ...]
    sha256: dict[str, str]
    cases: Callable[[], Iterator[Case | InputError]]


def open_source(config: RunConfig, subjects: list[Subject]) -> Source:
    """The source that the configuration names, for these methods.  Raises InputFileError where none can be read."""
    if config.data is None:
        slow = len(subjects) == 1 and subjects[0].config.method in _SLOW
        count = config.limit or (_FEW_IMAGES if slow else _PHANTOM_IMAGES)
        indices = list(range(count))
        if config.only is not None:
            numbers = phantom_numbers(config.phantom)
            chosen = listed(config.only, numbers, f"the phantom of a {config.phantom}")
            indices = sorted(numbers[name] for name in chosen)[: config.limit]
        return Source(
            description=f"built-in phantom ({config.phantom}, test){_only(config)}",
            names=[f"phantom {index}" for index in indices],
            shapes=[(phantom.COILS, *phantom.SHAPE)] * len(indices),
            notes=("this is the built-in phantom; --data PATH takes fastMRI files",),
            sha256=_list_sha256(config),
            cases=lambda: (phantom.case(config.phantom, "test", index) for index in indices),
        )
    try:
        found = list_cases(config.data, validation=True)
    except InputError as error:
        raise InputFileError(f"--data {error}") from error
    slices = found.slices
    if config.only is not None:
        chosen = listed(config.only, (info.name for info in slices), config.data)
        slices = [info for info in slices if info.name in chosen]
    slices = sorted(slices[: config.limit], key=lambda info: info.shape)
    paths = sorted({info.path for info in slices})
    return Source(
        description=(f"{len(paths)} files of {config.data}" if len(paths) > 1 else config.data) + _only(config),
        names=[info.name for info in slices],
        shapes=[info.shape for info in slices],
        notes=("these are images: their coils and the added noise are simulated",) if found.simulated else (),
        sha256={path.name: _sha256(path) for path in paths} | _list_sha256(config),
        cases=partial(found.read_all, slices),
    )


def check_device(device: str) -> None:
    """Raise UsageError, naming the extra to install, where the device that was asked for is not there."""
    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:  # the latter for a platform whose plugin is not installed
        extra = {"gpu": "jaxcs[cuda12] or jaxcs[cuda13]", "tpu": "jaxcs[tpu]"}.get(device, "jax")
        raise UsageError(f"--device {device}: JAX finds none here; install {extra}, or use --device cpu") from error


def _only(config: RunConfig) -> str:
    return "" if config.only is None else f", only those of {config.only}"


def _list_sha256(config: RunConfig) -> dict[str, str]:
    return {} if config.only is None else {Path(config.only).name: _sha256(Path(config.only))}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
