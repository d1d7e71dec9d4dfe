"""One run by several processes that meet: each does its part in the folder of the first, and then helps the others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.plan.config import RunConfig
from bench.plan.shards import WHOLE, Shard
from bench.processes.distributed import Team
from bench.record.records import RunFolder
from bench.run.run import Done, Opened, carry_out, folder_of, open_run
from bench.slices.sources import check_device


def run_together(
    config: RunConfig,
    *,
    output: Path,
    device: str,
    devices: int | None,
    batch: int | None,
    save_perturbations: bool,
    name: str | None,
    accept: Sequence[str],
    dry_run: bool,
    argv: Sequence[str],
    team: Team,
) -> Done | None:
    """Do this process's part of a run, then images that are left; for the arguments see `bench.run.run.run`.

    Returns:
        What was done, with the record of the whole run; None of a dry run.
    """
    check_device(device)
    # Each process still needs all others: a mistake in the flags, the data or the weights of one of them ends all.
    opened = open_run(
        config, device=device, devices=devices, batch=batch, save_perturbations=save_perturbations,
        name=name, accept=accept, shard=Shard(team.process + 1, team.processes), argv=argv,
    )  # fmt: skip
    team.begun(needs_all=False)
    try:
        done = None if dry_run else carry_out(opened, lambda: _shared(opened, output, team), helps=True)
    except Exception:
        # The others do not depend on this process, but on the service of process 0.
        if team.process == 0:
            team.wait()
        raise
    team.wait()
    return done


def _shared(opened: Opened, output: Path, team: Team) -> RunFolder:
    """The folder that process 0 makes for all."""
    if team.process > 0:
        # The first process's folder, at its place on this machine.
        return RunFolder(output / team.told("folder"))
    try:
        folder = folder_of(opened._replace(plan=opened.plan._replace(shard=WHOLE)), output)
    except Exception:
        team.tell("folder", "")  # nobody waits for it
        raise
    team.tell("folder", folder.path.name)
    return folder
