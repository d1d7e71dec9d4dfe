"""Run the scripts in docs/examples/ and write a page of each with output and figures: make_examples.py [NAME...].

A script has cells, each begun by `# %%`; a cell begun by `# %% [markdown]` is text.
"""

from __future__ import annotations

import contextlib
import io
import sys
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

FOLDER = Path(__file__).resolve().parent / "examples"


class Cell(NamedTuple):
    """A cell of a script.

    Attributes:
        text: Markdown, or code.
        code: Whether it is code.
    """

    text: str
    code: bool


def cells(script: str) -> list[Cell]:
    """Split a script into its cells."""
    found = []
    for part in script.split("# %%")[1:]:
        head, _, body = part.partition("\n")
        if head.strip() == "[markdown]":
            lines = [line.removeprefix("#").removeprefix(" ") for line in body.strip().splitlines()]
            found.append(Cell("\n".join(lines), False))
        else:
            found.append(Cell(body.strip(), True))
    return found


def page(name: str) -> str:
    """Run a script and tell it as Markdown; its figures are written beside it."""
    parts: list[str] = []
    names: dict[str, Any] = {"__name__": "__main__"}
    for number, cell in enumerate(cells((FOLDER / f"{name}.py").read_text(encoding="utf-8"))):
        if not cell.code:
            parts.append(cell.text)
            continue
        parts.append(f"```python\n{cell.text}\n```")
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
            exec(compile(cell.text, f"{name}.py", "exec"), names)
        if printed.getvalue().strip():
            parts.append(f"```text\n{printed.getvalue().strip()}\n```")
        for figure in map(plt.figure, plt.get_fignums()):
            picture = f"{name}_{number}.png"
            figure.savefig(FOLDER / picture, dpi=80)
            parts.append(f"![The figure that the cell above draws]({picture})")
        plt.close("all")
    return "\n\n".join(parts) + "\n"


def main(given: list[str]) -> None:
    """Make the pages of the scripts with these names, or of all."""
    for name in given or sorted(path.stem for path in FOLDER.glob("*.py")):
        (FOLDER / f"{name}.md").write_text(page(name), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
