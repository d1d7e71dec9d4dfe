"""The charts of one run: quality against epsilon, and the progress of the search for the worst case."""

from __future__ import annotations

import statistics
from operator import attrgetter

from markupsafe import Markup

from bench.page import words
from bench.page.curves import Line, Mark, Point, chart, extent
from bench.plan.scores import decimals_of, words_of
from bench.record.record import Record, estimate
from bench.record.rows import Row, SearchRow, State

# The metrics of the charts.
METRICS = ("psnr", "ssim")
# Number of colours of methods in the style sheet.
_COLOURS = 10


def quality(record: Record) -> list[Markup]:
    """Draw PSNR and SSIM against epsilon: all methods in one pair of charts, then a pair for each method."""
    thermal = words.thermal(record)
    marks = [] if thermal is None else [Mark(thermal, "scan's own noise")]
    victims = record.names("victim")
    metrics = [metric for metric in METRICS if record.select(metric=metric)]
    drawn = {(victim, metric): _states(record, victim, metric) for victim in victims for metric in metrics}
    # All charts of a metric share a scale, so that they can be compared.
    ranges = {
        metric: extent([line for (_, name), lines in drawn.items() if name == metric for line in lines])
        for metric in metrics
    }
    several = len(victims) > 1
    charts = [("all methods", metric, together(record, metric)) for metric in metrics] if several else []
    charts += [(victim, metric, lines) for (victim, metric), lines in drawn.items()]
    return [
        chart(
            f"{words_of(metric)} of {of}" if several else words_of(metric),
            lines,
            axis(record),
            marks=marks,
            y_range=ranges[metric],
            digits=decimals_of(metric),
        )
        for of, metric, lines in charts
    ]


def together(record: Record, metric: str) -> list[Line]:
    """Make the lines of all methods: with the control, and under attack, each under its own if it was attacked."""
    lines = []
    for state in ("noise", "attacked"):
        for index, victim in enumerate(record.names("victim")):
            rows = record.select(victim=victim, metric=metric)
            source = victim if any(row.source == victim for row in rows) else rows[0].source
            name = words.control_name(record) if state == "noise" else "attacked"
            name += "" if source == victim else f" as made for {source}"
            kind = colour(index) + " control" * (state == "noise")
            rows = [row for row in rows if row.source == source]
            lines.append(_line(rows, state, f"{victim}, {name}", kind, victim))
    return lines


def colour(index: int) -> str:
    """Return the class of the colour of a method by its place."""
    return f"run{index % _COLOURS}"


def axis(record: Record) -> str:
    """Return the meaning of epsilon, for the axis."""
    config = record.run.config
    if config.get("threat", "noise") != "noise":
        return f"epsilon: {record.run.threat_model.get('epsilon', 'size of the change')}"
    return f"epsilon: norm of the perturbation / norm of the {'image' if config.get('norm') == 'image' else 'data'}"


def convergence(record: Record) -> list[Markup]:
    """Draw the best loss so far as a share of the final loss; no charts if the run kept no searches."""
    figures = []
    for source in dict.fromkeys(search.source for search in record.searches):
        searches = [search for search in record.searches if search.source == source and search.eps > 0]
        eps = sorted({search.eps for search in searches})
        lines = []
        for index, value in enumerate(eps):
            points = _climb([search for search in searches if search.eps == value])
            # Colours go from the lightest to the strongest as epsilon grows.
            lines.append(Line(f"epsilon {value:g}", f"step{round(4 * index / max(len(eps) - 1, 1))}", points))
        if any(line.points for line in lines):
            title = f"Search on {source}: best loss so far / final loss"
            figures.append(chart(title, lines, "gradient evaluations", digits=3))
    return figures


def checks(record: Record) -> list[str]:
    """Say the results of further searches."""
    words_of = {
        "doubled": "With twice the steps the attack reaches",
        "restarted": "From other starts it reaches",
        "gradient_free": "An attack without gradients reaches",
        "noise": "Noise of the same norm reaches",
    }
    found = []
    for key, text in words_of.items():
        shares = [
            loss / final for search, final in _finals(record.searches) if (loss := getattr(search, key)) is not None
        ]
        if shares:
            found.append(f"{text} {statistics.median(shares):.3f} of its loss (median of {len(shares)} searches).")
    return found


def _states(record: Record, victim: str, metric: str) -> list[Line]:
    """Lines of one method: clean, the control, and under attacks, its own drawn over those made for others."""
    rows = record.select(victim=victim, metric=metric)
    sources = sorted({row.source for row in rows}, key=lambda source: (source != victim, source))
    own = [row for row in rows if row.source == sources[0]]
    lines = [_line(own, "clean", "clean", "clean"), _line(own, "noise", words.control_name(record), "noise")]
    many = "made for other methods" if len(sources) > 2 else ""
    for source in reversed(sources):
        chosen = [row for row in rows if row.source == source]
        if source == victim:
            lines.append(_line(chosen, "attacked", "attacked", "attacked"))
        else:
            lines.append(_line(chosen, "attacked", f"made for {source}", "transferred", many))
    return lines


def _line(rows: list[Row], state: State, name: str, kind: str, legend: str = "") -> Line:
    """The means of one method and source against epsilon, from those of clean data on."""
    eps = sorted({row.eps for row in rows})
    points = [Point(value, *estimate([row for row in rows if row.eps == value], attrgetter(state))) for value in eps]
    if eps[0] > 0:
        clean = estimate([row for row in rows if row.eps == eps[0]], attrgetter("clean"))
        points.insert(0, Point(0.0, *clean))
    return Line(name, kind, points, legend)


def _finals(searches: list[SearchRow]) -> list[tuple[SearchRow, float]]:
    """The searches that found a loss above 0, each with this loss."""
    return [(search, search.best) for search in searches if search.eps > 0 and search.best > 0]


def _climb(searches: list[SearchRow]) -> list[Point]:
    """The median over images of the best loss so far, and a last point for the search with twice the steps."""
    shares: list[list[float]] = []
    doubled = []
    for search, final in _finals(searches):
        best, climb = 0.0, []
        for loss in search.trace:
            best = max(best, loss or 0.0)
            climb.append(best / final)
        shares.append(climb)
        if search.doubled is not None:
            doubled.append(search.doubled / final)
    if not shares:
        return []
    length = max(map(len, shares))
    full = [climb + climb[-1:] * (length - len(climb)) for climb in shares]
    points = [Point(index + 1, statistics.median(values)) for index, values in enumerate(zip(*full, strict=True))]
    return points + ([Point(2 * length, statistics.median(doubled))] if doubled else [])
