"""Claims about defences: the worst PSNR of two methods on the same images, each under its own attack.

Methods are known by the words of their labels: smug, smoothed, jitter, adversarial, cyclic.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable, Mapping
from typing import NamedTuple

from bench.findings.judged import Judged, Part
from bench.findings.published import CYCLIC_SURVIVES, JITTER_EQUALS, SMOOTHING_INSIDE, Claim
from bench.plan.intervals import of_mean
from bench.record.record import Record

_SMOOTHED = "smoothed"
# Words in the labels of defences.
_DEFENCES = {"cyclic", "smug", _SMOOTHED, "smoothing", "jitter", "adversarial", "diverse", "diffusion"}


class Defended(NamedTuple):
    """A method on clean data and under its own attack.

    Attributes:
        clean: score of each case from clean data.
        attacked: score of each case under attack.
    """

    clean: Mapping[str, float]
    attacked: Mapping[str, float]


def of_record(record: Record) -> tuple[dict[str, Defended], dict[str, str]]:
    """Return the PSNR of each method at the largest epsilon, by label, and the volume of each case.

    A method that is smoothed by a setting is labelled so.
    """
    methods: dict[str, Defended] = {}
    volumes: dict[str, str] = {}
    eps = max(record.eps)
    for label in record.names("victim"):
        rows = record.select(source=label, victim=label, metric="psnr", eps=eps)
        if rows and eps > 0:
            name = f"{_SMOOTHED} {label}" if _is_smoothed(record, label) and _SMOOTHED not in _words(label) else label
            methods[name] = Defended({row.case: row.clean for row in rows}, {row.case: row.attacked for row in rows})
            volumes |= {row.case: row.volume for row in rows}
    return methods, volumes


def _is_smoothed(record: Record, label: str) -> bool:
    """Whether the method is smoothed from outside; SMUG has its smoothing inside."""
    config = record.methods.get(label, {}).get("config") or {}
    given = {
        name.rpartition(".")[2]: value
        for name, value in (record.run.config.get("settings") or {}).items()
        if "." not in name or name.rpartition(".")[0] == label
    }
    value = given.get("smoothing", config.get("smoothing", 0))
    return "smug" not in _words(label) and float(value or 0) > 0


def judged(methods: Mapping[str, Defended], volumes: Mapping[str, str]) -> list[Judged]:
    """Judge the claims about defences of which both sides are there.

    Args:
        methods: the methods by label.
        volumes: the volume of each case.
    """

    def has(*names: str) -> Callable[[str], bool]:
        return lambda label: bool(_words(label) & set(names))

    def bare(label: str) -> bool:
        return not _words(label) & _DEFENCES

    found = [
        _compared(SMOOTHING_INSIDE, has("smug"), has(_SMOOTHED, "smoothing"), methods, volumes),
        _compared(JITTER_EQUALS, has("jitter"), has("adversarial"), methods, volumes),
        _compared(CYCLIC_SURVIVES, has("cyclic"), bare, methods, volumes),
    ]
    return [one for one in found if one.parts]


def _compared(
    claim: Claim,
    first: Callable[[str], bool],
    second: Callable[[str], bool],
    methods: Mapping[str, Defended],
    volumes: Mapping[str, str],
) -> Judged:
    """A part for each pair of methods: the attacked score of the first less that of the second."""
    parts, fewest = [], 0
    for one in filter(first, methods):
        for other in filter(second, methods):
            cases = [case for case in methods[one].attacked if case in methods[other].attacked]
            if one == other or not cases:
                continue
            more = [methods[one].attacked[case] - methods[other].attacked[case] for case in cases]
            clean = statistics.fmean(methods[one].clean[case] - methods[other].clean[case] for case in cases)
            interval = of_mean(more, [volumes[case] for case in cases])
            parts.append(Part(f"{one} less {other}", statistics.fmean(more), interval, f"clean {clean:+.2f}"))
            fewest = min(fewest or len(cases), len(cases))
    return Judged(claim, parts, fewest)


def _words(label: str) -> set[str]:
    return set(re.split(r"[^a-z]+", label.lower()))
