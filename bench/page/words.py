"""A run's record as sentences."""

from __future__ import annotations

import shlex
import statistics
from operator import attrgetter
from typing import Any

from bench.findings import card_check
from bench.plan import linear_start
from bench.plan.config import are_sinograms
from bench.plan.intervals import FEWEST
from bench.plan.scores import rounded
from bench.record.record import Record, estimate
from jaxcs.evidence import BELOW_ITS_CARD, CLEAN_FLAGS, FLAGS, WORSE_THAN_FBP, WORSE_THAN_ZERO_FILLED

# If there are more methods, a sentence names only the least and the most harmed.
_MOST_NAMED = 4


def size(record: Record, eps: float) -> str:
    """Return the size of a perturbation in words: "0.05 of the data"."""
    if not _is_noise(record):
        return f"{eps:.3g} ({record.run.threat_model.get('epsilon', 'in its own unit')})"
    return f"{eps:.3g} of the {'image' if record.run.config.get('norm') == 'image' else 'data'}"


def control(record: Record) -> str:
    """Return the control in words: a random perturbation of the same size."""
    return "noise of the same norm" if _is_noise(record) else f"a random {threat(record)} of the same size"


def control_name(record: Record) -> str:
    """Return the control in one word."""
    return "noise" if _is_noise(record) else "random"


def finding(record: Record) -> str:
    """Say the result in one sentence, at the epsilon that the page shows; one image is called an example."""
    rows = [row for row in record.select(metric="psnr", eps=record.shown) if row.source == row.victim]
    rows = rows or record.select(metric="psnr", eps=record.shown)
    kind = f"A {'perturbation' if _is_noise(record) else threat(record)} of {size(record, record.shown)}"
    alone = len({row.case for row in rows}) == 1
    images = count(len({row.case for row in rows}), "image")
    victims = list(dict.fromkeys(row.victim for row in rows))
    means = {
        victim: {
            state: estimate([row for row in rows if row.victim == victim], attrgetter(state)).mean
            for state in ("clean", "noise", "attacked")
        }
        for victim in victims
    }
    if len(victims) == 1:
        one = means[victims[0]]
        if alone:
            return (
                f"One image, an example and no finding: {victims[0]} has {_db(one['clean'])} PSNR on clean data, "
                f"{_db(one['noise'])} with {control(record)}, and {_db(one['attacked'])} under "
                f"{kind[:1].lower()}{kind[1:]}."
            )
        return (
            f"{kind} takes {victims[0]} from {_db(one['clean'])} to {_db(one['attacked'])} PSNR; {control(record)}, "
            f"to {_db(one['noise'])} ({images})."
        )
    lost = {victim: one["clean"] - one["attacked"] for victim, one in means.items()}
    order = sorted(lost, key=lambda victim: -lost[victim])
    named = order if len(order) <= _MOST_NAMED else [order[0], order[-1]]
    costs = listed([f"{victim} {_db(lost[victim])}" for victim in named])
    rest = "" if len(named) == len(order) else " and the others between these"
    noise = max(one["clean"] - one["noise"] for one in means.values())
    if alone:
        return (
            f"One image, an example and no finding: {kind[:1].lower()}{kind[1:]} made for each method costs {costs}"
            f"{rest} of PSNR; {control(record)}, at most {_db(noise)}."
        )
    return (
        f"{kind} made for each method costs {costs}{rest} of PSNR; {control(record)}, at most {_db(noise)} ({images})."
    )


def setting(record: Record) -> str:
    """Return data, sampling, methods and attack in one line."""
    run, config = record.run, record.run.config
    accelerations = [sampling["acceleration"] for sampling in run.sampling.values()]
    low, high = min(accelerations), max(accelerations)
    span = f"{low:.2f}" if high - low < 0.005 else f"{low:.2f} to {high:.2f}"
    counts = sorted({sampling["samples"] for sampling in run.sampling.values()})
    lines = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    # Old records have no kind of mask for each image.
    drawn = list(dict.fromkeys(sampling.get("mask", config["mask"]) for sampling in run.sampling.values()))
    measured = (
        f"Mask: {listed(drawn)}, {span} times accelerated, {lines} {'samples' if 'poisson' in drawn else 'lines'}"
    )
    if are_sinograms(config):
        measured = f"Sinograms of {lines} views"
    labels = list(record.methods)
    attacks = listed(record.names("attack"))
    name = "" if run.name is None else f"Run: {run.name}. "
    return (
        f"{name}Data: {run.data}. {measured}. "
        f"Method{'s' * (len(labels) > 1)}: {listed(labels)}. Attack{'s' * (', ' in attacks)}: {attacks}."
    )


def picture_notes(shown: dict[str, Any] | None) -> list[str]:
    """Say how many images the explorer lacks.

    Args:
        shown: content of the explorer, or None if there is none.
    """
    if shown is None or shown["total"] == len(shown["cases"]):
        return []
    of = count(shown["total"], "image")
    return [f"{len(shown['cases'])} of {of} can be looked at here; all are in the numbers below."]


def settings(record: Record) -> dict[str, str]:
    """Return the settings of each method."""
    return {
        label: ", ".join(f"{key} {value}" for key, value in one["config"].items()) or "nothing to set"
        for label, one in record.methods.items()
    }


