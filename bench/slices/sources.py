"""Sources of cases: the built-in phantom, fastMRI files, or images with simulated coils."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import jax
import numpy as np
from jax.sharding import Mesh

from bench.plan.config import BESIDE, BOXES, RunConfig
from bench.plan.errors import InputFileError, UsageError
from bench.record.provenance import forbidding
from bench.slices.case_list import listed, phantom_numbers
from bench.slices.ct_source import open_sinograms
from bench.slices.shifting import check_acquisition, check_shift, in_words, neighbours_among, shifting
from bench.slices.source import Source, list_sha256, only_words, refused, sha256_of
from data_prep import phantom
from data_prep.fastmri import SliceInfo
from data_prep.files import Found, list_cases
from data_prep.machine import missing_device
from data_prep.shifts import shape_after

# Default numbers of phantom images: two cores attack as many in about a minute.
_PHANTOM_IMAGES, _FEW_IMAGES = 10, 2


def open_source(config: RunConfig, few: bool = False, truth: bool = True) -> Source:
    """Open the source that the configuration names.

    Args:
        config: settings of the run.
        few: whether the phantom has few images if no number is given, because each takes long.
        truth: whether every slice must have a ground truth.

    Raises:
        InputFileError: no case can be read.
    """
    if config.sinograms:
        return open_sinograms(config, _FEW_IMAGES if few else _PHANTOM_IMAGES)
    check_shift(config.shift, config.data)
    check_acquisition(config.acquisition, config.data)
    if config.data is None:
        count = config.limit or (_FEW_IMAGES if few else _PHANTOM_IMAGES)
        every: Iterable[int] = itertools.count()
        if config.only is not None:
            numbers = phantom_numbers(config.phantom)
            every = sorted(numbers[name] for name in listed(config.only, numbers, f"the phantom of a {config.phantom}"))
            count = config.limit or len(every)
        if config.region in (BOXES, BESIDE):
            every = (index for index in every if phantom.boxed(config.phantom, "test", index))
        indices = list(itertools.islice(every, count))
        names = [phantom.case_name(config.phantom, "test", index) for index in indices]
        return Source(
            description=f"built-in phantom ({config.phantom}, test){only_words(config)}{_shift(config)}",
            total=len(indices),
            positions=list(range(len(indices))),
            names=names,
            volumes=[name.removesuffix(":0") for name in names],
            shapes=[shape_after(config.shift, (phantom.COILS, *phantom.SHAPE))] * len(indices),
            notes=("this is the built-in phantom; --data PATH takes fastMRI files",),
            sha256=list_sha256(config),
            read=shifting(
                config, lambda wanted: (phantom.case(config.phantom, "test", indices[position]) for position in wanted)
            ),
        )
    with refused("--data"):
        found = list_cases(config.data, validation=True, truth=truth, acquisitions=config.acquisition)
    slices, notes = _chosen(config, config.data, found)
    slices = sorted(slices[: config.limit], key=lambda info: info.shape)
    paths = {info.path for info in slices}
    return Source(
        description=(f"{len(paths)} files of {config.data}" if len(paths) > 1 else config.data)
        + (f", {' and '.join(config.acquisition)}" if config.acquisition else "")
        + only_words(config)
        + _shift(config),
        total=len(slices),
        positions=list(range(len(slices))),
        names=[info.name for info in slices],
        volumes=[info.volume for info in slices],
        shapes=[shape_after(config.shift, info.shape) for info in slices],
        notes=tuple(notes),
        sha256={path.name: sha256_of(path) for path in sorted(paths)} | list_sha256(config),
        read=shifting(
            config,
            lambda wanted: found.read_all(slices[position] for position in wanted),
            neighbours_among(config, found, slices),
        ),
    )


def _chosen(config: RunConfig, data: str, found: Found) -> tuple[list[SliceInfo], list[str]]:
    """The listed slices that the run is about, and notes on them."""
    slices = found.slices
    notes = ["these are images: their coils and the added noise are simulated"] if found.simulated else []
    if config.only is not None:
        chosen = listed(config.only, (info.name for info in slices), data)
        slices = [info for info in slices if info.name in chosen]
    if config.region in (BOXES, BESIDE):
        boxed = [info for info in slices if info.boxed]
        if not boxed:
            remedy = "join those of a table by python -m data_prep fastmri IN OUT --boxes TABLE.csv"
            raise InputFileError(f"--region {config.region}: no slice of {data} has a box; {remedy}")
        if len(boxed) < len(slices):
            notes.append(f"{len(slices) - len(boxed)} of {len(slices)} slices have no box, and are left out")
        slices = boxed
    return slices, notes


def check_device(device: str) -> None:
    """Check that methods can compute on the device.

    Args:
        device: "auto", or the kind of device that must be there.

    Raises:
        UsageError: the device is missing, or JAX's settings forbid an operation of the methods.
    """
    reason = missing_device(device) or forbidding()
    if reason is not None:
        raise UsageError(reason)


def mesh_of(devices: int | None) -> Mesh | None:
    """Make a mesh of devices of this machine with one axis.

    Args:
        devices: number of devices, 0 for all, None for one.

    Returns:
        The mesh, or None for one device.

    Raises:
        UsageError: the machine has fewer devices.
    """
    there = jax.local_devices()
    if devices is not None and devices > len(there):
        names = f"{len(there)} device{'s' if len(there) > 1 else ''}"
        raise UsageError(f"--devices {devices}: JAX finds {names} here; name at most as many, or all")
    used = there[: devices or None]
    return Mesh(np.array(used), ("slice",)) if devices is not None and len(used) > 1 else None


def _shift(config: RunConfig) -> str:
    return f", shifted: {in_words(config.shift)}" if config.shift else ""
