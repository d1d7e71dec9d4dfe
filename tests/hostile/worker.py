"""Read the files that standard input names, one after another, and print the outcome of each as a JSON line.

python -m tests.hostile.worker FOLDER CANARY; a line of input is [kind, path].  `tests.hostile.pool` is the other side.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
import traceback
import warnings
from pathlib import Path

# Imported before the watch begins.
from data_prep.cases import InputError
from tests.hostile.reading import READERS
from tests.hostile.seeds import seeds, write
from tests.hostile.watch import CANARY, Watch

# A growth of memory above this is a finding.  Much more memory is not granted; a failure to get it is a finding, too.
LARGEST_GROWTH = 500 * 2**20
_GRANTED = 4 * 2**30


def main(folder: str, canary: str) -> None:
    """Serve until standard input ends."""
    warnings.simplefilter("error")  # as in the tests: a warning of NumPy is an unchecked value
    _warm_up(Path(folder))
    watch = Watch(Path(canary), (Path(folder), Path(__file__).resolve().parents[2]))
    start, _ = _memory()
    resource.setrlimit(resource.RLIMIT_AS, (start + _GRANTED, start + _GRANTED))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # output of libraries must not be taken for a reply
    print(json.dumps("ready"), file=replies, flush=True)
    for line in sys.stdin:
        kind, path = json.loads(line)
        print(json.dumps(_outcome(kind, Path(path), watch)), file=replies, flush=True)


def _warm_up(folder: Path) -> None:
    """Read the sound files first: JAX takes time and address space when it first computes."""
    for name, seed in seeds().items():
        path = write(folder / f"sound{seed.suffix}", seed.content)
        outcome, message = _read(seed.kind, path)
        assert outcome == "accepted", (name, message)


def _outcome(kind: str, path: Path, watch: Watch) -> dict[str, object]:
    """The outcome of reading a file, with the growth of the peaks of address space and of memory [bytes]."""
    # Writing 5 to this file resets the peaks to the current use.
    Path("/proc/self/clear_refs").write_text("5")
    virtual, resident = _memory()
    begun = time.perf_counter()
    outcome, message = _read(kind, path)
    seconds = time.perf_counter() - begun
    virtual, resident = (now - before for now, before in zip(_memory(), (virtual, resident), strict=True))
    seen = watch.take()
    if outcome in ("accepted", "refused"):
        if seen:
            outcome, message = "outside", f"{'; '.join(seen)[:500]} ({message})"
        elif resident > LARGEST_GROWTH:
            outcome, message = "memory", f"{resident / 2**20:.0f} MB more ({message})"
    return {"outcome": outcome, "message": message, "seconds": seconds, "growth": virtual, "resident": resident}


def _read(kind: str, path: Path) -> tuple[str, str]:
    try:
        leaked = any(CANARY in array.tobytes() for array in READERS[kind](path))
    except InputError as error:
        message = str(error)
        if isinstance(error.__cause__, MemoryError):
            return "memory", message
        if not message.isprintable() or path.stem not in message:
            return "message", repr(message)
        return ("leak", message) if CANARY.decode() in message else ("refused", message)
    except MemoryError:
        return "memory", traceback.format_exc(limit=-4)
    except BaseException:
        return "failed", traceback.format_exc(limit=-4)
    return ("leak", "the bytes of the file outside were read") if leaked else ("accepted", "")


def _memory() -> tuple[int, int]:
    """The peaks of address space and of memory in use so far [bytes]."""
    status = Path("/proc/self/status").read_text()
    peak, used = (int(status.split(f"\n{name}:")[1].split()[0]) for name in ("VmPeak", "VmHWM"))
    return 1024 * peak, 1024 * used


if __name__ == "__main__":
    main(*sys.argv[1:])
