"""Tables of a study in Markdown, a row for each method of each world."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bench.findings import markdown
from bench.plan.intervals import meaning, of_mean, told
from bench.studies.stability import numbers
from bench.studies.stability.numbers import Rows, first_seen, mean, of
from bench.studies.stability.worlds import AUTO
from jaxcs.attacks.momentum import PRESETS

# Kinds of rows that have a table and a figure, in order.
KINDS = ("perturbation", "sweep", "structure", "samples")


def tables(rows: Rows) -> str:
    """Make the tables of all studies that the rows are of."""
    made: list[Callable[[Rows], str]] = [_perturbation, _sweep, _structure, _samples]
    return "\n\n".join(make(rows) for kind, make in zip(KINDS, made, strict=True) if of(rows, kind=kind))


def constants(worlds: Mapping[str, Any]) -> str:
    """Make the table of the attack's constants, as Table 1 of the paper, with the printed ones beside ours.

    Args:
        worlds: entries of run.json about worlds, by name.
    """
    head = ["world", "constants", "penalty", "as printed", "step", "as printed", "start", "momentum", "steps"]
    body = []
    for world, entry in worlds.items():
        used, name = entry["constants"], entry["constants"]["preset"]
        printed = PRESETS.get(f"{name}_printed", PRESETS[name]) if name != AUTO else None
        cells = ["", ""] if printed is None else [f"{value:.3g}" for value in (printed.penalty, printed.step or 0.0)]
        step = "from the largest singular value" if used["step"] is None else f"{used['step']:.3g}"
        penalty = f"{used['penalty']:.3g}" + " of the squared singular value" * (used["step"] is None)
        row = [world, name, penalty, cells[0], step, cells[1], f"{used['start']:.3g}", f"{used['decay']:g}"]
        body.append([*row, ", ".join(str(count) for count in used["snapshots"])])
    return markdown.table(head, body)


def _perturbation(rows: Rows) -> str:
    head = [
        "world", "method", "PSNR [dB]", "largest singular value", "norm [%]", "gain", "gain of noise",
        "gain with noise added", "PSNR [dB]", "gain, worst for the method", "gain, worst for the comparator",
    ]  # fmt: skip
    start = first_seen(numbers.worst_of_start(rows), "source")
    head += [f"gain, worst for {name}" for name in start]
    body = []
    for world in first_seen(of(rows, kind="perturbation"), "world"):
        here = of(rows, world=world)
        tested, other = numbers.tested_of(here), numbers.comparator_of(here)
        for name in first_seen(of(here, kind="clean"), "method"):
            own, clean = of(here, method=name), of(here, kind="clean", method=name)
            last = numbers.last_climbed(own)
            cells = [_told(clean, "psnr", "{:.2f}"), _told(clean, "singular_value", "{:.2f}")]
            cells += [_told(last, "norm", "{:.2f}", 100), _told(last, "gain", "{:.2f}")]
            cells += [_told(last, "gain_noise", "{:.2f}"), _told(last, "gain_both", "{:.2f}")]
            cells += [_told(last, "psnr", "{:.2f}")]
            cells += [_told(numbers.pushed(own, source), "gain", "{:.2f}") for source in (tested, other)]
            cells += [_told(of(numbers.worst_of_start(own), source=one), "gain", "{:.2f}") for one in start]
            body.append([world, name, *cells])
    return f"{markdown.table(head, body)}\n\n{_meaning(rows, 'perturbation')}"


def _sweep(rows: Rows) -> str:
    parts = []
    for world in first_seen(of(rows, kind="sweep"), "world"):
        here = of(rows, world=world, kind="sweep")
        largest = mean(of(rows, world=world, kind="clean", role="tested"), "singular_value")
        counts = sorted(first_seen(here, "steps"))
        head = [f"{world}: step, times", "penalty, times", "momentum"]
        head += [f"{words}, {steps} steps" for steps in counts for words in ("norm [%]", "gain")]
        body = []
        for constants in dict.fromkeys(map(numbers.constants_of, here)):
            own = [row for row in here if numbers.constants_of(row) == constants]
            cells = [f"{value:g}" for value in constants]
            for steps in counts:
                at = of(own, steps=steps)
                cells += [_told(at, "norm", "{:.2g}", 100), _told(at, "gain", "{:.2f}")]
            body.append(cells)
        beside = "" if largest is None else f"\n\nLargest singular value of {world}: {largest:.2f}."
        parts.append(f"{markdown.table(head, body)}{beside}")
    return "\n\n".join([*parts, _meaning(rows, "sweep")])


def _structure(rows: Rows) -> str:
    head = ["world", "method", "glyphs", "read in the change", "read in the image", "contrast kept", "error"]
    body = []
    for world in first_seen(of(rows, kind="structure"), "world"):
        here = of(rows, world=world, kind="structure")
        for name in first_seen(here, "method"):
            own = of(here, method=name)
            cells = [_told(own, score, "{:.1f}") for score in ("glyphs", "read", "read_alone")]
            body.append([world, name, *cells, _told(own, "kept", "{:.2f}"), _told(own, "error", "{:.3f}")])
    return f"{markdown.table(head, body)}\n\n{_meaning(rows, 'structure')}"


def _samples(rows: Rows) -> str:
    parts = []
    for world in first_seen(of(rows, kind="samples"), "world"):
        here = of(rows, world=world, kind="samples")
        rates = sorted(first_seen(here, "acceleration"), reverse=True)
        head = [f"PSNR [dB], {world}"]
        for rate in rates:
            at = of(here, acceleration=rate)
            head.append(f"{100 * (mean(at, 'share') or 0):.0f} %{' (trained)' if at[0]['trained'] else ''}")
        body = [
            [name, *(_told(of(here, method=name, acceleration=rate), "psnr", "{:.2f}") for rate in rates)]
            for name in first_seen(here, "method")
        ]
        parts.append(markdown.table(head, body))
    return "\n\n".join([*parts, _meaning(rows, "samples")])


def _told(rows: Rows, score: str, style: str, times: float = 1) -> str:
    """The mean of a score over images, with its interval."""
    found = [(row[score] * times, row["volume"]) for row in rows if row.get(score) is not None]
    if not found:
        return ""
    values, volumes = [value for value, _ in found], [volume for _, volume in found]
    return told(sum(values) / len(values), of_mean(values, volumes), style, brief=True)


def _meaning(rows: Rows, kind: str) -> str:
    """The meaning of the intervals."""
    return meaning({len({row["volume"] for row in of(rows, kind=kind)})})
