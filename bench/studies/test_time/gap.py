"""The share of a distribution shift's gap that test-time training closes, from the records of runs alone, without JAX.

A network is trained on the source of a shift and another on its target; both are scored on target data before and after
test-time training.  The closed fraction of the gap is

    closed = 1 - (target_after - source_after) / (target_before - source_before).

The published fraction is that of networks trained with the self-supervised loss (Darestani, Liu & Heckel, ICML 2022,
arXiv:2204.07204); here it is also computed for networks trained without.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from bench.findings.judged import Judged, Part
from bench.findings.published import CLOSED_JOINTLY, CLOSED_SUPERVISED, SSIM_OF_NOTEBOOKS
from bench.plan.errors import InputFileError
from bench.plan.intervals import Interval, as_json, beside, from_json, of_mean, of_ratio, told
from bench.record.record import Record
from bench.studies.test_time.names import MODELS, STATES, WORDS

KINDS = {"self": "both jointly", "sup": "both supervised"}
_CLAIMS = {"self": CLOSED_JOINTLY, "sup": CLOSED_SUPERVISED}


class Closed(NamedTuple):
    """The closed fraction of a gap.

    Attributes:
        fraction: the fraction [-], None if there was no gap.
        interval: its interval, None if not known.
    """

    fraction: float | None
    interval: Interval | None


def fraction(before: float, after: float) -> float | None:
    """Return 1 - after / before of the gaps target - source; None if there was no gap to close."""
    return 1 - after / before if before > 0 else None


def closed(before: np.ndarray, after: np.ndarray, volumes: list[str]) -> Closed:
    """Compute the closed fraction of the images' gaps, with the interval of a ratio over volumes.

    Args:
        before: (image,) target - source before test-time training.
        after: (image,) the same after it.
        volumes: the volume of each image.
    """
    whole = fraction(float(before.mean()), float(after.mean()))
    ratio = None if whole is None else of_ratio(after.tolist(), before.tolist(), volumes)
    if ratio is None:
        return Closed(whole, None)
    return Closed(whole, ratio._replace(low=1 - ratio.high, high=1 - ratio.low))


def analyse(shift: str, network: str, runs: Mapping[tuple[str, str], Record], metric: str = "ssim") -> dict[str, Any]:
    """Compute the record of a study.

    Args:
        shift: name of the shift.
        network: name of the network.
        runs: the record of each (model, state).
        metric: the metric.

    Raises:
        InputFileError: the runs share no image.
    """
    scores: dict[tuple[str, str], dict[str, float]] = {}
    volumes: dict[str, str] = {}
    for key, run in runs.items():
        rows = [row for row in run.rows if row.metric == metric and row.eps == 0]
        scores[key] = {row.case: row.clean for row in rows}
        volumes |= {row.case: row.volume for row in rows}
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
        "runs": {f"{model}-{state}": run.folder.name for (model, state), run in runs.items()},
    }
    return record | {"findings": sentences(record)}


def published(shift: str, network: str, kind: str) -> float | None:
    """Return the closed fraction on the image in the published notebooks, None if there was no gap.

    Args:
        shift: name of the shift.
        network: name of the network.
        kind: one of `KINDS`, the way of training.
    """
    scores = dict(zip(MODELS, SSIM_OF_NOTEBOOKS[shift, network], strict=True))
    source, target = scores[f"source-{kind}"], scores[f"target-{kind}"]
    return fraction(target[0] - source[0], target[1] - source[1])


def sentences(record: dict[str, Any]) -> list[str]:
    """Say the findings of a record beside the published numbers; for one image, say only its numbers."""
    alone = len(record["cases"]) == 1
    found = ["one image is an example and no finding"] if alone else []
    claims = {one.claim: one for one in judged(record)}
    for kind, gap in record["gaps"].items() if not alone else ():
        size = f"the gap in {record['metric'].upper()} between training on the target and on the source, "
        size += f"{KINDS[kind]}, is {gap['before']:+.4f} before test-time training and {gap['after']:+.4f} after"
        percent, interval = _percent(gap)
        if percent is None:
            found.append(f"{size}: there was none to close")
        else:
            sure = "" if interval is None else f" {_brackets(percent, interval)}"
            found.append(f"{size}: {percent:.0f} % of it is closed{sure}")
        claimed = claims.get(_CLAIMS[kind])
        if claimed is not None:
            (part,) = claimed.parts
            found[-1] += f"; published ({part.name}, {claimed.claim.where}): {part.published:.0f} %, {claimed.verdict}"
        # A gap also closes if the target's network gets worse.
        source, target = (record["models"][f"{side}-{kind}"]["change"] for side in ("source", "target"))
        if gap["after"] < gap["before"] and source < -target:
            found[-1] += f"; it closes from above, {'and nothing is gained: ' if source <= 0 else ''}the target's "
            found[-1] += f"network changes by {target:+.4f}, the source's by {source:+.4f}"
    for model, one in record["models"].items():
        change = told(one["change"], from_json(one["interval"]), "{:+.4f}")
        found.append(f"{WORDS[model]}: {one['before']:.4f} to {one['after']:.4f}, {change}")
    return found


def judged(record: dict[str, Any]) -> list[Judged]:
    """Judge the claims about the closed gaps of a record; none if nothing is published about its shift."""
    found = []
    for kind, gap in record["gaps"].items():
        value = published(record["shift"], record["network"], kind)
        if value is None:
            continue
        percent, interval = _percent(gap)
        more = f"published {100 * value:.0f}"
        more = f"no gap to close; {more}" if percent is None else more
        part = Part(f"{record['shift']}, {record['network']}", percent, interval, more, 100 * value)
        found.append(Judged(_CLAIMS[kind], [part], len(record["cases"])))
    return found


def _percent(gap: dict[str, Any]) -> tuple[float | None, Interval | None]:
    """The closed fraction in percent, and its interval."""
    part, interval = gap["closed"]["fraction"], from_json(gap["closed"]["interval"])
    if interval is not None:
        interval = interval._replace(low=100 * interval.low, high=100 * interval.high)
    return None if part is None else 100 * part, interval


def _brackets(percent: float, interval: Interval) -> str:
    """An interval of percents behind their mean, in brackets even if it is symmetric."""
    sure = beside(percent, interval, "{:.0f}")
    return sure if sure.startswith("(") else f"(95 %: {interval.low:.0f} to {interval.high:.0f})"
