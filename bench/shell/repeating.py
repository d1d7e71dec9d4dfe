"""A run that is repeated from its record: --config FILE stands for the flags that made the run."""

from __future__ import annotations

import shlex
from argparse import Namespace, _ArgumentGroup
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from bench.plan.command_line import command_line
from bench.plan.config import RunConfig
from bench.plan.errors import UsageError


def add_config(group: _ArgumentGroup) -> None:
    """Add --config."""
    group.add_argument(
        "--config", metavar="FILE", help="repeat the run of this run.json; flags beside it change what they name"
    )


def words_of(arguments: Namespace) -> list[str]:
    """Return the flags that the file of --config stands for, of which the command line names none anew.

    Args:
        arguments: the parsed command line.

    Raises:
        InputFileError: the file is no record of bench.attack.
    """
    from bench.record.reading import read_json, understanding  # these import NumPy
    from bench.record.record_forms import RUN

    file = Path(arguments.config)
    content = read_json(file, RUN)
    with understanding(file):
        config = RunConfig.from_dict(content["config"])
    # Flags that take several names add to each other.
    settings = tuple(one for one in config.settings if one[0] not in dict(arguments.set))
    shift = tuple(one for one in config.shift if one[0] not in dict(arguments.shift))
    networks = tuple(one for one in config.networks if one[0] not in dict(arguments.weights))
    weights = None if "" in dict(arguments.weights) else config.weights
    return command_line(replace(config, settings=settings, shift=shift, networks=networks, weights=weights))


def without_config(argv: list[str]) -> list[str]:
    """Return the command line without --config and its file."""
    found, words = [], iter(argv)
    for word in words:
        if word == "--config":
            next(words)
        elif not word.startswith("--config="):
            found.append(word)
    return found


@contextmanager
def beside(file: str | None, words: list[str]) -> Iterator[None]:
    """Let an error of flags say which of them came from the file of --config."""
    try:
        yield
    except UsageError as error:
        if file is None:
            raise
        raise UsageError(f"{error}; --config {file} stands for {shlex.join(words)}") from error
