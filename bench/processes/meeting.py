"""A meeting of the processes of a job before JAX connects them: JAX aborts if a process never comes.

The first process listens at the address of JAX's later service.  The others send their numbers and their flags.  The
connections stay open, so that each process learns at once if another has ended.
"""

from __future__ import annotations

import json
import os
import select
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from bench.plan.errors import UsageError

# Time between two lines about missing processes, and time limit of an answer [s].
_SAY, _ANSWER = 20, 5
_LARGEST = 1 << 16  # most bytes in a line
_GO, _STRANGE, _DONE = {"go": True}, {"strange": True}, b"done"


class Place(NamedTuple):
    """One process of a job.

    Attributes:
        flag: the user's flag for the place, for messages.
        host: host of the first process.
        port: port of the first process.
        process: index of this process, from 0.
        processes: number of processes.
    """

    flag: str
    host: str
    port: int
    process: int
    processes: int


class Connections:
    """The connections of the first process to all others, or of another process to the first.

    Args:
        sockets: the connections by process.
    """

    def __init__(self, sockets: dict[int, socket.socket]) -> None:
        self._sockets = sockets
        for connection in sockets.values():
            _keep_alive(connection)
        self._ended = {process: threading.Event() for process in sockets}

    def watch(self, lost: Callable[[int], None]) -> None:
        """Call `lost`, in a thread, with the number of each process that ends before its work is done."""
        for process in self._sockets:
            threading.Thread(target=self._wait, args=(process, lost), daemon=True).start()

    def _wait(self, process: int, lost: Callable[[int], None]) -> None:
        said = b""
        with suppress(OSError):
            while piece := self._sockets[process].recv(len(_DONE)):
                said = said + piece
                if said == _DONE:
                    return
        self._ended[process].set()
        lost(process)

    def wait_for_end(self, seconds: float) -> None:
        """Wait until all others have ended, for at most `seconds` [s]."""
        until = time.monotonic() + seconds
        for ended in self._ended.values():
            ended.wait(max(0.0, until - time.monotonic()))

    def end(self, done: bool) -> None:
        """Tell the others that this process ends, and whether its work is done; their end can still be received."""
        for connection in self._sockets.values():
            with suppress(OSError):
                if done:
                    connection.sendall(_DONE)
                connection.shutdown(socket.SHUT_WR)


def meet(place: Place, given: Mapping[str, str], seconds: float) -> Connections:
    """Wait for all other processes, and report from time to time which are missing.

    Args:
        place: the place of this process.
        given: flags and their values, which must be the same for all.
        seconds: longest wait [s].

    Returns:
        The connections.

    Raises:
        UsageError: a process does not come, or the processes do not fit together; raised in all that came.
    """
    hello = {"process": place.process, "processes": place.processes, "given": dict(given)}
    until = _Until(place, seconds)
    return Connections(_gather(place, hello, until) if place.process == 0 else _join(place, hello, until))


class _Until:
    """The time limit of a wait, and the time of the next line about it."""

    def __init__(self, place: Place, seconds: float) -> None:
        self._place, self._seconds = place, seconds
        self._begun = self._said = time.monotonic()

    def over(self, whom: str) -> bool:
        """Return whether the time is over; if not, print a line from time to time."""
        now = time.monotonic()
        left = self._begun + self._seconds - now
        if now - self._said >= _SAY and left > 0:
            self._said = now
            place = f"{self._place.host}:{self._place.port}"
            print(f"waiting for {whom} at {place}, {left:.0f} s left", file=sys.stderr, flush=True)
        return left <= 0


def _gather(place: Place, hello: dict[str, Any], until: _Until) -> dict[int, socket.socket]:
    """The connections to all others, in the first process."""
    found: dict[int, socket.socket] = {}
    with _listening(place, hello) as server:
        while len(found) < place.processes - 1:
            missing = [str(one) for one in range(1, place.processes) if one not in found]
            whom = f"process{'es' * (len(missing) > 1)} {', '.join(missing)} of {place.processes}"
            if until.over(whom):
                raise _refusal(place, list(found.values()), f"{whom} did not come; start all processes at once")
            if not _readable(server, 1):
                continue
            connection, _ = server.accept()
            said = _receive(connection)
            if "process" not in said:  # another program, or a process that has ended
                connection.close()
                continue
            problem = _misfit(said, hello, found)
            if problem is not None:
                raise _refusal(place, [*found.values(), connection], problem)
            found[said["process"]] = connection
    for connection in found.values():
        _send(connection, _GO)
    return found


