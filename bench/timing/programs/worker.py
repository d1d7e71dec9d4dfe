"""Serve one program over standard input and output: python worker.py MODULE:FUNCTION OPTIONS, a line for each request.

This file is run by its path, so that an interpreter without jaxcs can run it.  Requests and answers are JSON, one per
line: {"run": ITERATIONS} gives {"seconds": ...}, and with "save": PATH the result goes to that path.  {"memory": true}
gives {"bytes": ...}, the peak memory of this process, on the accelerator if it computes there [bytes].  A failure
gives {"error": ...}.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np


def main() -> None:
    """Serve until standard input ends."""
    # Libraries print to standard output; their lines must not mix with the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def answer(message: dict[str, Any]) -> None:
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    module, _, function = sys.argv[1].partition(":")
    try:
        start = time.perf_counter()
        # The folder that has `bench` replaces this file's folder, but only while the program's file is imported,
        # because another interpreter's packages may be in that folder.
        sys.path[0] = str(Path(__file__).resolve().parents[3])
        make = getattr(importlib.import_module(module), function)
        del sys.path[0]
        run = make(json.loads(sys.argv[2]))
        answer({"seconds": time.perf_counter() - start})
    except Exception as error:
        answer({"error": _line(error)})
        return
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if "memory" in request:
                answer({"bytes": _on_accelerator() or _peak()})
                continue
            ready = run.prepare(request["run"]) if hasattr(run, "prepare") else run
            start = time.perf_counter()
            result = ready(request["run"])
            seconds = time.perf_counter() - start
            if "save" in request:
                np.save(request["save"], result)
            answer({"seconds": seconds})
        except Exception as error:
            answer({"error": _line(error)})


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"


def _on_accelerator() -> int:
    """The peak memory that the program's library took on a GPU or TPU [bytes], 0 on the CPU."""
    jax, torch, cupy = (sys.modules.get(name) for name in ("jax", "torch", "cupy"))
    if jax is not None and jax.local_devices()[0].platform != "cpu":
        return int((jax.local_devices()[0].memory_stats() or {}).get("peak_bytes_in_use", 0))
    if torch is not None and torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    return 0 if cupy is None else int(cupy.get_default_memory_pool().total_bytes())


def _peak() -> int:
    """The peak memory of this process or of a child process [bytes].

    ru_maxrss of a process includes the memory of its parent at the start; VmHWM does not, but only Linux has it.
    """
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    status = Path("/proc/self/status")
    if status.exists():
        own = next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)


if __name__ == "__main__":
    main()
