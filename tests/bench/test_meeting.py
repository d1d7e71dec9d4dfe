"""Processes that meet before JAX connects them: a process that does not fit or does not come is reported to all."""

import socket
import threading
import time

import pytest

from bench.plan.errors import UsageError
from bench.processes import meeting
from bench.processes.meeting import Place, meet
from tests.helpers.processes import free_port


def place(port, process, processes=2):
    return Place(f"--coordinator localhost:{port}", "localhost", port, process, processes)


def together(*members, seconds=20.0):
    """Let (place, flags) meet; returns for each its connections, or its error."""
    found = [None] * len(members)

    def one(index):
        try:
            found[index] = meet(*members[index], seconds)
        except UsageError as error:
            found[index] = str(error)

    threads = [threading.Thread(target=one, args=(index,)) for index in range(len(members))]
    for thread in threads:
        thread.start()
        time.sleep(0.1)
    for thread in threads:
        thread.join()
    return found


def close(connections):
    for one in connections:
        for connection in one._sockets.values():
            connection.close()


def test_all_that_fit_meet_in_any_order_and_whatever_else_comes_to_the_port():
    port = free_port()
    members = [(place(port, process, 3), {"--eps": "0.1"}) for process in (2, 0, 1)]

    def stranger():
        with socket.create_connection(("localhost", port)) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\n\r\n")

    threading.Timer(0.15, stranger).start()
    found = together(*members)
    assert [sorted(one._sockets) for one in found] == [[0], [1, 2], [0]]
    close(found)


@pytest.mark.parametrize(
    ("others", "problem"),
    [
        ([(1, 3, "0.1")], "process 1 was started with --processes 3, process 0 with 2"),
        ([(0, 2, "0.1")], "two processes were started with --process 0; number them from 0 to 1"),
        ([(1, 2, "0.2")], "process 1 was started with another --eps than process 0; give all the same"),
        ([(1, 3, "0.1"), (1, 3, "0.1")], "two processes were started with --process 1; number them from 0 to 2"),
    ],
)
def test_who_does_not_fit_ends_all_with_one_line(others, problem):
    port = free_port()
    members = [(place(port, 0, 3 if len(others) > 1 else 2), {"--eps": "0.1"})]
    members += [(place(port, process, processes), {"--eps": eps}) for process, processes, eps in others]
    found = together(*members)
    assert len(found) == len(others) + 1
    for one in found:
        assert one.startswith(f"--coordinator localhost:{port}: {problem}")


def test_a_third_one_where_two_were_meant_does_not_disturb_them():
    port = free_port()
    first, second = together((place(port, 0), {}), (place(port, 1), {}))
    with socket.create_server(("localhost", port)) as server:  # like JAX, whose service speaks first

        def service():
            with server.accept()[0] as connection:
                connection.sendall(b"\0\0\x12\x04\n")

        late = threading.Thread(target=service)
        late.start()
        with pytest.raises(UsageError, match="the others have begun without this process"):
            meet(place(port, 1), {}, 20)
        late.join()
    close([first, second])


@pytest.mark.parametrize(
    ("process", "whom", "problem"),
    [
        (0, "process 1 of 2", "process 1 of 2 did not come; start all processes at once"),
        (1, "process 0 of 2", r"nobody answers there \(Connection refused\); name a free port of process 0's machine"),
    ],
)
def test_who_waits_says_for_whom_and_not_for_ever(capsys, monkeypatch, process, whom, problem):
    monkeypatch.setattr(meeting, "_SAY", 0.5)
    port = free_port()
    with pytest.raises(UsageError, match=problem):
        meet(place(port, process), {}, 1.5)
    lines = capsys.readouterr().err.splitlines()
    assert lines
    assert all(line.startswith(f"waiting for {whom} at localhost:{port}, ") for line in lines)


def test_a_port_that_another_program_holds_is_one_line():
    with socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True) as server:
        port = server.getsockname()[1]
        threading.Thread(target=lambda: server.accept()[0].close()).start()
        with pytest.raises(UsageError, match=r"cannot listen there \(Address already in use\); name a free port"):
            meet(place(port, 0), {}, 20)


def test_each_hears_of_the_end_of_another_but_not_if_its_work_is_done():
    port = free_port()
    first, second = together((place(port, 0), {}), (place(port, 1), {}))
    lost = {0: [], 1: []}
    first.watch(lost[0].append)
    second.watch(lost[1].append)
    first.end(done=True)
    time.sleep(0.2)
    close([second])
    begun = time.monotonic()
    first.wait_for_end(20)
    assert time.monotonic() - begun < 10
    assert lost == {0: [1], 1: []}
    close([first])
