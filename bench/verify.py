"""Verify a run or its dossier: python -m bench.verify RUN_OR_DOSSIER.

Of a dossier every byte is held against its manifest.  Stored perturbations are scored again on this machine, and each
score is held against the record, to 1e-4 of its value.  The data of the run must be here.  Scores under noise are not
computed again, because noise is not stored.  A run without --save-perturbations has its hashes checked alone, and the
last line says so.
"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from bench.plan.errors import DONE, SOME_FAILED
from bench.shell.arguments import HelpFormatter, Parser
from bench.shell.command import execute
from bench.shell.flags import add_debug, add_device, add_found
from data_prep.process import as_process


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return execute(parser(), "bench.verify", "free some memory", _work, argv)


def parser() -> Parser:
    """Build the parser of the command line."""
    made = Parser(
        prog="python -m bench.verify",
        examples=("runs/RUN.zip", "runs/RUN.zip --data /path/to/fastmri --weights FILE"),
        description=__doc__,
        epilog="Exit codes: 0 verified, 1 something differs, and others as for bench.attack.",
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument("run", metavar="RUN_OR_DOSSIER", help="folder of a finished run, or a file of bench.dossier")
    add_found(made)
    add_device(made)
    add_debug(made)
    return made


def _work(arguments: Namespace, argv: list[str]) -> int:
    from bench.proof.verification import opened, verify  # these import JAX
    from bench.slices.sources import check_device

    with opened(Path(arguments.run)) as found:
        check_device(arguments.device)
        result = verify(found, arguments.data, arguments.weights)
    print(*result.sentences, *result.differences, result.verdict, sep="\n")
    return SOME_FAILED if result.differences else DONE


if __name__ == "__main__":
    as_process(main)
