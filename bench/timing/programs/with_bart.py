"""BART's command line tools, each call a separate process, as users run them; the time includes its start and files."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bench.timing.programs import cfl


def _bart(folder: Path, threads: int, *arguments: str) -> None:
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(
        ["bart", *arguments], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode:
        raise RuntimeError(f"bart {arguments[0]}: {(done.stdout.strip().splitlines() or ['no message'])[-1]}")


def l1(options: dict[str, Any]) -> Callable[[int], np.ndarray]:
    """Build `bart pics -l1`, which runs FISTA.

    `-w 1` keeps BART from scaling the data again, so that its lambda is ours.  `-n` keeps BART from shifting the
    wavelets at random in each iteration; with random shifts it solves no fixed problem and reaches no solution.
    """
    folder = Path(options["folder"])

    def run(iterations: int) -> np.ndarray:
        solve = ["-l1", "-r", str(options["lam"]), "-i", str(iterations), "-w", "1", "-n"]
        wavelet = ["--wavelet", options["wavelet"]]
        _bart(folder, options["threads"], "pics", *solve, *wavelet, "kspace", "maps", "bart_image")
        return cfl.read(folder / "bart_image")

    return run


def espirit(options: dict[str, Any]) -> Callable[[int], np.ndarray]:
    """Build `bart ecalib -m1` with its defaults: 24 x 24 calibration samples, kernels of 6 x 6, 30 power iterations."""
    folder = Path(options["folder"])

    def run(_: int) -> np.ndarray:
        _bart(folder, options["threads"], "ecalib", "-m1", "kspace", "bart_maps")
        return cfl.read(folder / "bart_maps")

    return run
