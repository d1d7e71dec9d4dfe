"""Cases as networks for a single coil take them; no other module of bench combines coils."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from bench.slices.sources import Source
from data_prep.cases import Case, InputError
from data_prep.one_coil import one_coil
from jaxcs.catalogue import METHODS
from jaxcs.recon.automap import MASK_SEED

NOTE = "the scans are of one coil, k-space of the magnitude image, because a network takes no more"


def mask_seed(names: Iterable[str], otherwise: tuple[int, ...]) -> tuple[int, ...]:
    """Give the seed of a mask: one for all scans if one of these methods is for one mask."""
    return MASK_SEED if any(name in METHODS and METHODS[name].one_mask for name in names) else otherwise


def combined(source: Source, side: int | None) -> Source:
    """Wrap a source so that its cases are of one coil, and of `side` x `side` pixels unless that is None."""

    def read(wanted: Iterable[int]) -> Iterator[Case | InputError]:
        for case in source.read(wanted):
            try:
                yield case if isinstance(case, InputError) else one_coil(case, side)
            except InputError as error:
                yield error

    return source._replace(
        read=read,
        shapes=[shape_of(shape, side) for shape in source.shapes],
        notes=(*source.notes, NOTE if side is None else f"{NOTE}, {side} x {side} pixels"),
    )


def shape_of(shape: tuple[int, int, int], side: int | None) -> tuple[int, int, int]:
    """Give (1, ny, nx) of the k-space of one coil."""
    return (1, *shape[1:]) if side is None else (1, side, side)


def reader(read: Callable[[], Case], side: int | None) -> Callable[[], Case]:
    """Wrap the reader of one case in the same way."""
    return lambda: one_coil(read(), side)
