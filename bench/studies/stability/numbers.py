"""Means of a study over its images, and its verdicts on claims; the tables and the sentences are made of them."""

from __future__ import annotations

import itertools
from typing import Any

from bench.findings.judged import Judged, Part
from bench.findings.published import NOT_AFFECTED, ON_STABILITY, SYMBOLS_LOST, UNSTABLE, Claim
from bench.plan.intervals import SURE, Interval, of_mean
from bench.studies.stability.worlds import ASCENTS, PROJECTED, SINGULAR, WORLDS, is_network, start_of

Rows = list[dict[str, Any]]
# A perfect reconstruction has gain 1; float32 adds this much at most.
PERFECT = 1.001
# A change of PSNR below this is none [dB], and a network that gains less on its linear start is not trained.
NO_CHANGE, TRAINED = 0.5, 1.0
IMPROVES, STAGNATES, DETERIORATES, UNSURE = "improves", "stagnates", "deteriorates", "cannot be told"


def of(rows: Rows, **wanted: Any) -> Rows:
    """Return the rows with these values."""
    return [row for row in rows if all(row.get(name) == value for name, value in wanted.items())]


def first_seen(rows: Rows, name: str) -> list[Any]:
    """Return the values of a field in order of first appearance."""
    return list(dict.fromkeys(row[name] for row in rows if name in row))


def mean(rows: Rows, score: str) -> float | None:
    """Return the mean of a score; None if no row has it."""
    values = [row[score] for row in rows if row.get(score) is not None]
    return sum(values) / len(values) if values else None


def tested_of(rows: Rows) -> str:
    """Return the tested method of the rows of one world."""
    return str(next(row["method"] for row in rows if row["role"] == "tested"))


def comparator_of(rows: Rows) -> str:
    """Return the comparator of the rows of one world."""
    return str(next(row["method"] for row in rows if row["role"] == "comparator"))


def climbed(rows: Rows) -> list[Rows]:
    """Return the rows of each perturbation of the ascent, that of the fewest steps first."""
    found = [row for row in of(rows, kind="perturbation") if row["attack"] in ASCENTS]
    return [of(found, steps=steps) for steps in sorted({row["steps"] for row in found})]


def last_climbed(rows: Rows) -> Rows:
    """Return the rows of the last perturbation of the ascent."""
    found = climbed(rows)
    return found[-1] if found else []


def pushed(rows: Rows, source: str) -> Rows:
    """Return the rows of projected gradients on one method."""
    return of(rows, kind="perturbation", attack=PROJECTED, source=source)


def worst_of_start(rows: Rows) -> Rows:
    """Return the rows of the worst perturbation of the linear start, which only sinograms have."""
    return of(rows, kind="perturbation", attack=SINGULAR)


def amplifies(rows: Rows) -> bool:
    """Return whether the perturbations found for the tested method change its image by more than they are."""
    return (own_worst(rows, tested_of(rows)) or 0.0) > PERFECT


def own_worst(rows: Rows, tested: str) -> float | None:
    """Return the largest mean gain that was found for the tested method, None if none was sought [-]."""
    gains = [mean(of(some, method=tested), "gain") for some in (*climbed(rows), pushed(rows, tested))]
    return max((gain for gain in gains if gain is not None), default=None)


def constants_of(row: dict[str, Any]) -> tuple[float, float, float]:
    """Return step and penalty as multiples of the study's, and the momentum, of a row of the sweep [-]."""
    return row["step_factor"], row["penalty_factor"], row["decay"]


def swept_gains(rows: Rows) -> dict[int, list[float]]:
    """Return the gain of each choice of constants, its mean over images, by number of steps, fewest first."""
    swept = of(rows, kind="sweep")
    found: dict[int, list[float]] = {}
    for steps in sorted(first_seen(swept, "steps")):
        at = of(swept, steps=steps)
        for constants in dict.fromkeys(map(constants_of, at)):
            gain = mean([row for row in at if constants_of(row) == constants], "gain")
            found.setdefault(steps, []).extend([] if gain is None else [gain])
    return {steps: gains for steps, gains in found.items() if gains}


def under_trained(world: str, rows: Rows) -> tuple[float, float] | None:
    """Return the PSNR of a network and of its linear start, if it is hardly better [dB].

    The result is None otherwise.
    """
    clean = of(rows, kind="clean")
    if not is_network(world) or not clean:
        return None
    own, zero = mean(of(clean, role="tested"), "psnr"), mean(of(clean, method=start_of(world).method), "psnr")
    return None if own is None or zero is None or own >= zero + TRAINED else (own, zero)


