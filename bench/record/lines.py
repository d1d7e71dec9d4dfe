"""The lines of a run's records by image, and whether an image has all of them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from bench.plan.errors import InputFileError
from bench.record.forms import Form, shown
from bench.record.reading import MOST_BYTES_OF_LINES, content_of, parsed, reason_of, understanding
from bench.record.store import FOLDER

Line = dict[str, Any]


class Lines(NamedTuple):
    """The content of a file of lines.

    rows: by case.  damaged: what is wrong with the first line that cannot be read, or None; such lines are left out.
    """

    rows: dict[str, list[Line]]
    damaged: str | None


def read_lines(path: Path, form: Form) -> Lines:
    """Read the lines of a file, none if there is no file.  Raises InputFileError if it cannot be read."""
    found = Lines({}, None)
    for number, line in enumerate(whole_lines(path), start=1):
        try:
            if not line.endswith(b"\n"):
                raise ValueError("it is cut short")
            row = parsed(line.decode("utf-8"))
            form(row)
        except (ValueError, RecursionError) as error:
            found = found._replace(damaged=found.damaged or f"line {number}: {reason_of(error)}")
            continue
        found.rows.setdefault(row["case"], []).append(row)
    return found


def whole_lines(path: Path) -> list[bytes]:
    """Read the lines of a file with their ends, none if there is no file.  Raises InputFileError."""
    if not path.exists():
        return []
    with understanding(path):
        return content_of(path, MOST_BYTES_OF_LINES).splitlines(keepends=True)


def problem_of(rows: list[Line]) -> str | None:
    """Return why these are not the results of one image, or None if they are.

    An image has a result for each metric, epsilon and pair of methods, and each method is also under its own attack.
    """
    cells = _cells(rows)
    pairs, eps, metrics = {cell[:2] for cell in cells}, {cell[2] for cell in cells}, {cell[3] for cell in cells}
    if len(cells) < len(rows):
        return "has one of its results twice"
    if len(cells) < len(pairs) * len(eps) * len(metrics) or not {"psnr", "ssim"} <= metrics:
        return "lacks one of its results"
    if any((source, source) not in pairs for source, _ in pairs):
        return "lacks the results of an attack on its own method"
    return "gives it two volumes" if len({row["volume"] for row in rows}) > 1 else None


def check_whole(folder: Path, lines: Mapping[str, Lines]) -> None:
    """Raise InputFileError if the records of a run that is done are not whole.

    lines: of images.jsonl and searches.jsonl, by these names.
    """
    if (folder / FOLDER).is_dir():
        remedy = f"python -m bench.attack --resume {shlex.quote(str(folder))} makes it again"
    else:
        remedy = "run bench.attack again"
    for name, found in lines.items():
        if found.damaged is not None:
            raise InputFileError(f"{folder / name}: is damaged or no file of bench.attack ({found.damaged}); {remedy}")
    rows = lines["images.jsonl"].rows
    reasons = {case: problem_of(some) for case, some in rows.items() if "failed" not in some[0]}
    lost = {case: f"images.jsonl {reason}" for case, reason in reasons.items() if reason is not None}
    whole = [(case, _cells(some)) for case, some in rows.items() if case not in lost and "failed" not in some[0]]
    other = "images.jsonl has other results of it than of others"
    lost |= {case: other for case, cells in whole if cells != whole[0][1]}
    if lost:
        case, reason = next(iter(lost.items()))
        more = f", and those of {len(lost) - 1} others" if len(lost) > 1 else ""
        raise InputFileError(f"{folder}: the records of {shown(case)} are not whole ({reason}){more}; {remedy}")


def _cells(rows: list[Line]) -> set[tuple[str, str, float, str]]:
    """Source, victim, epsilon and metric of each row."""
    return {(row["source"], row["victim"], row["eps"], row["metric"]) for row in rows}
