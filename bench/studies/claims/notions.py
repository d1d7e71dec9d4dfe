"""One method under the three notions of robustness of the ICML 2021 paper (Fig. 1): attacks, shifts, small features."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any

from bench.plan.errors import UsageError
from bench.plan.intervals import as_json
from bench.record.reading import read_json, understanding
from bench.record.record import Record, estimate, read
from bench.studies.claims import feature_runs
from bench.studies.claims.evidence import kind_of
from bench.studies.claims.record_forms import SHIFT
from bench.studies.shift.study import NAME as SHIFT_RECORD

_KINDS = {"attacks": "bench.attack", "shifts": "bench.shift", "features": "bench.features"}


def notions(paths: Sequence[Path], method: str) -> dict[str, Any]:
    """Gather the numbers of a method from the records of runs.

    Args:
        paths: folders of bench.attack, bench.shift and bench.features, and others, which are left out.
        method: label of the method in the runs.

    Returns:
        attacks: for each epsilon, "eps" and the mean PSNR "clean", "noise" and "attacked" [dB] with their intervals.
        shifts: for each shift, "name" and the mean SSIM "inside" and "outside" of the data with their intervals.
        features: "kept", the share of contrast that each feature keeps [-], or "mse" of each real finding.

    Raises:
        UsageError: no record of a kind is of the method.
        InputFileError: a record cannot be used.
    """
    kinds = {path: kind_of(path) for path in paths}
    found: dict[str, Any] = {"method": method, "attacks": [], "shifts": [], "features": {}}
    for path, kind in kinds.items():
        if kind == "bench.attack":
            found["attacks"] = found["attacks"] or _attacks(read(path), method)
        elif kind == "bench.shift":
            found["shifts"] += _shifts(path / SHIFT_RECORD, method)
        elif kind == "bench.features":
            _features(feature_runs.read(path), method, found["features"])
    missing = [kind for name, kind in _KINDS.items() if not found[name]]
    if missing:
        raise UsageError(
            f"--figure: no record of {' and '.join(missing)} is of {method}; name one, or another --method"
        )
    return found


def _attacks(record: Record, method: str) -> list[dict[str, Any]]:
    """PSNR against epsilon under the method's own attack; none of other threats and methods."""
    if record.run.config.get("threat", "noise") != "noise":
        return []
    made = []
    for eps in record.eps:
        rows = record.select(source=method, victim=method, metric="psnr", eps=eps)
        if rows:
            scores = {state: estimate(rows, attrgetter(state)) for state in ("clean", "noise", "attacked")}
            made.append(
                {"eps": eps}
                | {name: one.mean for name, one in scores.items()}
                | {f"{name}_interval": as_json(one.interval) for name, one in scores.items()}
            )
    return made


def _shifts(file: Path, method: str) -> list[dict[str, Any]]:
    content = read_json(file, SHIFT, "bench.shift")
    names = ("inside", "outside", "inside_interval", "outside_interval")
    with understanding(file, "bench.shift"):
        return [
            {"name": comparison["name"]} | {name: point[name] for name in names}
            for comparison in content["comparisons"]
            for point in comparison["results"]["points"]
            if point["variant"] == method
        ]


def _features(run: feature_runs.FeatureRun, method: str, found: dict[str, list[float]]) -> None:
    """Add the scores of a run; features and real findings are told apart."""
    for row in run.rows:
        if row["method"] == method:
            if row["kind"] == "feature" and row.get("kept") is not None:
                found.setdefault("kept", []).append(row["kept"])
            elif row["kind"] == "box" and row.get("mse") is not None:
                found.setdefault("mse", []).append(row["mse"])
