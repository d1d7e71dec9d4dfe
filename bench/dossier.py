"""Make the dossier of a run for a regulator's file: python -m bench.dossier RUN.

One archive holds the records of the run, its page, a manifest with the SHA-256 of every member, the installed software
as a bill of materials (CycloneDX), and dossier.json: versions, hashes of data and weights, the threat model, flags and
what was not checked.  Equal runs give equal archives.  python -m bench.verify verifies it.
"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from bench.plan.errors import DONE, UsageError
from bench.shell.arguments import HelpFormatter, Parser
from bench.shell.command import execute
from bench.shell.flags import add_debug
from data_prep.process import as_process


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return execute(parser(), "bench.dossier", "free some memory", _work, argv)


def parser() -> Parser:
    """Build the parser of the command line."""
    made = Parser(
        prog="python -m bench.dossier",
        examples=("runs/RUN", "runs/RUN --output dossier.zip"),
        description=__doc__,
        formatter_class=HelpFormatter,
    )
    made.add_argument("run", metavar="RUN", help="folder of a finished run of bench.attack")
    made.add_argument("--output", metavar="FILE", help="the archive; RUN.zip if not given")
    add_debug(made)
    # A dossier is made from records; there is no device to choose.
    made.set_defaults(device="auto")
    return made


def _work(arguments: Namespace, argv: list[str]) -> int:
    from bench.proof.dossier import write  # these import JAX
    from bench.slices.source import sha256_of

    folder = Path(arguments.run)
    output = folder.parent / f"{folder.resolve().name}.zip" if arguments.output is None else Path(arguments.output)
    # A mistyped name must not replace a record.
    if output.suffix != ".zip":
        raise UsageError(f"--output {output}: is no name of an archive; let it end in .zip")
    write(folder, output)
    print(output)
    print(f"SHA-256 {sha256_of(output)}")
    return DONE


if __name__ == "__main__":
    as_process(main)
