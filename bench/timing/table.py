"""Timing records as Markdown."""

from __future__ import annotations

from typing import Any

from bench.findings.markdown import table

_HEAD = ["work", "who", "iterations", "seconds", "times ours", "first run", "memory", "bytes / copy", "flops / product"]


def markdown(records: list[dict[str, Any]]) -> str:
    """Format a line for each side of each row.

    The columns are median time with smallest and largest [s], ratio, time of the first run, in which programs compile
    [s], peak memory [GB], and shares of the limits.
    """
    lines = []
    last = None
    for record in records:
        lines.append(
            [
                record["what"] if record["what"] != last else "",
                record["who"],
                str(record["iterations"]) if record["iterations"] > 1 else "",
                f"{record['median_s']:.3g} ({record['smallest_s']:.3g} to {record['largest_s']:.3g})",
                f"{record['times_ours']:.2f}",
                f"{record['first_s']:.3g}" if "first_s" in record else "",
                f"{record['peak_memory_bytes'] / 1e9:.2f} GB",
                *(f"{record[name]:.1%}" if name in record else "" for name in ("share_of_copy", "share_of_product")),
            ]
        )
        last = record["what"]
    return table(_HEAD, lines)


def solutions(records: list[dict[str, Any]]) -> list[str]:
    """Say how far the solution of each solver is from ours, one sentence each."""
    return [
        f"{record['work']}: the solution of {record['who']} is {record['nrmse_to_our_solution']:.2%} (NRMSE) from ours."
        for record in records
        if record.get("nrmse_to_our_solution")
    ]


def curves(found: list[dict[str, Any]]) -> str:
    """Format the curves of `bench.timing.curves`, one line each, with the fitted exponent."""
    lines = []
    for curve in found:
        sizes, seconds = (", ".join(f"{value:.3g}" for value in curve[key]) for key in ("sizes", "seconds"))
        lines.append([curve["over"], sizes, seconds, f"{curve['exponent']:.2f}"])
    return table(["cost over", "at", "seconds", "exponent"], lines)
