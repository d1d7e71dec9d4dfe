"""Bound a score without the truth, and see whether the bound survives: python -m bench.conformal CALIBRATION RUN.

The clean scores of CALIBRATION say what a new volume from the same distribution scores at least, with the chosen
confidence (split conformal prediction).  Each RUN has other volumes, of the same distribution or after a shift.  The
table counts those whose worst slice is above the bound: from clean data, with noise, and under attack.  In brackets is
the 95 % interval of the share.  The promise is about clean data of the same distribution alone.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

from bench.plan.errors import DONE, UsageError
from bench.shell.arguments import HelpFormatter, Parser, one_of
from bench.shell.command import execute
from bench.shell.flags import add_debug
from data_prep.process import as_process

_METRICS = ("psnr", "ssim", "haarpsi")


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return execute(parser(), "bench.conformal", "name smaller runs", _work, argv)


def parser() -> Parser:
    """Build the parser of the command line."""
    made = Parser(
        prog="python -m bench.conformal",
        examples=(
            "runs/TRAIN runs/TEST",
            "runs/TRAIN runs/TEST runs/OTHER_SCANNER --metric ssim --confidence 0.8 --output coverage.json",
        ),
        description=__doc__,
        formatter_class=HelpFormatter,
    )
    made.add_argument(
        "calibration", metavar="CALIBRATION", help="finished run of bench.attack whose clean scores count"
    )
    made.add_argument(
        "runs",
        nargs="+",
        metavar="RUN",
        help="finished run of the same methods on other volumes, such as one with --shift; its --name stands in the "
        "table",
    )
    made.add_argument(
        "--metric", type=one_of(_METRICS), default="psnr", metavar="M", help="psnr, ssim or haarpsi; psnr if not given"
    )
    made.add_argument("--confidence", type=float, default=0.9, metavar="C", help="between 0 and 1; 0.9 if not given")
    made.add_argument("--output", metavar="FILE.json", help="write a record that bench.claims judges")
    add_debug(made)
    # The bounds come from records; there is no device to choose.
    made.set_defaults(device="auto")
    return made


def _work(arguments: Namespace, argv: list[str]) -> int:
    from bench.findings.conformal import covered, markdown  # these import JAX
    from bench.record.record import read
    from bench.record.records import RunFolder

    if not 0 < arguments.confidence < 1:
        raise UsageError(f"--confidence {arguments.confidence:g}: give a number between 0 and 1, such as 0.9")
    output = None if arguments.output is None else Path(arguments.output)
    if output is not None and output.suffix.lower() != ".json":
        raise UsageError(f"--output {output}: is written as .json; give another name")
    calibration, *runs = (read(Path(folder)) for folder in (arguments.calibration, *arguments.runs))
    found = covered(calibration, runs, arguments.metric, arguments.confidence)
    if output is not None:
        RunFolder(output.parent).write_json(output.name, {"argv": argv} | found.record())
    print(markdown(found))
    for run in (calibration, *runs):
        if run.run.failed:
            print(f"note: {run.folder}: {len(run.run.failed)} images failed, and do not count", file=sys.stderr)
    return DONE


if __name__ == "__main__":
    as_process(main)
