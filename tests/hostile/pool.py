"""The test's side: a worker process reads files, and is killed and restarted if it hangs."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from tests.hostile.watch import CANARY_NAME, write_canary

LONGEST = 2.0  # largest time for a file [s]
_START = 120.0
_ROOT = Path(__file__).resolve().parents[2]


class Outcome(NamedTuple):
    """The outcome of reading a file.

    Attributes:
        outcome: "accepted" or "refused" if all is well, otherwise the finding.  "failed" is another exception than
            InputError; "crash", "hang" and "memory" are as they say.  "message" is a message that is not one printable
            line; "outside" and "leak" mean that another file was touched.
        growth: address space that was requested beyond the largest use so far [bytes].
        resident: the same for memory [bytes].
    """

    outcome: str
    message: str
    seconds: float
    growth: int = 0
    resident: int = 0


class Worker:
    """A process that reads files one after another."""

    def __init__(self, folder: Path) -> None:
        """Start the process.  `folder` holds its files and the file that nothing may open, which is written here."""
        self.folder = folder.resolve()
        self.canary = self.folder / CANARY_NAME
        write_canary(self.canary)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def read(self, kind: str, path: Path) -> Outcome:
        """Let the reader of this kind in `tests.hostile.reading` read the file."""
        process = self._process or self._start()
        assert process.stdin is not None
        process.stdin.write(json.dumps([kind, str(path)]).encode() + b"\n")
        process.stdin.flush()
        reply = self._reply(process, LONGEST)
        if isinstance(reply, dict):
            outcome = Outcome(**reply)
        else:
            code = self._stop()
            outcome = (
                Outcome("hang", f"no answer in {LONGEST} s", LONGEST)
                if reply is None
                else Outcome("crash", signal.strsignal(-code) or "" if code < 0 else f"exit {code}", 0.0)
            )
        if outcome.outcome == "memory":
            self._stop()  # its peak would hide the next one
        return outcome

    def _start(self) -> subprocess.Popen[bytes]:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.hostile.worker", str(self.folder), CANARY_NAME],
            cwd=self.folder,
            env=os.environ | {"PYTHONPATH": str(_ROOT), "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        if self._reply(self._process, _START) != "ready":
            raise RuntimeError("the process that reads hostile files does not start")
        return self._process

    def _reply(self, process: subprocess.Popen[bytes], seconds: float) -> Any:
        """The next line; None if it does not come in time, "" if the process has ended."""
        assert process.stdout is not None
        if not select.select([process.stdout], [], [], seconds)[0]:
            return None
        line = process.stdout.readline()
        return json.loads(line) if line else ""

    def _stop(self) -> int:
        """Its exit code; a running process is killed."""
        process, self._process = self._process, None
        if process is None:
            return 0
        if process.stdin is not None and process.stdout is not None:
            # A process that ended by itself has closed its output.  Waiting for it reveals its signal.
            if select.select([process.stdout], [], [], 0)[0]:
                try:
                    process.wait(1)
                except subprocess.TimeoutExpired:
                    process.kill()
            else:
                process.kill()
            process.stdin.close()
            process.stdout.close()
        return process.wait()
