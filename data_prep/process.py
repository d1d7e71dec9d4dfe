"""The process of a command: its streams, the signals that end it, and its exit.

A signal interrupts nothing.  A thread receives it, does the work that is registered for this case (`at_stop`), reports
it in one line and ends the process, whatever the other threads do.  An exception would be raised wherever Python
happens to be: it would break imports, be swallowed by libraries, and make others abort.  The recorded results are whole
at any moment.
"""

from __future__ import annotations

import io
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, NoReturn

from data_prep.names import ANY_NAME

# Seconds from a signal to the end of the process, whatever is unfinished; 5 s are promised.
_PATIENCE = 3.5
# The part of these seconds for work that ends itself.
_LEAVE = 2.5
EXIT_OUTPUT, EXIT_PIPE = 4, 128 + 13
_SIGNALS = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}

_names = ["python"]
_at_stop: list[Callable[[], str | None]] = []
_stopping = threading.Event()
_ending = threading.Lock()
# The socket by which the thread receives signals.
_hears: list[socket.socket] = []


class StreamError(Exception):
    """Standard output cannot be written to."""


def begin(name: str = "python") -> None:
    """Set up the streams and the signals of this process for a command, unless that was already done.

    Args:
        name: name of the command, for messages.
    """
    if _hears:
        return
    _names[0] = name
    _open_streams()
    hears, tells = socket.socketpair()
    tells.setblocking(False)
    signal.set_wakeup_fd(tells.detach(), warn_on_full_buffer=False)
    _hears.append(hears)
    threading.Thread(target=_watch, args=(hears,), daemon=True).start()
    hear_signals()


def as_process(main: Callable[[], int]) -> NoReturn:
    """Run a command as the work of this process, which ends at most `_PATIENCE` seconds after a signal.

    Args:
        main: runs the command and returns its exit code.
    """
    begin()
    try:
        code = main()
    except SystemExit as error:  # argparse, after it has shown the help
        code = error.code if isinstance(error.code, int) else 0
    hold()
    try:
        sys.stdout.flush()
    except StreamError as error:
        _say([f"{_names[-1]}: error: {error}"])
        code = EXIT_OUTPUT
    if code == 0 and reader_left():
        code = EXIT_PIPE
    if code == 0:
        signal.set_wakeup_fd(-1)
        _hears[0].close()
        sys.exit(0)
    # Threads may still work for a failed command.  Python would wait for them, or break them and abort.
    _leave(code)


@contextmanager
def named(name: str) -> Iterator[None]:
    """Name this command in messages while the block runs."""
    _names.append(name)
    try:
        yield
    finally:
        _names.pop()


@contextmanager
def at_stop(do: Callable[[], str | None]) -> Iterator[None]:
    """Register work for a signal that arrives while the block runs.

    The work is done in another thread before the process ends, the innermost block's first.

    Args:
        do: the work.  It may return a command line that resumes the run; the outermost block's is printed.
    """
    _at_stop.append(do)
    try:
        yield
    finally:
        _at_stop.remove(do)


@contextmanager
def leaving() -> Iterator[Callable[[], bool]]:
    """Let a signal wait some seconds until the block has ended.

    Yields:
        A function that returns True if a signal has asked the block to end.
    """
    asked, left = threading.Event(), threading.Event()

    def ask() -> None:
        asked.set()
        left.wait(_LEAVE)

    with at_stop(ask):
        try:
            yield asked.is_set
        finally:
            left.set()


def hold() -> None:
    """Wait here for the end of a process that a signal is about to end; otherwise continue.

    Call this function before an error is recorded or reported: the error may be a mere consequence of the ending.
    """
    if _stopping.is_set():
        threading.Event().wait()


def reader_left() -> bool:
    """Check whether the reader of standard output has gone, as after `head`."""
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return isinstance(raw, _Stdout) and raw.unread


def hear_signals() -> None:
    """Set the signal handlers, also if a library has replaced them since."""
    for number in _SIGNALS:
        # A shell starts background jobs with Ctrl-C ignored.
        if number == signal.SIGTERM or signal.getsignal(number) is not signal.SIG_IGN:
            # Python's C handler wakes the thread.  It is installed only if a Python function is registered.
            signal.signal(number, lambda *_: None)


def end(message: str, code: int) -> NoReturn:
    """End the process from a thread, whatever the other threads do, after the registered work.

    Args:
        message: the reason, in words.
        code: the exit code.
    """
    with _ending:  # never released
        _stopping.set()
        how = None
        for do in reversed(_at_stop[:]):
            with suppress(Exception):
                how = do() or how
        with suppress(Exception):
            sys.stdout.flush()
        line = f"{_names[-1]}: error: {message}"
        _say([line] if how is None else [line, how])
        _leave(code)


def _watch(hears: socket.socket) -> None:
    number = _next(hears)
    words = f"stopped by {_SIGNALS[signal.Signals(number)]}"
    with suppress(RuntimeError):  # no thread can be started: the process ends without a message
        threading.Thread(target=end, args=(words, 128 + number), daemon=True).start()
        hears.settimeout(_PATIENCE)
        with suppress(TimeoutError):
            # Launchers send SIGTERM twice.  A user who presses Ctrl-C again waits for nothing.
            while _next(hears) != signal.SIGINT:
                pass
    os._exit(128 + number)


def _next(hears: socket.socket) -> int:
    """The next signal that this module handles."""
    while (number := hears.recv(1)[0]) not in _SIGNALS:
        pass
    return number


def _say(lines: list[str]) -> None:
    with suppress(Exception):
        print(*lines, sep="\n", file=sys.stderr, flush=True)


def _leave(code: int) -> NoReturn:
    with suppress(Exception):
        sys.stderr.flush()
    os._exit(code)


def _open_streams() -> None:
    """Set up the standard streams so that printing breaks nothing."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            # Opening takes the lowest free number, which is this one.  Otherwise the next file of the run would get it.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = _stream(_Stdout, 1, sys.stdout)
    sys.stderr = _stream(_Stderr, 2, sys.stderr)


def _stream(kind: type[io.FileIO], number: int, before: Any) -> IO[str]:
    options: dict[str, Any] = {"encoding": "utf-8", "line_buffering": number == 2}
    if before is not None:
        options = {name: getattr(before, name) for name in ("encoding", "line_buffering")}
        # PYTHONUNBUFFERED: text would go through to our buffer, and wait there.
        options["line_buffering"] |= before.write_through
    buffer = io.BufferedWriter(kind(number, "w", closefd=False))
    return io.TextIOWrapper(buffer, errors=ANY_NAME, **options)


class _Stdout(io.FileIO):
    """Standard output.  unread: whether its reader has gone.  full: whether it accepts nothing more."""

    unread = full = False

    def write(self, content: Any) -> Any:
        """Write to standard output.

        Raises:
            StreamError: the stream accepts nothing more; raised once, and distinct from errors of the run's files.
        """
        if self.full:
            return memoryview(content).nbytes
        try:
            return super().write(content)
        except BrokenPipeError:
            # The reader has seen enough.  The command continues silently, because its results are files.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
            self.unread = True
            return memoryview(content).nbytes
        except OSError as error:
            self.full = True
            reason = error.strerror or str(error)
            raise StreamError(f"cannot write to standard output: {reason}; direct it to where there is room") from error


class _Stderr(io.FileIO):
    """Standard error.  Text that cannot be written is lost, which is not a reason to stop."""

    def write(self, content: Any) -> Any:
        """Never raises."""
        try:
            return super().write(content)
        except OSError:
            return memoryview(content).nbytes
