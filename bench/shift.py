"""Measure methods on data unlike the data that they were made for: python -m bench.shift anatomy noise.

For each named shift the command scores methods in distribution and out of distribution, and draws one score against
the other.
"""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from bench.plan.errors import DONE, SOME_FAILED, UsageError
from bench.shell.arguments import HelpFormatter, Parser, flags_besides, integer, one_of, setting
from bench.shell.command import execute
from bench.shell.flags import add_data, add_debug, add_device, add_json, add_sampling, unattacked
from bench.studies.shift.named import AXES, DATA_AXES, DEFAULT_VARIANTS, PHANTOM_AXES, VARIANTS
from data_prep.process import as_process

if TYPE_CHECKING:
    from bench.studies.shift.begin import ShiftConfig

_BESIDE_REDRAW = ("--redraw", "--json", "--debug")


def parser() -> Parser:
    """Build the parser of the command line."""
    top = Parser(
        prog="python -m bench.shift",
        examples=("anatomy noise --methods l1 unet --limit 4", "resolution --data brain/ --methods l1 tv"),
        description=__doc__,
        epilog="Shifts: " + "; ".join(f"{name} = {axis.words}" for name, axis in AXES.items()) + ".",
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    what = top.add_argument_group("what")
    what.add_argument(
        "axes",
        type=one_of(tuple(AXES)),
        nargs="*",
        metavar="SHIFT",
        help=f"shifts, see below; if not given, {' '.join(PHANTOM_AXES)}, or with --data those that need no other file",
    )
    what.add_argument(
        "--methods",
        type=one_of(tuple(VARIANTS)),
        nargs="+",
        default=[],
        metavar="NAME",
        help=f"one or several of {', '.join(VARIANTS)}; if not given, {' '.join(DEFAULT_VARIANTS)}",
    )
    for flag, words in (("--weights", "--data"), ("--other-weights", "--other-data, or the phantom's other family")):
        what.add_argument(
            flag,
            type=setting,
            nargs="+",
            action="extend",
            default=[],
            metavar="NAME=FILE",
            help=f"networks that were trained on data like {words}: a name for the tables, and a file or the name of "
            "shipped weights; if not given, the shipped weights that suit",
        )
    what.add_argument(
        "--tuned",
        nargs="+",
        action="extend",
        default=[],
        metavar="FILE.json",
        help="files of bench.tune, each for its method and its data; the project has files for the phantom",
    )
    data = top.add_argument_group("data")
    add_data(data)
    data.add_argument(
        "--other-data",
        nargs="+",
        action="extend",
        default=[],
        metavar="PATH",
        help="for anatomy and dataset: the other data sets",
    )
    data.add_argument(
        "--hard", metavar="LIST.csv", help="for hard: list of bench.hardest; the phantom's is made if not given"
    )
    add_sampling(data)
    data.add_argument(
        "--limit",
        type=integer(1),
        metavar="N",
        help="number of images of each test set; if not given, 10 for the phantom, otherwise all",
    )
    run = top.add_argument_group("run")
    add_device(run)
    output = top.add_argument_group("output")
    output.add_argument(
        "--output", default="runs/shift", metavar="STUDY", help="folder of the study; finished runs in it are kept"
    )
    output.add_argument("--redraw", metavar="STUDY", help="only analyse and draw a study again, from its records")
    add_json(output, "one JSON object instead of the tables")
    add_debug(output)
    return top


def _axes(arguments: Namespace) -> list[str]:
    """The shifts to compare, each once."""
    given = list(dict.fromkeys(arguments.axes))
    if given:
        return given
    if arguments.data is None:
        return list(PHANTOM_AXES)
    return [*(["dataset"] if arguments.other_data else []), *(["hard"] if arguments.hard else []), *DATA_AXES]


def asked(arguments: Namespace) -> ShiftConfig:
    """Return the configuration that the flags give."""
    from bench.studies.shift.begin import ShiftConfig  # imports NumPy

    return ShiftConfig(
        axes=tuple(_axes(arguments)),
        base=unattacked(arguments, limit=arguments.limit),
        methods=tuple(arguments.methods),
        weights=tuple(arguments.weights),
        other_weights=tuple(arguments.other_weights),
        tuned=tuple(arguments.tuned),
        other_data=tuple(arguments.other_data),
        hard=arguments.hard,
    )


def _study(study: Path, arguments: Namespace, argv: list[str]) -> int:
    if arguments.data is None and arguments.other_data:
        raise UsageError("--data: --other-data needs it; give both, or neither for the phantom")
    from bench.slices.sources import check_device  # these import JAX
    from bench.studies.shift import begin, runs

    check_device(arguments.device)
    plan = begin.planned(asked(arguments), study, argv)
    done = runs.run_all(plan, study, argv)
    from bench.studies.shift.study import described

    code = _tell(study, described(plan, done, study, argv), arguments)
    failed = sum(len(record.run.failed) for record in done.values())
    if failed:
        print(f"failed: {failed} images; each run's run.json says why", file=sys.stderr)
    return SOME_FAILED if failed else code


def _tell(study: Path, content: dict, arguments: Namespace) -> int:
    from bench.studies.shift.study import completed, write
    from bench.studies.shift.table import render

    content = completed(study, content)
    write(study, content)
    if arguments.json:
        print(json.dumps(content))
    else:
        print(render(content["comparisons"]))
        print("", *content["findings"], sep="\n")
    print(f"study and figures in {study}", file=sys.stderr)
    return DONE


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""

    def work(arguments: Namespace, argv: list[str]) -> int:
        others = arguments.axes + flags_besides(argv, _BESIDE_REDRAW) if arguments.redraw is not None else []
        if others:
            raise UsageError(f"{others[0]}: the study in {arguments.redraw} is drawn as it is; leave this out")
        from bench.record.holding import held_beside
        from bench.studies.shift.study import NAME, stored

        study = Path(arguments.output if arguments.redraw is None else arguments.redraw)
        before = None if arguments.redraw is None else stored(study)
        with held_beside(study / NAME, "study"):
            return _study(study, arguments, argv) if before is None else _tell(study, before, arguments)

    return execute(parser(), "bench.shift", "use fewer coils or a smaller matrix", work, argv)


if __name__ == "__main__":
    as_process(main)
