"""Kill runs of bench.attack at random moments and resume them: python -m tests.helpers.faults --kills 50.

Each run is killed several times, and must end like an undisturbed run, byte for byte.  The test suite kills three
times.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.helpers.cheap_run import contents, write_volume
from tests.helpers.places import ROOT

L1 = ("--method", "l1", "--set", "n_iters=5", "levels=2")
# The method and attack that compile fastest.
ZERO_FILLED = ("--method", "zero_filled", "--attack", "pgd")
_FLAGS = (
    "--steps", "1", "--eps", "0.05", "--save-perturbations", "--center-fraction", "0.25", "--acceleration", "2.5",
)  # fmt: skip
_PATIENCE = 600


def environment(cache: Path) -> dict[str, str]:
    """Give an environment that keeps compiled functions, so that most of a run is writing."""
    kept = {"JAX_COMPILATION_CACHE_DIR": str(cache), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    kept["JAX_ENABLE_COMPILATION_CACHE"] = "1"  # the tests' own process does without it
    return os.environ | kept | {"PYTHONPATH": str(ROOT), "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}


def begin(arguments: list[str], cache: Path, log: Path) -> subprocess.Popen:
    """Start a process of bench.attack."""
    with log.open("ab") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "bench.attack", *arguments],
            cwd=ROOT,
            env=environment(cache),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
        )


def running(process: subprocess.Popen, output: Path, before: int) -> Path | None:
    """Wait until a process works on its folder, resumed `before` times; None if the process ended before."""
    deadline = time.monotonic() + _PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        for path in output.glob("*/run.json"):
            record = json.loads(path.read_text(encoding="utf-8"))
            if record["status"] == "running" and record.get("resumed", 0) == before:
                return path.parent
        time.sleep(0.002)
    return None


class Trial:
    """One set of data, and the result of an undisturbed run."""

    def __init__(self, folder: Path, method: tuple[str, ...], rehearse: bool) -> None:
        """Run undisturbed.

        Args:
            folder: folder for all files.
            method: flags of the method.
            rehearse: whether to time a second run instead of guessing.  Like the killed runs, it need not compile.
        """
        self.folder, self.cache = folder, folder / "cache"
        self.flags = (*method, *_FLAGS)
        self.arguments = ["--data", str(write_volume(folder / "volume.h5")), *self.flags]
        for output in (folder / "reference", *([folder / "rehearsal"] * rehearse)):
            process = begin([*self.arguments, "--output", str(output)], self.cache, folder / "log")
            path = running(process, output, 0)
            began = time.monotonic()
            assert process.wait(_PATIENCE) == 1, (folder / "log").read_text()  # one slice cannot be used
            # The time for which a process works on its folder.
            self.seconds = time.monotonic() - began
        assert path is not None
        self.reference = contents(path)
        if not rehearse:
            self.seconds /= 3

    def kill(self, name: str, kills: int, number: signal.Signals = signal.SIGKILL) -> list[float]:
        """Kill a run `kills` times, then let it end.

        Args:
            name: name of the run's folder.
            kills: number of kills.
            number: the signal.

        Returns:
            The moments of the kills, in seconds of work on the folder [s].

        Raises:
            AssertionError: If the run does not end like the reference.
        """
        output, log = self.folder / name, self.folder / f"{name}.log"
        moments: list[float] = []
        arguments = [*self.arguments, "--output", str(output)]
        for index in range(kills):
            process = begin(arguments, self.cache, log)
            path = running(process, output, index)
            if path is None:  # it ended before it was seen at work
                break
            moment = random.uniform(0, self.seconds)
            began = time.monotonic()
            try:
                process.wait(moment)
            except subprocess.TimeoutExpired:
                process.send_signal(number)
                process.wait(_PATIENCE)
                moments.append(moment)
            assert time.monotonic() - began < moment + 5, "not gone within 5 s"
            if number == signal.SIGTERM and process.returncode != 1:
                assert process.returncode == 128 + signal.SIGTERM, process.returncode
            arguments = ["--resume", str(path)]
        code = begin(arguments, self.cache, log).wait(_PATIENCE)
        (path,) = output.iterdir()
        assert code == 1, log.read_text(encoding="utf-8")
        found = contents(path)
        different = [key for key, value in self.reference.items() if found[key] != value]
        assert not different, f"{name}: {different} differ"
        assert not [*path.rglob("*.part")]
        return moments


def main() -> None:
    """Kill runs until the number of kills is reached; print a line for each run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50, metavar="N")
    parser.add_argument("--signal", choices=("KILL", "TERM"), default="KILL")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    arguments = parser.parse_args()
    random.seed(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(Path(folder), L1, rehearse=True)
        done = 0
        print(f"at work for {trial.seconds:.1f} s where it is not killed", flush=True)
        while done < arguments.kills:
            wanted = min(5, arguments.kills - done)
            moments = trial.kill(f"run{done}", wanted, signal.Signals[f"SIG{arguments.signal}"])
            done += len(moments)
            print(f"{done} kills, the last at {' '.join(f'{one:.2f}' for one in moments)} s: equal", flush=True)


if __name__ == "__main__":
    main()
