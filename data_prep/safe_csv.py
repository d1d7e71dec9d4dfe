"""Read untrusted CSV tables, with limits on bytes, rows and the length of a row.

Columns are separated by commas, by tabs, or by semicolons, which spreadsheets write in most of Europe.  A table without
commas between its columns may have decimal commas.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TextIO

from data_prep.safe_hdf5 import check_regular, refusal
from data_prep.text import encoding_of

_LARGEST_FILE = 50 * 2**20  # bytes
_LONGEST_ROW = 2**14  # characters
_MOST_ROWS = 500_000
_MOST_COLUMNS = 100
_SEPARATORS = (",", ";", "\t")
_DECLARATION = "sep="  # a first line of Excel's, followed by the separator
_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]*,[0-9]+")
_SAVE = "save it as CSV in UTF-8, with commas, semicolons or tabs between the columns"


def rows_of(
    path: Path, needed: tuple[str, ...], synonyms: Mapping[str, str], numbers: tuple[str, ...] = ()
) -> Iterator[dict[str, str]]:
    """Read the rows of a table below its header; empty lines are skipped.

    Column names are lower case here, and in any case in the file.

    Args:
        path: the file.
        needed: columns that must exist, each once.
        synonyms: maps other names of a column to its name.
        numbers: columns in which a decimal comma becomes a point.

    Yields:
        For each row, maps a column's name to its stripped text.  A row that is too short has "?" in the missing
        columns.

    Raises:
        InputError: If the file cannot be read, lacks a column, or exceeds 50 MiB, 500 000 rows or 100 columns.
    """
    size = check_regular(path).st_size
    if size > _LARGEST_FILE:
        raise refusal(path, f"it has {size} bytes", f"give a CSV file of at most {_LARGEST_FILE}")
    with path.open(encoding=encoding_of(path), errors="replace", newline="") as file:
        separator = _separator(path, _first_line(file), needed, synonyms)
        file.seek(0)
        records = _records(path, file, separator)
        header = _names(next(records, []), synonyms)
        if header[:1] == [_DECLARATION]:
            header = _names(next(records, []), synonyms)
        # Each row becomes a dictionary of all columns.  With thousands of columns a small table would take minutes.
        if len(header) > _MOST_COLUMNS:
            raise refusal(path, f"its first line names {len(header)} columns", f"keep at most {_MOST_COLUMNS}")
        for name in needed:
            if header.count(name) != 1:
                problem = f"its first line names the column '{name}' {header.count(name)} times"
                raise refusal(path, problem, f"name each of {', '.join(needed)} once, and {_SAVE}")
        for number, fields in enumerate(records, start=1):
            if number > _MOST_ROWS:
                raise refusal(path, f"it has more than {_MOST_ROWS} rows", "split it")
            row = dict.fromkeys(header, "?") | dict(zip(header, fields, strict=False))
            if separator != ",":
                row |= {name: row[name].replace(",", ".") for name in numbers if _DECIMAL_COMMA.fullmatch(row[name])}
            yield row


def _first_line(file: TextIO) -> str:
    """The first line that is not blank."""
    return next((line for line in iter(lambda: file.readline(_LONGEST_ROW + 1), "") if line.strip()), "")


def _separator(path: Path, line: str, needed: tuple[str, ...], synonyms: Mapping[str, str]) -> str:
    """The separator with which the first line names the needed columns; a comma if none does."""
    if "\0" in line:
        raise refusal(path, "its first line has null characters, so that it is no text in UTF-8", _SAVE)
    if line.startswith(_DECLARATION) and line.removeprefix(_DECLARATION)[:1] in _SEPARATORS:
        return line.removeprefix(_DECLARATION)[0]
    for separator in _SEPARATORS:
        names = _names(_fields(line, separator) or [], synonyms)
        if all(name in names for name in needed):
            return separator
    return ","


def _names(fields: list[str], synonyms: Mapping[str, str]) -> list[str]:
    return [synonyms.get(name.lower(), name.lower()) for name in fields]


def _records(path: Path, file: TextIO, separator: str) -> Iterator[list[str]]:
    """The stripped fields of each row that is not empty."""
    number = 0
    while row := file.readline(_LONGEST_ROW + 1):
        number += 1
        first, fields = number, _fields(row, separator)
        # A quoted field may continue in the lines below, up to the next line with an odd number of quotes.
        while fields is None and len(row) <= _LONGEST_ROW and (line := file.readline(_LONGEST_ROW + 1)):
            number += 1
            row += line
            if line.count('"') % 2:
                fields = _fields(row, separator)
                break
        if fields is None:
            problem = f"line {first} is no row of a CSV file, or longer than {_LONGEST_ROW} characters"
            raise refusal(path, problem, _SAVE)
        if any(fields):
            yield fields


def _fields(row: str, separator: str) -> list[str] | None:
    """The stripped fields of a row, or None if the text is not a row."""
    if len(row) > _LONGEST_ROW:
        return None
    try:
        return [field.strip() for field in next(csv.reader([row], delimiter=separator, strict=True), [])]
    except csv.Error:
        return None
