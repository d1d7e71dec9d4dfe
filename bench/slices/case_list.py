"""A list of cases as a CSV file: bench.hardest writes it, bench.attack --only reads it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from bench.plan.errors import InputFileError
from bench.plan.names import in_list
from bench.slices.source import refused
from data_prep import phantom
from data_prep.safe_csv import rows_of
from jaxcs.names import printable

_COLUMNS = ("volume", "slice", "case", "score")
# The four digits in a phantom's name distinguish this many.
_PHANTOMS = 10_000
_SHOWN = 100  # characters of a case's name in a message


def as_csv(rows: Iterable[tuple[str, str, float]]) -> bytes:
    """Return the file of (case, volume, score) in this order."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows(
        (in_list(volume), case.rsplit(":", 1)[-1], in_list(case), f"{score:.6g}") for case, volume, score in rows
    )
    return text.getvalue().encode()


def listed(path: str, known: Iterable[str], where: str) -> set[str]:
    """Read the cases that a file names; all must be among `known`.

    Only the column `case` of the file is needed.

    Args:
        path: the file.
        known: names of the available cases.
        where: the source of the available cases in words.

    Returns:
        The names of the cases.

    Raises:
        InputFileError: the file cannot be read, names no case, or names a case that is not known.
    """
    with refused("--only"):
        names = dict.fromkeys(row["case"] for row in rows_of(Path(path), ("case",), {}))
    if not names:
        raise InputFileError(f"--only {path}: names no case; give a list of bench.hardest")
    there = {in_list(name): name for name in known}
    there |= {name: name for name in there.values()}
    missing = [name for name in names if name not in there]
    if missing:
        raise InputFileError(
            f"--only {path}: {len(missing)} of its {len(names)} cases are not in {where}, such as "
            f"'{printable(missing[0])[:_SHOWN]}'; give the data that the list was made of"
            f"{'' if missing[0].isascii() else ', and save the list as CSV in UTF-8'}"
        )
    return {there[name] for name in names}


def phantom_numbers(family: str) -> dict[str, int]:
    """Return the index of each phantom that bench.attack can use, by the name of its case."""
    return {phantom.case_name(family, "test", index): index for index in range(_PHANTOMS)}
