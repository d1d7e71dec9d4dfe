"""Findings of a study as sentences with their numbers, beside those of the paper (Antun et al., PNAS 2020)."""

from __future__ import annotations

from collections.abc import Callable

from bench.findings.judged import Judged
from bench.plan.intervals import told
from bench.studies.stability import numbers
from bench.studies.stability.numbers import Rows, first_seen, mean, of
from bench.studies.stability.samples import NOISE_FREE
from bench.studies.stability.structure import FULLY_SAMPLED
from bench.studies.stability.worlds import IGNORES_DATA, WORLDS, start_of

_Say = Callable[[str, Rows], str]


def findings(rows: Rows) -> list[str]:
    """Say the findings of all worlds; if all rows are of one image, the first sentence says that this is no finding.

    Args:
        rows: all rows of the study.
    """
    alone = len({row["image"] for row in rows}) == 1
    said = ["one image is an example and no finding"] * alone
    for world in first_seen(rows, "world"):
        here = of(rows, world=world)
        weak = numbers.under_trained(world, here)
        if weak is not None:
            said.append(
                f"{world}: is under-trained, {weak[0]:.1f} dB where {start_of(world).words} has {weak[1]:.1f}: its "
                "stability says nothing"
            )
            continue
        judged = numbers.judged(world, here)
        sentences: dict[str, _Say] = {"perturbation": _perturbation, "structure": _structure, "samples": _samples}
        for study, say in sentences.items():
            if of(here, kind=study):
                said.append(say(world, here) + _beside(world, study, judged.get(study, [])))
            if study == "perturbation" and of(here, kind="sweep"):
                said.append(_sweep(world, here))
    return said


def _perturbation(world: str, rows: Rows) -> str:
    tested, other = numbers.tested_of(rows), numbers.comparator_of(rows)
    last, clean = numbers.last_climbed(rows), of(rows, kind="clean")
    if not last:
        return f"{world}: its worst perturbation is not known"
    own = of(last, method=tested)
    own_worst, its_worst = (numbers.pushed(rows, name) for name in (tested, other))
    amplified = "it amplifies perturbations" if numbers.amplifies(rows) else "it amplifies no perturbation"
    controls = first_seen(of(last, role="control"), "method")
    return (
        f"{world}: {amplified}; one of {_percent(own, 'norm')} of the image moves the reconstruction by "
        f"{_percent(own, 'change')} (gain {_two(own, 'gain')}{_spread(own)}{_before(rows, tested)}, "
        f"noise of equal norm {_two(own, 'gain_noise')}, with noise added {_two(own, 'gain_both')}; "
        f"largest singular value {_two(of(clean, method=tested), 'singular_value')}), "
        f"PSNR {_one(of(clean, method=tested), 'psnr')} to "
        f"{_one(own, 'psnr')} dB; {other} has gain "
        f"{_two(of(last, method=other), 'gain')} under it; by projected gradients of this norm, {tested} has gain "
        f"{_two(of(own_worst, method=tested), 'gain')} and {other} {_two(of(its_worst, method=other), 'gain')}, each "
        "under its worst; controls under the first: "
        + ", ".join(f"{name} {_two(of(last, method=name), 'gain')}" for name in controls)
        + _start(rows, tested)
    )


def _start(rows: Rows, tested: str) -> str:
    """The linear start under its own worst perturbation, beside the tested method under that and under its own."""
    worst = numbers.worst_of_start(rows)
    names = first_seen(worst, "source")
    if not names or names[0] == tested:
        return ""
    own, its = numbers.own_worst(rows, tested), mean(of(worst, method=names[0]), "gain")
    if own is None or its is None:
        return ""
    word = "more sensitive than" if its > own else "no more sensitive than"
    return (
        f"; {names[0]} is linear, and has gain {its:.2f} under its own worst, found by power iteration, under which "
        f"{tested} has {_two(of(worst, method=tested), 'gain')}: it is {word} {tested}, whose largest gain found is "
        f"{own:.2f}"
    )


