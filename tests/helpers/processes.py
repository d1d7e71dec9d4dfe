"""Several processes that meet on this machine, for tests of their cooperation."""

import os
import socket
import subprocess
import sys
from typing import NamedTuple

from tests.helpers.places import ROOT

# A process with the changes of `tests.helpers.cheap_run`; {0} runs before it begins.
CHEAP_ATTACK = """
import os, sys, pytest
from bench import attack
from bench.run import executor
from bench.processes import distributed
from data_prep.process import as_process
from tests.helpers.cheap_run import cheapen
with pytest.MonkeyPatch.context() as patch:
    cheapen(patch)
    {0}
    as_process(attack.main)
"""


class Ended(NamedTuple):
    """The exit code of a process, below 0 for a signal, and its output."""

    code: int
    out: str
    err: str


def free_port() -> int:
    with socket.create_server(("localhost", 0)) as server:
        return server.getsockname()[1]


def flags(count, process, port):
    return ["--coordinator", f"localhost:{port}", "--processes", str(count), "--process", str(process)]


def start(commands, environment=None):
    """Start Python with each of these arguments."""
    return [
        subprocess.Popen(
            [sys.executable, *map(str, command)],
            cwd=ROOT,
            env=os.environ | {"JAX_PLATFORMS": "cpu"} | (environment or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for command in commands
    ]


def ended(processes):
    """Wait for all processes; none is left behind."""
    try:
        found = [process.communicate(timeout=120) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()  # its pipes must not be left open for another test to hear of
    return [Ended(process.returncode, *texts) for process, texts in zip(processes, found, strict=True)]


def attack_together(count, arguments, patches=None):
    """Run bench.attack in `count` processes.

    Args:
        count: number of processes.
        arguments: arguments of the command.
        patches: maps a process to a line of Python that runs before.
    """
    port = free_port()
    return start(
        [
            ["-c", CHEAP_ATTACK.format((patches or {}).get(index, "")), *arguments, *flags(count, index, port)]
            for index in range(count)
        ]
    )


# A process of bench.train; {0} runs before it begins.
TRAIN = """
import os, sys, time
from bench import train
from bench.training import loop
from data_prep.process import as_process
{0}
as_process(train.main)
"""


def train_together(count, arguments, patches=None, environment=None):
    """Run bench.train in `count` processes.

    Args:
        count: number of processes.
        arguments: arguments of the command.
        patches: maps a process to a line of Python that runs before.
        environment: changes of the environment.
    """
    port = free_port()
    return start(
        [
            ["-c", TRAIN.format((patches or {}).get(index, "")), *arguments, *flags(count, index, port)]
            for index in range(count)
        ],
        environment,
    )
