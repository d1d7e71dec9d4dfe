"""Measure test-time training across a shift of the data: python -m bench.ttt --shift anatomy.

The command compares four networks: trained on the source or on the target of the shift, and supervised or jointly with
the self-supervised loss.  Ordinary runs of bench.attack with epsilon 0 score each network on the target before and
after test-time training.  Their records tell the share of the gap that is closed.  A stopped study goes on if it is
started again.
"""

from __future__ import annotations

import itertools
import json
import sys
from argparse import Namespace, RawDescriptionHelpFormatter
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from bench.figures.drawing import draw_into
from bench.plan.command_line import command_line
from bench.plan.config import RunConfig
from bench.plan.errors import DONE, SOME_FAILED, InputFileError, UsageError
from bench.shell.arguments import Parser, flags_besides, integer, one_of
from bench.shell.command import execute
from bench.shell.flags import CENTER_FRACTION, add_data, add_debug, add_device, add_sampling, add_settings
from bench.studies.test_time.names import MODELS, RECORD, SHIFTS, STATES, WORDS
from data_prep.process import as_process
from jaxcs.catalogue import METHODS, TEST_TIME

if TYPE_CHECKING:
    from bench.record.record import Record
    from bench.record.stored import Stored

# The run of each model and state.
Runs: TypeAlias = "dict[tuple[str, str], Record]"
_BESIDE_REDRAW = ("--redraw", "--output", "--shift", "--network", "--debug")
# The method without and with test-time training.
_METHODS = {name.removeprefix("ttt_"): (METHODS[name].weights_of or "", name) for name in TEST_TIME}
# Differences of each target from its source, the phantom's knees, if no flag says otherwise.  The published shifts are
# knees to brains, fastMRI to Stanford, T2 to T1, and 4 to 2 times accelerated.
_TARGETS: dict[str, dict[str, Any]] = {
    "anatomy": {"phantom": "brain"},
    # There are half as many columns, so that twice the share keeps the number of calibration columns.
    "dataset": {
        "shift": (("contrast", 2.0), ("resolution", 0.5), ("noise", 4.0)),
        "center_fraction": 2 * CENTER_FRACTION,
    },
    "modality": {"shift": (("contrast", 2.0),)},
    "acceleration": {"acceleration": 2.0},
}
_SAMPLING = ("mask", "acceleration", "center_fraction")
# Shipped weights for the phantom's knee and brain, by model; those of the target suit the anatomy shift alone.
_SHIPPED = {
    "unet": {
        "source-sup": "unet_complex-sup-phantom-knee",
        "source-self": "unet_complex-phantom-knee",
        "target-sup": "unet_complex-sup-phantom-brain",
        "target-self": "unet_complex-phantom-brain",
    },
    "varnet": {"source-sup": "varnet-phantom-knee", "target-sup": "varnet-phantom-brain"},
}


def parser() -> Parser:
    """Build the parser of the command line."""
    top = Parser(
        prog="python -m bench.ttt",
        examples=(
            "--limit 2 --set n_steps=100",
            "--shift acceleration --target-sup weights.safetensors --target-self self.safetensors",
        ),
        description=__doc__,
        formatter_class=RawDescriptionHelpFormatter,
    )
    what = top.add_argument_group("what")
    what.add_argument(
        "--shift",
        type=one_of(SHIFTS),
        default="anatomy",
        metavar="NAME",
        help="shift of the phantom's knees, which also chooses the published number: anatomy = to brains; dataset = in "
        "contrast, resolution and noise; modality = in contrast; acceleration = from 4 to 2; anatomy if not given, "
        "as it needs no further flag",
    )
    what.add_argument(
        "--network", type=one_of(tuple(_METHODS)), default="unet", metavar="NAME", help=" or ".join(_METHODS)
    )
    for model in MODELS:
        what.add_argument(
            f"--{model}",
            metavar="WEIGHTS",
            help=f"weights of the network {WORDS[model]}; on the phantom the shipped weights, if there are any",
        )
    add_settings(what, "change the fit, such as n_steps=500, learning_rate=1e-4 or holdout=published")
    target = top.add_argument_group("data of the target; if not given, the phantom's knees after --shift")
    add_data(target)
    add_sampling(target)
    target.set_defaults(phantom=None)
    target.add_argument(
        "--limit", type=integer(1), default=10, metavar="N", help="number of slices to use; 10 if not given"
    )
    run = top.add_argument_group("run")
    run.add_argument("--output", metavar="DIR", help="folder of the study; runs/ttt-SHIFT-NETWORK if not given")
    run.add_argument("--redraw", action="store_true", help="run nothing; analyse the runs that the study has")
    add_device(run)
    add_debug(run)
    return top


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return execute(parser(), "bench.ttt", "use fewer coils", _work, argv)


def _work(arguments: Namespace, argv: list[str]) -> int:
    others = flags_besides(argv, _BESIDE_REDRAW) if arguments.redraw else []
    if others:
        raise UsageError(f"{others[0]}: --redraw takes the study's runs as they are; leave the flag out")
    from bench.record.holding import held_beside  # imports NumPy

    study = Path(arguments.output or f"runs/ttt-{arguments.shift}-{arguments.network}")
    with held_beside(study / RECORD, "study"):
        return _study(study, arguments, argv)