def differences(rows: Rows, method: str) -> tuple[list[float], list[str]]:
    """Return a method's PSNR at the most samples less that at the trained number, by image, and the volumes [dB]."""
    own = of(rows, kind="samples", method=method)
    most = max((row["share"] for row in own), default=0.0)
    found = []
    for image in first_seen(own, "image"):
        here = of(own, image=image)
        end, start = of(here, share=most), of(here, trained=True)
        if end and start:
            found.append((end[0]["psnr"] - start[0]["psnr"], end[0]["volume"]))
    return [value for value, _ in found], [volume for _, volume in found]


def trend(rows: Rows, method: str) -> tuple[str, float | None, Interval | None]:
    """Judge whether more samples help a method.

    Returns:
        The word, the mean difference [dB], and its interval.
    """
    values, volumes = differences(rows, method)
    if not values:
        return UNSURE, None, None
    middle, interval = sum(values) / len(values), of_mean(values, volumes)
    if abs(middle) < NO_CHANGE:
        return STAGNATES, middle, interval
    if interval is not None and interval.kind == SURE and not interval.excludes(0.0):
        return UNSURE, middle, interval
    return IMPROVES if middle > 0 else DETERIORATES, middle, interval


def curve(rows: Rows, method: str) -> list[tuple[float, float]]:
    """Return the share of samples [-] and the mean PSNR there [dB], from few to many samples."""
    own = of(rows, kind="samples", method=method)
    rates = sorted({row["acceleration"] for row in own}, reverse=True)
    return [(mean(at, "share") or 0.0, mean(at, "psnr") or 0.0) for at in (of(own, acceleration=one) for one in rates)]


def rising(rows: Rows, method: str) -> tuple[int, int]:
    """Return the steps to more samples that raise the mean PSNR, and all steps."""
    values = [psnr for _, psnr in curve(rows, method)]
    return sum(b > a for a, b in itertools.pairwise(values)), max(len(values) - 1, 0)


def behind_from(rows: Rows, method: str, other: str) -> float | None:
    """Return the share of samples from which on a method is worse than another; None if it is not at the end [-]."""
    pairs = zip(curve(rows, method), curve(rows, other), strict=False)  # of which one may not be compared here
    worse = [(share, own < its) for (share, own), (_, its) in pairs]
    found = None
    for share, behind in reversed(worse):
        if not behind:
            break
        found = share
    return found


def judged(world: str, rows: Rows) -> dict[str, list[Judged]]:
    """Judge the published claims about a world, by study; nothing is judged of a network that is not trained.

    Args:
        world: name of the world.
        rows: its rows.
    """
    if under_trained(world, rows) is not None:
        return {}
    found: dict[str, list[Judged]] = {}
    for study, published in WORLDS[world].published.items():
        claims = [claim for claim in ON_STABILITY if claim.name == published.claim]
        if study == "perturbation" and last_climbed(rows):
            found[study] = [_by_image(UNSTABLE, world, rows), _by_image(NOT_AFFECTED, world, rows)]
        elif claims and of(rows, kind=study):
            found[study] = [_by_image(claims[0], world, rows)]
    return found


def _by_image(claim: Claim, world: str, rows: Rows) -> Judged:
    values, volumes = [], []
    for image in first_seen(rows, "image"):
        own = of(rows, image=image)
        value = _number(claim, own)
        if value is not None:
            values.append(value)
            volumes.append(own[0]["volume"])
    middle = sum(values) / len(values) if values else None
    return Judged(claim, [Part(world, middle, of_mean(values, volumes) if values else None)], len(values))


def _number(claim: Claim, rows: Rows) -> float | None:
    """The number of a claim on one image."""
    tested, other = tested_of(rows), comparator_of(rows)
    if claim in (UNSTABLE, NOT_AFFECTED):
        last = last_climbed(rows)
        own, its = mean(of(last, method=tested), "gain"), mean(of(last, method=other), "gain")
        if own is None or its is None:
            return None
        return own - 1 if claim is UNSTABLE else its / own - 1 if own > 0 else None
    if claim is SYMBOLS_LOST:
        shown = of(rows, kind="structure")
        own, its = (mean(of(shown, method=name), "read") for name in (tested, other))
        glyphs = mean(shown, "glyphs")
        return None if own is None or its is None or glyphs is None else (own - its) / glyphs
    values, _ = differences(rows, tested)
    return values[0] if values else None
