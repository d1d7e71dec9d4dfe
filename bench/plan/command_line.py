"""Arguments by which bench.attack would make a configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from bench.plan.config import OF_THE_FILE, RunConfig
from bench.plan.like import LIKE

# The flags that make a process do a part of a run, and how many words follow each.
_PARTS = {"--shard": 1, "--distributed": 0, "--coordinator": 1, "--processes": 1, "--process": 1}
# The flags of fields that have another name.
_FLAGS = {"settings": "--set", "networks": "--weights"}
_SAMPLING = ("mask", "acceleration", "center_fraction")


def command_line(config: RunConfig) -> list[str]:
    """Return the flags that give the configuration: the method, and each setting that differs from its default."""
    usual = RunConfig(
        config.method, beside=config.beside, attack=config.attack, threat=config.threat, region=config.region
    )
    # A protocol decides these if no flag does.
    said = set(LIKE[config.like].fields) if config.like is not None else set()
    words = ["--method", *config.attacked]
    for field in fields(config):
        name, value = field.name, getattr(config, field.name)
        default = getattr(usual, name) if name in ("eps", "norm", "aim", *_SAMPLING) else field.default
        # No flag about sampling applies to files with masks.
        of_the_file = name in _SAMPLING and config.mask == OF_THE_FILE
        if name not in ("method", "beside") and not of_the_file and (value != default or name in said):
            words += _words(_FLAGS.get(name, f"--{name.replace('_', '-')}"), value)
    return words


def in_one_part(argv: Sequence[str]) -> list[str]:
    """Return the command line of a run in one process."""
    kept: list[str] = []
    words = iter(argv)
    for word in words:
        flag, equals, _ = word.partition("=")
        if flag not in _PARTS:
            kept.append(word)
        elif not equals:
            for _ in range(_PARTS[flag]):
                next(words, None)
    return kept


def _words(flag: str, value: object) -> list[str]:
    if isinstance(value, bool):
        return [flag]
    if not isinstance(value, tuple):
        return [flag, str(value)]
    return [flag, *("=".join(map(str, one)) if isinstance(one, tuple) else str(one) for one in value)]
