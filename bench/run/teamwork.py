"""One run by several processes: each does its part in a folder of its own, and the first makes one run of them all."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.plan.config import RunConfig
from bench.plan.errors import InputFileError
from bench.plan.shards import Shard
from bench.processes.distributed import Team
from bench.record.record import Record
from bench.record.run_record import read_run
from bench.run.merging import in_one_part, merge
from bench.run.run import carry_out, open_run
from bench.slices.sources import check_device
from data_prep.ending import Advice


def run_together(
    config: RunConfig,
    *,
    output: Path,
    device: str,
    devices: int | None,
    batch: int | None,
    save_perturbations: bool,
    dry_run: bool,
    argv: Sequence[str],
    team: Team,
) -> Record | None:
    """Do this process's part and, in the first one, put all parts together; for the arguments see `bench.run.run.run`.

    Returns:
        The record of the whole run in the first process, of the part in the others; None of a dry run.

    Raises:
        InputFileError: in the first process, a part is not done: it and what is done go on by themselves.
    """
    check_device(device)
    team.begun(needs_all=False)
    own: list[Path] = []

    def begun_in(path: Path) -> None:
        own.append(path)
        team.tell(f"part {team.process}", str(path))
        # Said now: where process 0 is lost, JAX ends the others without a word of ours.
        print(
            f"process {team.process} of {team.processes} writes {path}; where it is stopped, "
            f"bench.attack --resume goes on with it, and bench.merge makes one run of all parts",
            file=sys.stderr,
            flush=True,
        )

    try:
        opened = open_run(
            config, device=device, devices=devices, batch=batch, save_perturbations=save_perturbations,
            shard=Shard(team.process + 1, team.processes), argv=argv,
        )  # fmt: skip
        done = None if dry_run else carry_out(opened, output, begun_in)
    except Exception as error:
        # The others do not depend on this one, but on the service of process 0.
        if team.process == 0:
            team.wait()
            if own:
                for line in _how(_parts(team), in_one_part(argv), output)[1:]:  # the first is in the error already
                    error.add_note(line)
        raise
    team.wait()
    if done is None or team.process > 0:
        return done
    paths = _parts(team)
    how = _how(paths, in_one_part(argv), output)
    if len(how) > 1:
        failure = InputFileError(
            f"{len(how) - 1} of {team.processes} parts are not done, and not put together; go on by"
        )
        for line in how:
            failure.add_note(line)
        raise failure
    return merge([path for path in paths if path is not None], output)


def _parts(team: Team) -> list[Path | None]:
    """The folders of all parts; None for one that was lost before it made its."""
    told = [team.told(f"part {process}") for process in range(team.processes)]
    return [None if path is None else Path(path) for path in told]


def _how(paths: list[Path | None], argv: list[str], output: Path) -> list[Advice]:
    """The commands that do what is left: those of the parts that are not done, and that which puts all together."""
    commands, runs = [], []
    for part, path in enumerate(paths, 1):
        status = None if path is None else _status(path)
        if status is None:  # lost before it made its folder, or on a disk that is not shared
            commands.append(["bench.attack", *argv, "--shard", f"{part}/{len(paths)}"])
            runs.append(f"RUN_OF_PART_{part}")
            continue
        runs.append(str(path))
        if status != "done":
            commands.append(["bench.attack", "--resume", str(path)])
    commands.append(["bench.merge", *runs, "--output", str(output)])
    return [Advice(shlex.join(["python", "-m", *command])) for command in commands]


def _status(path: Path) -> str | None:
    """Status of the run in this folder, None if there is none."""
    try:
        return read_run(path).status
    except InputFileError:
        return None
