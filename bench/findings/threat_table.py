"""One table of many runs: a row for each method, a column for each threat and its size.

A cell is the mean PSNR [dB] under the method's own attack.  If each image has a certificate, the cell is a pair: no
perturbation of that size leaves less than the certificate, and the attack found one that leaves the other number.
"""

from __future__ import annotations

from collections import Counter
from statistics import fmean

from bench.findings.latex import table as latex_table
from bench.findings.markdown import table as markdown_table
from bench.findings.paired import Part
from bench.findings.threats import Table
from bench.plan.intervals import FEWEST, SURE, of_mean
from bench.plan.scores import style_of
from bench.record.record import mean_if_known
from bench.record.rows import Row
from bench.record.summary import COLUMNS, csv_of, summarise
from jaxcs.evidence import CLEAN_FLAGS, FLAGS

_STYLE = style_of("psnr")
_MISSING = "-"


def markdown(table: Table) -> str:
    """Format the table in Markdown, with its notes below."""
    part = cells(table)
    return "\n\n".join([part.about, markdown_table(part.head, part.rows), *notes(table)])


def latex(table: Table) -> str:
    """Format the table in LaTeX, with its notes in the caption."""
    part = cells(table)
    told = latex_table(" ".join([part.about, *notes(table)]), part.head, part.rows)
    return f"% Needs \\usepackage{{booktabs}}.\n\n{told}\n"


def csv(table: Table) -> bytes:
    """Write the means of all metrics with their intervals: the columns of summary.csv, with the threat before them.

    The labels stand for the methods.  certified: the mean certificate, empty if an image has none.
    """
    lines = []
    for label, method in table.methods.items():
        for threat in table.threats:
            rows = method.cells.get(threat, [])
            for one in summarise(rows):
                certified = mean_if_known([row.certified for row in rows if row.metric == one.metric])
                names = {"threat": threat.name, "source": label, "victim": label}
                lines.append(one.line() | names | {"certified": certified})
    return csv_of(("threat", *COLUMNS, "certified"), lines)


def cells(table: Table) -> Part:
    """Make the sentence above the table, its head and its rows."""
    marks = _marks(table)
    rows = []
    for label, method in table.methods.items():
        first = method.psnr()
        start = mean_if_known([row.zero_filled for row in first])
        clean = _marked(_STYLE.format(fmean(row.clean for row in first)), _raised(first, clean=True), marks)
        found = [_cell(method.psnr(threat), marks) for threat in table.threats]
        rows.append([label, _MISSING if start is None else _STYLE.format(start), clean, *found])
    count = len({row.case for row in next(iter(table.methods.values())).psnr()})
    about = f"Mean PSNR [dB] over {count} image{'s' * (count != 1)}: clean, and under each method's own attack."
    return Part(about, ["method", table.start, "clean", *(threat.head for threat in table.threats)], rows)


def notes(table: Table) -> list[str]:
    """Explain what stands in the table: pairs, intervals, sampling, images that are left out, and marks."""
    marks = _marks(table)
    found = [_certificates(table), _intervals(table), _samplings(table)]
    if table.left_out:
        several = table.left_out != 1
        found.append(
            f"{table.left_out} further image{'s' * several} {'are' if several else 'is'} left out, because not every "
            "run has a result for it."
        )
    if any(threat not in method.cells for method in table.methods.values() for threat in table.threats):
        found.append(f"{_MISSING}: not attacked.")
    found += [f"{mark}: {name}, on at least one image: {FLAGS[name].rstrip('?')}." for name, mark in marks.items()]
    return [one for one in found if one]


def _samplings(table: Table) -> str:
    """Say which methods have another mask than most, because their scores are of other data."""
    usual = Counter(method.sampling for method in table.methods.values()).most_common(1)[0][0]
    other = [f"{label} ({one.sampling})" for label, one in table.methods.items() if one.sampling != usual]
    if not other:
        return ""
    return f"Masks are {usual}, but others for {', '.join(other)}, whose rows are not comparable with the rest."


def _certificates(table: Table) -> str:
    """Explain the pairs, with the confidence of certificates that have one."""
    rows = [row for method in table.methods.values() for threat in table.threats for row in method.psnr(threat)]
    certified = [row for row in rows if row.certified is not None]
    if not certified:
        return ""
    sure = sorted({row.certified_confidence for row in certified if row.certified_confidence is not None})
    text = "[certificate, attack]: no perturbation of the threat leaves a lower mean than the certificate"
    if sure:
        text += (
            f"; for smoothed methods with {' or '.join(f'{100 * one:g} %' for one in sure)} confidence for each image"
        )
    return f"{text}."


def _intervals(table: Table) -> str:
    """Say how sure the means under attack are."""
    every = [method.psnr(threat) for method in table.methods.values() for threat in method.cells]
    found = [of_mean([row.attacked for row in rows], [row.volume for row in rows]) for rows in every]
    halves = [(one.high - one.low) / 2 for one in found if one is not None and one.kind == SURE]
    if not halves:
        return f"The means have no 95 % intervals, which need {FEWEST} volumes."
    ends = sorted({f"± {_STYLE.format(half)}" for half in (min(halves), max(halves))})
    return f"The 95 % intervals of the attacked means, Student's t over volumes, are {' to '.join(ends)} dB."


def _cell(rows: list[Row], marks: dict[str, str]) -> str:
    """A cell: the attacked mean, behind its certificate if each image has one."""
    if not rows:
        return _MISSING
    attacked = _STYLE.format(fmean(row.attacked for row in rows))
    certified = mean_if_known([row.certified for row in rows])
    text = attacked if certified is None else f"[{_STYLE.format(certified)}, {attacked}]"
    return _marked(text, _raised(rows, clean=False), marks)


def _raised(rows: list[Row], *, clean: bool) -> list[str]:
    """The flags of any row: those of the clean image, or all others."""
    found = {flag for row in rows for flag in row.flags if (flag in CLEAN_FLAGS) == clean}
    return [flag for flag in FLAGS if flag in found]


def _marked(text: str, flags: list[str], marks: dict[str, str]) -> str:
    return " ".join([text, *(marks[flag] for flag in flags)])


def _marks(table: Table) -> dict[str, str]:
    """A letter for each flag that stands in the table, in the order of `FLAGS`."""
    rows = [row for method in table.methods.values() for threat in method.cells for row in method.psnr(threat)]
    there = {flag for row in rows for flag in row.flags}
    flags = [flag for flag in FLAGS if flag in there]
    return {flag: chr(ord("a") + index) for index, flag in enumerate(flags)}
