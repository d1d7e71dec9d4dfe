"""A program in a separate process that does one run at a time on request."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.plan.errors import RunError
from data_prep.process import at_stop

_WORKER = Path(__file__).with_name("programs") / "worker.py"


class WorkerError(RunError):
    """The error that a program answered instead of a result, or the last line that it printed."""


class Worker:
    """A started program; a context manager that ends it.

    Args:
        program: MODULE:FUNCTION, see `bench.timing.programs`.
        options: options of the program.
        interpreter: None for the interpreter of this process; the program then has the module path of this process.

    Raises:
        WorkerError: the program cannot be made.
    """

    def __init__(self, program: str, options: dict[str, Any], interpreter: Path | None = None) -> None:
        # If another program holds a core, OpenMP threads that spin while they wait take 30 times as long.
        # The sides share a GPU, of which JAX would take three quarters at once.
        environment = {"OMP_WAIT_POLICY": "passive", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"} | os.environ
        environment.pop("PYTHONPATH", None)
        if interpreter is None:
            environment["PYTHONPATH"] = os.pathsep.join(path for path in (os.getcwd(), *sys.path) if path)
        self._program = program
        self._words = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._process = subprocess.Popen(
            [str(interpreter or sys.executable), str(_WORKER), program, json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._words,
            text=True,
            env=environment,
        )
        # A run may take minutes.
        self._at_stop = at_stop(self._process.terminate)
        try:
            self._answer()
        except BaseException:
            self.close()
            raise

    def run(self, iterations: int = 1, save: Path | None = None) -> float:
        """Do one run.

        Args:
            iterations: number of iterations.
            save: path of an .npy file for the result, or None.

        Returns:
            The time of the run [s].

        Raises:
            WorkerError: the run fails.
        """
        return float(self._ask({"run": iterations} | ({"save": str(save)} if save else {}))["seconds"])

    def memory(self) -> int:
        """Return the peak memory of the process so far [bytes]."""
        return int(self._ask({"memory": True})["bytes"])

    def close(self) -> None:
        """End the process."""
        if self._process.stdin and not self._process.stdin.closed:
            self._process.stdin.close()
        self._process.terminate()
        self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()
        self._words.close()

    def __enter__(self) -> Worker:
        self._at_stop.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._at_stop.__exit__(None, None, None)
        self.close()

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # its last line is read below
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            code = self._process.wait()
            self._words.seek(0)
            last = (self._words.read().strip().splitlines() or ["it said nothing"])[-1]
            raise WorkerError(f"{self._program} ended with {code}: {last}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise WorkerError(f"{self._program}: {answer['error']}")
        return answer
