"""How much of a distribution shift's gap test-time training closes, from the records of runs alone, without JAX.

Darestani, Liu & Heckel, ICML 2022 (arXiv:2204.07204): of networks trained on the source and on the target of a shift,
with and without the self-supervised loss, each scored on target data before and after test-time training,

    closed = 1 - (target_after - source_after) / (target_before - source_before),

of those with the loss, which is the published fraction, and of those without.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bench.harness.errors import InputFileError
from bench.harness.gap_names import MODELS, STATES, WORDS
from bench.harness.intervals import Interval, as_json, beside, from_json, of_mean, of_ratio, told
from bench.harness.verdict import verdict
from bench.page.record import read

KINDS = {"self": "both jointly", "sup": "both supervised"}
# SSIM of one image before and after, in the order of MODELS, as the notebooks of the published code print it: knee to
# brain, fastMRI to Stanford's knees, T2 to T1 before contrast, 4x to 2x.
PUBLISHED = {
    ("anatomy", "unet"): ((0.8552, 0.847), (0.7218, 0.9216), (0.9185, 0.9096), (0.9077, 0.9263)),
    ("anatomy", "varnet"): ((0.8782, 0.8556), (0.85, 0.9295), (0.9316, 0.844), (0.9213, 0.9312)),
    ("dataset", "unet"): ((0.6709, 0.4181), (0.5357, 0.6887), (0.6918, 0.4772), (0.6236, 0.7071)),
    ("dataset", "varnet"): ((0.6863, 0.5841), (0.6177, 0.6923), (0.7236, 0.4812), (0.6493, 0.6874)),
    ("modality", "unet"): ((0.8705, 0.9213), (0.8678, 0.9325), (0.9248, 0.9124), (0.9039, 0.9356)),
    ("modality", "varnet"): ((0.9089, 0.8404), (0.82, 0.933), (0.9299, 0.7286), (0.8635, 0.9352)),
    ("acceleration", "unet"): ((0.8572, 0.7356), (0.87, 0.9102), (0.9122, 0.8574), (0.9123, 0.9121)),
    ("acceleration", "varnet"): ((0.8804, 0.7316), (0.9004, 0.9073), (0.9173, 0.7504), (0.8975, 0.9078)),
}


class Closed(NamedTuple):
    """The closed fraction [-] and its interval; None where there was no gap, or where that cannot be told."""

    fraction: float | None
    interval: Interval | None


def fraction(before: float, after: float) -> float | None:
    """1 - after / before of the gaps target - source; None where there was none to close."""
    return 1 - after / before if before > 0 else None


def closed(before: np.ndarray, after: np.ndarray, volumes: list[str]) -> Closed:
    """The closed fraction of the images' gaps; its interval is that of a ratio, with volumes as independent draws."""
    whole = fraction(float(before.mean()), float(after.mean()))
    ratio = None if whole is None else of_ratio(after.tolist(), before.tolist(), volumes)
    if ratio is None:
        return Closed(whole, None)
    return Closed(whole, ratio._replace(low=1 - ratio.high, high=1 - ratio.low))


def analyse(shift: str, network: str, folders: dict[tuple[str, str], Path], metric: str = "ssim") -> dict[str, Any]:
    """The record of a study; folders: of the run of each model and state.  Raises InputFileError."""
    scores: dict[tuple[str, str], dict[str, float]] = {}
    volumes: dict[str, str] = {}
    for key, folder in folders.items():
        rows = [row for row in read(folder).rows if row["metric"] == metric and row["eps"] == 0]
        scores[key] = {row["case"]: row["clean"] for row in rows}
        volumes |= {row["case"]: row["volume"] for row in rows}
    cases = sorted(set.intersection(*(set(found) for found in scores.values())))
    if not cases:
        raise InputFileError("the runs of the study share no image; run it anew in another --output")
    clusters = [volumes[case] for case in cases]
    values = {key: np.array([found[case] for case in cases]) for key, found in scores.items()}
    models = {}
    for model in MODELS:
        before, after = (values[model, state] for state in STATES)
        change = after - before
        models[model] = {
            "before": float(before.mean()),
            "after": float(after.mean()),
            "change": float(change.mean()),
            "interval": as_json(of_mean(change.tolist(), clusters)),
            "images": {state: values[model, state].tolist() for state in STATES},
        }
    gaps = {}
    for kind in KINDS:
        before, after = (values[f"target-{kind}", state] - values[f"source-{kind}", state] for state in STATES)
        share = closed(before, after, clusters)
        gaps[kind] = {
            "before": float(before.mean()),
            "after": float(after.mean()),
            "closed": {"fraction": share.fraction, "interval": as_json(share.interval)},
            "published": published(shift, network, kind),
        }
    record = {
        "shift": shift,
        "network": network,
        "metric": metric,
        "cases": cases,
        "volumes": len(set(clusters)),
        "models": models,
        "gaps": gaps,
        "runs": {f"{model}-{state}": folder.name for (model, state), folder in folders.items()},
    }
    return record | {"findings": sentences(record)}


def published(shift: str, network: str, kind: str) -> float | None:
    """The closed fraction of the image that the published notebooks show, of networks trained in one way."""
    scores = dict(zip(MODELS, PUBLISHED[shift, network], strict=True))
    source, target = scores[f"source-{kind}"], scores[f"target-{kind}"]
    return fraction(target[0] - source[0], target[1] - source[1])


def sentences(record: dict[str, Any]) -> list[str]:
    """Sentences of the record, beside what was published; one image has no more than its numbers."""
    alone = len(record["cases"]) == 1
    found = ["one image is an example and no finding"] if alone else []
    for kind, gap in record["gaps"].items() if not alone else ():
        size = f"the gap in {record['metric'].upper()} between training on the target and on the source, "
        size += f"{KINDS[kind]}, is {gap['before']:+.4f} before test-time training and {gap['after']:+.4f} after"
        part, interval = gap["closed"]["fraction"], from_json(gap["closed"]["interval"])
        percent = None
        if part is None:
            found.append(f"{size}: there was none to close")
        else:
            if interval is not None:
                percent = interval._replace(low=100 * interval.low, high=100 * interval.high)
            sure = "" if percent is None else f" {_brackets(100 * part, percent)}"
            found.append(f"{size}: {100 * part:.0f} % of it is closed{sure}")
        if gap["published"] is not None:
            of = f"{record['shift']}, {record['network']}"
            found[-1] += f"; published ({of}, one image of the code's notebooks): {100 * gap['published']:.0f} %"
            found[-1] += f", {verdict(gap['published'], [interval])}"
        # A gap also closes where the target's own network gets worse.
        source, target = (record["models"][f"{side}-{kind}"]["change"] for side in ("source", "target"))
        if gap["after"] < gap["before"] and source < -target:
            found[-1] += f"; it closes from above, {'and nothing is gained: ' if source <= 0 else ''}the target's "
            found[-1] += f"network changes by {target:+.4f}, the source's by {source:+.4f}"
    for model, one in record["models"].items():
        change = told(one["change"], from_json(one["interval"]), "{:+.4f}")
        found.append(f"{WORDS[model]}: {one['before']:.4f} to {one['after']:.4f}, {change}")
    return found


def _brackets(percent: float, interval: Interval) -> str:
    """An interval of percents behind their mean, in brackets even where it is symmetric."""
    sure = beside(percent, interval, "{:.0f}")
    return sure if sure.startswith("(") else f"(95 %: {interval.low:.0f} to {interval.high:.0f})"
