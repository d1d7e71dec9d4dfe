"""Compare runs in Markdown tables: python -m bench.compare RUN [RUN ...].

The first table has each run's means.  The second has the differences between each run and the next, image by image,
over the images that all runs share.  Their intervals tell whether a difference could be chance.
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
    """Build the parser of the command line."""
    made = Parser(
        prog="python -m bench.compare",
        examples=(
            "runs/UNET runs/L1",
            "runs/UNET runs/L1 --eps 0.05",
        ),
        description=__doc__,
        formatter_class=RawDescriptionHelpFormatter,
    )
    made.add_argument("runs", nargs="+", metavar="RUN", help="run folders of bench.attack, the best method first")
    made.add_argument(
        "--eps",
        type=number(0),
        nargs="+",
        default=[0.02, 0.05],
        metavar="E",
        help="epsilons of the columns; 0.02 0.05 if not given",
    )
    made.add_argument("--debug", action="store_true", help="show tracebacks")
    return made


def _work(arguments: Namespace, argv: list[str]) -> int:
    from bench.findings.paired import markdown, runs_of  # these import NumPy
    from bench.record.record import read

    print(markdown([run for path in arguments.runs for run in runs_of(read(Path(path)))], arguments.eps))
    return DONE


if __name__ == "__main__":
    as_process(main)
