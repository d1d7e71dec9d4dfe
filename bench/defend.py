"""Compare defences by clean accuracy and worst case: python -m bench.defend --method unet.

Each row is a network with weights and settings of its own.  Its run is an ordinary run of bench.attack: the attack goes
through all of the row.  Without --weights, the command trains four small networks on --phantom, and prints the
command of each: plain, with noise on the data (jitter), under attack (adversarial), and on as many scans of all
families of the phantom, half of them with another contrast and more noise (diverse).  A fifth row is the plain network,
smoothed with noise as large as the jitter.  With --data the rows are judged on these files, which no training sees.  A
stopped study goes on if it is started again.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench.figures.drawing import draw_into
from bench.plan.command_line import command_line
from bench.plan.config import RunConfig
from bench.plan.errors import DONE, SOME_FAILED, UsageError
from bench.shell.arguments import Parser, epsilon, integer, number, one_of
from bench.shell.command import execute
from bench.shell.flags import add_data, add_debug, add_device, add_sampling, add_settings, of_data
from bench.shell.method_flags import add_networks
from bench.studies.defend.names import RECORD, ROWS, SMOOTHED, TRAINED
from data_prep.process import as_process
from jaxcs.catalogue import METHODS, NETWORKS, OF_KSPACE

if TYPE_CHECKING:
    from bench.record.record import Record

_METHODS = tuple(name for name in NETWORKS if name in OF_KSPACE and not METHODS[name].one_coil)


def parser() -> Parser:
    """Build the parser of the command line."""
    top = Parser(
        prog="python -m bench.defend",
        examples=(
            "--limit 15 --output runs/defend",
            "--phantom brain --data brains/",
            "--weights plain=plain.safetensors jitter=jitter.safetensors --eps 0.05",
        ),
        description=__doc__,
        allow_abbrev=False,
    )
    what = top.add_argument_group("what")
    what.add_argument(
        "--method", type=one_of(_METHODS), default="unet", metavar="NAME",
        help=f"{', '.join(_METHODS)}; unet if not given",
    )  # fmt: skip
    add_networks(what)
    add_settings(what, "change the settings of a row, as ROW.NAME=VALUE")
    what.add_argument(
        "--eps", type=epsilon, default=0.05, metavar="E",
        help="size of the attack, in the adversarial training too; 0.05 if not given",
    )  # fmt: skip
    what.add_argument("--steps", type=integer(1), metavar="N", help="steps of the attack; its default if not given")
    training = top.add_argument_group("training, if no --weights are given")
    training.add_argument(
        "--variant", default="small", metavar="NAME", help="named configuration of the network; small if not given"
    )
    training.add_argument(
        "--training-steps", type=integer(1), default=1000, metavar="N", help="optimiser steps; 1000 if not given"
    )
    training.add_argument(
        "--images", type=integer(1), default=100, metavar="N", help="number of training images; 100 if not given"
    )
    training.add_argument(
        "--jitter", type=number(0, open_low=True), default=0.2, metavar="E",
        help="largest relative norm of the noise in the training with jitter, and the noise of the smoothed row; 0.2 "
        "if not given",
    )  # fmt: skip
    data = top.add_argument_group("data")
    add_data(data)
    add_sampling(data)
    data.add_argument(
        "--limit", type=integer(1), default=15, metavar="N", help="number of slices to use; 15 if not given"
    )
    run = top.add_argument_group("run")
    run.add_argument("--seed", type=integer(0), default=0, metavar="N", help="seed of trainings, starts and noise")
    run.add_argument(
        "--output", default="runs/defend", metavar="DIR", help="folder of the study; runs/defend if not given"
    )
    add_device(run)
    add_debug(run)
    return top


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return execute(parser(), "bench.defend", "use fewer coils", _work, argv)


def _work(arguments: Namespace, argv: list[str]) -> int:
    from bench.record.holding import held_beside  # imports NumPy

    rows = dict(arguments.weights)
    if "" in rows:
        raise UsageError(f"--weights {rows['']}: give each row a name, NAME=FILE")
    if not rows and METHODS[arguments.method].prior:
        raise UsageError(
            f"--method {arguments.method}: is trained to denoise images, so that noise on the data and attacks do not "
            "change its training; give --weights"
        )
    for name, _ in arguments.set:
        row, dot, _ = name.partition(".")
        if not dot or row not in (rows or ROWS):
            raise UsageError(f"--set {name}: name a row, as in {next(iter(rows or ROWS))}.{name.rpartition('.')[2]}")
    study = Path(arguments.output)
    with held_beside(study / RECORD, "study"):
        return _study(study, arguments, argv)


def _study(study: Path, arguments: Namespace, argv: list[str]) -> int:
    from bench.record.records import RunFolder
    from bench.studies.defend.analysis import analyse, judged, markdown  # these import NumPy

    runs = _carry_out(study, arguments, argv)
    record = {"argv": argv} | analyse(runs)
    folder = RunFolder(study)
    folder.write_json(RECORD, record)
    draw_into(folder, "defend.png", "defend", record, again="the same command")
    print(markdown(record), *(one.beside("; ".join(one.numbers)) for one in judged(record)), sep="\n")
    print(f"record and figure in {study}", file=sys.stderr)
    failed = sum(len(one.run.failed) for one in runs.values())
    if failed:
        print(f"failed: {failed} images; each run's run.json says why", file=sys.stderr)
        return SOME_FAILED
    return DONE


def _carry_out(study: Path, arguments: Namespace, argv: list[str]) -> dict[str, Record]:
    """Carry out the training and the run of each row, unless it is done."""
    from bench.run.series import run_once  # these import JAX, as the runs do
    from bench.slices.own_mask import settled
    from bench.studies.defend.training import Recipe, weights_of

    again, given = ["bench.defend", *argv], dict(arguments.weights)
    _check_rows(arguments)
    recipe = Recipe(
        arguments.variant, arguments.training_steps, arguments.images, arguments.jitter, arguments.eps, arguments.seed
    )
    found = {}
    for name in given or ROWS:
        file = given.get(name)
        if file is None:
            trained = TRAINED[0] if name == SMOOTHED else name
            training = recipe.configuration(trained, _base(arguments))
            file = weights_of(training, study / f"train-{trained}", arguments.device, again)
        print(f"{name}: {file}", file=sys.stderr, flush=True)
        config = configuration(arguments, name, file)
        config = settled(config, [*argv, *command_line(config)])
        found[name] = run_once(config, study / name, again, lambda before: True, device=arguments.device)
    return found


def _check_rows(arguments: Namespace) -> None:
    """Check weights and settings of all rows, before hours go into the first ones.

    Raises:
        InputFileError: weights cannot be read.
        UsageError: weights are of another method, or settings do not fit it.
    """
    from bench.evaluate import methods  # imports JAX

    kinds = methods.named_weights(arguments.weights, "--weights")
    for name, (kind, file) in kinds.items():
        if kind not in (arguments.method, METHODS[arguments.method].weights_of):
            raise UsageError(f"--weights {name}={file}: they are weights of {kind}; use --method {kind}")
    for name in kinds or ROWS:
        try:
            methods.configuration(configuration(arguments, name, None), None)
        except UsageError as error:
            raise UsageError(f"row {name}: {error}") from error


def _base(arguments: Namespace) -> RunConfig:
    """Method, data and sampling of the study."""
    return RunConfig(
        method=arguments.method,
        eps=(arguments.eps,),
        steps=arguments.steps,
        limit=arguments.limit,
        seed=arguments.seed,
        **of_data(arguments),
    )


def configuration(arguments: Namespace, name: str, file: str | None) -> RunConfig:
    """Return the configuration of a row's run.

    Args:
        arguments: the arguments of the command.
        name: name of the row.
        file: file or name of its weights, None if they are not there yet.
    """
    own = tuple((key.partition(".")[2], value) for key, value in arguments.set if key.partition(".")[0] == name)
    if name == SMOOTHED and not arguments.weights and "smoothing" not in dict(own):
        own = (("smoothing", f"{arguments.jitter:g}"), *own)
    return replace(_base(arguments), weights=file, settings=own)


if __name__ == "__main__":
    as_process(main)
