"""Several processes, on one machine or many, that are at one job: they meet at the first one's coordination service.

A process that is lost takes no other with it, but for the first: with it goes the service, and JAX ends the others.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from bench.harness.errors import RunError, UsageError

# The flags that ask for it, and how many words follow each.
FLAGS = {"--distributed": 0, "--coordinator": 1, "--processes": 1, "--process": 1}
# Seconds: for all to begin, and until one that is not heard of counts as lost.
BEGIN, HEARTBEAT = 300, 100
# Seconds that the first process stays after its work, for the others to take their leave.
_GRACE = 1.0
_EXPLICIT = "--coordinator HOST:PORT --processes N --process I"


class Team(NamedTuple):
    """process: this one, from 0.  processes: how many there are."""

    process: int
    processes: int

    def of_first(self, name: str, text: str) -> str:
        """What the first process gives under this name; of the others' own `text` nothing is made.

        Raises RunError where the first gives nothing in time.
        """
        if self.processes == 1:
            return text
        client = _client()
        if self.process == 0:
            client.key_value_set(f"jaxcs/{name}", text)
            return text
        try:
            return str(client.blocking_key_value_get(f"jaxcs/{name}", BEGIN * 1000))
        except RuntimeError as error:
            raise RunError(f"process 0 said nothing for {BEGIN} s; its own messages say why") from error

    def wait(self) -> None:
        """Until all processes that are left are here."""
        if self.processes > 1:
            _client().get_live_nodes(list(range(self.processes)))


def _client() -> Any:
    """That of the coordination service.

    JAX's public functions have no words but only arrays, and send those by the devices' collectives, which an attack
    has no need of: they want as many devices on each machine, and on GPUs a network of their own.
    """
    from jax._src.distributed import global_state

    return global_state.client


ALONE = Team(0, 1)


def wanted(arguments: Namespace) -> bool:
    """Whether flags ask for several processes.  Raises UsageError where one of them is missing or wrong."""
    explicit = {f"--{name}": getattr(arguments, name) for name in ("coordinator", "processes", "process")}
    given = [flag for flag, value in explicit.items() if value is not None]
    if not given:
        return bool(arguments.distributed)
    missing = [flag for flag in explicit if flag not in given]
    if missing:
        raise UsageError(f"{given[0]}: needs {' and '.join(missing)} too; give {_EXPLICIT}")
    if arguments.process >= arguments.processes:
        raise UsageError(
            f"--process {arguments.process}: counts from 0 to {arguments.processes - 1}; give one of those"
        )
    return True


@contextmanager
def connected(arguments: Namespace) -> Iterator[Team]:
    """The team that the flags ask for, `ALONE` where they ask for none; to be entered before JAX computes anything.

    Raises UsageError where JAX finds no cluster, or the coordinator cannot be reached.
    """
    if not wanted(arguments):
        yield ALONE
        return
    # It warns of what is meant: that processes survive each other.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import jax

    if not hasattr(jax.config, "jax_enable_recoverability"):
        raise UsageError(f"--distributed: JAX {jax.__version__} cannot do without a lost process; install a newer one")
    # The only way to ask for it, and of this process alone.
    jax.config.update("jax_enable_recoverability", True)
    _initialize(arguments)
    # JAX's preemption service has taken SIGTERM for itself.
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM))
    team = Team(jax.process_index(), jax.process_count())
    try:
        yield team
    finally:
        if team.process == 0:
            # What the others still print and return counts.
            time.sleep(_GRACE)
        jax.distributed.shutdown()


def _initialize(arguments: Namespace) -> None:
    import jax

    address = arguments.coordinator
    if address is not None:
        print(
            f"process {arguments.process} of {arguments.processes}, meeting at {address}", file=sys.stderr, flush=True
        )
        if arguments.process > 0:
            _reach(address)
    try:
        jax.distributed.initialize(
            address,
            arguments.processes,
            arguments.process,
            initialization_timeout=BEGIN,
            heartbeat_timeout_seconds=HEARTBEAT,
            # Nobody is to look for a cluster where all is said.
            cluster_detection_method=None if address is None else "deactivate",
        )
    except ValueError as error:
        raise UsageError(f"--distributed: JAX finds no cluster here ({error}); give {_EXPLICIT}") from error
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        flag = "--distributed" if address is None else f"--coordinator {address}"
        raise UsageError(f"{flag}: cannot connect ({reason}); name a free port of process 0's machine") from error


def _reach(address: str) -> None:
    """Wait until somebody listens there: JAX itself would end the process where nobody ever does.

    Raises UsageError.
    """
    host, _, port = address.rpartition(":")
    until = time.monotonic() + BEGIN
    while True:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
            return
        except OSError as error:
            if time.monotonic() > until:
                reason = error.strerror or str(error)
                raise UsageError(
                    f"--coordinator {address}: nobody answers there ({reason}); name a free port of process 0's machine"
                ) from error
        time.sleep(0.2)
