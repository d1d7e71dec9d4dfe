"""Make the report page of runs again: python -m bench.report RUN [RUN ...].

The command writes report.html into the folder of each run, from its records alone.  For several runs it also writes a
page that compares them.
"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from bench.plan.errors import DONE, UsageError
from bench.shell.arguments import HelpFormatter, Parser
from bench.shell.command import execute
from bench.shell.flags import add_accept, add_debug
from data_prep.process import as_process

_COMPARISON = "comparison.html"


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return execute(parser(), "bench.report", "report fewer runs at once", _work, argv)


def parser() -> Parser:
    """Build the parser of the command line."""
    made = Parser(
        prog="python -m bench.report",
        examples=("runs/RUN", "runs/UNET runs/L1 --output comparison.html", "runs/RUN --accept 'psnr_loss<3'"),
        description=__doc__,
        formatter_class=HelpFormatter,
    )
    made.add_argument("runs", nargs="+", metavar="RUN", help="folders of finished runs of bench.attack")
    made.add_argument(
        "--output", metavar="FILE", help=f"file of the comparison of several runs; {_COMPARISON} if not given"
    )
    add_accept(made, "in place of the criteria that the run has")
    add_debug(made)
    # A page is made from records; there is no device to choose.
    made.set_defaults(device="auto")
    return made


def _work(arguments: Namespace, argv: list[str]) -> int:
    from bench.findings.acceptance import code_of, verdicts  # these import NumPy
    from bench.page.page import page_of
    from bench.record.record import read
    from bench.record.records import RunFolder

    folders = [Path(run) for run in arguments.runs]
    criteria = arguments.accept or None
    if arguments.output is not None and len(folders) == 1:
        raise UsageError(
            "--output: is for the comparison of several runs; the page of one run is report.html in its folder"
        )
    code = DONE
    for folder in folders:
        RunFolder(folder).write("report.html", page_of(folder, criteria))
        print(folder / "report.html")
        found = verdicts(read(folder), criteria)
        print(*(f"{one.sentence}\n" for one in found), sep="", end="")
        code = max(code, code_of(found))
    if len(folders) > 1:
        from bench.page.comparison import comparison

        output = Path(arguments.output or _COMPARISON)
        RunFolder(output.parent).write(output.name, comparison(folders, criteria))
        print(output)
    return code


if __name__ == "__main__":
    as_process(main)
