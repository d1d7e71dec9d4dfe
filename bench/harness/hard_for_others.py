"""Whether the images that one method finds hard are hard for others (ICML 2021, Figure 6), image by image."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.harness.errors import InputFileError
from bench.harness.ranks import rank_correlation
from bench.harness.reading import understanding
from bench.harness.records import half_of_difference
from bench.harness.subset import SAMPLING, Scored
from bench.page.record import Record


def hard_for_others(
    cases: list[Scored], chosen: set[str], record: Record, others: list[Record], metric: str
) -> list[dict[str, Any]]:
    """For each method of each other run, on the cases that it shares with `cases`: means, difference, correlation.

    chosen, rest: the mean clean scores; difference: of them, half: of its 95 % interval, None where that cannot be
    told.  correlation: the rank correlation of this method's scores with those of `cases`, None where it has none.
    Raises InputFileError for a run that was sampled otherwise, or shares too few cases.
    """
    scores = {one.case: one for one in cases}
    found = []
    for other in others:
        with understanding(other.folder / "run.json"):
            for name in SAMPLING:
                if other.run["config"].get(name) != record.run["config"].get(name):
                    raise InputFileError(f"{other.folder}: its {name} is not that of {record.folder}; name runs alike")
        for label in other.names("victim"):
            own = {row["case"]: row["clean"] for row in other.select(victim=label, metric=metric)}
            shared = [case for case in scores if case in own]
            hard = np.array([case in chosen for case in shared], bool)
            if hard.all() or not hard.any():
                raise InputFileError(f"{other.folder}: shares no images with both the subset and the rest")
            values = np.array([own[case] for case in shared])
            means = {"chosen": float(values[hard].mean()), "rest": float(values[~hard].mean())}
            half = half_of_difference(values.tolist(), [scores[case].volume for case in shared], hard.tolist())
            correlation = rank_correlation(values.tolist(), [scores[case].score for case in shared])
            found.append(
                {"method": label, "images": len(shared), **means, "difference": means["chosen"] - means["rest"]}
                | {"half": half, "correlation": correlation}
            )
    return found


def sentences(found: list[dict[str, Any]], metric: str) -> list[str]:
    """One for each method."""
    said = []
    for one in found:
        half, correlation = one["half"], one["correlation"]
        sure = half is not None and abs(one["difference"]) > half
        how = ("harder" if one["difference"] < 0 else "easier") if sure else "not clearly harder"
        interval = "" if half is None else f" ± {half:.2g}"
        said.append(
            f"for {one['method']} the subset is {how}: {metric} {one['chosen']:.4g}, the rest {one['rest']:.4g}, a "
            f"difference of {one['difference']:+.3g}{interval} ({one['images']} images, "
            f"rank correlation of the scores {'none' if correlation is None else f'{correlation:.2f}'})"
        )
    return said
