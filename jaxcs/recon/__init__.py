"""Reconstruction methods, one a file: a frozen Config and build(config) -> Reconstructor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from jaxcs.recon import l1, sense, tv, zero_filled
from jaxcs.recon.scale import normalise
from jaxcs.types import Reconstructor

__all__ = ["METHODS", "Method", "normalise"]


class Method(NamedTuple):
    """A method's configuration class, its builder and its named configurations."""

    config: type[Any]
    build: Callable[[Any], Reconstructor]
    presets: dict[str, Any]


METHODS = {
    "zero_filled": Method(zero_filled.Config, zero_filled.build, {}),
    "sense": Method(sense.Config, sense.build, {}),
    "l1": Method(l1.Config, l1.build, l1.PRESETS),
    "tv": Method(tv.Config, tv.build, {}),
}
