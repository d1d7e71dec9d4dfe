"""Several processes, on one or more machines, that do one job; they meet at the first process's coordination service.

The loss of a process does not affect the others of an attack, except for the first: its service is then gone, and the
others end before JAX would abort them.  The processes of a training need each other to the end.  If a process is lost,
some calls of JAX and Orbax fail in the others and some wait for minutes; therefore the connections of `meeting` end the
others.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from bench.plan.errors import RunError, UsageError
from bench.processes.meeting import Connections, Place, meet
from data_prep.process import at_stop, end, hear_signals

# Time for all processes to begin, and time without a sign of life after which a process counts as lost [s].
BEGIN, HEARTBEAT = 300, 100
# Time that the first process, when told to stop, gives the others to leave; it waits twice [s].
_GRACE = 1.0
# Time in which processes that are about to fail for the same reason each report it themselves [s].
_OWN = 5.0
_EXPLICIT = "--coordinator HOST:PORT --processes N --process I"


class Meeting(NamedTuple):
    """The flags by which processes meet: `distributed` if a scheduler started them, or all three others.

    Attributes:
        distributed: whether JAX looks for the scheduler that started the processes.
        coordinator: HOST:PORT of the first process.
        processes: number of processes.
        process: index of this process, from 0.
    """

    distributed: bool
    coordinator: str | None
    processes: int | None
    process: int | None


class Team(NamedTuple):
    """The processes of a job.

    Attributes:
        process: index of this process, from 0.
        processes: number of processes.
        needs_all: whether each process still needs all others.
        waited: whether no process needs another any more.
    """

    process: int
    processes: int
    needs_all: threading.Event
    waited: threading.Event

    def tell(self, name: str, text: str) -> None:
        """Leave a text under this name for the other processes; an empty one says that this process has failed."""
        if self.processes > 1:
            _client().key_value_set(f"jaxcs/{name}", text)

    def told(self, name: str) -> str:
        """Wait for the text that a process leaves under this name.

        Raises:
            RunError: the wait takes too long, or the process has failed.
        """
        try:
            text = str(_client().blocking_key_value_get(f"jaxcs/{name}", BEGIN * 1000))
        except RuntimeError as error:
            raise RunError(f"process 0 said nothing for {BEGIN} s; its own messages say why") from error
        if not text:
            raise RunError(_ended(0))
        return text

    def begun(self, needs_all: bool) -> None:
        """Wait until all processes have begun.

        Args:
            needs_all: whether each process needs all others after this too.

        Raises:
            RunError: a process has ended instead.
        """
        if self.processes > 1:
            live = _client().get_live_nodes(list(range(self.processes)))
            for process in range(self.processes):
                if process not in live:
                    raise RunError(_ended(process))
            if not needs_all:
                self.needs_all.clear()

    def wait(self) -> None:
        """Wait until all remaining processes call this."""
        if self.processes > 1:
            _client().get_live_nodes(list(range(self.processes)))
            self.waited.set()

    @contextmanager
    def outlived(self) -> Iterator[None]:
        """If the block fails, wait: the loss of another process, the likely cause, ends this process meanwhile."""
        try:
            yield
        except Exception:
            time.sleep(2 * _OWN)
            raise


def _client() -> Any:
    """The client of the coordination service.

    JAX's public functions carry only arrays, not text.  They send arrays by the devices' collectives, which an attack
    does not need: these require the same number of devices on each machine, and on GPUs a separate network.  The client
    is private in JAX 0.10 to 0.12, whose public `jax.distributed` only begins, ends and asks whether it has begun.
    """
    from jax._src.distributed import global_state

    return global_state.client


def _ended(process: int) -> str:
    return f"process {process} has ended; its own messages say why"


ALONE = Team(0, 1, threading.Event(), threading.Event())


def wanted(meeting: Meeting) -> bool:
    """Return whether the flags ask for several processes.

    Raises:
        UsageError: one of these flags is missing or wrong.
    """
    explicit = {f"--{name}": getattr(meeting, name) for name in ("coordinator", "processes", "process")}
    given = [flag for flag, value in explicit.items() if value is not None]
    if not given:
        return meeting.distributed
    missing = [flag for flag in explicit if flag not in given]
    if missing:
        raise UsageError(f"{given[0]}: needs {' and '.join(missing)} too; give {_EXPLICIT}")
    if meeting.process is not None and meeting.processes is not None and meeting.process >= meeting.processes:
        raise UsageError(f"--process {meeting.process}: counts from 0 to {meeting.processes - 1}; give one of those")
    return True


@contextmanager
def connected(meeting: Meeting, given: Mapping[str, str]) -> Iterator[Team]:
    """Connect this process with the others; enter this context before JAX computes anything.

    Args:
        meeting: the flags by which the processes meet.
        given: flags that must be the same for all processes, by name.

    Yields:
        The team, or `ALONE` if the flags do not ask for several processes.

    Raises:
        UsageError: JAX finds no cluster, or the processes do not meet.
    """
    if not wanted(meeting):
        yield ALONE
        return
    # JAX's runtime warns that processes survive each other, which is intended, and traces connections to processes that
    # have ended, of which `_together` says one line.  Its failures are raised all the same.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import jax

    if not hasattr(jax.config, "jax_enable_recoverability"):
        raise UsageError(f"--distributed: JAX {jax.__version__} cannot do without a lost process; install a newer one")
    # JAX has no other way to request this; it affects only this process.
    jax.config.update("jax_enable_recoverability", True)
    place, devices = _place(meeting)
    print(
        f"process {place.process} of {place.processes}, meeting at {place.host}:{place.port}",
        file=sys.stderr,
        flush=True,
    )
    others = meet(place, given, BEGIN)
    team = Team(place.process, place.processes, threading.Event(), threading.Event())
    with _together(team, others):
        _initialize(place, devices)
        # JAX's preemption service has taken over SIGTERM.
        hear_signals()
        yield team


@contextmanager
def _together(team: Team, others: Connections) -> Iterator[None]:
    """End this process if it loses a process that it needs; the first process leaves the block last."""
    from jax import distributed

    team.needs_all.set()
    left, without_first = threading.Event(), threading.Event()

    def lost(process: int) -> None:
        if process == 0:
            without_first.set()
        if team.needs_all.is_set():
            time.sleep(_OWN)
        needed = (team.needs_all.is_set() or process == 0) and not team.waited.is_set()
        if needed and not left.is_set():
            end(_ended(process), RunError.exit_code)

    def stopped() -> None:
        if team.process > 0:
            # Without its service JAX would abort this process, with a trace.
            if not without_first.is_set():
                distributed.shutdown()
            return
        # The others may have been told to stop as well, and then print their own messages.
        others.wait_for_end(_GRACE)
        others.end(done=False)
        others.wait_for_end(_GRACE)

    others.watch(lost)
    try:
        with at_stop(stopped):
            yield
    finally:
        left.set()
        if team.process == 0:
            if team.needs_all.is_set():
                others.wait_for_end(_OWN)
            others.end(done=team.waited.is_set())
            others.wait_for_end(HEARTBEAT)
        distributed.shutdown()


def _place(meeting: Meeting) -> tuple[Place, Sequence[int] | None]:
    """This process's place among all, and its devices on the machine, None for all of them.

    Raises UsageError if JAX finds no cluster.
    """
    address: str | None
    devices: Sequence[int] | None = None
    if meeting.coordinator is not None:
        address, processes, process = meeting.coordinator, meeting.processes, meeting.process
        flag = f"--coordinator {address}"
    else:
        from jax._src.clusters import ClusterEnv

        # JAX's public function reports neither the cluster that it finds nor the process for which it waits.  In
        # JAX 0.10 to 0.12 the search is private, with equal arguments.
        detected = ClusterEnv.auto_detect_unset_distributed_params(
            os.environ.get("JAX_COORDINATOR_ADDRESS"), None, None, None, None, BEGIN
        )
        if None in detected[:3]:
            raise UsageError(f"--distributed: JAX finds no cluster here; give {_EXPLICIT}")
        address, processes, process, devices = detected
        flag = f"--distributed ({address})"
    # `wanted` has looked.
    assert address is not None
    assert processes is not None
    assert process is not None
    host, _, port = address.rpartition(":")
    return Place(flag, host.strip("[]"), int(port), process, processes), devices


def _initialize(place: Place, devices: Sequence[int] | None) -> None:
    import jax

    host = f"[{place.host}]" if ":" in place.host else place.host
    try:
        jax.distributed.initialize(
            f"{host}:{place.port}",
            place.processes,
            place.process,
            local_device_ids=devices,
            initialization_timeout=BEGIN,
            heartbeat_timeout_seconds=HEARTBEAT,
            # Do not search for a cluster: all settings are given.
            cluster_detection_method="deactivate",
        )
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"{place.flag}: cannot connect ({reason}); name a free port of process 0's machine") from error
