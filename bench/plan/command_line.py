"""Arguments by which bench.attack would make a configuration."""

from __future__ import annotations

from dataclasses import fields

from bench.plan.config import OF_THE_FILE, RunConfig
from bench.plan.like import LIKE

_SAMPLING = ("mask", "acceleration", "center_fraction")


def command_line(config: RunConfig) -> list[str]:
    """Return the flags that give the configuration: the method, and each setting that differs from its default."""
    usual = RunConfig(config.method, attack=config.attack, threat=config.threat, region=config.region)
    # A protocol decides these if no flag does.
    said = set(LIKE[config.like].fields) if config.like is not None else set()
    words = ["--method", config.method]
    for field in fields(config):
        name, value = field.name, getattr(config, field.name)
        default = getattr(usual, name) if name in ("eps", "norm", "aim") else field.default
        # No flag about sampling applies to files with masks.
        of_the_file = name in _SAMPLING and config.mask == OF_THE_FILE
        if name != "method" and not of_the_file and (value != default or name in said):
            words += _words("--set" if name == "settings" else f"--{name.replace('_', '-')}", value)
    return words


def _words(flag: str, value: object) -> list[str]:
    if isinstance(value, bool):
        return [flag]
    if not isinstance(value, tuple):
        return [flag, str(value)]
    return [flag, *("=".join(map(str, one)) if isinstance(one, tuple) else str(one) for one in value)]
