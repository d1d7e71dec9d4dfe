"""What every command does around its work: parse, obey SIGTERM, choose the device, and end in one line and a code."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
import traceback
from argparse import Namespace
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

from bench.harness.arguments import Parser
from bench.harness.compiled import keep_compiled
from bench.harness.errors import Advice, Interrupted, OutOfMemoryError, RunError
from data_prep.names import let_out_any_name

# Seconds; 5 are promised.
_PATIENCE = 3.5


def execute(
    parser: Parser, name: str, advice: str, work: Callable[[Namespace, list[str]], int], argv: list[str]
) -> int:
    """Parse `argv` and do the work, which may import JAX; returns the exit code.

    name: of the command, before its errors.  advice: what to do where memory runs out.
    """
    debug = "--debug" in argv
    let_out_any_name()

    def stop(signal_number: int, frame: FrameType | None) -> None:
        # Once is enough: a second one would stop the stopping.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise Interrupted("stopped by SIGTERM", signal_number)

    previous = signal.signal(signal.SIGTERM, stop)
    try:
        arguments = parser.parse_args(argv)
        if arguments.device != "auto":
            # JAX's own name for "any NVIDIA GPU" is cuda; it must be set before JAX is imported.
            os.environ["JAX_PLATFORMS"] = {"gpu": "cuda"}.get(arguments.device, arguments.device)
        keep_compiled()
        code = work(arguments, argv)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # Who read the output, as `head` does, has seen enough; what was computed is on the disk.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except (Exception, KeyboardInterrupt) as error:
        if debug:
            traceback.print_exception(error)
        failure = _as_run_error(error, advice)
        # What is to be done about it, on lines of their own.
        notes = [note for note in getattr(error, "__notes__", []) if isinstance(note, Advice)]
        print(f"{name}: error: {failure}", *notes, sep="\n", file=sys.stderr)
        return failure.exit_code
    finally:
        signal.signal(signal.SIGTERM, previous)


def _as_run_error(error: BaseException, advice: str) -> RunError:
    if isinstance(error, RunError):
        return error
    if isinstance(error, KeyboardInterrupt):
        return Interrupted("stopped by Ctrl-C", signal.SIGINT)
    if isinstance(error, MemoryError):
        return OutOfMemoryError(f"out of memory; {advice}")
    reason = (str(error).splitlines() or [""])[0]
    return RunError(f"unexpected {type(error).__name__}: {reason}; --debug shows where")


def as_process(main: Callable[[], int]) -> NoReturn:
    """Run a command as a process of its own, which is gone `_PATIENCE` seconds after a signal at the latest.

    Python hears of a signal only when the compiled code that it waits for returns, and ends only after all threads
    have; what has been recorded is whole at any moment, so that there is nothing to wait for.
    """
    # Before `execute` hears of signals, and after.
    signal.signal(signal.SIGTERM, lambda number, frame: os._exit(128 + number))
    hears, tells = socket.socketpair()
    tells.setblocking(False)
    signal.set_wakeup_fd(tells.fileno(), warn_on_full_buffer=False)

    def watch() -> None:
        number = hears.recv(1)
        time.sleep(_PATIENCE)
        os._exit(128 + number[0])

    threading.Thread(target=watch, daemon=True).start()
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    if code >= 128:
        os._exit(code)
    sys.exit(code)
