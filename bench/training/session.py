"""Start a training, or resume one."""

from __future__ import annotations

import shlex
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import jax

from bench.plan.errors import InputFileError, RunError, UsageError
from bench.processes.distributed import Team
from bench.record import provenance
from bench.record.forms import list_of, mapping, one_of, optional, table, text
from bench.record.holding import held
from bench.record.reading import read_json, understanding
from bench.record.records import RunFolder
from bench.record.stored import difference_of_versions
from bench.slices.shifting import check_shift
from bench.slices.sources import check_device
from bench.training.config import FORM, TrainConfig
from bench.training.loop import Training
from bench.training.trackers import TRACKERS, check_tracker
from data_prep.ending import Advice
from data_prep.process import at_stop, leaving
from jaxcs.names import first_line
from jaxcs.recon import METHODS

_RECORD = "train.json"
_FORM = table(
    {"config": FORM, "argv": list_of(text), "versions": mapping(text)}, {"tracker": optional(one_of(TRACKERS))}
)


def run(config: TrainConfig, *, tracker: str | None, output: Path, device: str, argv: list[str], team: Team) -> int:
    """Train in a new folder in `output`; if there are several processes, only the first writes and prints.

    Args:
        config: settings of the training.
        tracker: name of a tracker that follows the training, or None.
        output: parent of the new folder.
        device: "auto", or the kind of device that must be there.
        argv: the command line, for the record.
        team: the processes.

    Returns:
        The exit code.

    Raises:
        RunError: the training cannot begin or go on, in one line for the user.
    """
    check_device(device)
    check_tracker(tracker)
    opened, used = _opened(config, argv, team)
    return _begun(opened, _new_folder(config, tracker, output, argv, used, team), tracker, used, team)


def go_on(path: Path, *, device: str, team: Team) -> int:
    """Resume a training.

    Args:
        path: the folder of the training.
        device: "auto", or the kind of device that must be there.
        team: the processes.

    Returns:
        The exit code.

    Raises:
        RunError: the training cannot go on, in one line for the user.
    """
    check_device(device)
    folder = RunFolder(path)
    config, tracker, argv = _stored(folder)
    check_tracker(tracker)
    opened, used = _opened(config, argv, team)
    return _begun(opened, folder, tracker, used, team)


def _opened(config: TrainConfig, argv: list[str], team: Team) -> tuple[Training, dict[str, Any]]:
    """The training, and the devices that it uses."""
    if config.variant not in METHODS[config.method].presets:
        known = ", ".join(METHODS[config.method].presets)
        raise UsageError(f"--variant {config.variant}: {config.method} has no such variant; its variants are: {known}")
    check_shift(config.shift, config.data)
    # Open the data before making the folder, so that a mistake leaves nothing behind.
    opened = Training(config, argv)
    team.begun(needs_all=True)
    return opened, provenance.device() | {"used": opened.devices, "processes": team.processes}


def _begun(opened: Training, folder: RunFolder, tracker: str | None, device: dict[str, Any], team: Team) -> int:
    config = opened.config
    if team.process > 0:
        return _train(opened, folder, tracker, team)
    for note in provenance.about_settings():
        print(f"note: {note}", file=sys.stderr)
    joint = f" + {config.self_supervised:g} self-supervised" if config.self_supervised else ""
    parameters = sum(leaf.size for leaf in jax.tree.leaves(opened.first_params))
    print(
        f"{device['platform']} ({opened.devices} devices{_of(team)}) | {opened.description}, "
        f"{len(opened.validation)} to validate | {config.method} {config.variant}, {parameters:,} parameters"
        f" | {config.loss}{joint}, {config.steps} steps of {config.batch * config.accumulate} | {folder.path}",
        file=sys.stderr,
        flush=True,
    )
    return _train(opened, folder, tracker, team)


def _new_folder(
    config: TrainConfig, tracker: str | None, parent: Path, argv: list[str], device: dict[str, Any], team: Team
) -> RunFolder:
    if team.process > 0:
        # The folder of the first process, as this machine sees it.
        return RunFolder(parent / team.told("folder"))
    folder = RunFolder.create(parent, f"train-{config.method}", config.fingerprint())
    content = {"config": config.to_dict(), "tracker": tracker, "argv": argv, "versions": provenance.versions()}
    folder.write_json(_RECORD, content | {"git": provenance.git_state(), "device": device})
    team.tell("folder", folder.path.name)
    return folder


def _of(team: Team) -> str:
    return f" of {team.processes} processes" if team.processes > 1 else ""


def _train(opened: Training, folder: RunFolder, tracker: str | None, team: Team) -> int:
    how = f"python -m bench.train --resume {shlex.quote(str(folder.path))}"
    # The first process alone writes, and therefore holds the folder; its record is never replaced.
    hold = held(folder.path / _RECORD, "training", folder.path) if team.process == 0 else nullcontext()
    try:
        with hold, at_stop(lambda: how):
            if team.processes == 1:
                with leaving() as told_to_leave:
                    code = opened.run(folder, tracker, told_to_leave)
            else:  # others may not be told to stop, or not after the same step
                with team.outlived():
                    code = opened.run(folder, tracker)
    except KeyboardInterrupt as error:
        error.add_note(Advice(how))
        raise
    except Exception as error:
        if team.processes == 1 or isinstance(error, RunError):
            raise
        # If another process is gone, the communication between devices fails with errors of many types.
        reason = first_line(error) or type(error).__name__
        failure = RunError(f"process {team.process} cannot go on ({reason}); start all again with --resume")
        failure.add_note(Advice(how))
        raise failure from error
    team.wait()
    return code


def _stored(folder: RunFolder) -> tuple[TrainConfig, str | None, list[str]]:
    path = folder.path / _RECORD
    content = read_json(path, _FORM, "bench.train")
    with understanding(path, "bench.train"):
        config = TrainConfig.from_dict(content["config"])
    was = {name: value for name, value in content["versions"].items() if name.isupper()}
    reason = difference_of_versions(was, provenance.settings())
    if reason is not None:
        raise InputFileError(f"--resume {folder.path}: cannot go on: {reason}; put that back, or begin anew")
    return config, content.get("tracker"), content["argv"]
