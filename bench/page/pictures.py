"""A run's pictures, bit for bit, as texts in a page.

Each picture is float16 as recorded: all low bytes, then all high bytes, deflated, in base64.  Similar bytes deflate
better side by side.  With 8 bits a pixel, the errors that the page is meant to show would be rounded away.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from bench.plan.scores import rounded
from bench.record.pictures import Pictures
from bench.record.record import Record
from bench.record.rows import STATES

# Largest size of all pictures on a page in base64 [bytes]; the page says how many do not fit.
BUDGET = 9_500_000
# Part of the keys of the fully sampled scan with a perturbation in it.  Old records and under-sampled data have none.
PERTURBED = "perturbed truth"


def collect(record: Record, budget: int = BUDGET) -> dict[str, Any] | None:
    """Collect the content of the explorer: as many images as fit into `budget`.

    If the first image does not fit, it has fewer pictures: none made for other methods, and then one epsilon only.

    Args:
        record: the run.
        budget: largest size of all pictures in base64 [bytes].

    Returns:
        The content, as values that JSON can hold; None if the run kept no pictures.
    """
    path = record.folder / "pictures.npz"
    if not path.exists():
        return None
    with Pictures(path) as kept:
        found = [case for case in record.names("case") if f"{case}|truth" in kept]
        cases: list[dict[str, Any]] = []
        for case in found:
            truth = kept.read(f"{case}|truth")
            for keys in _selections(record, case)[: 1 if cases else None]:
                wanted = [key for key in keys if f"{case}|{key}" in kept]
                encoded = {key: encode(kept.read(f"{case}|{key}", truth.shape)) for key in wanted}
                used = sum(map(len, encoded.values()))
                if used <= budget:
                    break
            if used > budget and cases:
                break
            budget -= used
            cases.append(_case(record, case, truth, encoded) | _boxes(record, case))
    if not cases:
        return None
    return {
        "cases": cases,
        "total": len(record.names("case")),
        "sources": record.names("source"),
        "victims": record.names("victim"),
        "crossed": record.several,
        "eps": [f"{value:g}" for value in record.eps],
        "shown": f"{record.shown:g}",
        "perturbed": perturbed_in(cases),
        "region": region_of([record]),
    }


def perturbed_in(cases: Sequence[dict[str, Any]]) -> bool:
    """Return whether images of an explorer have a fully sampled scan with a perturbation among their pictures."""
    return any(f"|{PERTURBED}|" in key for one in cases for key in one["pictures"])


def region_of(records: Sequence[Record]) -> list[int] | None:
    """Return the box that all runs score in every image, None if there is no such box."""
    first, *others = (record.run.config.get("region") for record in records)
    return first if isinstance(first, list) and all(other == first for other in others) else None


def _boxes(record: Record, case: str) -> dict[str, Any]:
    """The entry of an image about its own boxes, if a run scores these."""
    if not isinstance(record.run.config.get("region"), str):
        return {}
    return {"boxes": [one["box"] for one in record.run.sampling.get(case, {}).get("boxes", [])]}


def encode(picture: np.ndarray) -> str:
    """Encode a float16 picture as text."""
    bits = np.ascontiguousarray(picture).view(np.uint16)
    planes = (bits & 255).astype(np.uint8).tobytes() + (bits >> 8).astype(np.uint8).tobytes()
    return base64.b64encode(zlib.compress(planes, 9)).decode()


def peak_of(truth: np.ndarray) -> float:
    """Return the value that is white in the pictures of an image."""
    peak = float(np.quantile(truth.astype(np.float32), 0.999))
    return peak if np.isfinite(peak) and peak > 0 else 1.0


def _selections(record: Record, case: str) -> list[list[str]]:
    """Keys of an image's pictures, in three selections; the largest is first."""
    sources, victims = record.names("source"), record.names("victim")
    pairs = list(dict.fromkeys((row.source, row.victim) for row in record.select(case=case)))
    own = [pair for pair in pairs if pair[0] == pair[1]] or pairs[:1]

    def keys(pairs: list[tuple[str, str]], eps: list[float]) -> list[str]:
        chosen = ["truth", *(f"{victim}|clean" for victim in victims)]
        for value in eps:
            chosen += [f"{victim}|noise|{value:g}" for victim in victims]
            chosen += [f"{source}|perturbation|{value:g}" for source in sources]
            chosen += [f"{source}|{PERTURBED}|{value:g}" for source in sources]
            chosen += [f"{victim}|{source}|{value:g}" for source, victim in pairs]
        return chosen

    return [keys(pairs, record.eps), keys(own, record.eps), keys(own, [record.shown])]


def _case(record: Record, case: str, truth: np.ndarray, encoded: dict[str, str]) -> dict[str, Any]:
    """The entry of an image: its pictures, and (clean, noise, attacked) scores by victim, source and epsilon.

    Scores are texts, so that they are rounded here as in the tables.
    """
    scores: dict[str, dict[str, list[str]]] = {}
    for row in record.select(case=case):
        at = f"{row.victim}|{row.source}|{row.eps:g}"
        if row.metric in ("psnr", "ssim"):
            scores.setdefault(at, {})[row.metric] = [rounded(row.metric, row.score(state)) for state in STATES]
    return {
        "name": case,
        "rows": truth.shape[0],
        "columns": truth.shape[1],
        "peak": peak_of(truth),
        "pictures": encoded,
        "scores": scores,
    }
