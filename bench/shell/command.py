"""The frame of every command: parse, choose the device, and end in one line and a code."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Callable

from bench.plan.errors import RunError
from bench.shell.arguments import Parser
from bench.shell.compiled import keep_compiled
from data_prep.ending import Failure, in_one_line


def execute(
    parser: Parser, name: str, advice: str, work: Callable[[Namespace, list[str]], int], argv: list[str] | None
) -> int:
    """Parse `argv` and do the work, which may import JAX.

    Args:
        parser: parser of the command.
        name: name of the command, printed before its errors.
        advice: advice for the user if memory runs out.
        work: function of the parsed arguments and `argv` that returns the exit code.
        argv: the arguments, None for those of this process.

    Returns:
        The exit code.
    """

    words = sys.argv[1:] if argv is None else argv

    def parse_and_work() -> int:
        arguments = parser.parse_args(words)
        if "device" in arguments:
            if arguments.device != "auto":
                # JAX calls any NVIDIA GPU "cuda"; the variable must be set before JAX is imported.
                os.environ["JAX_PLATFORMS"] = {"gpu": "cuda"}.get(arguments.device, arguments.device)
                os.environ.pop("JAX_PLATFORM_NAME", None)
            if getattr(arguments, "precision", "default") == "float32":
                os.environ["JAX_DEFAULT_MATMUL_PRECISION"] = "float32"
            # Slices are computed side by side.  LAPACK's threads spin while they wait, and then slow each other down: a
            # factor of a hundred was seen on busy cores.
            os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
            keep_compiled()
        return work(arguments, words)

    return in_one_line(name, parse_and_work, _explained, advice, debug="--debug" in words)


def _explained(error: BaseException) -> Failure | None:
    return Failure(str(error), error.exit_code) if isinstance(error, RunError) else None
