"""How every command ends: with its exit code; if it fails, with one line on standard error."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import NamedTuple

from data_prep import process
from data_prep.machine import is_of_memory, missing_device

_EXIT_UNEXPECTED, _EXIT_USAGE, _EXIT_MEMORY = 1, 2, 5


class Advice(str):
    """A note on an exception (`add_note`) that the user sees below the error; notes of libraries stay unseen."""

    __slots__ = ()


class Failure(NamedTuple):
    """message: what, which file or flag, what to do.  code: the exit code."""

    message: str
    code: int


def in_one_line(
    name: str, work: Callable[[], int], explain: Callable[[BaseException], Failure | None], advice: str, debug: bool
) -> int:
    """Do the work of the command `name`; returns the exit code.

    explain: what a failure means in this command, None if it is none that the command knows.
    advice: what to do if memory runs out.  debug: whether to show where the failure came from.
    """
    with process.named(name):
        try:
            code = work()
            if sys.stdout is not None:
                sys.stdout.flush()
            return code
        except BrokenPipeError:
            # Who read the output, as `head` does, has seen enough; what was computed is on the disk.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return process.EXIT_PIPE
        except (Exception, KeyboardInterrupt) as error:
            process.hold()
            if debug:
                traceback.print_exception(error)
            message, code = explain(error) or _explained(error, advice)
            notes = [note for note in getattr(error, "__notes__", []) if isinstance(note, Advice)]
            print(f"{name}: error: {message}", *notes, sep="\n", file=sys.stderr)
            return code


def _explained(error: BaseException, advice: str) -> Failure:
    """What means the same in every command."""
    if isinstance(error, KeyboardInterrupt):
        return Failure("stopped by Ctrl-C", 128 + signal.SIGINT)
    if isinstance(error, process.StreamError):
        return Failure(str(error), process.EXIT_OUTPUT)
    if is_of_memory(error):
        return Failure(f"out of memory; {advice}", _EXIT_MEMORY)
    # Commands that take no --device ask JAX for one when they first compute.
    if "jax" in sys.modules and (absent := missing_device()) is not None:
        return Failure(absent, _EXIT_USAGE)
    reason = (str(error).splitlines() or [""])[0]
    return Failure(f"unexpected {type(error).__name__}: {reason}; --debug shows where", _EXIT_UNEXPECTED)
