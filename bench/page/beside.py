"""The pictures of several runs, as those of one run whose methods are the runs."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import numpy as np

from bench.findings.paired import Run
from bench.page.pictures import BUDGET, PERTURBED, encode, peak_of, perturbed_in
from bench.plan.scores import rounded
from bench.record.pictures import Pictures
from bench.record.records import shown_epsilon
from bench.record.rows import STATES


class _Shelf:
    """The pictures of one run of a comparison.

    Args:
        run: the run.
        kept: its pictures.
    """

    def __init__(self, run: Run, kept: Pictures) -> None:
        self._run, self._kept = run, kept

    def truth(self, case: str) -> np.ndarray | None:
        """Return the true image, None if the run did not keep it."""
        key = f"{case}|truth"
        return self._kept.read(key) if key in self._kept else None

    def pictures(self, case: str, eps: list[str], truth: np.ndarray) -> dict[str, np.ndarray]:
        """Return an image's pictures by the keys of the explorer, on the scale of `truth`; none of another shape."""
        own = self.truth(case)
        if own is None or own.shape != truth.shape:
            return {}
        victim, label = self._run.victim, self._run.label
        names = {f"{label}|clean": f"{victim}|clean"}
        for value in eps:
            names |= {
                f"{label}|noise|{value}": f"{victim}|noise|{value}",
                f"{label}|perturbation|{value}": f"{victim}|perturbation|{value}",
                f"{label}|{PERTURBED}|{value}": f"{victim}|{PERTURBED}|{value}",
                f"{label}|{label}|{value}": f"{victim}|{victim}|{value}",
            }
        found = {
            to: self._kept.read(f"{case}|{key}", truth.shape)
            for to, key in names.items()
            if f"{case}|{key}" in self._kept
        }
        if np.array_equal(own, truth):
            return found
        # Each run divides its data by a number that depends on the mask.
        wide, to = own.astype(np.float32), truth.astype(np.float32)
        scale = float(np.vdot(wide, to) / (np.vdot(wide, wide) or 1.0))
        return {key: np.asarray(picture * np.float32(scale), np.float16) for key, picture in found.items()}


def collect(runs: list[Run], cases: list[str], eps: list[float], budget: int = BUDGET) -> dict[str, Any] | None:
    """Collect the content of the explorer: as many images as fit into `budget`.

    If the first image does not fit, it has the pictures of one epsilon alone.

    Args:
        runs: the runs, with different labels.
        cases: images that all runs share.
        eps: epsilons that all runs share, ascending.
        budget: largest size of all pictures in base64 [bytes].

    Returns:
        The content, as values that JSON can hold; None if no run kept a picture of these images.
    """
    every = [f"{value:g}" for value in eps]
    shown = f"{shown_epsilon([value for value in eps if value > 0] or eps):g}"
    found: list[dict[str, Any]] = []
    with ExitStack() as opened:
        shelves = [
            _Shelf(run, opened.enter_context(Pictures(run.folder / "pictures.npz")))
            for run in runs
            if (run.folder / "pictures.npz").exists()
        ]
        for case in cases:
            truth = next((one for shelf in shelves if (one := shelf.truth(case)) is not None), None)
            if truth is None:
                continue
            for values in (every, [shown])[: 1 if found else 2]:
                pictures = {"truth": truth}
                for shelf in shelves:
                    pictures |= shelf.pictures(case, values, truth)
                encoded = {key: encode(picture) for key, picture in pictures.items()}
                used = sum(map(len, encoded.values()))
                if used <= budget:
                    break
            if used > budget and found:
                break
            budget -= used
            found.append(
                {"name": case, "rows": truth.shape[0], "columns": truth.shape[1], "peak": peak_of(truth)}
                | {"pictures": encoded, "scores": _scores(runs, case, eps)}
            )
    if not found:
        return None
    labels = [run.label for run in runs]
    return {
        "cases": found,
        "total": len(cases),
        "sources": labels,
        "victims": labels,
        "crossed": False,
        "eps": every,
        "shown": shown,
        "perturbed": perturbed_in(found),
    }


def _scores(runs: list[Run], case: str, eps: list[float]) -> dict[str, dict[str, list[str]]]:
    """(clean, noise, attacked) scores by method and epsilon."""
    return {
        f"{run.label}|{run.label}|{value:g}": {
            metric: [rounded(metric, run.rows[case, value, metric][state]) for state in STATES]
            for metric in ("psnr", "ssim")
        }
        for run in runs
        for value in eps
    }
