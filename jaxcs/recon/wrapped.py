"""Defences around any method: the same weights, and a configuration with the settings of the defence beside its own.

A defence is chosen by its first setting: `smoothing` or `cyclic`.  `wrapped` makes the method of a name, a new class of
configurations included, so that no method knows of defences.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import fields, make_dataclass
from typing import Any

from jaxcs.recon import cyclic, smoothed
from jaxcs.recon.defence import Defence
from jaxcs.recon.method import Method

# By the setting that chooses it.
DEFENCES: dict[str, Defence] = {"smoothing": smoothed.DEFENCE, "cyclic": cyclic.DEFENCE}
# All settings of all defences.
SETTINGS = tuple(field.name for defence in DEFENCES.values() for field in fields(defence.settings))


def wrapped(method: Method, settings: Collection[str]) -> Method:
    """Put a method into the defence that some settings choose.

    Args:
        method: any method.
        settings: names of settings; those of the method itself choose nothing.

    Returns:
        The method in its defence, or the method itself if no setting chooses one.

    Raises:
        ValueError: two defences are chosen, or the method is in one already.
    """
    own = {field.name for field in fields(method.config)}
    chosen = [name for name in DEFENCES if name in settings and name not in own]
    if not chosen:
        return method
    if len(chosen) > 1 or issubclass(method.config, tuple(one.settings for one in DEFENCES.values())):
        raise ValueError(f"{' and '.join(chosen)}: a method has one defence; leave the others out")
    defence = DEFENCES[chosen[0]]
    config: Any = make_dataclass(
        f"{chosen[0].title()}{method.config.__name__}",
        [],
        bases=(defence.settings, method.config),
        frozen=True,
        namespace={"__post_init__": _post_init(method), "inner": method, "__module__": __name__},
    )
    config.defended = Method(
        config,
        lambda settings: defence.build(method, settings),
        {name: config(**values_of(preset)) for name, preset in method.presets.items()},
        trained=method.trained,
        clamped=method.clamped,
        widened=method.widened,
        surrogate=lambda settings: defence.surrogate(method, settings),
        searched=method.searched if defence.searched else lambda settings: settings,
        without_inverse=method.without_inverse,
        fitted=method.fitted,
        random=" and ".join(one for one in (method.random, defence.random) if one is not None),
        weights_of=method.weights_of,
        uses_maps=lambda settings: defence.uses_maps(method, settings),
        one_coil=method.one_coil,
        check_scan=method.check_scan,
    )
    return config.defended


def _post_init(method: Method) -> Callable[[Any], None]:
    """Check the settings of the method and those of the defence."""
    inner = getattr(method.config, "__post_init__", None)

    def check(self: Any) -> None:
        if inner is not None:
            inner(self)
        self.check()

    return check


def values_of(config: Any) -> dict[str, Any]:
    """Return the settings of a configuration by name."""
    return {field.name: getattr(config, field.name) for field in fields(config)}
