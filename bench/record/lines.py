"""The lines of a run's records by image, and which images are whole: all that the journal counts, each once."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from bench.plan.errors import InputFileError
from bench.record import arrays
from bench.record.forms import Form, shown
from bench.record.reading import MOST_BYTES_OF_LINES, content_of, parsed, reason_of, understanding

Line = dict[str, Any]


@dataclass(frozen=True)
class Entry:
    """One image that is done.

    position: among the images of the whole run.  failed: why, or None.  lines: how many it has in images.jsonl and in
    searches.jsonl.  arrays: the kinds that are kept of it.
    sampling: what its mask measured, and its scale.  thermal: the epsilon of its own noise; None where not known.
    """

    position: int
    case: str
    failed: str | None
    lines: tuple[int, int]
    arrays: tuple[str, ...] = ()
    sampling: dict[str, Any] | None = None
    thermal: float | None = None


class Lines(NamedTuple):
    """The lines of a file.

    raw, rows: by case, as they stand in the file, and what they hold.  damaged: what is wrong with the first line that
    cannot be read, or None; such lines are in neither.
    """

    raw: dict[str, list[bytes]]
    rows: dict[str, list[Line]]
    damaged: str | None


def read_lines(path: Path, form: Form) -> Lines:
    """The lines of a file, none where there is no file.  Raises InputFileError where it cannot be read."""
    found = Lines({}, {}, None)
    for number, line in enumerate(whole_lines(path), start=1):
        try:
            if not line.endswith(b"\n"):
                raise ValueError("it is cut short")
            row = parsed(line.decode("utf-8"))
            form(row)
        except (ValueError, RecursionError) as error:
            found = found._replace(damaged=found.damaged or f"line {number}: {reason_of(error)}")
            continue
        found.raw.setdefault(row["case"], []).append(line)
        found.rows.setdefault(row["case"], []).append(row)
    return found


def whole_lines(path: Path) -> list[bytes]:
    """The lines of a file with their ends, none where there is no file.  Raises InputFileError."""
    if not path.exists():
        return []
    with understanding(path):
        return content_of(path, MOST_BYTES_OF_LINES).splitlines(keepends=True)


def lacking(entries: Iterable[Entry], lines: Mapping[str, Lines], kept: arrays.Kept | None) -> dict[str, str]:
    """Reasons why records of images are not whole, by case; empty if all are.

    lines: of images.jsonl and searches.jsonl, by these names.  kept: the arrays that there are, None: not looked at.
    """
    reasons = ((entry.case, _reason(entry, lines, kept)) for entry in entries)
    return {case: reason for case, reason in reasons if reason is not None}


def _reason(entry: Entry, lines: Mapping[str, Lines], kept: arrays.Kept | None) -> str | None:
    for (name, read), expected in zip(lines.items(), entry.lines, strict=True):
        there = len(read.rows.get(entry.case, ()))
        if there != expected:
            return f"{name} has {there} of its {expected} lines"
    rows = lines["images.jsonl"].rows.get(entry.case, [])
    if (entry.failed is not None) != any("failed" in row for row in rows):
        return "images.jsonl and the journal differ in whether it failed"
    if entry.failed is None and rows and "metric" in rows[0]:
        problem = problem_of(rows)
        if problem is not None:
            return f"images.jsonl {problem}"
    missing = [kind for kind in entry.arrays if kept is not None and not kept.holds(kind, entry.position, entry.case)]
    return f"its {missing[0]} are missing" if missing else None


def problem_of(rows: list[Line]) -> str | None:
    """Why these are not the results of one image, None where they are.

    Those are one for each metric, epsilon and pair of methods, and each method is also under its own attack.
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


def check_whole(
    folder: Path, lines: Mapping[str, Lines], entries: list[Entry] | None, kept: arrays.Kept | None = None
) -> None:
    """Raise InputFileError where the records of a run that is done are not whole.

    entries: of its journal, None where it has none.  lines, kept: as for `lacking`.
    """
    if entries is None:
        remedy = "run bench.attack again"
    else:
        remedy = f"python -m bench.attack --resume {shlex.quote(str(folder))} computes what is missing"
    for name, found in lines.items():
        if found.damaged is not None:
            raise InputFileError(f"{folder / name}: is damaged or no file of bench.attack ({found.damaged}); {remedy}")
    rows = lines["images.jsonl"].rows
    if entries is None:
        reasons = {case: problem_of(some) for case, some in rows.items() if "failed" not in some[0]}
        lost = {case: f"images.jsonl {reason}" for case, reason in reasons.items() if reason is not None}
    else:
        lost = lacking(entries, lines, kept)
        known = {entry.case for entry in entries}
        lost |= {case: "the journal does not know it" for found in lines.values() for case in found.rows.keys() - known}
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


def rows_of(path: Path) -> list[Line]:
    """The rows of a file that has just been written or checked, but for failed images; none where there is no file."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    return [row for row in map(json.loads, lines) if "failed" not in row]
