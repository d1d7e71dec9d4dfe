"""Set runs beside each other as Markdown tables: python -m bench.compare RUN [RUN ...].

The first table has each run's means; the second, for the images that all runs share, the differences between each run
and the next, image by image, with their intervals: what one method is better by, and whether that could be chance.
"""

from __future__ import annotations

import sys
from argparse import Namespace, RawDescriptionHelpFormatter
from pathlib import Path

from bench.plan.errors import DONE
from bench.shell.arguments import Parser, number
from bench.shell.command import execute
from data_prep.process import as_process


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return execute(parser(), "bench.compare", "compare fewer runs", _work, sys.argv[1:] if argv is None else argv)


def parser() -> Parser:
    """The command's arguments."""
    made = Parser(
        prog="python -m bench.compare",
        examples=(
            "runs/UNET runs/L1",
            "runs/UNET runs/L1 --eps 0.05",
        ),
        description=__doc__,
        formatter_class=RawDescriptionHelpFormatter,
    )
    made.add_argument("runs", nargs="+", metavar="RUN", help="folders of bench.attack, the best method first")
    made.add_argument(
        "--eps", type=number(0), nargs="+", default=[0.02, 0.05], metavar="E", help="columns; default 0.02 0.05"
    )
    made.add_argument("--debug", action="store_true", help="show where an error came from")
    return made


def _work(arguments: Namespace, argv: list[str]) -> int:
    from bench.findings.paired import markdown, runs_of  # these import NumPy
    from bench.record.record import read

    print(markdown([run for path in arguments.runs for run in runs_of(read(Path(path)))], arguments.eps))
    return DONE


if __name__ == "__main__":
    as_process(main)
