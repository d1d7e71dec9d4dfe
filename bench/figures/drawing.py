"""The only way to the figures, which import Matplotlib: a run that cannot draw loses its figure and nothing else."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # it imports NumPy, for which --help does not wait
    from bench.record.records import RunFolder


def draw_into(folder: RunFolder, name: str, figure: str, *arguments: Any, again: str) -> None:
    """Write what `bench.figures.FIGURE.draw(*arguments)` draws as the file `name` of a folder.

    If this machine cannot draw it, a note on stderr says why, and that the command `again` draws it.
    Raises OutputError if the file cannot be written, and what is raised for records that cannot be understood.
    """
    with _cache_of_matplotlib(folder.path):
        try:
            draw = importlib.import_module(f"bench.figures.{figure}").draw
        except Exception as error:  # of many kinds: its libraries may be of versions that do not fit
            return _say(folder.path / name, error, again)
        try:
            content = draw(*arguments)
        except (OSError, RuntimeError) as error:  # fonts and files that it does not find
            return _say(folder.path / name, error, again)
    return folder.write(name, content)


def _say(path: Path, error: Exception, again: str) -> None:
    reason = (str(error).splitlines() or [""])[0] or type(error).__name__
    print(f"note: {path} is not drawn: {reason}; {again} draws it", file=sys.stderr, flush=True)


@contextmanager
def _cache_of_matplotlib(spare: Path) -> Iterator[None]:
    """Matplotlib needs a folder to write to, and looks in the user's home and among the temporary ones.

    If there is none, it gets one in `spare` while the block lasts.
    """
    given = os.environ.get("MPLCONFIGDIR")
    if "matplotlib" in sys.modules or _temporary() or (given and os.access(given, os.W_OK)):
        yield
        return
    try:
        made = tempfile.TemporaryDirectory(prefix=".matplotlib-", dir=spare)
    except OSError:  # Matplotlib says so itself
        yield
        return
    with made as name:
        os.environ["MPLCONFIGDIR"] = name
        try:
            yield
        finally:
            if given is None:
                del os.environ["MPLCONFIGDIR"]
            else:
                os.environ["MPLCONFIGDIR"] = given


def _temporary() -> bool:
    """Whether there is a folder for temporary files."""
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        return False
    return True
