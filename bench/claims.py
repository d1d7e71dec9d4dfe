"""Compare published claims with the results of runs, as a Markdown table: python -m bench.claims RUN_OR_STUDY [...].

Each claim has a row: its source, the numbers with their intervals, whether they agree, and the command that made the
record.  The command runs nothing, and nobody types a verdict by hand: each follows from the intervals.  With --figure
it also draws one method under all three notions of robustness: attacks, shifts and small features.
"""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from pathlib import Path

from bench.plan.errors import DONE, InputFileError, UsageError
from bench.shell.arguments import HelpFormatter, Parser
from bench.shell.command import execute
from bench.shell.flags import add_debug, add_json
from data_prep.process import as_process


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return execute(parser(), "bench.claims", "name fewer runs", _work, argv)


def parser() -> Parser:
    """Build the parser of the command line."""
    made = Parser(
        prog="python -m bench.claims",
        examples=(
            "runs/ALL_METHODS",
            "runs/ALL_METHODS runs/SHIFT_STUDY --json",
            "runs/ALL_METHODS runs/SHIFT_STUDY runs/FEATURES --figure unet.png --method unet",
        ),
        description=__doc__,
        epilog="Agrees: yes; no; not excluded, if an interval holds the published value, or zero; in part, if methods "
        "or data sets differ; cannot tell, if there is no 95 % interval, as of fewer than 5 volumes.",
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument(
        "records",
        nargs="+",
        metavar="RUN_OR_STUDY",
        help="finished folders of bench.attack (--method all --victims all), bench.shift, bench.ttt, bench.features "
        "and bench.stability, and the .json that bench.hardest leaves beside its list; runs of bench.features that "
        "differ in --image alone are taken together",
    )
    made.add_argument(
        "--figure",
        metavar="FILE.png",
        help="draw one method under three notions of robustness, from records of bench.attack, bench.shift and "
        "bench.features",
    )
    made.add_argument("--method", default="unet", metavar="NAME", help="the method of --figure")
    add_json(made, "the rows as a JSON list instead of the table")
    add_debug(made)
    # The table is made from records; there is no device to choose.
    made.set_defaults(device="auto")
    return made


def _work(arguments: Namespace, argv: list[str]) -> int:
    from bench.studies.claims.evidence import evidence  # these import NumPy
    from bench.studies.claims.rows import markdown, objects, rows_of

    paths = [Path(path) for path in arguments.records]
    found = evidence(paths)
    if arguments.figure is not None:
        _draw(Path(arguments.figure), paths, arguments.method)
    rows = rows_of(found)
    if not rows:
        raise InputFileError(
            f"{arguments.records[0]}: bears on no published claim, nor do the other records; name others"
        )
    for one in found:
        if not one.judged:
            print(f"note: {one.paths[0]}: bears on no published claim", file=sys.stderr)
    print(json.dumps(objects(rows)) if arguments.json else markdown(rows))
    return DONE


def _draw(file: Path, paths: list[Path], method: str) -> None:
    from bench.figures.drawing import draw_into  # these import NumPy
    from bench.record.records import RunFolder
    from bench.studies.claims.notions import notions

    if file.suffix.lower() != ".png":
        raise UsageError(f"--figure {file}: is drawn as .png; give another name")
    draw_into(RunFolder(file.parent), file.name, "notions", notions(paths, method), again="the same command")


if __name__ == "__main__":
    as_process(main)
