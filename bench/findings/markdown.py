"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from jaxcs.names import printable


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Format a table; vertical bars in cells are escaped.

    Args:
        head: headings of the columns.
        rows: cells of each row.
    """
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return printable(text).replace("|", "\\|")
