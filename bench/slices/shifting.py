"""The shifts of cases by --shift; no other module applies shifts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import tee

from bench.plan.config import RunConfig
from bench.plan.errors import UsageError
from data_prep.cases import Case, InputError
from data_prep.fastmri import SliceInfo
from data_prep.files import Found
from data_prep.shifts import SHIFTS, check, reach, shifted

# (name, size) of each shift, in the order in which they happen.
Shifts = Sequence[tuple[str, float]]
# position -> the neighbouring slices, read; raises InputError.
Neighbours = Callable[[int], list[Case]]


def check_acquisition(acquisitions: Sequence[str], data: str | None) -> None:
    """Raise UsageError if acquisitions are chosen of the phantom."""
    if acquisitions and data is None:
        raise UsageError("--acquisition: the phantom has none; name files with --data")


def check_shift(shift: Shifts, data: str | None) -> None:
    """Check that shifts can be applied.

    Args:
        shift: the shifts.
        data: path of the data, or None for the phantom.

    Raises:
        UsageError: a shift cannot be applied.
    """
    for name, size in shift:
        try:
            check(name, size)
        except ValueError as error:
            raise UsageError(f"--shift {name}={size:g}: {error}") from error
    if data is None and reach(shift):
        raise UsageError("--shift thickness: images of the phantom have no neighbours; give volumes by --data")


def shifting(
    config: RunConfig,
    read: Callable[[Iterable[int]], Iterator[Case | InputError]],
    neighbours: Neighbours = lambda position: [],
) -> Callable[[Iterable[int]], Iterator[Case | InputError]]:
    """Wrap the `read` of a source so that its cases are shifted.

    Args:
        config: settings of the run.
        read: reads the cases at these positions.
        neighbours: reads the neighbouring slices of a position.
    """
    if not config.shift:
        return read

    def all_of(wanted: Iterable[int]) -> Iterator[Case | InputError]:
        positions, to_read = tee(wanted)
        for position, case in zip(positions, read(to_read), strict=True):
            if isinstance(case, InputError):
                yield case
                continue
            try:
                yield shifted(case, config.shift, neighbours(position))
            except InputError as error:
                yield error

    return all_of


def shifted_reader(read: Callable[[], Case], shift: Shifts) -> Callable[[], Case]:
    """Wrap the reader of one case so that the case is shifted; without thickness, which needs neighbouring slices."""
    return (lambda: shifted(read(), shift)) if shift else read


def neighbours_among(config: RunConfig, found: Found, slices: Sequence[SliceInfo]) -> Neighbours:
    """Return the reader of the neighbours of `slices`, by position; neighbours may be beyond --limit."""
    far = reach(config.shift)
    volumes: dict[tuple[str, str], list[SliceInfo]] = {}
    for info in found.slices if far else []:
        volumes.setdefault((str(info.path), info.volume), []).append(info)

    def about(position: int) -> list[Case]:
        own = slices[position]
        volume = volumes.get((str(own.path), own.volume), [])
        return [found.read(one) for one in volume if 0 < abs(one.slice_index - own.slice_index) <= far]

    return about


def in_words(shift: Shifts) -> str:
    """Return the shifts and their sizes in words."""
    return ", ".join(f"{name} {size:g} ({SHIFTS[name].unit})" for name, size in shift)
