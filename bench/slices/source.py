"""Cases that are listed, but not yet read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.plan.config import RunConfig
from bench.plan.errors import InputFileError
from data_prep.cases import Case, InputError


class Source(NamedTuple):
    """Cases that are listed, but not yet read.

    Attributes:
        description: the cases of the whole run in words.
        total: number of cases of the whole run.
        positions: positions of these cases in the whole run; all in order, until `only` chooses some.
        names: names of these cases.  Slices of one shape are together, so that they fill batches and few compiled
            functions are in memory.
        volumes: name of the volume of each case.
        shapes: (coil, ny, nx) of each case.
        notes: remarks to print.
        sha256: hash of each file and of the list of --only, by name; empty for the phantom, which the version
            determines.
        read: yields for each position a case, or why it cannot be used.
    """

    description: str
    total: int
    positions: list[int]
    names: list[str]
    volumes: list[str]
    shapes: list[tuple[int, int, int]]
    notes: tuple[str, ...]
    sha256: dict[str, str]
    read: Callable[[Iterable[int]], Iterator[Case | InputError]]

    def only(self, positions: list[int]) -> Source:
        """Return the cases at these positions, in this order."""
        index = {position: index for index, position in enumerate(self.positions)}
        return self._replace(
            positions=positions,
            names=[self.names[index[position]] for position in positions],
            volumes=[self.volumes[index[position]] for position in positions],
            shapes=[self.shapes[index[position]] for position in positions],
        )


@contextmanager
def refused(what: str) -> Iterator[None]:
    """Turn the error of a reader in the block into an InputFileError that begins with `what`, such as a flag."""
    try:
        yield
    except InputError as error:
        raise InputFileError(f"{what} {error}") from error


def only_words(config: RunConfig) -> str:
    """Say which cases are used, if a list chooses them."""
    return "" if config.only is None else f", only those of {config.only}"


def list_sha256(config: RunConfig) -> dict[str, str]:
    """Hash the list of --only, by its name."""
    return {} if config.only is None else {Path(config.only).name: sha256_of(Path(config.only))}


def sha256_of(path: Path) -> str:
    """Hash a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