def _sweep(world: str, rows: Rows) -> str:
    swept = of(rows, kind="sweep")
    choices = list(dict.fromkeys(map(numbers.constants_of, swept)))
    gains, norms = numbers.swept_gains(rows), [row["norm"] for row in swept]
    each = ", ".join(f"{min(own):.2f} to {max(own):.2f} after {steps} steps" for steps, own in gains.items())
    every = [gain for own in gains.values() for gain in own]
    ranges = [
        f"{words} {min(values):g} to {max(values):g}"
        for words, values in zip(("step times", "penalty times", "momentum"), zip(*choices, strict=True), strict=True)
    ]
    return (
        f"{world}: with {len(choices)} choices of the attack's constants ({', '.join(ranges)}), perturbations of "
        f"{100 * min(norms):.2g} to {100 * max(norms):.2g} % of the image have gains of {each}; they are above 1 in "
        f"{sum(gain > numbers.PERFECT for gain in every)} of {len(every)}; largest singular value "
        f"{_two(of(rows, kind='clean', role='tested'), 'singular_value')}"
    )


def _structure(world: str, rows: Rows) -> str:
    shown = of(rows, kind="structure")
    tested, other = numbers.tested_of(shown), numbers.comparator_of(shown)
    whole = of(shown, method=FULLY_SAMPLED)
    count, size = _mean(whole, "glyphs", "{:.0f}"), mean(whole, "height") or 0.0
    names = (tested, other, start_of(world).method, IGNORES_DATA, FULLY_SAMPLED)
    each = ", ".join(
        f"{name} {_one(of(shown, method=name), 'read')} ({_one(of(shown, method=name), 'read_alone')})"
        for name in dict.fromkeys(names)
    )
    return (
        f"{world} at {WORLDS[world].symbols:g} times: of {count} glyphs of {size:g} pixels are read in the change of "
        f"the image (in the image alone): {each}"
    )


def _samples(world: str, rows: Rows) -> str:
    own = of(rows, kind="samples")
    tested, other = numbers.tested_of(own), numbers.comparator_of(own)

    def words(name: str) -> str:
        word, middle, interval = numbers.trend(rows, name)
        return word if middle is None else f"{word} ({told(middle, interval, '{:+.1f}')} dB)"

    def behind(name: str) -> str:
        share = numbers.behind_from(rows, tested, name)
        return "" if share is None else f", behind {name} from {100 * share:.0f} % on"

    points = numbers.curve(rows, tested)
    (low, first), (high, last), (most, best) = points[0], points[-1], max(points, key=lambda point: point[1])
    up, steps = numbers.rising(rows, tested)
    rivals = [name for name in (other, start_of(world).method) if name != tested]
    control = NOISE_FREE if of(own, method=NOISE_FREE) else start_of(world).method
    return (
        f"{world}: with more samples than trained it {words(tested)}; {first:.1f} dB at {100 * low:.0f} % of the "
        f"samples, {last:.1f} at {100 * high:.0f} %, rising in {up} of {steps} steps, best at {100 * most:.0f} % with "
        f"{best:.1f} dB{''.join(map(behind, rivals))}; {other} {words(other)}; "
        f"controls: {control} {words(control)}, {IGNORES_DATA} {words(IGNORES_DATA)}"
    )


def _beside(world: str, study: str, judged: list[Judged]) -> str:
    """The paper's finding, and the verdicts on its claims."""
    published = WORLDS[world].published.get(study)
    if published is None:
        return ""
    if not judged:
        return f"; published: {published.words} (PNAS 2020, {published.where})"
    return "".join(f"; {one.beside()}" for one in judged)


def _spread(rows: Rows) -> str:
    """The gains of the least and the most affected image, because the paper asks if instabilities are rare."""
    gains = [row["gain"] for row in rows if row["gain"] is not None]
    return f", {min(gains):.2f} to {max(gains):.2f} by image" if len(gains) > 1 else ""


def _before(rows: Rows, tested: str) -> str:
    """The gains at the earlier snapshots, because a network has less gain for large perturbations than for small."""
    *earlier, _ = numbers.climbed(rows)
    told = " and ".join(
        f"{_two(of(some, method=tested), 'gain')} at {_percent(of(some, method=tested), 'norm')}" for some in earlier
    )
    return f", on the way {told}" if told else ""


def _two(rows: Rows, score: str) -> str:
    return _mean(rows, score, "{:.2f}")


def _one(rows: Rows, score: str) -> str:
    return _mean(rows, score, "{:.1f}")


def _percent(rows: Rows, score: str) -> str:
    value = mean(rows, score)
    return "none" if value is None else f"{100 * value:.2g} %"


def _mean(rows: Rows, score: str, style: str) -> str:
    value = mean(rows, score)
    return "none" if value is None else style.format(value)
