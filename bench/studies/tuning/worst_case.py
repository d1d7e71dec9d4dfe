"""The worst case of bench.tune: each choice of settings under the attack on its method, and the best choice then."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from bench.evaluate import experiment, scan
from bench.evaluate.experiment import Search
from bench.evaluate.single_slice import SingleSlice
from bench.evaluate.subjects import default_attack
from bench.plan.config import RunConfig
from bench.plan.errors import InputFileError, UsageError
from bench.plan.intervals import as_json, from_json, meaning, of_mean, told
from bench.run.parallel import of_each
from bench.slices.prepare import Prepared
from jaxcs.recon import METHODS

_METRICS = ("ssim", "psnr")
_STYLES = {"ssim": "{:.4f}", "psnr": "{:.3f}"}


class WorstCase(NamedTuple):
    """An attack and its epsilons.

    Attributes:
        search: the attack.
        eps: its epsilons, ascending.
    """

    search: Search
    eps: tuple[float, ...]

    def label(self, eps: float) -> dict[str, Any]:
        """Return the entries that distinguish scores at this epsilon from scores under other attacks."""
        return {"eps": eps, "attack": self.search.name, "steps": self.search.config.n_steps}


def worst_case(method: str, eps: Sequence[float], steps: int | None) -> WorstCase | None:
    """Return the default attack on a method.

    Args:
        method: name of the method.
        eps: sizes of the perturbation.
        steps: number of steps, None for the attack's default.

    Returns:
        The attack, or None if there are no epsilons.

    Raises:
        UsageError: there are steps, but no epsilons.
    """
    if not eps:
        if steps is not None:
            raise UsageError("--steps: nothing is attacked; give --worst-case too, such as --worst-case 0.02 0.05")
        return None
    search = default_attack(METHODS[method])
    if steps is not None:
        search = search._replace(config=replace(search.config, n_steps=steps))
    return WorstCase(search, tuple(sorted(set(eps))))


def entry_of(candidate: dict[str, Any], label: dict[str, Any]) -> dict[str, Any] | None:
    """Return the scores of a candidate with this label, or None."""
    return next(
        (one for one in candidate.get("worst_case", []) if all(one[name] == value for name, value in label.items())),
        None,
    )


def scores(
    slices: list[Prepared], config: RunConfig, method_config: Any, asked: WorstCase, advance: Callable[[], None]
) -> list[dict[str, Any]]:
    """Compute the mean attacked SSIM and PSNR with one choice of settings, with their intervals, at each epsilon.

    The scores equal those of bench.attack on the same images.

    Args:
        slices: the images.
        config: settings of a run with this choice.
        method_config: configuration of the method with this choice.
        asked: the attack.
        advance: called after each image.

    Returns:
        An entry for each epsilon.

    Raises:
        InputFileError: a score is not finite.
    """
    search = {"attack": asked.search}
    functions = experiment.build(config, {}, METHODS[config.method], method_config, search, scan.build(config, None))

    def attacked(prepared: Prepared) -> dict[str, list[float]]:
        one = SingleSlice.of(functions, prepared)
        return one.scores(one.attack(asked.eps))

    each = of_each(attacked, slices, advance)
    volumes = [one.volume for one in slices]
    entries = []
    for index, eps in enumerate(asked.eps):
        entry = asked.label(eps)
        for name in _METRICS:
            values = [score[name][index] for score in each]
            if not all(map(math.isfinite, values)):
                raise InputFileError(
                    f"an attacked reconstruction is not finite at epsilon {eps:g}; leave out the value"
                )
            entry |= {name: statistics.fmean(values), f"{name}_interval": as_json(of_mean(values, volumes))}
        entries.append(entry)
    return entries


def best_under_attack(candidates: list[dict[str, Any]], asked: WorstCase) -> list[dict[str, Any]]:
    """Find the settings with the largest attacked SSIM at each epsilon, and their cost on clean data.

    Returns:
        For each epsilon `eps`: the best `settings` under attack, with their attacked `ssim` and `psnr`; `clean_best`,
            the settings with the largest clean SSIM; `gain`, the attacked scores minus those of `clean_best`, None if
            `clean_best` was not attacked in this way; `cost`, the clean scores of `clean_best` minus those of
            `settings`.  `gain` and `cost` have "ssim" [-] and "psnr" [dB].
    """
    found = []
    clean = max(candidates, key=lambda one: one["ssim"])
    for eps in asked.eps:
        label = asked.label(eps)
        pairs = [(one, entry) for one in candidates if (entry := entry_of(one, label)) is not None]
        best, under = max(pairs, key=lambda pair: pair[1]["ssim"])
        other = entry_of(clean, label)
        gain = None if other is None else {name: under[name] - other[name] for name in _METRICS}
        found.append(
            {"eps": eps, "settings": best["settings"], "clean_best": clean["settings"]}
            | {name: under[name] for name in _METRICS}
            | {"gain": gain, "cost": {name: clean[name] - best[name] for name in _METRICS}}
        )
    return found


def sentence(one: dict[str, Any], labelled: Callable[[dict[str, str]], str]) -> str:
    """Say the result of `best_under_attack` at one epsilon.

    Args:
        one: the result.
        labelled: function that formats settings.
    """
    best = f"epsilon {one['eps']:g}: best under attack is {labelled(one['settings'])}"
    score = f"SSIM {one['ssim']:.4f} and PSNR {one['psnr']:.2f} dB"
    if one["settings"] == one["clean_best"]:
        return f"{best}, with {score}; it is the best when clean too"
    gain, cost, other = one["gain"], one["cost"], labelled(one["clean_best"])
    against = (
        f"; {other}, the best when clean, was not attacked so"
        if gain is None
        else f", {gain['ssim']:+.4f} and {gain['psnr']:+.2f} dB from {other}, the best when clean"
    )
    lost = f"when clean it costs SSIM {cost['ssim']:.4f} and PSNR {cost['psnr']:.2f} dB"
    return f"{best}, with {score}{against}; {lost}"


def columns(candidates: list[dict[str, Any]], asked: WorstCase) -> tuple[list[list[str]], str]:
    """Make the columns of a table.

    Args:
        candidates: the candidates.
        asked: the attack.

    Returns:
        A column for each epsilon and metric, which is a heading and a cell for each candidate; and the meaning of ±.
    """
    table, volumes = [], set()
    for eps in asked.eps:
        entries = [entry_of(one, asked.label(eps)) for one in candidates]
        volumes |= {
            entry[f"{name}_interval"]["volumes"] if entry[f"{name}_interval"] else 1
            for entry in entries
            for name in _METRICS
            if entry is not None
        }
        for name in _METRICS:
            cells = [
                "-"
                if entry is None
                else told(entry[name], from_json(entry[f"{name}_interval"]), _STYLES[name], brief=True)
                for entry in entries
            ]
            table.append([f"{name.upper()} at {eps:g}", *cells])
    return table, meaning(volumes)
