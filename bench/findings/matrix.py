"""Findings of a run of several methods, as sentences with their numbers (Figure 3 of the ICML 2021 paper)."""

from __future__ import annotations

from bench.findings.judged import CANNOT_TELL, NO, NOT_EXCLUDED, YES, Judged, Part, verdict
from bench.findings.losses import Losses, mean
from bench.findings.published import ABOVE, OWN_ATTACK, SENSITIVE
from bench.plan import ranks
from bench.plan.intervals import Interval, told
from bench.plan.scores import rounded, style_of
from bench.record.rows import Row

# The methods in order of the loss to their own attacks, least first (U-Net and l1 are about equal).
_ORDER_OF_THE_PAPER = ("convdecoder", "unet", "l1", "varnet")
# Fewest methods of which an order says something.
_FEWEST = 3


def findings(rows: list[Row]) -> list[str]:
    """Say the findings about PSNR at the largest epsilon.

    Args:
        rows: lines of images.jsonl.

    Returns:
        The sentences; none if the run has one method or one image.
    """
    run = Losses.of(rows)
    if len(run.labels) < 2 or len(run.volumes) < 2:
        return []
    margins = _margins(run)
    own = [_own_attack(label, run, margin) for label, margin in margins.items()]
    own += [_against_noise(label, run) for label in run.attacked]
    own += _accurate_and_sensitive(run, rows)
    own += [f"published: {one.claim.words}: {one.verdict}." for one in judged(rows)]
    return own + ([_order(run)] if set(run.labels) == set(_ORDER_OF_THE_PAPER) else [])


def judged(rows: list[Row]) -> list[Judged]:
    """Judge the claims about the attacks of a run on each of its methods; none if the run has one method."""
    run = Losses.of(rows)
    if len(run.labels) < 2:
        return []
    at = f"at epsilon {run.largest:g}"
    noise, own = [], []
    for label, (other, more, interval) in _margins(run).items():
        than_noise, sure = _more_than_noise(label, run)
        lost = run.mean(label, label)
        noise.append(Part(f"{label} {at}", than_noise, sure, f"{lost:.1f} and {lost - than_noise:.1f}"))
        if other is not None:
            words = f"{lost:.1f} and, by that on {other}, {run.mean(other, label):.1f}"
            own.append(Part(f"{label} {at}", more, interval, words))
    found = [Judged(SENSITIVE, noise, len(run.volumes)), Judged(OWN_ATTACK, own, len(run.volumes))]
    return [one for one in found if one.parts]


# The strongest attack made for another method, how much more the method's own attack costs [dB], and its interval.
_Margin = tuple[str | None, float, Interval | None]
_HOW = {
    YES: "is hurt most by its own attack",
    NO: "is NOT hurt most by its own attack",
    NOT_EXCLUDED: "may be hurt most by its own attack",
    CANNOT_TELL: "is not known to be hurt most by its own attack",
}


def _margins(run: Losses) -> dict[str, _Margin]:
    found: dict[str, _Margin] = {}
    for victim in run.attacked:
        worst = run.strongest_of_others(victim)
        more = (0.0, None) if worst is None else run.more(run.lost[victim, victim], run.lost[worst, victim])
        found[victim] = (worst, *more)
    return found


def _own_attack(victim: str, run: Losses, margin: _Margin) -> str:
    """Say whether a method loses most to its own attack."""
    worst, more, interval = margin
    own = run.mean(victim, victim)
    if worst is None:
        return f"{victim} loses {_db(own)} to its own attack at epsilon {run.largest:g}."
    return (
        f"{victim} {_HOW[verdict(ABOVE, [interval])]}: at epsilon {run.largest:g} it loses {_db(own)} to it, and "
        f"{_db(run.mean(worst, victim))} to the strongest of the others, that on {worst}, a difference of "
        f"{told(more, interval, '{:+.2f}')} dB."
    )


def _order(run: Losses) -> str:
    """The families in order of the loss to their own attacks, beside the paper's order."""
    ours = sorted(_ORDER_OF_THE_PAPER, key=lambda label: run.mean(label, label))
    found = f"From the least to the most hurt by their own attacks: {', '.join(ours)}; in the paper: "
    found += ", ".join(_ORDER_OF_THE_PAPER)
    if ours.index("l1") > _ORDER_OF_THE_PAPER.index("l1"):
        found += (
            ". l1 stands higher here: the paper's was an early-stopped iteration attacked by a joint descent, here the "
            "gradient goes through the solver of the l1 problem"
        )
    return found + ". No order of methods follows from attacks that are not known to find the worst."


def _accurate_and_sensitive(run: Losses, rows: list[Row]) -> list[str]:
    """Say whether more accurate methods lose more to their own attacks; no sentence about fewer than three methods."""
    if len(run.attacked) < _FEWEST:
        return []
    clean = [
        mean([row.clean for row in rows if row.metric == "psnr" and row.source == row.victim == label])
        for label in run.attacked
    ]
    lost = [run.mean(label, label) for label in run.attacked]
    found = ranks.told(ranks.rank_correlation(clean, lost), len(clean))
    return [
        f"Over {len(clean)} methods, the PSNR on clean data and the PSNR lost to the method's own attack at epsilon "
        f"{run.largest:g} have a rank correlation of {found}: above zero, accurate methods would be more susceptible."
    ]


def _more_than_noise(label: str, run: Losses) -> tuple[float, Interval | None]:
    """The loss to a method's own attack minus that to noise of the same norm, at the largest epsilon [dB]."""
    return run.more(run.lost[label, label], run.noise[label, label])


def _against_noise(label: str, run: Losses) -> str:
    """Compare a method's loss to its own attack with its loss to noise of the same norm."""
    attacked, control = run.lost[label, label], run.noise[label, label]
    stronger = sum(attacked[at] > control[at] for at in attacked) / len(attacked)
    more = told(*_more_than_noise(label, run), style_of("psnr"))
    return (
        f"{label} under its own attack at epsilon {run.largest:g} loses {more} dB "
        f"more than to noise of equal norm; over all epsilons the attack is stronger on {stronger:.0%} of the results."
    )


def _db(value: float) -> str:
    return f"{rounded('psnr', value)} dB"
