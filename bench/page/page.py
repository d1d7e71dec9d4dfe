"""The page of one run, section by section."""

from __future__ import annotations

import base64
from html import escape
from operator import attrgetter
from pathlib import Path
from typing import Any

from bench.findings import ceiling, solver_error
from bench.findings.matrix import findings
from bench.page import pictures, plots, tables, words
from bench.page.document import bullets, definitions, document, resource, section
from bench.record.reading import understanding
from bench.record.record import Record, estimate, read, zero_filled


def page_of(folder: Path) -> bytes:
    """The page of a finished run's folder.  Raises InputFileError if its records cannot be used."""
    record = read(folder)
    shown = pictures.collect(record)
    with understanding(record.folder / "run.json"):
        body = _head(record)
        body += section("Look at the images", _explorer(record, shown))
        if record.several:
            # Of the rows: those of an older record may be of intervals that were too narrow.
            found = bullets(findings(record.rows))
            body += section("Whose perturbation hurts whom", tables.matrix(record) + _ABOUT_MATRIX + found)
        body += section("How much is lost, and at which size", plots.quality(record) + _about_curves(record))
        body += section("Can it be believed?", _belief(record))
        body += section("Numbers", tables.numbers(record) + _about_numbers(record))
        body += section("Threat model", definitions(record.run.threat_model))
        body += section("Settings of the methods", definitions(words.settings(record)))
        body += section("Repeat it", f"<pre>{escape(words.command(record))}</pre>")
        body += section("Where it comes from", definitions(words.provenance(record)))
        title = f"{', '.join(record.names('victim'))} under {', '.join(record.names('attack'))}"
        if shown is not None:
            shown["control"] = words.control_name(record)
    return document(title, body, shown)


def _head(record: Record) -> str:
    """The finding, what speaks against the methods before any attack, and the setting."""
    doubts = words.clean_flags(record)
    return (
        f"<h1>{escape(words.finding(record))}</h1>\n"
        + (bullets(doubts, "flags") if doubts else "")
        + f'<p class="quiet">{escape(words.setting(record))}</p>\n'
        + ("" if record.several else _three_numbers(record))
    )


def _three_numbers(record: Record) -> str:
    """The three that matter, in the colours that they have on the whole page."""
    items = ""
    names = {"clean": "from clean data", "noise": f"with {words.control(record)}", "attacked": "under attack"}
    for state, text in names.items():
        psnr, ssim = (
            estimate(record.select(metric=metric, eps=record.shown), attrgetter(state)) for metric in plots.METRICS
        )
        items += f'<li class="{state}"><b>{psnr.mean:.1f} dB</b><span>{escape(text)}, SSIM {ssim.mean:.3f}</span></li>'
    found = [zero_filled(record.select(metric=metric, eps=record.shown)) for metric in plots.METRICS]
    least = ""
    if None not in found:
        least = f'<p class="quiet">Zero-filled, from clean data: {found[0]:.1f} dB, SSIM {found[1]:.3f}</p>\n'
    return f'<ul class="stats">{items}</ul>\n{least}'


def _explorer(record: Record, shown: dict[str, Any] | None) -> str:
    """The explorer, with the static figure for where it cannot run."""
    figure = _static(record)
    if shown is None:
        return f"<p>The run kept no pictures to look into.</p>{figure}"
    left_out = shown["total"] - len(shown["cases"])
    note = ""
    if left_out:
        of = words.count(shown["total"], "image")
        note = f"<p>{len(shown['cases'])} of {of} can be looked at here; all are in the numbers below.</p>"
    if words.threat(record) != "noise":
        note += "<p>Error maps are against the truth before the change; the scores are the run's own.</p>"
    return f'{resource("explorer.html")}<div id="static">{figure}</div>{note}'


def _static(record: Record) -> str:
    path = record.folder / "figure.png"
    with understanding(path):
        if not path.exists():
            return ""
        content = base64.b64encode(path.read_bytes()).decode()
    text = (
        "Top row: the true image and the reconstructions from clean, noisy and attacked data. Bottom row: the "
        "perturbation and the errors of the three. Right: mean PSNR against epsilon, for noise and under attack. "
        + words.finding(record)
    )
    return f'<img alt="{escape(text)}" src="data:image/png;base64,{content}">'


def _about_curves(record: Record) -> str:
    level, name = words.thermal(record), escape(words.interval_name(record))
    noise = (
        ""
        if level is None
        else f" The scan's own thermal noise amounts to an epsilon of {level:.2g} (median over images): a perturbation "
        "below it hides in what every scan has."
    )
    return (
        f'<p class="quiet">Means over images{f", with {name} as area" * bool(name)}. '
        f"{escape(words.control(record).capitalize())} is the control: what an accident of that size does."
        f"{escape(noise + _beside_the_centre(record))}</p>"
    )


def _beside_the_centre(record: Record) -> str:
    """Share of the signal outside the centre that epsilon is, if noise on all measured data is bounded."""
    share, config = words.outside_centre(record), record.run.config
    if not share or (config.get("norm"), config.get("threat", "noise")) != ("measured", "noise"):
        return ""
    return (
        f" The fully sampled centre holds {1 - share**2:.1%} of the measured energy: on the other columns alone an "
        f"epsilon of {record.shown:g} is {record.shown / share:.0%} of the signal."
    )


_ABOUT_MATRIX = (
    '<p class="quiet">Rows: the method that a perturbation was made for. Columns: the method that was then given it. '
    "The diagonal is each method under its own attack; a larger number in its column means that this attack missed the "
    "worst.</p>"
)


_FINE = "No check failed: every gradient was non-zero, and every attack was stronger than noise"
_BETTER = "; no clean image was worse than the zero-filled one."


def _belief(record: Record) -> str:
    """Objections to the numbers, evidence that was not gathered, and the course of the search."""
    found = words.flags(record)
    found += [f"{name} failed: {reason}." for name, reason in record.run.failed.items()]
    if found:
        text = "<h3>What speaks against it</h3>" + bullets(found, "flags")
    else:
        # Older records do not say, so that they get no tick.
        known = words.held_against_zero_filled(record)
        text = bullets([_FINE + _BETTER], "fine") if known else bullets([_FINE + "."])
    checks = plots.checks(record)
    if checks:
        text += "<h3>What further searches found</h3>" + bullets(checks)
    text += "<h3>What was not checked</h3>" + bullets(words.not_checked(record))
    if record.run.notes:
        text += "<h3>Notes</h3>" + bullets(record.run.notes)
    climb = plots.convergence(record)
    if climb:
        text += (
            "<h3>Had the search come to its end?</h3>"
            f'{climb}<p class="quiet">The median over images. A curve that is flat at its end found what it could; one '
            "that still climbs would find worse with more steps.</p>"
        )
    return text


def _about_numbers(record: Record) -> str:
    best, far = ceiling.sentence(record.run), solver_error.sentence(record.rows)
    clean = "" if best is None else f"Beside the clean scores: {escape(best)}. "
    solved = "" if far is None else f"{escape(far[0].upper() + far[1:])}. "
    return (
        f'<p class="quiet">{clean}{solved}The control is {escape(words.control(record))}, in the same threat set. '
        f"{escape(words.about_interval(record))} Zero-filled: the weakest method, on clean data.</p>"
    )
