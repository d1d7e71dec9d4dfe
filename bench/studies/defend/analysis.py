"""The record of a study of defences, made from the records of its runs alone, without JAX."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

from bench.findings import defences
from bench.findings.defences import Defended
from bench.findings.judged import Judged
from bench.findings.markdown import table
from bench.plan.errors import InputFileError
from bench.plan.intervals import as_json, from_json, of_mean, told
from bench.record.record import Record

_STYLE = "{:.2f}"


def analyse(runs: Mapping[str, Record]) -> dict[str, Any]:
    """Make the record of a study.

    Args:
        runs: the run of each defence by its name, all of one method on the same images.

    Raises:
        InputFileError: the runs share no image.
    """
    epsilons = {max(run.eps) for run in runs.values()}
    rows = {
        name: [row for row in run.rows if row.metric == "psnr" and row.eps == max(run.eps) and row.source == row.victim]
        for name, run in runs.items()
    }
    cases = sorted(set.intersection(*({row.case for row in found} for found in rows.values())))
    if not cases:
        raise InputFileError("the runs of the study share no image; run it anew in another --output")
    volumes = {row.case: row.volume for found in rows.values() for row in found}
    clusters = [volumes[case] for case in cases]
    first: list[float] = []
    defended = {}
    for name, found in rows.items():
        by_case = {row.case: row for row in found}
        clean, attacked = ([by_case[case].score(state) for case in cases] for state in ("clean", "attacked"))
        first = first or attacked
        gained = [one - other for one, other in zip(attacked, first, strict=True)]
        defended[name] = {
            "clean": dict(zip(cases, clean, strict=True)),
            "attacked": dict(zip(cases, attacked, strict=True)),
            "gained": statistics.fmean(gained),
            "gained_interval": as_json(of_mean(gained, clusters)),
            "clean_interval": as_json(of_mean(clean, clusters)),
            "attacked_interval": as_json(of_mean(attacked, clusters)),
            "run": runs[name].folder.name,
        }
    return {"eps": max(epsilons), "volumes": {case: volumes[case] for case in cases}, "defences": defended}


def markdown(record: dict[str, Any]) -> str:
    """Make the table of a study's record: a line for each defence."""
    names = list(record["defences"])
    heads = ["defence", "clean PSNR [dB]", f"worst PSNR at {record['eps']:g} [dB]", f"worst less that of {names[0]}"]
    lines = []
    for name, one in record["defences"].items():
        cells = [
            told(statistics.fmean(one[state].values()), from_json(one[f"{state}_interval"]), _STYLE)
            for state in ("clean", "attacked")
        ]
        gained = told(one["gained"], from_json(one["gained_interval"]), "{:+.2f}")
        lines.append([name, *cells, "" if name == names[0] else gained])
    return table(heads, lines)


def judged(record: dict[str, Any]) -> list[Judged]:
    """Judge the claims about the defences of a study's record."""
    found = {name: Defended(one["clean"], one["attacked"]) for name, one in record["defences"].items()}
    return defences.judged(found, record["volumes"])
