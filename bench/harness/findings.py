"""What a run of several methods found, as sentences with their numbers (Figure 3 of the ICML 2021 paper)."""

from __future__ import annotations

from typing import Any

from bench.harness.intervals import Interval, of_mean, told
from bench.harness.verdict import ABOVE, CANNOT_TELL, NO, NOT_EXCLUDED, YES, verdict

# (source, victim) -> PSNR lost [dB], by (case, epsilon)
_Losses = dict[tuple[str, str], dict[tuple[str, float], float]]

# By what their own attacks cost, the least first (U-Net and l1 about equal).
_ORDER_OF_THE_PAPER = ("convdecoder", "unet", "l1", "varnet")


def findings(rows: list[dict[str, Any]]) -> list[str]:
    """Sentences, of PSNR and of the largest epsilon; none for a run of one method, and none from one image."""
    rows = [row for row in rows if row["metric"] == "psnr" and row["eps"] > 0]
    labels = list(dict.fromkeys(row["source"] for row in rows))
    volumes = {row["case"]: row["volume"] for row in rows}
    if len(labels) < 2 or len(volumes) < 2:
        return []
    noise: _Losses = {}
    lost: _Losses = {}
    for row in rows:
        at, pair = (row["case"], row["eps"]), (row["source"], row["victim"])
        lost.setdefault(pair, {})[at] = row["clean"] - row["attacked"]
        noise.setdefault(pair, {})[at] = row["clean"] - row["noise"]
    largest = max(row["eps"] for row in rows)
    victims = [label for label in labels if any(victim == label for _, victim in lost)]
    margins = {label: _margin(label, labels, lost, volumes, largest) for label in victims if (labels[0], label) in lost}
    own = [_own_attack(label, labels, lost, margin, largest) for label, margin in margins.items()]
    own += [_against_noise(label, lost, noise, volumes, largest) for label in victims]
    compared = [interval for other, _, interval in margins.values() if other is not None]
    if compared:
        own.append(f"Published, that each method is hurt most by its own attack: {verdict(ABOVE, compared)}.")
    return own + ([_order(lost, largest)] if set(labels) == set(_ORDER_OF_THE_PAPER) else [])


# The strongest of the other attacks, by how much more the own one costs, and how sure that is.
_Margin = tuple[str | None, float, Interval | None]
_HOW = {
    YES: "is hurt most by its own attack",
    NO: "is NOT hurt most by its own attack",
    NOT_EXCLUDED: "may be hurt most by its own attack",
    CANNOT_TELL: "is not known to be hurt most by its own attack",
}


def _margin(victim: str, sources: list[str], lost: _Losses, volumes: dict[str, str], eps: float) -> _Margin:
    means = {source: _mean(_at(lost[source, victim], eps)) for source in sources if (source, victim) in lost}
    others = {source: mean for source, mean in means.items() if source != victim}
    worst = max(others, key=lambda source: others[source], default=None)
    if worst is None:
        return None, 0.0, None
    other = lost[worst, victim]
    more = {case: value - other[case, e] for (case, e), value in lost[victim, victim].items() if e == eps}
    interval = of_mean(list(more.values()), [volumes[case] for case in more])
    return worst, _mean(list(more.values())), interval


def _own_attack(victim: str, sources: list[str], lost: _Losses, margin: _Margin, eps: float) -> str:
    """Whether a method is hurt most by its own attack."""
    means = {source: _mean(_at(lost[source, victim], eps)) for source in sources if (source, victim) in lost}
    worst, more, interval = margin
    if worst is None:
        return f"{victim} loses {means[victim]:.1f} dB to its own attack at epsilon {eps:g}."
    return (
        f"{victim} {_HOW[verdict(ABOVE, [interval])]}: at epsilon {eps:g} it loses {means[victim]:.1f} dB to it, and "
        f"{means[worst]:.1f} dB to the strongest of the others, that on {worst}, a difference of "
        f"{told(more, interval, '{:+.1f}')} dB."
    )


def _order(lost: _Losses, eps: float) -> str:
    """The families in order of what their own attacks cost, beside that of the paper."""
    means = {label: _mean(_at(lost[label, label], eps)) for label in _ORDER_OF_THE_PAPER}
    ours = sorted(means, key=lambda label: means[label])
    found = f"From the least to the most hurt by their own attacks: {', '.join(ours)}; in the paper: "
    found += ", ".join(_ORDER_OF_THE_PAPER)
    if ours.index("l1") > _ORDER_OF_THE_PAPER.index("l1"):
        found += (
            ". l1 stands higher here: the paper's was an early-stopped iteration attacked by a joint descent, here the "
            "gradient goes through the solver of the l1 problem"
        )
    return found + ". No order of methods follows from attacks that are not known to find the worst."


def _against_noise(label: str, lost: _Losses, noise: _Losses, volumes: dict[str, str], eps: float) -> str:
    """Whether a method is robust to its own attack, beside noise of the same norm."""
    attacked, control = lost[label, label], noise[label, label]
    extra = {case: attacked[case, e] - control[case, e] for case, e in attacked if e == eps}
    interval = of_mean(list(extra.values()), [volumes[case] for case in extra])
    stronger = sum(attacked[at] > control[at] for at in attacked) / len(attacked)
    more = told(_mean(list(extra.values())), interval, "{:.1f}")
    return (
        f"{label} under its own attack at epsilon {eps:g} loses {more} dB "
        f"more than to noise of equal norm; over all epsilons the attack is stronger on {stronger:.0%} of the results."
    )


def _at(losses: dict[tuple[str, float], float], eps: float) -> list[float]:
    return [value for (_, e), value in losses.items() if e == eps]


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
