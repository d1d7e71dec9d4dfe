"""What a page needs of a run folder, read with the caution that a file from a stranger deserves."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from bench.harness.errors import InputFileError
from bench.harness.records import half_interval, shown_epsilon

# Far above any run's; a larger file is none of ours, and would only fill the memory.
_MOST_BYTES = 256_000_000
_STATES = ("clean", "noise", "attacked")

Row = dict[str, Any]


class Record(NamedTuple):
    """A finished run.

    run: the content of run.json.  rows: of images.jsonl, but for failed images.  searches: of searches.jsonl.
    """

    folder: Path
    run: dict[str, Any]
    rows: list[Row]
    searches: list[Row]

    def names(self, key: str) -> list[str]:
        """The cases, sources or victims: in order of first appearance, but methods in the order they were asked for."""
        asked = list(self.methods) if key in ("source", "victim") else []
        found = dict.fromkeys(row[key] for row in self.rows)
        return sorted(found, key=lambda name: asked.index(name) if name in asked else len(asked))

    @property
    def eps(self) -> list[float]:
        """All epsilons, ascending."""
        return sorted({row["eps"] for row in self.rows})

    @property
    def shown(self) -> float:
        """The epsilon that the page opens with."""
        above = [value for value in self.eps if value > 0] or self.eps
        return shown_epsilon(above)

    @property
    def several(self) -> bool:
        """Whether perturbations were also scored on methods that they were not made for."""
        return any(row["source"] != row["victim"] for row in self.rows)

    @property
    def methods(self) -> dict[str, Any]:
        """Each method's name and settings, by label."""
        config = self.run["config"]
        return self.run.get("methods") or {
            config["method"]: {"method": config["method"], "config": self.run.get("method_config", {})}
        }

    def select(self, **wanted: Any) -> list[Row]:
        """The rows with these values."""
        return [row for row in self.rows if all(row[key] == value for key, value in wanted.items())]


class Estimate(NamedTuple):
    """A mean over images; half: of its 95 % interval, None where that cannot be told."""

    mean: float
    half: float | None


def estimate(rows: list[Row], value: Callable[[Row], float]) -> Estimate:
    """The mean of `value` over the rows, one for each image."""
    values = [value(row) for row in rows]
    return Estimate(statistics.fmean(values), half_interval(values, [row["volume"] for row in rows]))


def read(folder: Path) -> Record:
    """The record of a finished run.  Raises InputFileError, one line, where there is none."""
    with understanding(folder / "run.json"):
        run = json.loads(_text(folder / "run.json"))
        status = run["status"]
        run["config"]["method"], run["threat_model"], run["argv"], run["data"]  # the least that makes it a run
    if status != "done":
        raise InputFileError(f"{folder}: the run has not finished ({status}); a report needs a finished run")
    with understanding(folder / "images.jsonl"):
        rows = [_checked(row) for row in _lines(folder / "images.jsonl") if "failed" not in row]
    if not rows:
        raise InputFileError(f"{folder}: every image of the run failed, so that there is nothing to report")
    searches = folder / "searches.jsonl"
    with understanding(searches):
        return Record(folder, run, rows, _lines(searches) if searches.exists() else [])


@contextmanager
def understanding(path: Path) -> Iterator[None]:
    """Turn what a missing or damaged record raises into one line."""
    try:
        yield
    except FileNotFoundError as error:
        raise InputFileError(f"{path}: is missing; name the folder of a run of bench.attack") from error
    except OSError as error:
        raise InputFileError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise InputFileError(f"{path}: is damaged or no record of bench.attack ({reason})") from error


def _text(path: Path) -> str:
    if path.stat().st_size > _MOST_BYTES:
        raise ValueError(f"over {_MOST_BYTES // 1_000_000} MB")
    return path.read_text(encoding="utf-8")


def _lines(path: Path) -> list[Row]:
    return [json.loads(line) for line in _text(path).splitlines() if line.strip()]


def _checked(row: Row) -> Row:
    """A row whose numbers are numbers and whose names are text."""
    names = {key: str(row[key]) for key in ("case", "volume", "source", "victim", "attack", "metric")}
    numbers = {key: float(row[key]) for key in ("eps", *_STATES)}
    if not all(map(math.isfinite, numbers.values())):
        raise ValueError("a number that is not finite")
    return row | names | numbers | {"flags": list(row["flags"])}
