"""Make one run of folders that hold parts of it: python -m bench.merge RUN [RUN ...] --output DIR.

Parts in one --output of bench.attack --shard share a folder and need no merge.  The summary is byte for byte the same
as for a run in one part.
"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from bench.shell.arguments import HelpFormatter, Parser
from bench.shell.command import execute
from bench.shell.flags import add_debug, add_json
from data_prep.process import as_process


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return execute(parser(), "bench.merge", "free some memory", _work, argv)


def parser() -> Parser:
    """Build the parser of the command line."""
    made = Parser(
        prog="python -m bench.merge",
        examples=("runs/PART_1 runs/PART_2", "runs/PART_1 runs/PART_2 --output merged --json"),
        description=__doc__,
        epilog="Exit codes: as for bench.attack; 3 if images are missing, or if a folder is of another run.",
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument("runs", nargs="+", metavar="RUN", help="run folders of all parts, in any order")
    made.add_argument("--output", default="runs", metavar="DIR", help="the run makes a new folder in here")
    add_json(made)
    add_debug(made)
    # The command computes nothing, so that there is no device to choose.
    made.set_defaults(device="auto")
    return made


def _work(arguments: Namespace, argv: list[str]) -> int:
    from bench.run.finish import tell  # imports JAX
    from bench.run.merging import merge

    return tell(merge([Path(run) for run in arguments.runs], Path(arguments.output)), arguments.json)


if __name__ == "__main__":
    as_process(main)
