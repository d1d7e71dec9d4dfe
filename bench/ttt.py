"""Test-time training across a shift of the data: python -m bench.ttt --shift anatomy.

Four networks, trained on the source and on the target of the shift, supervised and jointly with the self-supervised
loss, give images of the target before and after test-time training, in ordinary runs of bench.attack with epsilon 0.
From their records it says which share of the gap is closed.  A study that was stopped goes on when started again.
"""

from __future__ import annotations

import json
import sys
from argparse import Namespace, RawDescriptionHelpFormatter
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from bench import attack
from bench.figures.drawing import draw_into
from bench.plan.errors import DONE, SOME_FAILED, InputFileError, UsageError
from bench.shell.arguments import Parser, flags_besides, integer, one_of
from bench.shell.command import execute
from bench.shell.flags import CENTER_FRACTION, add_data, add_device, add_sampling, add_settings
from bench.studies.test_time.names import MODELS, RECORD, SHIFTS, STATES, WORDS
from data_prep.process import as_process

_BESIDE_REDRAW = ("--redraw", "--output", "--shift", "--network", "--debug")
# The method without and with test-time training.
_METHODS = {"unet": ("unet_complex", "ttt_unet"), "varnet": ("varnet", "ttt_varnet")}
# What the target of a shift is where no flag says otherwise; the source is the phantom's knees, 4 times accelerated.
# Published are knees to brains, fastMRI to Stanford, T2 to T1, and 4 to 2 times accelerated.
_KNEES: dict[str, Any] = {"phantom": "knee", "acceleration": 4.0, "center_fraction": CENTER_FRACTION, "scans": []}
_TARGETS: dict[str, dict[str, Any]] = {
    "anatomy": _KNEES | {"phantom": "brain"},
    # Of half as many columns twice the share, so that as many calibrate.
    "dataset": _KNEES | {"scans": ["contrast=2", "resolution=0.5", "noise=4"], "center_fraction": 2 * CENTER_FRACTION},
    "modality": _KNEES | {"scans": ["contrast=2"]},
    "acceleration": _KNEES | {"acceleration": 2.0},
}
# Weights that are shipped, of the phantom's knee and brain, by model; the target's are of the anatomy shift.
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
    """The command's arguments."""
    top = Parser(prog="python -m bench.ttt", description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    what = top.add_argument_group("what")
    what.add_argument(
        "--shift",
        type=one_of(SHIFTS),
        default="anatomy",
        metavar="NAME",
        help="of the phantom's knees, and whose published number stands beside: anatomy = to brains; dataset = in "
        "contrast, resolution and noise; modality = in contrast; acceleration = from 4 to 2; anatomy if not given, "
        "which needs no further flag",
    )
    what.add_argument("--network", type=one_of(tuple(_METHODS)), default="unet", metavar="NAME", help="unet or varnet")
    for model in MODELS:
        what.add_argument(
            f"--{model}",
            metavar="WEIGHTS",
            help=f"the network {WORDS[model]}; shipped ones on the phantom, where there are",
        )
    add_settings(what, "change the fit, such as n_steps=500, learning_rate=1e-4 or holdout=published")
    target = top.add_argument_group("data of the target; if not given, what --shift makes of the phantom's knees")
    add_data(target)
    add_sampling(target)
    target.set_defaults(phantom=None, mask=None, acceleration=None, center_fraction=None)
    target.add_argument("--limit", type=integer(1), default=10, metavar="N", help="slices to use; 10 if not given")
    run = top.add_argument_group("run")
    run.add_argument("--output", metavar="DIR", help="folder of the study; runs/ttt-SHIFT-NETWORK if not given")
    run.add_argument("--redraw", action="store_true", help="run nothing; analyse the runs that the study has")
    add_device(run)
    run.add_argument("--debug", action="store_true", help="show tracebacks")
    return top


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return execute(parser(), "bench.ttt", "use fewer coils", _work, sys.argv[1:] if argv is None else argv)


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

    code = DONE
    if not arguments.redraw:
        weights = {model: _weights(arguments, model) for model in MODELS}
        for model, source in weights.items():
            for state in STATES:
                print(f"{WORDS[model]}, {state} test-time training", file=sys.stderr)
                ended = _carry_out(study / f"{model}-{state}", _arguments_of(arguments, source, state))
                if ended not in (DONE, SOME_FAILED):
                    return ended
                code = max(code, ended)
    folders = {(model, state): _newest(study / f"{model}-{state}") for model in MODELS for state in STATES}
    record = analyse(arguments.shift, arguments.network, folders)
    record |= _command_of(study) if arguments.redraw else {"argv": argv}
    folder = RunFolder(study)
    folder.write_json(RECORD, record)
    drawn = json.loads((study / RECORD).read_text(encoding="utf-8"))
    draw_into(folder, "ttt.png", "gap", drawn, again="the same command with --redraw")
    print(*record["findings"], sep="\n")
    print(f"record and figure in {study}", file=sys.stderr)
    return code


def _command_of(study: Path) -> dict[str, Any]:
    """The command line that made the study's runs, as its record has it; nothing of an older or damaged one."""
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
        data = _target(arguments) if model.startswith("target") else []
        joint = ["--self-supervised", "0.2"] if model.endswith("self") else []
        how = " ".join(["bench.train --method", _METHODS[arguments.network][0], *data, *joint])
        raise UsageError(f"--{model}: no such weights are shipped; train them by {how}")
    return str(given or shipped)


def _target(arguments: Namespace) -> list[str]:
    """What is scanned and how, as bench.train and bench.attack are told."""
    target = _TARGETS[arguments.shift]
    if arguments.data is not None:  # which differ by themselves
        target = target | {"scans": [], "center_fraction": CENTER_FRACTION}
    chosen = target | {name: value for name, value in vars(arguments).items() if value is not None}
    found = ["--data", arguments.data] if arguments.data else ["--phantom", chosen["phantom"]]
    found += ["--shift", *target["scans"]] if target["scans"] else []
    for name in ("mask", "acceleration", "center_fraction"):
        # What is like bench.attack's default is not said: of data with masks of their own no such flag is true.
        if getattr(arguments, name) is not None or chosen.get(name, _KNEES.get(name)) != _KNEES.get(name):
            found += [f"--{name.replace('_', '-')}", str(chosen[name])]
    return found


def _arguments_of(arguments: Namespace, weights: str, state: str) -> list[str]:
    """Of bench.attack, but for --output."""
    before, after = _METHODS[arguments.network]
    found = ["--method", before if state == "before" else after, "--weights", weights, "--eps", "0"]
    found += [*_target(arguments), "--limit", str(arguments.limit), "--device", arguments.device]
    if state == "after" and arguments.set:
        found += ["--set", *(f"{name}={value}" for name, value in arguments.set)]
    return found


def _carry_out(folder: Path, argv: list[str]) -> int:
    """Begin a run, go on with it, or leave it where it is done; returns the exit code of bench.attack."""
    from bench.record.record import read_run
    from bench.slices.own_mask import settled  # imports JAX, as the runs do

    wanted = settled(attack.configuration(attack.parser().parse_args(argv)), argv)
    for path in _runs(folder):
        record = read_run(path)
        if record.get("fingerprint") == wanted.fingerprint() and _same_weights(record, wanted.weights):
            if record["status"] == "done":
                return SOME_FAILED if record.get("failed") else DONE
            argv = ["--resume", str(path)]
            break
    else:
        argv = [*argv, "--output", str(folder)]
    # Tables of the single runs are no results of the study.
    with redirect_stdout(sys.stderr):
        return attack.main(argv)


def _same_weights(record: dict[str, Any], source: str | None) -> bool:
    """Whether the weights of this name are still those that the run had."""
    from data_prep.cases import InputError
    from data_prep.weights import read_weights  # imports JAX, as the runs do

    weights = [one.get("weights") for one in record.get("methods", {}).values()]
    try:
        return [one and one["sha256"] for one in weights] == [read_weights(str(source)).sha256]
    except InputError:
        return False  # the run itself will say why


def _newest(folder: Path) -> Path:
    """The newest run that is done."""
    from bench.record.record import read_run  # imports NumPy

    for path in _runs(folder):
        if read_run(path)["status"] == "done":
            return path
    raise InputFileError(f"{folder}: holds no run that is done; leave --redraw out")


def _runs(folder: Path) -> list[Path]:
    """Run folders, the newest first."""
    return sorted((path.parent for path in folder.glob("*/run.json")), reverse=True)


if __name__ == "__main__":
    as_process(main)
