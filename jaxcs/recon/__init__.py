"""Reconstruction methods, each in its own file: a frozen Config and build(config) -> Reconstructor."""

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

    Attributes:
        config: class of the configuration.
        build: configuration -> reconstructor.
        presets: named configurations.
        trained: whether the method needs weights, which then decide its configuration.
        clamped: (configuration, measurement) -> fraction of input pixels that the method clamps [-], or None if it does
            not clamp.
        surrogate: configuration -> a cheaper method for an attack to search on, or None if the method has none.
        searched: configuration -> the method's configuration for searches, whose solver stops earlier, for the same
            prepared stage.
        without_inverse: configuration -> the same method with a solver that keeps no inverse of each row in memory.
        variational: configuration -> the objective that the method minimises, or None if it minimises none.
        fitted: whether the method fits a network to each measurement: from random parameters, or from its weights if it
            is also trained.
        weights_of: name of the method with whose weights this method begins, if it is another method.  The
            configuration fields of this method then stay free.
        uses_maps: configuration -> whether the method needs coil sensitivity maps from outside.
        predict: configuration -> image and coil images, for networks that give both.
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
    """The method of a file that has Config, PRESETS and network."""
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
    """Test-time training of a network, given as the file of the network's method."""
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
    """The method of a file whose network gives an image and coil images."""
    return Method(
        module.Config,
        module.build,
        module.PRESETS,
        trained=True,
        uses_maps=lambda config: bool(module.NEEDS_MAPS),
        predict=module.predict,
    )


# An attack that searches at this many times the tolerance takes half the time and is as strong, within the scatter of
# its starts.  On two phantom knees at epsilon 0.02 and 0.05 it leaves 12.9 and -2.2 dB at a tolerance of 0.01, and 12.5
# and -2.8 dB at 0.001.
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
