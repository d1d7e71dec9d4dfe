"""Set runs beside each other as Markdown tables: python -m bench.compare RUN [RUN ...].

The first table has each run's means; the second, for the images that all runs share, the differences between each run
and the next, image by image, with their intervals: what one method is better by, and whether that could be chance.
"""

from __future__ import annotations

import itertools
import statistics
import sys
from argparse import Namespace, RawDescriptionHelpFormatter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench.plan.errors import DONE, InputFileError
from bench.shell.arguments import Parser, number
from bench.shell.command import execute
from data_prep.names import printable
from data_prep.process import as_process

if TYPE_CHECKING:  # it imports NumPy, for which --help does not wait
    from bench.record.record import Record

_STATES = ("clean", "noise", "attacked")
_FORMATS = {"psnr": "{:.2f}", "ssim": "{:.3f}"}


class Run(NamedTuple):
    """A method under its own attack, as a run's records have it.

    rows: (case, eps, metric) -> clean, noise, attacked, and zero_filled unless the record is older.
    volumes: of each case.
    """

    label: str
    rows: dict[tuple[str, float, str], dict[str, float]]
    volumes: dict[str, str]

    @property
    def cases(self) -> set[str]:
        """The images that did not fail."""
        return {case for case, _, _ in self.rows}


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return execute(parser(), "bench.compare", "compare fewer runs", _work, sys.argv[1:] if argv is None else argv)


def parser() -> Parser:
    """The command's arguments."""
    made = Parser(prog="python -m bench.compare", description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    made.add_argument("runs", nargs="+", metavar="RUN", help="folders of bench.attack, the best method first")
    made.add_argument(
        "--eps", type=number(0), nargs="+", default=[0.02, 0.05], metavar="E", help="columns; default 0.02 0.05"
    )
    made.add_argument("--debug", action="store_true", help="show where an error came from")
    return made


def _work(arguments: Namespace, argv: list[str]) -> int:
    from bench.record.record import read

    print(compare([run for path in arguments.runs for run in runs_of(read(Path(path)))], arguments.eps))
    return DONE


def runs_of(record: Record) -> list[Run]:
    """A Run for each method of a record, under its own attack."""
    rows = [row for row in record.rows if row["source"] == row["victim"]]
    keyed: dict[str, dict[tuple[str, float, str], dict[str, float]]] = {}
    for row in rows:
        at = (row["case"], row["eps"], row["metric"])
        states = _STATES if row.get("zero_filled") is None else ("zero_filled", *_STATES)
        keyed.setdefault(row["victim"], {})[at] = {name: row[name] for name in states}
    volumes = {row["case"]: row["volume"] for row in rows}
    chosen = record.run["config"].get("settings", {}) if len(keyed) == 1 else {}
    settings = " ".join(f"{name}={value}" for name, value in chosen.items())
    return [Run(printable(f"{label} {settings}".strip()), found, volumes) for label, found in keyed.items()]


def compare(runs: list[Run], eps: list[float]) -> str:
    """Both tables.  Raises InputFileError where the runs share no image or lack an epsilon."""
    cases = sorted(set.intersection(*(run.cases for run in runs)))
    if not cases:
        raise InputFileError("the runs share no image; compare runs on the same data")
    for run in runs:
        missing = [value for value in eps if (cases[0], value, "psnr") not in run.rows]
        if missing:
            raise InputFileError(f"{run.label}: has no epsilon {missing[0]:g}; choose others by --eps")
    heads = ["clean", *(f"{state} {value:g}" for value in eps for state in ("noise", "attacked"))]
    columns = [("clean", eps[0]), *((state, value) for value in eps for state in ("noise", "attacked"))]
    lines = [f"Means over {len(cases)} images, PSNR [dB] / SSIM.", "", *_head(["method", "zero-filled", *heads])]
    for run in runs:
        cells = [
            " / ".join(
                style.format(statistics.fmean(values(run, cases, value, metric, state)))
                for metric, style in _FORMATS.items()
            )
            for state, value in columns
        ]
        least = [(zero_filled(run, cases, eps[0], metric), style) for metric, style in _FORMATS.items()]
        told = " / ".join("-" if value is None else style.format(value) for value, style in least)
        lines.append("| " + " | ".join([run.label, told, *cells]) + " |")
    if len(runs) == 1:
        return "\n".join(lines)
    from bench.plan.intervals import meaning  # imports NumPy

    sure = meaning(volumes_of(runs, cases))
    lines += ["", f"SSIM by which each is above the next, image by image. {sure}", ""]
    lines += _head(["", *heads])
    for better, worse in itertools.pairwise(runs):
        volumes = [better.volumes[case] for case in cases]
        cells = [
            _interval(differences(better, worse, cases, value, "ssim", state), volumes) for state, value in columns
        ]
        lines.append("| " + " | ".join([f"{better.label} - {worse.label}", *cells]) + " |")
    return "\n".join(lines)


def _head(names: list[str]) -> list[str]:
    return ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]


def values(run: Run, cases: list[str], eps: float, metric: str, state: str) -> list[float]:
    """A metric of the images, clean, with noise or attacked."""
    return [run.rows[case, eps, metric][state] for case in cases]


def differences(better: Run, worse: Run, cases: list[str], eps: float, metric: str, state: str) -> list[float]:
    """By how much one run is above another, image by image."""
    pairs = zip(values(better, cases, eps, metric, state), values(worse, cases, eps, metric, state), strict=True)
    return [one - other for one, other in pairs]


def volumes_of(runs: list[Run], cases: list[str]) -> set[int]:
    """How many volumes the images are of, by each run."""
    return {len({run.volumes[case] for case in cases}) for run in runs}


def zero_filled(run: Run, cases: list[str], eps: float, metric: str) -> float | None:
    """The mean of the zero-filled images, None if the record has none."""
    from bench.record.record import zero_filled as mean_of

    return mean_of([run.rows[case, eps, metric] for case in cases])


def _interval(found: list[float], volumes: list[str]) -> str:
    from bench.plan.intervals import of_mean, told

    return told(statistics.fmean(found), of_mean(found, volumes), "{:+.3f}", brief=True)


if __name__ == "__main__":
    as_process(main)