def _study(study: Path, arguments: Namespace, argv: list[str]) -> int:
    from bench.record.records import RunFolder
    from bench.studies.test_time.gap import analyse  # these import NumPy

    runs = _done(study) if arguments.redraw else _carry_out(study, arguments, argv)
    record = analyse(arguments.shift, arguments.network, runs)
    record |= _command_of(study) if arguments.redraw else {"argv": argv}
    folder = RunFolder(study)
    folder.write_json(RECORD, record)
    drawn = json.loads((study / RECORD).read_text(encoding="utf-8"))
    draw_into(folder, "ttt.png", "gap", drawn, again="the same command with --redraw")
    print(*record["findings"], sep="\n")
    print(f"record and figure in {study}", file=sys.stderr)
    failed = sum(len(one.run.failed) for one in runs.values())
    if failed and not arguments.redraw:
        print(f"failed: {failed} images; each run's run.json says why", file=sys.stderr)
        return SOME_FAILED
    return DONE


def _command_of(study: Path) -> dict[str, Any]:
    """The command line in the study's record; empty if the record is old or damaged."""
    from bench.record.forms import list_of, table, text
    from bench.record.reading import read_json

    try:
        return {"argv": read_json(study / RECORD, table({"argv": list_of(text)}), "bench.ttt")["argv"]}
    except InputFileError:
        return {}


def _weights(arguments: Namespace, model: str) -> str:
    given = getattr(arguments, model.replace("-", "_"))
    on_phantom = arguments.shift == "anatomy" or (arguments.data is None and model.startswith("source"))
    shipped = _SHIPPED[arguments.network].get(model) if on_phantom else None
    if given is None and shipped is None:
        data = _told(arguments) if model.startswith("target") else []
        joint = ["--self-supervised", "0.2"] if model.endswith("self") else []
        how = " ".join(["bench.train --method", _METHODS[arguments.network][0], *data, *joint])
        raise UsageError(f"--{model}: no such weights are shipped; train them by {how}")
    return str(given or shipped)


def _target(arguments: Namespace) -> RunConfig:
    """The target's data and their sampling."""
    # Files given by --data already come from another distribution.
    target = _TARGETS[arguments.shift] if arguments.data is None else {"data": arguments.data}
    target = target | ({"acquisition": tuple(arguments.acquisition)} if arguments.acquisition else {})
    names = _SAMPLING if arguments.data is not None else ("phantom", *_SAMPLING)
    given = {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
    return RunConfig(**target | given)


def _told(arguments: Namespace) -> list[str]:
    """The flags of bench.train that describe the target."""
    target = _target(arguments)
    found = ["--data", target.data] if target.data is not None else ["--phantom", target.phantom]
    found += ["--acquisition", *target.acquisition] if target.acquisition else []
    found += ["--shift", *(f"{name}={size:g}" for name, size in target.shift)] if target.shift else []
    for name in _SAMPLING:
        # No flag about sampling applies to files with masks.
        if getattr(arguments, name) is not None or getattr(target, name) != getattr(RunConfig(), name):
            found += [f"--{name.replace('_', '-')}", str(getattr(target, name))]
    return found


def _carry_out(study: Path, arguments: Namespace, argv: list[str]) -> Runs:
    """Carry out the run of each model and state, unless it is done; returns all of them."""
    from bench.run.series import run_once  # these import JAX, as the runs do
    from bench.slices.own_mask import settled

    found = {}
    weights = {model: _weights(arguments, model) for model in MODELS}
    for model, state in itertools.product(MODELS, STATES):
        print(f"{WORDS[model]}, {state} test-time training", file=sys.stderr)
        config = configuration(arguments, weights[model], state)
        config = settled(config, [*argv, *command_line(config)])
        takes = partial(_same_weights, weights=weights[model])
        output, again = study / f"{model}-{state}", ["bench.ttt", *argv]
        found[model, state] = run_once(config, output, again, takes, device=arguments.device)
    return found


def configuration(arguments: Namespace, weights: str, state: str) -> RunConfig:
    """Return the configuration of a run.

    Args:
        arguments: the arguments of the command.
        weights: file or name of the network's weights.
        state: "before" or "after" test-time training.
    """
    before, after = _METHODS[arguments.network]
    return replace(
        _target(arguments),
        method=before if state == "before" else after,
        settings=tuple(arguments.set) if state == "after" else (),
        weights=weights,
        eps=(0.0,),
        limit=arguments.limit,
    )


def _same_weights(before: Stored, weights: str) -> bool:
    """True if the weights of this name are the same as in the earlier run."""
    from data_prep.cases import InputError
    from data_prep.weights import read_weights  # imports JAX, as the runs do

    earlier = [one.get("weights") for one in before.record.methods.values()]
    try:
        return [one and one["sha256"] for one in earlier] == [read_weights(weights).sha256]
    except InputError:
        return False  # the run itself reports the error


def _done(study: Path) -> Runs:
    """The newest finished run of each model and state."""
    from bench.record.record import read  # these import NumPy
    from bench.record.run_record import read_run

    found = {}
    for model, state in itertools.product(MODELS, STATES):
        folder = study / f"{model}-{state}"
        paths = sorted((path.parent for path in folder.glob("*/run.json")), reverse=True)
        path = next((path for path in paths if read_run(path).done), None)
        if path is None:
            raise InputFileError(f"{folder}: holds no finished run; leave --redraw out")
        found[model, state] = read(path)
    return found


if __name__ == "__main__":
    as_process(main)
