"""Compare runs in Markdown tables: python -m bench.compare RUN [RUN ...].

The first table has each run's means.  The second has the differences between each run and the next, image by image,
over the images that all runs share.  Their intervals tell whether a difference could be chance.  If two runs differ in
--aim alone, a sentence tells by how much aiming at the region does more harm in it, and if one is of --region boxes and
the other of --region beside, by how much more findings lose.  Of methods that were attacked in one region, sentences
tell their loss relative to clean data.  Runs of several threats, such as
noise and rotation, have a table each.  The columns are the epsilons that the runs share.

--threats prints one table instead: a row for each method, a column for each threat and its size.  A cell is the mean
PSNR under attack, or the pair [certificate, attack] for linear and smoothed methods.  Flagged searches have a mark.

Runs of one method are told apart by the names that bench.attack --name and --weights NAME=FILE gave, or by the files
of their weights.  bench.attack --method A B attacks several methods in one run; bench.report RUN RUN makes a page of
the same comparison, with images.
"""

from __future__ import annotations

from argparse import Namespace, RawDescriptionHelpFormatter
from pathlib import Path
from typing import TYPE_CHECKING

from bench.plan.errors import DONE, OutputError, UsageError
from bench.shell.arguments import Parser, number
from bench.shell.command import execute
from bench.shell.flags import add_debug
from data_prep.process import as_process
from data_prep.whole import whole_file

if TYPE_CHECKING:  # it imports NumPy
    from bench.record.record import Record


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return execute(parser(), "bench.compare", "compare fewer runs", _work, argv)


def parser() -> Parser:
    """Build the parser of the command line."""
    made = Parser(
        prog="python -m bench.compare",
        examples=(
            "runs/UNET runs/L1",
            "runs/UNET runs/L1 --eps 0.05 --csv means.csv --latex table.tex",
            "--threats runs/UNET runs/UNET_ROTATION runs/L1 runs/L1_ROTATION",
        ),
        description=__doc__,
        formatter_class=RawDescriptionHelpFormatter,
    )
    made.add_argument("runs", nargs="+", metavar="RUN", help="run folders of bench.attack, the best method first")
    made.add_argument(
        "--threats", action="store_true", help="one table of all runs: methods by threats, with certificates"
    )
    made.add_argument(
        "--eps",
        type=number(0),
        nargs="+",
        metavar="E",
        help="epsilons of the columns, for runs of noise; all that the runs share if not given, and all with --threats",
    )
    made.add_argument(
        "--csv", metavar="FILE", help="write the means with their intervals too, in the columns of summary.csv"
    )
    made.add_argument("--latex", metavar="FILE", help="write the tables in LaTeX too, for the package booktabs")
    add_debug(made)
    return made


def _work(arguments: Namespace, argv: list[str]) -> int:
    from bench.findings import paired, relative, rotations, targeted  # these import NumPy
    from bench.record.record import read

    if arguments.csv is not None and arguments.csv == arguments.latex:
        raise UsageError(f"--latex {arguments.latex}: is the file of --csv; name two files")
    records = [read(Path(path)) for path in arguments.runs]
    if arguments.threats:
        return _by_threats(arguments, records)
    threats = list(dict.fromkeys(map(_threat, records)))
    told: list[str] = []
    if len(threats) == 1:
        runs = paired.told_apart(records)
        eps = arguments.eps or paired.shared_eps(runs)
        told = [paired.markdown(runs, eps), *relative.sentences(records, runs, eps)]
        if arguments.csv is not None:
            _write("--csv", arguments.csv, paired.csv(runs, eps))
        if arguments.latex is not None:
            _write("--latex", arguments.latex, paired.latex(runs, eps).encode("utf-8", "replace"))
    elif arguments.csv is not None or arguments.latex is not None:
        flag = "--latex" if arguments.csv is None else "--csv"
        raise UsageError(
            f"{flag}: is for runs of one threat, not of {' and '.join(threats)}; name fewer runs, or give --threats"
        )
    else:
        for threat in threats:
            runs = paired.told_apart([record for record in records if _threat(record) == threat])
            eps = (arguments.eps if threat == "noise" else None) or paired.shared_eps(runs)
            told.append(f"--threat {threat}. {paired.markdown(runs, eps)}")
    print("\n\n".join([*told, *targeted.sentences(records), *rotations.sentences(records)]))
    return DONE


def _by_threats(arguments: Namespace, records: list[Record]) -> int:
    """Print, and write, the table of methods by threats."""
    from bench.findings import threat_table, threats

    table = threats.gather(records, arguments.eps)
    if arguments.csv is not None:
        _write("--csv", arguments.csv, threat_table.csv(table))
    if arguments.latex is not None:
        _write("--latex", arguments.latex, threat_table.latex(table).encode("utf-8", "replace"))
    print(threat_table.markdown(table))
    return DONE


def _threat(record: Record) -> str:
    return str(record.run.config.get("threat", "noise"))


def _write(flag: str, file: str, content: bytes) -> None:
    try:
        with whole_file(Path(file)) as part:
            part.write_bytes(content)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"{flag} {file}: cannot be written: {reason}; name another file") from error


if __name__ == "__main__":
    as_process(main)
