"""Reconstruction methods, one a file: a frozen Config and build(config) -> Reconstructor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from jaxtyping import Array

from jaxcs.recon import (
    convdecoder,
    deepdecoder,
    dip,
    irim,
    l1,
    sense,
    ttt,
    tv,
    unet,
    unet_complex,
    untrained,
    varnet,
    zero_filled,
)
from jaxcs.recon.scale import normalise
from jaxcs.recon.untrained import Surrogate
from jaxcs.types import MakeVariational, Measurement, Predict, Reconstructor

__all__ = ["METHODS", "Method", "Surrogate", "fitted", "normalise"]


class Method(NamedTuple):
    """A method's configuration class, its builder and its named configurations.

    trained: whether it needs weights, which then decide its configuration.
    clamped: (configuration, measurement) -> fraction of input pixels that it cuts off, where it does so.
    surrogate: configuration -> a cheaper method to search on, or None where there is none.
    searched: configuration -> the method's own for searches, whose solver stops earlier, for the same prepared stage.
    without_inverse: configuration -> the same method by a solver that keeps no inverse of each row in memory.
    variational: configuration -> the objective that it minimises, where it does so.
    fitted: whether it fits a network to each measurement, from random parameters or, if also trained, from its weights.
    weights_of: the method whose weights it begins with, where that is another; its own fields stay free.
    uses_maps: configuration -> whether it needs coil maps from outside.
    predict: configuration -> image and coil images, of a network that gives both.
    """

    config: type[Any]
    build: Callable[[Any], Reconstructor]
    presets: dict[str, Any]
    trained: bool = False
    clamped: Callable[[Any, Measurement], Array] | None = None
    surrogate: Callable[[Any], Surrogate | None] = lambda config: None
    searched: Callable[[Any], Any] = lambda config: config
    without_inverse: Callable[[Any], Any] = lambda config: config
    variational: Callable[[Any], MakeVariational] | None = None
    fitted: bool = False
    weights_of: str | None = None
    uses_maps: Callable[[Any], bool] = lambda config: True
    predict: Callable[[Any], Predict] | None = None


def fitted(config: Any, matrix: tuple[int, ...], target: tuple[int, ...]) -> Any:
    """The configuration for one shape: a U-Net sees the target's part of the image and no more, as in fastMRI.

    Args:
        config: of any method.
        matrix: (ny, nx) of the k-space.
        target: (ty, tx) of the image that is wanted.
    """
    return replace(config, crop=None if target == matrix else target) if hasattr(config, "crop") else config


def _untrained(module: Any) -> Method:
    """The method of a file that names its Config, PRESETS and network."""
    return Method(
        module.Config,
        partial(untrained.build, module.network),
        module.PRESETS,
        surrogate=partial(untrained.surrogate, module.network),
        variational=partial(untrained.variational, module.network),
        fitted=True,
        uses_maps=lambda config: bool(config.coils == "maps"),
    )


def _test_time(config: type[Any], presets: dict[str, Any], network: Any, weights_of: str) -> Method:
    """Test-time training of a network, given by the file of its method."""
    return Method(
        config,
        partial(ttt.build, network),
        presets,
        trained=True,
        surrogate=partial(ttt.surrogate, network),
        fitted=True,
        weights_of=weights_of,
        uses_maps=lambda config: bool(network.NEEDS_MAPS),
    )


def _predicting(module: Any) -> Method:
    """The method of a file whose network gives image and coil images."""
    return Method(
        module.Config,
        module.build,
        module.PRESETS,
        trained=True,
        uses_maps=lambda config: bool(module.NEEDS_MAPS),
        predict=module.predict,
    )


# An attack that searches at this many times the tolerance takes half the time and finds as much, to the scatter of its
# starts: on two phantom knees at epsilon 0.02 and 0.05 12.9 and -2.2 dB at 0.01, 12.5 and -2.8 dB at 0.001.
_SEARCH_TOLERANCE = 30


def _looser(config: Any) -> Any:
    return replace(config, tolerance=_SEARCH_TOLERANCE * config.tolerance)


def _by(solver: str) -> Callable[[Any], Any]:
    return lambda config: replace(config, solver=solver) if config.solver == "rows" else config


METHODS = {
    "zero_filled": Method(zero_filled.Config, zero_filled.build, {}),
    "sense": Method(sense.Config, sense.build, {}, without_inverse=_by("cg")),
    "l1": Method(
        l1.Config,
        l1.build,
        l1.PRESETS,
        searched=_looser,
        without_inverse=l1.without_inverse,
        variational=l1.variational,
    ),
    "tv": Method(tv.Config, tv.build, {}, searched=_looser, without_inverse=_by("primal_dual")),
    "unet": Method(
        unet.Config,
        unet.build,
        unet.PRESETS,
        trained=True,
        clamped=unet.clamped_fraction,
        uses_maps=lambda config: False,
    ),
    "unet_complex": _predicting(unet_complex),
    "varnet": _predicting(varnet),
    "irim": _predicting(irim),
    "ttt_unet": _test_time(ttt.UnetConfig, ttt.UNET_PRESETS, unet_complex, "unet_complex"),
    "ttt_varnet": _test_time(ttt.VarnetConfig, ttt.VARNET_PRESETS, varnet, "varnet"),
    "convdecoder": _untrained(convdecoder),
    "deepdecoder": _untrained(deepdecoder),
    "dip": _untrained(dip),
}
