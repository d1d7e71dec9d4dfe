"""Mutated files by the hundred thousand: python -m tests.hostile.campaign --count 100000 --seed 0 --workers 2.

A finding is a file that is neither refused in one printable line nor read as valid data, within 2 s and 500 MB.  Its
file is kept, and `--replay FILE` reads it again.  The seed and a number always name the same file, as long as the sound
files do not change.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from random import Random

from data_prep.acquisition import acquisition_of
from tests.hostile.mutate import mutate
from tests.hostile.pool import Outcome, Worker
from tests.hostile.seeds import Seed, seeds, write

_WELL = ("accepted", "refused")
# The attribute of this share of the files of fastMRI's layout is also read, which takes a process for each file.
_ATTRIBUTE_SHARE = 0.002
# Weights take ten times as long as other files, and are drawn less often.
_RARE = {"weights": 0.5}


def mutated(seed: int, number: int) -> tuple[str, Seed, bytes]:
    """Give the name and the seed file of a number of the campaign, and its mutated content."""
    rng, found = Random(f"{seed} {number}"), seeds()
    names = list(found)
    name = rng.choices(names, [_RARE.get(found[name].kind, 1.0) for name in names])[0]
    other = found[rng.choice([other for other in names if found[other].suffix == found[name].suffix])]
    return name, found[name], mutate(found[name].content, rng, other.content)


class Campaign:
    """The findings of all workers so far."""

    def __init__(self, seed: int, count: int, kept: Path) -> None:
        self._numbers, self._seed, self._kept = iter(range(count)), seed, kept
        self._lock = threading.Lock()
        self.outcomes: Counter[str] = Counter()
        self.findings: Counter[str] = Counter()
        self.slowest, self.resident, self.growth, self.done = 0.0, 0, 0, 0

    def work(self, folder: Path) -> None:
        """Read files until no number is left."""
        with Worker(folder) as worker:
            while (number := self._next()) is not None:
                name, seed, content = mutated(self._seed, number)
                path = write(folder / f"mutated{seed.suffix}", content)
                self._count(number, name, seed, path, content, worker.read(seed.kind, path))

    def _next(self) -> int | None:
        with self._lock:
            return next(self._numbers, None)

    def _count(self, number: int, name: str, seed: Seed, path: Path, content: bytes, outcome: Outcome) -> None:
        if seed.kind == "data" and Random(number).random() < _ATTRIBUTE_SHARE:
            assert acquisition_of(path).isprintable()
        with self._lock:
            self.done += 1
            self.slowest = max(self.slowest, outcome.seconds)
            self.growth, self.resident = max(self.growth, outcome.growth), max(self.resident, outcome.resident)
            if outcome.outcome in _WELL:
                self.outcomes[f"{name} {outcome.outcome}"] += 1
            else:
                self.findings[outcome.outcome] += 1
                self._kept.mkdir(parents=True, exist_ok=True)
                stem = f"{outcome.outcome}-{self._seed}-{number}-{name.replace(' ', '_')}"
                write(self._kept / f"{stem}{seed.suffix}", content)
                (self._kept / f"{stem}.txt").write_text(f"{seed.kind}\n{outcome.message}\n")
                print(f"{stem}: {outcome.message[-600:]}", file=sys.stderr, flush=True)
            if self.done % 5000 == 0:
                print(f"{self.done} files, findings: {dict(self.findings)}", file=sys.stderr, flush=True)


def run(count: int, seed: int, workers: int, kept: Path) -> dict[str, object]:
    """Read `count` mutated files; returns a summary.  `kept` is the folder of the findings."""
    campaign, begun = Campaign(seed, count, kept), time.monotonic()
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as scratch:
        folders = [Path(scratch) / str(worker) for worker in range(workers)]
        for folder in folders:
            folder.mkdir()
        threads = [threading.Thread(target=campaign.work, args=(folder,)) for folder in folders]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    seconds = time.monotonic() - begun
    return {
        "count": campaign.done,
        "seed": seed,
        "outcomes": dict(sorted(campaign.outcomes.items())),
        "findings": dict(campaign.findings),
        "slowest_s": round(campaign.slowest, 3),
        "memory_growth_mb": round(campaign.resident / 2**20),
        "address_growth_mb": round(campaign.growth / 2**20),
        "rate": round(campaign.done / seconds, 1),
        "seconds": round(seconds),
    }


def replay(path: Path) -> Outcome:
    """Read a finding's file again; the text next to it names its kind."""
    kind = path.with_suffix(".txt").read_text().split("\n", 1)[0]
    with Worker(path.parent) as worker:
        return worker.read(kind, path.resolve())


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns 1 if there are findings."""
    parser = argparse.ArgumentParser(prog="python -m tests.hostile.campaign", description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="how many files")
    parser.add_argument("--seed", type=int, default=0, help="of the mutations")
    parser.add_argument("--workers", type=int, default=1, help="processes that read")
    parser.add_argument("--findings", type=Path, default=Path("runs/hostile"), help="folder to keep findings in")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="read this finding again, and nothing else")
    arguments = parser.parse_args(argv)
    if arguments.replay is not None:
        outcome = replay(arguments.replay)
        print(json.dumps(outcome._asdict(), indent=1))
        return int(outcome.outcome not in _WELL)
    found = run(arguments.count, arguments.seed, arguments.workers, arguments.findings)
    print(json.dumps(found, indent=1))
    return int(bool(found["findings"]))


if __name__ == "__main__":
    sys.exit(main())
