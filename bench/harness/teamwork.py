"""One run by several processes: each does its part in a folder of its own, and the first makes one run of them all."""

from __future__ import annotations

import shlex
import sys
from argparse import Namespace
from datetime import datetime
from pathlib import Path

from bench.harness.config import RunConfig
from bench.harness.distributed import Team
from bench.harness.errors import DONE, Advice, InputFileError, Interrupted
from bench.harness.finish import exit_code, tell
from bench.harness.merging import in_one_part, merge
from bench.harness.own_mask import settled
from bench.harness.records import RunFolder
from bench.harness.session import carry_out, folder_name, plan_of
from bench.harness.shards import Shard
from bench.harness.sources import check_device
from bench.page.record import read_run


def run_together(config: RunConfig, arguments: Namespace, argv: list[str], team: Team) -> int:
    """Do this process's part and, in the first one, put all parts together; returns the exit code.

    Raises InputFileError in the first one where a part is not done: it and what is done go on by themselves.
    """
    check_device(arguments.device)
    config = settled(config, argv)
    now = datetime.fromisoformat(team.of_first("now", datetime.now().isoformat()))
    plans = [plan_of(config, arguments, Shard(part + 1, team.processes)) for part in range(team.processes)]
    output = Path(arguments.output)
    paths = [RunFolder.path_of(output, folder_name(plan), config.fingerprint(), now) for plan in plans]
    own = paths[team.process]
    if not arguments.dry_run:
        # Said now: where process 0 is lost, JAX ends the others without a word of ours.
        print(
            f"process {team.process} of {team.processes} writes {own}; where it is stopped, "
            f"bench.attack --resume goes on with it, and bench.merge makes one run of all parts",
            file=sys.stderr,
            flush=True,
        )
    try:
        done = carry_out(plans[team.process], arguments, argv, now)
    except (KeyboardInterrupt, Interrupted):
        raise  # who is told to stop waits for nobody
    except Exception as error:
        # The others do not depend on this one, but on the service of process 0.
        team.wait()
        if team.process == 0 and own.exists():
            for line in _how(paths, in_one_part(argv), arguments)[1:]:  # the first is in the error already
                error.add_note(line)
        raise
    team.wait()
    if done is None:
        return DONE
    if team.process > 0:
        return exit_code(done.record)
    how = _how(paths, in_one_part(argv), arguments)
    if len(how) > 1:
        failure = InputFileError(
            f"{len(how) - 1} of {team.processes} parts are not done, and not put together; go on by"
        )
        for line in how:
            failure.add_note(line)
        raise failure
    return tell(*merge(paths, output), arguments.json)


def _how(paths: list[Path], argv: list[str], arguments: Namespace) -> list[Advice]:
    """The commands that do what is left: those of the parts that are not done, and that which puts all together."""
    commands, runs = [], [str(path) for path in paths]
    for part, path in enumerate(paths, 1):
        status = _status(path)
        if status is None:  # lost before it made its folder, or on a disk that is not shared
            commands.append(["bench.attack", *argv, "--shard", f"{part}/{len(paths)}"])
            runs[part - 1] = f"RUN_OF_PART_{part}"
        elif status != "done":
            commands.append(["bench.attack", "--resume", str(path)])
    commands.append(["bench.merge", *runs, "--output", arguments.output])
    return [Advice(shlex.join(["python", "-m", *command])) for command in commands]


def _status(path: Path) -> str | None:
    """Of the run in this folder; None where there is none."""
    try:
        return str(read_run(path)["status"])
    except InputFileError:
        return None
