"""Read CSV tables that strangers wrote: bounded in bytes, in rows and in the length of a line."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TextIO

from data_prep.safe_hdf5 import check_regular, refusal

_LARGEST_FILE = 50 * 2**20  # bytes
_LONGEST_LINE = 2**14  # characters
_MOST_ROWS = 500_000
_MOST_COLUMNS = 100


def rows_of(path: Path, needed: tuple[str, ...], synonyms: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Column's name -> stripped text, of each row below the header; empty lines are skipped.

    needed: the columns that there must be, each once.  synonyms: other names of a column -> its name.  Names are lower
    case here, and in any case in the file.  A row that is too short has "?" in the columns that it lacks.

    Raises InputError where the file cannot be read, is over 50 MiB, 500 000 rows or 100 columns, or lacks a column.
    """
    size = check_regular(path).st_size
    if size > _LARGEST_FILE:
        raise refusal(path, f"it has {size} bytes", f"give a CSV file of at most {_LARGEST_FILE}")
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        records = _records(path, file)
        header = [synonyms.get(name.lower(), name.lower()) for name in next(records, [])]
        # Each row becomes a dictionary of all of them: thousands would make a small table take minutes.
        if len(header) > _MOST_COLUMNS:
            raise refusal(path, f"its first line names {len(header)} columns", f"keep at most {_MOST_COLUMNS}")
        for name in needed:
            if header.count(name) != 1:
                problem = f"its first line names the column '{name}' {header.count(name)} times"
                raise refusal(path, problem, f"name each of {', '.join(needed)} once")
        for number, fields in enumerate(records, start=1):
            if number > _MOST_ROWS:
                raise refusal(path, f"it has more than {_MOST_ROWS} rows", "split it")
            yield dict.fromkeys(header, "?") | dict(zip(header, fields, strict=False))


def _records(path: Path, file: TextIO) -> Iterator[list[str]]:
    """The stripped fields of each line that is not empty; a line is a record, so that a record is bounded too."""
    number = 0
    while line := file.readline(_LONGEST_LINE + 1):
        number += 1
        try:
            if len(line) > _LONGEST_LINE:
                raise csv.Error
            fields = [field.strip() for field in next(csv.reader([line], strict=True), [])]
        except csv.Error as error:
            problem = f"line {number} is no row of a CSV file, or longer than {_LONGEST_LINE} characters"
            raise refusal(path, problem, "save it as comma-separated values") from error
        if any(fields):
            yield fields
