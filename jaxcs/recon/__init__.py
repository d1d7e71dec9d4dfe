"""Reconstruction methods, one a file: a frozen Config and build(config) -> Reconstructor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from jaxtyping import Array

from jaxcs.recon import l1, sense, tv, unet, varnet, zero_filled
from jaxcs.recon.scale import normalise
from jaxcs.types import Measurement, Reconstructor

__all__ = ["METHODS", "Method", "normalise"]


class Method(NamedTuple):
    """A method's configuration class, its builder and its named configurations.

    trained: whether it needs weights, which then decide its configuration.
    clamped: (configuration, measurement) -> fraction of input pixels that it cuts off, where it does so.
    """

    config: type[Any]
    build: Callable[[Any], Reconstructor]
    presets: dict[str, Any]
    trained: bool = False
    clamped: Callable[[Any, Measurement], Array] | None = None


METHODS = {
    "zero_filled": Method(zero_filled.Config, zero_filled.build, {}),
    "sense": Method(sense.Config, sense.build, {}),
    "l1": Method(l1.Config, l1.build, l1.PRESETS),
    "tv": Method(tv.Config, tv.build, {}),
    "unet": Method(unet.Config, unet.build, unet.PRESETS, trained=True, clamped=unet.clamped_fraction),
    "varnet": Method(varnet.Config, varnet.build, varnet.PRESETS, trained=True),
}
