"""What every command does around its work: parse, obey SIGTERM, choose the device, and end in one line and a code."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from argparse import Namespace
from collections.abc import Callable
from types import FrameType

from bench.harness.arguments import Parser
from bench.harness.errors import Interrupted, OutOfMemoryError, RunError


def execute(
    parser: Parser, name: str, advice: str, work: Callable[[Namespace, list[str]], int], argv: list[str]
) -> int:
    """Parse `argv` and do the work, which may import JAX; returns the exit code.

    name: of the command, before its errors.  advice: what to do where memory runs out.
    """
    debug = "--debug" in argv

    def stop(signal_number: int, frame: FrameType | None) -> None:
        raise Interrupted("stopped by SIGTERM", signal_number)

    previous = signal.signal(signal.SIGTERM, stop)
    try:
        arguments = parser.parse_args(argv)
        if arguments.device != "auto":
            # JAX's own name for "any NVIDIA GPU" is cuda; it must be set before JAX is imported.
            os.environ["JAX_PLATFORMS"] = {"gpu": "cuda"}.get(arguments.device, arguments.device)
        return work(arguments, argv)
    except RunError as error:
        failure = error
    except KeyboardInterrupt:
        failure = Interrupted("stopped by Ctrl-C", signal.SIGINT)
    except MemoryError:
        failure = OutOfMemoryError(f"out of memory; {advice}")
    except Exception as error:
        if debug:
            raise
        reason = (str(error).splitlines() or [""])[0]
        failure = RunError(f"unexpected {type(error).__name__}: {reason}; --debug shows where")
    finally:
        signal.signal(signal.SIGTERM, previous)
    if debug:
        traceback.print_exception(failure)
    print(f"{name}: error: {failure}", file=sys.stderr)
    return failure.exit_code
