"""A finished run of `python -m bench.attack`, read from its folder.

The files run.json and images.jsonl are for everybody to read; this module reads only the results in them.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from jaxcs.names import first_line, printable

# Largest size of a file [bytes], far above that of any run; a larger file would only fill the memory.
_MOST_BYTES = 1_000_000_000
_STATES = ("clean", "noise", "attacked")


class Row(NamedTuple):
    """One metric of one image, pair of methods and epsilon.

    Attributes:
        case: name of the slice.
        volume: name of its volume.
        source: the method that the perturbation was made for.
        victim: the method that is scored.
        attack: name of the attack.
        eps: allowed size of the perturbation.
        metric: a name in `jaxcs.METRICS`.
        zero_filled: score of the zero-filled image, None in runs of older versions.
        clean: score on clean data.
        noise: score under noise of equal norm.
        attacked: score under the perturbation.
        norm: size of the perturbation in the units of epsilon, None in runs of older versions.
        flags: names of the objections to the result; `jaxcs.evidence.FLAGS` explains them.
    """

    case: str
    volume: str
    source: str
    victim: str
    attack: str
    eps: float
    metric: str
    zero_filled: float | None
    clean: float
    noise: float
    attacked: float
    norm: float | None
    flags: tuple[str, ...]


class Run(NamedTuple):
    """A finished run.

    Attributes:
        folder: the run folder.
        config: settings that decided its numbers.
        threat_model: the attacker's means and knowledge, in words.
        record: the whole content of run.json.
        rows: all results.
        failed: by image, the reason why it failed.
    """

    folder: Path
    config: Mapping[str, Any]
    threat_model: Mapping[str, str]
    record: Mapping[str, Any]
    rows: tuple[Row, ...]
    failed: Mapping[str, str]

    @property
    def frame(self) -> Any:
        """The rows as a pandas DataFrame, with a column for each field.

        Raises:
            ImportError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise ImportError("frame needs pandas, which is not installed: pip install pandas; or use rows") from error
        return pandas.DataFrame(self.rows, columns=Row._fields)


def load_run(folder: str | Path) -> Run:
    """Read a finished run.

        run = jaxcs.load_run("runs/2026-01-02T03-04-05-l1-0123abcd")
        run.frame.groupby(["victim", "eps", "metric"])["attacked"].mean()

    Args:
        folder: the folder that `python -m bench.attack` wrote, with run.json and images.jsonl in it.

    Returns:
        The configuration of the run, and its results: a row for each image, pair of methods, epsilon and metric.

    Raises:
        ValueError: the run has not finished, or files are missing or damaged; the message is one line.
    """
    path = Path(folder)
    record = _parsed(path / "run.json", _text(path / "run.json"))
    try:
        status, config, threat_model = record["status"], dict(record["config"]), dict(record["threat_model"])
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(path / "run.json", error) from error
    if status != "done":
        raise ValueError(printable(f"{path}: has not finished ({status}); bench.attack --resume goes on with it"))
    rows, failed = [], {}
    for number, line in enumerate(_text(path / "images.jsonl").splitlines(), start=1):
        found = _parsed(path / "images.jsonl", line, number)
        try:
            if "failed" in found:
                failed[found["case"]] = found["failed"]
            else:
                rows.append(_row(found))
        except (KeyError, TypeError, ValueError) as error:
            raise _damaged(path / "images.jsonl", error, number) from error
    return Run(path, config, threat_model, record, tuple(rows), failed)


def _row(found: dict[str, Any]) -> Row:
    texts: dict[str, Any] = {name: found[name] for name in ("case", "volume", "source", "victim", "attack", "metric")}
    if not all(isinstance(value, str) for value in texts.values()):
        raise TypeError("a name is no text")
    scores: dict[str, Any] = {name: float(found[name]) for name in ("eps", *_STATES)}
    others = {name: found.get(name) for name in ("zero_filled", "norm")}
    known: dict[str, Any] = {name: None if value is None else float(value) for name, value in others.items()}
    return Row(**texts, **scores, **known, flags=tuple(found["flags"]))


def _text(path: Path) -> str:
    """The content of a regular file of UTF-8."""
    try:
        status = path.stat()
        # A pipe or a device would block or never end, so it must not even be opened.
        if not stat.S_ISREG(status.st_mode) or status.st_size > _MOST_BYTES:
            raise ValueError("it is no regular file of less than 1 GB")
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ValueError(printable(f"{path}: is missing; name a folder that bench.attack made")) from error
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from error


def _parsed(path: Path, text: str, line: int | None = None) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, error, line) from error
    if not isinstance(found, dict):
        raise _damaged(path, ValueError("it holds no object"), line)
    return found


def _damaged(path: Path, error: BaseException, line: int | None = None) -> ValueError:
    at = "" if line is None else f"line {line}: "
    said = first_line(error)[:160]
    return ValueError(printable(f"{path}: is damaged or no file of bench.attack ({at}{type(error).__name__}: {said})"))
