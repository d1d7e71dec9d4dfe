"""The page of one run, section by section."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any

from bench.findings import acceptance, ceiling, certificate, solver_error
from bench.findings.matrix import findings
from bench.page import origin, pictures, plots, tables, words
from bench.page.document import document, resource
from bench.plan import linear_start
from bench.plan.criteria import Criterion
from bench.plan.scores import rounded
from bench.record.reading import understanding
from bench.record.record import Record, estimate, read, zero_filled

# Figures that a run may draw beside its page.
_FIGURES = {
    "figure.png": "an image and PSNR against epsilon",
    "angle.png": "SSIM against the angle",
    "region.png": "crops of the region",
    "transfer.png": "every method under every perturbation",
}


def page_of(folder: Path, criteria: Sequence[Criterion] | None = None) -> bytes:
    """Make the page of a finished run.

    Args:
        folder: the run folder.
        criteria: criteria by which the run is judged; its own if None.

    Raises:
        InputFileError: the records of the run cannot be used.
    """
    record = read(folder)
    verdicts = acceptance.verdicts(record, criteria)
    shown = pictures.collect(record)
    with understanding(record.folder / "run.json"):
        values = _head(record) | _images(record, shown) | _belief(record)
        values |= {
            # The findings are computed from the rows again, because those of an old record may have too narrow
            # intervals.
            "matrix": {"table": tables.matrix(record), "findings": findings(record.rows)} if record.several else None,
            "quality": plots.quality(record),
            "about_curves": _about_curves(record),
            "figures": _figures(record.folder),
            "numbers": tables.numbers(record),
            "about_numbers": _about_numbers(record),
            "threat_model": record.run.threat_model,
            "settings": words.settings(record),
            "command": words.command(record),
            "provenance": origin.provenance(record),
            "verdicts": verdicts,
            "about_verdicts": acceptance.MEANING,
        }
        title = f"{', '.join(record.names('victim'))} under {', '.join(record.names('attack'))}"
        title = title if record.run.name is None else f"{record.run.name}: {title}"
        if shown is not None:
            shown["control"] = words.control_name(record)
        return document("run.html", title, values, shown)


def _head(record: Record) -> dict[str, Any]:
    """The finding, objections to the methods before any attack, and the setting."""
    return {
        "finding": words.finding(record),
        "doubts": words.clean_flags(record),
        "setting": words.setting(record),
        "stats": [] if record.several else _three_numbers(record),
        "start": _start(record),
    }


def _three_numbers(record: Record) -> list[tuple[str, str, str, str]]:
    """The scores of the three states, each as the class of its colour, PSNR, SSIM and words."""
    names = {"clean": "from clean data", "noise": f"with {words.control(record)}", "attacked": "under attack"}
    items = []
    for state, text in names.items():
        psnr, ssim = (
            estimate(record.select(metric=metric, eps=record.shown), attrgetter(state)) for metric in plots.METRICS
        )
        items.append((state, rounded("psnr", psnr.mean), rounded("ssim", ssim.mean), text))
    return items


def _start(record: Record) -> str:
    psnr, ssim = (zero_filled(record.select(metric=metric, eps=record.shown)) for metric in plots.METRICS)
    if psnr is None or ssim is None:
        return ""
    return f"{_head_of_start(record)}, from clean data: {rounded('psnr', psnr)} dB, SSIM {rounded('ssim', ssim)}"


def _head_of_start(record: Record) -> str:
    """The name of the linear start, at the beginning of a sentence."""
    head = linear_start.of_config(record.run.config).head
    return head[0].upper() + head[1:]


def _images(record: Record, shown: dict[str, Any] | None) -> dict[str, Any]:
    """The explorer, and the static figure for browsers in which it cannot run."""
    notes = words.picture_notes(shown)
    if words.threat(record) != "noise":
        notes.append("Error maps are against the truth before the change; the scores are the run's own.")
    return {"explorer": resource("explorer.html"), "figure": _static(record), "picture_notes": notes}


def _static(record: Record) -> dict[str, str] | None:
    path = record.folder / "figure.png"
    with understanding(path):
        if not path.exists():
            return None
        content = base64.b64encode(path.read_bytes()).decode()
    text = (
        "Top row: the true image and the reconstructions from clean, noisy and attacked data. Bottom row: the "
        "perturbation and the errors of the three."
        if len(record.names("source")) == 1
        else "A column for each method, after the true image: its reconstructions from clean and from attacked data, "
        "and the error of the latter."
    )
    curves = "Right: mean PSNR against epsilon, for noise and under attack."
    return {"alt": f"{text} {curves} {words.finding(record)}", "content": content}


def _figures(folder: Path) -> dict[str, str]:
    """Other figures in the folder of the run, which the page links to: their contents in words, by name."""
    return {name: words for name, words in _FIGURES.items() if (folder / name).exists()}


def _about_curves(record: Record) -> str:
    thermal, name = words.thermal(record), words.interval_name(record)
    noise = (
        ""
        if thermal is None
        else f" The scan's own thermal noise amounts to an epsilon of {thermal:.2g} (median over images): a "
        "perturbation below it hides in what every scan has."
    )
    together = "All methods: solid under attack, dashed with the control." if len(record.names("victim")) > 1 else ""
    return (
        f"Means over images{f', with {name} as area' * bool(name)}. "
        f"{words.control(record).capitalize()} is the control: what an accident of that size does. "
        f"{together}"
        f"{noise}{_beside_the_centre(record)}"
    )


def _beside_the_centre(record: Record) -> str:
    """Compare epsilon with the signal outside the centre, if the threat is noise on all measured data."""
    share, config = words.outside_centre(record), record.run.config
    if not share or (config.get("norm"), config.get("threat", "noise")) != ("measured", "noise"):
        return ""
    return (
        f" The fully sampled centre holds {1 - share**2:.1%} of the measured energy: on the other columns alone an "
        f"epsilon of {record.shown:g} is {record.shown / share:.0%} of the signal."
    )


_FINE = "No check failed: every gradient was non-zero, and every attack was stronger than noise"
_BETTER = "; no clean image was worse than the {start} one."


def _belief(record: Record) -> dict[str, Any]:
    """Objections to the numbers, evidence that was not gathered, and the course of the search."""
    failed = [f"{name} failed: {reason}." for name, reason in record.run.failed.items()]
    # Old records do not tell, and get no tick.
    compared = words.held_against_start(record)
    return {
        "against": words.flags(record) + failed,
        "fine": _FINE + (_BETTER.format(start=linear_start.of_config(record.run.config).head) if compared else "."),
        "compared": compared,
        "checks": plots.checks(record),
        "not_checked": words.not_checked(record),
        "notes": record.run.notes,
        "convergence": plots.convergence(record),
    }


def _about_numbers(record: Record) -> str:
    best, far = ceiling.sentence(record.run), solver_error.sentence(record.rows)
    between = certificate.sentence(record.rows)
    clean = "" if best is None else f"Beside the clean scores: {best}. "
    solved = "" if far is None else f"{far[0].upper() + far[1:]}. "
    certain = "" if between is None else f"{between[0].upper() + between[1:]}. "
    return (
        f"{clean}{solved}{certain}The control is {words.control(record)}, in the same threat set. "
        f"{words.about_interval(record)} {_head_of_start(record)}: the weakest method, on clean data."
    )
