"""The check of a device: methods against the CPU, an attack by every method, two parts at once, short trainings."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from bench.record.rows import lines_of
from bench.timing import agreement
from data_prep.process import at_stop
from data_prep.weights import read_weights

# Share of the memory for each of two processes on one GPU, beside what this process holds.
_HALF = {"XLA_PYTHON_CLIENT_MEM_FRACTION": "0.35"}


class Size(NamedTuple):
    """How much is checked.

    Attributes:
        shape: (coils, rows, columns) of the slice on which methods are compared.
        gradients: whether gradients are compared too.
        attack: flags of the attack.
        parts: flags of the attack in two parts at once.
        trainings: flags of each training, by its name.
    """

    shape: tuple[int, int, int]
    gradients: bool
    attack: str
    parts: str
    trainings: dict[str, str]


SIZES = {
    "full": Size(
        shape=(8, 160, 128),
        gradients=True,
        attack="--method all --limit 2 --eps 0.05",
        parts="--method l1 --limit 4 --eps 0.05",
        trainings={
            "unet": "--method unet --variant u5 --steps 200 --every 100 --batch 8",
            "varnet": "--method varnet --variant v5 --steps 60 --every 30 --batch 4",
        },
    ),
    # To see that everything runs to its end, on a CPU too.
    "tiny": Size(
        shape=(2, 32, 112),
        gradients=False,
        attack="--method zero_filled sense --limit 1 --steps 1 --eps 0.05",
        parts="--method zero_filled --limit 2 --steps 1 --eps 0.05",
        trainings={"unet": "--method unet --variant u5 --steps 2 --every 2 --batch 2 --images 2 --validation-images 1"},
    ),
}


def measure(size: Size, say: Callable[[str], None]) -> dict[str, Any]:
    """Carry out the check.

    Args:
        size: how much is checked.
        say: called with lines about progress.

    Returns:
        `agreement` and `beyond` of `bench.timing.agreement`; `attack`, `parts` and `trainings` with seconds and scores;
        and `failed`, a line for each part that failed.
    """
    failed: list[str] = []
    found: dict[str, Any] = {}

    def part(name: str, do: Callable[[], Any]) -> None:
        say(name)
        try:
            found[name] = do()
        except Exception as error:  # all others are still checked
            failed.append(f"{name}: {type(error).__name__}: {(str(error).splitlines() or [''])[0]}")
            say(failed[-1])

    with tempfile.TemporaryDirectory() as folder:
        # Commands come first, while this process has none of the device's memory.
        part("attack", lambda: _attack(size.attack, Path(folder) / "attack"))
        part("parts", lambda: _parts(size.parts, Path(folder)))
        for name, flags in size.trainings.items():
            part(f"training {name}", lambda flags=flags, name=name: _training(flags, Path(folder) / name))  # type: ignore[misc]
    part("agreement", lambda: agreement.compare(size.shape, size.gradients, say))
    wrong = agreement.beyond(found.get("agreement", {}))
    failed += [f"{what} differs from the CPU by more than {agreement.LIMIT:g}" for what in wrong]
    return found | {"beyond": wrong, "failed": failed}


def _attack(flags: str, output: Path) -> dict[str, Any]:
    """An attack by a new process, twice: functions are compiled, and then found in the cache."""
    cache = {"XDG_CACHE_HOME": str(output / "cache")}
    (first,) = _commands([_attack_words(flags, output / "first")], cache)
    (again,) = _commands([_attack_words(flags, output / "again")], cache)
    return {"first_s": first.seconds, "again_s": again.seconds, "batch": first.batch, "psnr": _psnr(output / "again")}


def _parts(flags: str, folder: Path) -> dict[str, Any]:
    """The two halves of a run at once on one device, and the whole run."""
    (whole,) = _commands([_attack_words(flags, folder / "whole")])
    words = [[*_attack_words(flags, folder / "parts"), "--shard", f"{index}/2"] for index in (1, 2)]
    both = _commands(words, _HALF)
    one, two = _psnr(folder / "whole"), _psnr(folder / "parts")
    return {
        "whole_s": whole.seconds,
        "parts_s": max(done.seconds for done in both),
        "largest_difference_db": max(abs(one[name] - two[name]) for name in one),
    }


def _training(flags: str, folder: Path) -> dict[str, Any]:
    """A training, twice from the same seed: its seconds and score, and whether the weights are the same to the bit."""
    digests, seconds, scores = [], [], []
    for turn in ("first", "again"):
        words = [sys.executable, "-m", "bench.train", *flags.split(), "--output", str(folder / turn)]
        (done,) = _commands([words])
        (weights,) = (folder / turn).glob("*/weights.safetensors")
        # The hash is of the tensors alone: the file also holds the command, which names another folder.
        digests.append(read_weights(weights).card["sha256"])
        seconds.append(done.seconds)
        lines = lines_of(weights.parent / "log.jsonl")
        scores.append([line["validation"] for line in lines if "validation" in line][-1])
    return {"first_s": seconds[0], "again_s": seconds[1], "validation": scores[1], "same_bits": len(set(digests)) == 1}


class _Done(NamedTuple):
    """A command: its seconds, and its line about the batch, if it said one."""

    seconds: float
    batch: str | None


def _attack_words(flags: str, output: Path) -> list[str]:
    return [sys.executable, "-m", "bench.attack", *flags.split(), "--output", str(output)]


def _commands(words: list[list[str]], environment: dict[str, str] | None = None) -> list[_Done]:
    """Run commands at once; raises RuntimeError with the last line of one that fails."""
    begun = time.monotonic()
    started = [
        subprocess.Popen(
            one, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=os.environ | (environment or {})
        )
        for one in words
    ]
    done = []

    def stop() -> None:
        for process in started:
            process.terminate()

    with at_stop(stop):
        for process, one in zip(started, words, strict=True):
            _, said = process.communicate()
            lines = said.strip().splitlines()
            if process.returncode:
                raise RuntimeError(f"{' '.join(one[1:])} ended with {process.returncode}: {(lines or ['no line'])[-1]}")
            batch = next((line for line in lines if line.startswith("batch ")), None)
            done.append(_Done(round(time.monotonic() - begun, 2), batch))
    return done


def _psnr(output: Path) -> dict[str, float]:
    """Mean PSNR under attack of each method [dB]."""
    (folder,) = output.iterdir()
    scores: dict[str, list[float]] = {}
    for line in lines_of(folder / "images.jsonl"):
        if line["metric"] == "psnr" and line["source"] == line["victim"]:
            scores.setdefault(line["source"], []).append(line["attacked"])
    return {name: statistics.fmean(found) for name, found in scores.items()}
