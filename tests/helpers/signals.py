"""Send signals to commands at random moments: python -m tests.helpers.signals --count 50.

Each command must end within 5 s with the signal's exit code.  It may print one line, and the command that resumes it.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.helpers.places import ROOT

_CHEAP = ("--steps", "1", "--eps", "0.05", "--limit", "2")
# Maps a name to the command without its last word, which is an output path, and its duration [s].
COMMANDS: dict[str, tuple[tuple[str, ...], float]] = {
    "attack": (("bench.attack", "--method", "zero_filled", "--attack", "pgd", *_CHEAP, "--output"), 12),
    "train": (("bench.train", "--method", "unet", "--variant", "u5", "--images", "2", "--rows", "16", "--output"), 20),
    "tune": (("bench.tune", "--try", "lam=0.1,0.2", "--set", "n_iters=3", "levels=2", "--images", "1", "--output"), 12),
    "export": (("bench.export", "--method", "l1", "--shape", "2", "64", "48", "--output"), 10),
    "convert": (("data_prep", "phantom", "knee"), 3),
}


class Stopped(NamedTuple):
    """The end of a command.

    Attributes:
        code: exit code, below 0 for a signal; None if the command did not end.
        seconds: time after the signal [s].
        err: its standard error.
        left: unfinished files.
        early: whether the command ended before the signal.
    """

    code: int | None
    seconds: float
    err: str
    left: list[Path]
    early: bool


@contextmanager
def hearing_ctrl_c() -> Iterator[None]:
    """Let processes started within the block receive Ctrl-C, even if a shell started this process with it ignored."""
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


def stopped(name: str, folder: Path, number: int, moment: float) -> Stopped:
    """Send the signal to a command that writes into `folder`, `moment` seconds after its start."""
    words, _ = COMMANDS[name]
    with (folder / "err").open("w+b") as err, hearing_ctrl_c():
        process = subprocess.Popen(
            [sys.executable, "-m", *words, str(folder / "output")],
            cwd=ROOT,
            env=os.environ | {"JAX_PLATFORMS": "cpu"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=err,
        )
        early = True
        try:
            process.wait(moment)
        except subprocess.TimeoutExpired:
            early = False
        began = time.monotonic()
        process.send_signal(number)
        try:
            code: int | None = process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            code = None
        seconds = time.monotonic() - began
    said = (folder / "err").read_text(errors="replace")
    return Stopped(code, seconds, said, list(folder.rglob("*.part*")), early)


def problem(found: Stopped, number: int) -> str | None:
    """Describe the fault in a command's end, or None."""
    if found.code is None:
        return "is still there after 5 s"
    lines = found.err.splitlines()
    # Python's traceback of an interruption before it has found the command is not this project's.
    ours = "Traceback" not in found.err or any(f"{ROOT}/{name}/" in found.err for name in ("bench", "data_prep"))
    if ours and any(word in found.err for word in ("Traceback", "Exception ignored", "terminate called")):
        return f"said {found.err}"
    if found.left:
        return f"has left {found.left}"
    # Python had not started the command yet, or the command was done.
    if found.early or found.code in (0, -number) or not ours:
        return None
    said = [index for index, line in enumerate(lines) if "error: stopped by" in line]
    if found.code != 128 + number or len(said) != 1 or len(lines) - said[0] > 2:
        return f"ended with {found.code} and said {found.err}"
    return None


def main() -> None:
    """Stop commands until the number is reached; print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=50, metavar="N", help="of each command")
    parser.add_argument("--only", nargs="+", choices=tuple(COMMANDS), default=list(COMMANDS), metavar="NAME")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    arguments = parser.parse_args()
    random.seed(arguments.seed)
    wrong = 0
    for name in arguments.only:
        for index in range(arguments.count):
            number = (signal.SIGTERM, signal.SIGINT)[index % 2]
            moment = random.uniform(0.05, random.choice((1.5, COMMANDS[name][1])))
            with tempfile.TemporaryDirectory() as folder:
                found = stopped(name, Path(folder), number, moment)
            reason = problem(found, number)
            wrong += reason is not None
            ended = f"{found.code} after {found.seconds:.2f} s"
            print(f"{name}, {number.name} at {moment:.2f} s: {reason or ended}", flush=True)
    sys.exit(f"{wrong} ended wrong" if wrong else 0)


if __name__ == "__main__":
    main()