def _listening(place: Place, hello: dict[str, Any]) -> socket.socket:
    """A socket at the port; raises UsageError if the port is not free."""
    try:
        if socket.has_dualstack_ipv6():
            return socket.create_server(("", place.port), family=socket.AF_INET6, dualstack_ipv6=True)
        return socket.create_server(("", place.port))
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
    # Perhaps another process that takes itself for the first listens there; send it the flags, so that it ends all.
    with suppress(OSError), socket.create_connection((place.host, place.port), _ANSWER) as connection:
        _send(connection, hello)
        said = _receive(connection) if _readable(connection, _ANSWER) else {}
        if "refused" in said:
            raise UsageError(f"{place.flag}: {said['refused']}")
    raise UsageError(f"{place.flag}: cannot listen there ({reason}); name a free port of process 0's machine")


def _join(place: Place, hello: dict[str, Any], until: _Until) -> dict[int, socket.socket]:
    """The connection to the first process, in the others."""
    reason = "no answer"
    while not until.over(f"process 0 of {place.processes}"):
        try:
            connection = socket.create_connection((place.host, place.port), _ANSWER)
        except OSError as error:
            reason = error.strerror or str(error)
            time.sleep(0.2)
            continue
        _send(connection, hello)
        while not _readable(connection, 1):
            if until.over(f"the others of {place.processes} processes"):
                raise UsageError(f"{place.flag}: the other processes did not come; start all at once")
        said = _receive(connection)
        if said == _GO:
            return {0: connection}
        connection.close()
        if "refused" in said:
            raise UsageError(f"{place.flag}: {said['refused']}")
        if said:
            raise UsageError(
                f"{place.flag}: another program is there, or the others have begun without this process; "
                "name a free port of process 0's machine, and give each process a --process of its own"
            )
    raise UsageError(f"{place.flag}: nobody answers there ({reason}); name a free port of process 0's machine")


def _misfit(said: dict[str, Any], hello: dict[str, Any], found: dict[int, socket.socket]) -> str | None:
    """The reason why another process does not fit the first, or None."""
    other = said["process"]
    if said["processes"] != hello["processes"]:
        return f"process {other} was started with --processes {said['processes']}, process 0 with {hello['processes']}"
    if other == 0 or other in found:
        return f"two processes were started with --process {other}; number them from 0 to {hello['processes'] - 1}"
    names = said["given"].keys() | hello["given"].keys()
    different = sorted(name for name in names if said["given"].get(name) != hello["given"].get(name))
    if different:
        return f"process {other} was started with another {different[0]} than process 0; give all the same"
    return None


def _refusal(place: Place, connections: list[socket.socket], problem: str) -> UsageError:
    """The error to raise, after it was sent to all processes that came."""
    for connection in connections:
        _send(connection, {"refused": problem})
        connection.close()
    return UsageError(f"{place.flag}: {problem}")


def _keep_alive(connection: socket.socket) -> None:
    """Let a connection end if the other machine is gone, which sends nothing: after a minute and a half."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 6)):
        if hasattr(socket, name):  # Linux has all of them
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _send(connection: socket.socket, what: dict[str, Any]) -> None:
    with suppress(OSError):  # a process that has ended is noticed later
        connection.sendall(json.dumps(what).encode() + b"\n")


def _readable(connection: socket.socket, seconds: float) -> bool:
    return bool(select.select([connection], [], [], seconds)[0])


def _receive(connection: socket.socket) -> dict[str, Any]:
    """The content of one line; empty if the process has ended; `_STRANGE` if another program sent it."""
    line = b""
    try:
        connection.settimeout(_ANSWER)
        while not line.endswith(b"\n") and len(line) < _LARGEST:
            piece = connection.recv(1)  # so that the next line stays unread
            if not piece:
                return _STRANGE if line else {}
            line += piece
        said = json.loads(line)
    except (OSError, ValueError):
        return _STRANGE if line else {}
    finally:
        connection.settimeout(None)
    return said if isinstance(said, dict) and said.keys() & {"process", "go", "refused"} else _STRANGE
