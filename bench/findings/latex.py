"""Tables in LaTeX, with the rules of the package booktabs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from jaxcs.names import printable

_ESCAPED = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    # After the end of a row it would begin an option.
    "[": "{[}",
    "]": "{]}",
} | {letter: f"\\{letter}" for letter in "{}$&#_%"}


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Format a table with a caption; whatever has a meaning in LaTeX is escaped.

    Args:
        caption: caption of the table.
        head: headings of the columns; all but the first are of numbers.
        rows: cells of each row.
    """
    body = [_row(row) for row in rows]
    lines = [r"\begin{table}", r"  \centering", f"  \\caption{{{_text(caption)}}}"]
    lines += [f"  \\begin{{tabular}}{{l{'r' * (len(head) - 1)}}}", r"    \toprule", _row(head), r"    \midrule"]
    return "\n".join([*lines, *body, r"    \bottomrule", r"  \end{tabular}", r"\end{table}"])


def _row(cells: Sequence[str]) -> str:
    return f"    {' & '.join(map(_text, cells))} \\\\"


def _text(text: str) -> str:
    escaped = "".join(_ESCAPED.get(letter, letter) for letter in printable(text))
    # A minus sign is no hyphen.
    return re.sub(r"(?<!\w)-(?=\d)", "$-$", escaped)
