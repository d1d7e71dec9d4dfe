"""The only access to the figures, which import Matplotlib: a run that cannot draw loses only its figure."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxcs.names import first_line

if TYPE_CHECKING:  # it imports NumPy, and --help must not wait for that
    from bench.record.records import RunFolder


def draw_into(folder: RunFolder, name: str, figure: str, *arguments: Any, again: str) -> None:
    """Write the result of `bench.figures.FIGURE.draw(*arguments)` as a file of a folder.

    If this machine cannot draw it, a note on stderr says why, and that the command `again` draws it.

    Args:
        folder: the folder of the file.
        name: name of the file.
        figure: module of the figure.
        arguments: arguments of its `draw`.
        again: the command that draws the figure.

    Raises:
        OutputError: the file cannot be written.
        InputFileError: the records cannot be understood.
    """
    with _cache_of_matplotlib(folder.path):
        try:
            draw = importlib.import_module(f"bench.figures.{figure}").draw
        except Exception as error:  # of many types: versions of its libraries may not fit each other
            return _say(folder.path / name, error, again)
        try:
            content = draw(*arguments)
        except (OSError, RuntimeError) as error:  # missing fonts and files
            return _say(folder.path / name, error, again)
    return folder.write(name, content)


def _say(path: Path, error: Exception, again: str) -> None:
    reason = first_line(error) or type(error).__name__
    print(f"note: {path} is not drawn: {reason}; {again} draws it", file=sys.stderr, flush=True)


@contextmanager
def _cache_of_matplotlib(spare: Path) -> Iterator[None]:
    """Give Matplotlib a folder to write to, in `spare`, while the block lasts.

    Matplotlib looks in the user's home and among the temporary folders; this is for machines on which neither works.
    """
    given = os.environ.get("MPLCONFIGDIR")
    if "matplotlib" in sys.modules or _temporary() or (given and os.access(given, os.W_OK)):
        yield
        return
    try:
        made = tempfile.TemporaryDirectory(prefix=".matplotlib-", dir=spare)
    except OSError:  # Matplotlib reports this
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
    """True if this machine has a folder for temporary files."""
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        return False
    return True