def thermal(record: Record) -> float | None:
    """Return the epsilon that corresponds to the scan's own noise, the median over images; None if not known."""
    known = [value for value in record.run.thermal.values() if value]
    return statistics.median(known) if known else None


def outside_centre(record: Record) -> float | None:
    """Return the norm of the samples outside the fully sampled centre over the norm of all samples [-].

    Returns:
        The median over images, None if not known.
    """
    known = [one["outside_centre"] for one in record.run.sampling.values() if "outside_centre" in one]
    return statistics.median(known) if known else None


def clean_flags(record: Record) -> list[str]:
    """Say the objections to the methods before any attack."""
    images = {(row.victim, row.case): row.flags for row in record.rows}
    sentences = []
    for victim in record.names("victim"):
        own = [found for at, found in images.items() if at[0] == victim]
        for flag in (WORSE_THAN_ZERO_FILLED, WORSE_THAN_FBP):
            worse = sum(flag in found for found in own)
            if worse:
                share = f"{worse} of {count(len(own), 'image')} of {victim} ({worse / len(own):.0%})".replace("%", " %")
                sentences.append(f"{flag[0].upper()}{flag[1:]}, in {share}: {FLAGS[flag]}")
    for sentence in card_check.below_card(record.rows, record.run).values():
        sentences.append(f"{BELOW_ITS_CARD.capitalize()}: {sentence}; {FLAGS[BELOW_ITS_CARD]}")
    return sentences


def flags(record: Record) -> list[str]:
    """Say the objections to the results, with counts and shares."""
    sentences = clean_flags(record)
    results = {(row.case, row.source, row.victim, row.eps): row.flags for row in record.rows}
    results = {at: found for at, found in results.items() if at[3] > 0}
    for name in dict.fromkeys(flag for found in results.values() for flag in found if flag not in CLEAN_FLAGS):
        raised = [at for at, found in results.items() if name in found]
        # Checks of a search have a meaning only for the method that it was made for.
        own = record.several and all(at[1] == at[2] for at in raised)
        total = sum(at[1] == at[2] for at in results) if own else len(results)
        kind = "attack on its own method" if own else "result"
        share = f"{len(raised)} of {count(total, kind)} ({len(raised) / total:.0%})".replace("%", " %")
        meaning = FLAGS.get(name, "this record is newer than this program, which does not know it")
        sentences.append(f"{name.capitalize()}, in {share}: {meaning}.")
    return sentences


def not_checked(record: Record) -> list[str]:
    """Say which evidence the run did not gather, and which no run can gather."""
    known = [text[:1].upper() + text[1:].rstrip(".") + "." for text in record.run.not_checked]
    if not held_against_start(record):
        start = linear_start.of_config(record.run.config).head
        known.append(f"This old record does not tell whether the clean images are better than {start} images.")
    return [*known, "An attack bounds the worst case from one side only: a better attack may exist."]


def held_against_start(record: Record) -> bool:
    """Return whether the record has the scores of the linear start; old records lack them."""
    return all(row.zero_filled is not None for row in record.rows)


def interval_name(record: Record) -> str:
    """Return the name of a run's intervals; "" for one volume, which has none."""
    volumes = len({row.volume for row in record.rows})
    return "95 % interval" if volumes >= FEWEST else "the range of the volumes' means" if volumes > 1 else ""


def about_interval(record: Record) -> str:
    """Say the meaning of a run's intervals."""
    volumes = len({row.volume for row in record.rows})
    if volumes >= FEWEST:
        return f"The interval of the attacked mean is 95 %, Student's t of {volumes} volumes."
    if volumes > 1:
        return (
            f"The range is of the {volumes} volumes' attacked means, smallest and largest; fewer than {FEWEST} have no "
            "95 % interval."
        )
    return "All images are of one volume, so that the certainty of the means is not known."


def command(record: Record) -> str:
    """Return the command that repeats the run."""
    return f"python -m bench.attack {shlex.join(map(str, record.run.argv))}"


def count(number: int, noun: str) -> str:
    """Return a number with its noun: "1 image", "2 images"."""
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun}s" if " " not in noun else f"{number} {noun.replace(' ', 's ', 1)}"


def plain(value: Any, between: str = " ") -> str:
    """Return the value of a setting in words; `between` stands between a name and its value."""
    if isinstance(value, dict):
        return ", ".join(f"{name}{between}{plain(item, between)}" for name, item in value.items()) or "none"
    if isinstance(value, list):
        pairs = (between.join(map(str, item)) if isinstance(item, list) else plain(item) for item in value)
        return " ".join(pairs) or "none"
    return {"None": "none", "True": "yes", "False": "no"}.get(str(value), str(value))


def listed(names: list[str]) -> str:
    """Join names: "a, b and c"."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def threat(record: Record) -> Any:
    """Return the name of the threat: "noise", or a change of the scan."""
    return record.run.config.get("threat", "noise")


def _db(value: float) -> str:
    return f"{rounded('psnr', value)} dB"


def _is_noise(record: Record) -> bool:
    return bool(threat(record) == "noise")
