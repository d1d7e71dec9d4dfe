"""Look into one image of a run: python -m bench.inspect RUN.

It shows what stands in the image beyond data and truth (hallucination map, Bhadra et al. 2021) and up to which spatial
frequency each patch agrees with the truth (sFRC, Kc et al. 2026), from clean data, with noise and under attack; and how
strongly each pixel answers to noise in the data (sensitivity map).  inspection.png and inspection.json go into the
folder of the run, whose data must be here.
"""

from __future__ import annotations

import shlex
from argparse import Namespace
from pathlib import Path

from bench.plan.errors import DONE
from bench.shell.arguments import HelpFormatter, Parser
from bench.shell.command import execute
from bench.shell.flags import add_debug, add_device, add_found
from data_prep.process import as_process


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return execute(parser(), "bench.inspect", "free some memory", _work, argv)


def parser() -> Parser:
    """Build the parser of the command line."""
    made = Parser(
        prog="python -m bench.inspect",
        examples=("runs/RUN", "runs/RUN --method unet --case knee_test_3"),
        description=__doc__,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument("run", metavar="RUN", help="folder of a finished run of bench.attack")
    made.add_argument("--case", metavar="NAME", help="image, as images.jsonl names it; the first if not given")
    made.add_argument("--method", metavar="LABEL", help="method of the run; the first if not given")
    add_found(made)
    add_device(made)
    add_debug(made)
    return made


def _work(arguments: Namespace, argv: list[str]) -> int:
    from bench.figures.drawing import draw_into  # these import JAX
    from bench.proof.inspection import inspected
    from bench.record.record import read
    from bench.record.records import RunFolder
    from bench.record.stored import stored
    from bench.slices.sources import check_device

    path = Path(arguments.run)
    check_device(arguments.device)
    record, begun = read(path), stored(path)
    result = inspected(record, begun, arguments.case, arguments.method, arguments.data, arguments.weights)
    folder = RunFolder(path)
    folder.write_json("inspection.json", result.numbers)
    draw_into(folder, "inspection.png", "inspection", result, again=f"bench.inspect {shlex.quote(str(path))}")
    print(*result.sentences(), path / "inspection.png", sep="\n")
    return DONE


if __name__ == "__main__":
    as_process(main)
