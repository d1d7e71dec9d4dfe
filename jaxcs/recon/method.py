"""The entry of a method in the registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array

from jaxcs.types import Key, Magnitude, MakeVariational, Measurement, Params, Predict, Reconstructor

# (configuration, (coil, ny, nx) of k-space, mask (ny, nx), settings of the weights' training): raises ValueError.
CheckScan = Callable[[Any, tuple[int, ...], np.ndarray, Mapping[str, Any]], None]
# (parameters, measurements with a leading axis) -> (images, parameters with the next running statistics).
TrainBatch = Callable[[Params, Measurement], tuple[Magnitude, Params]]
# (parameters, fully sampled measurement, key) -> loss ().
TrainLoss = Callable[[Params, Measurement, Key], Array]


class Surrogate(NamedTuple):
    """A cheaper method on which an attack searches, in place of the method on which it is scored.

    Attributes:
        start: (parameters of the original method, measurement, key) -> parameters of the surrogate, computed once from
            the clean data.
        method: the method that is differentiated.
    """

    start: Callable[[Params, Measurement, Key], Params]
    method: Reconstructor


class Method(NamedTuple):
    """A method's configuration class, its builder and its named configurations.

    Attributes:
        config: class of the configuration.
        build: configuration -> reconstructor.
        presets: named configurations.
        trained: whether the method needs weights, which then decide its configuration.
        clamped: (configuration, measurement) -> fraction of input pixels that the method clamps [-], or None if it does
            not clamp.
        widened: (configuration, measurement) -> allowed distance from the data over the wanted one [-], above 1 if no
            image comes as near, or None if the method asks for no distance.
        surrogate: configuration -> a cheaper method for an attack to search on, or None if the method has none.
        searched: configuration -> the method's configuration for searches, whose solver stops earlier, for the same
            prepared stage.
        without_inverse: configuration -> the same method with a solver that keeps no inverse of each row in memory.
        variational: configuration -> the objective that the method minimises, or None if it minimises none.
        settles: whether a network is iterated until the image has settled.  The gradient is then that of the fixed
            point, and has no gradient itself.
        fitted: whether the method fits a network to each measurement: from random parameters, or from its weights if it
            is also trained.
        random: what the key draws, in words, or None if the image does not depend on it.
        weights_of: name of the method with whose weights this method begins, if it is another method.  The
            configuration fields of this method then stay free.
        uses_maps: configuration -> whether the method needs coil sensitivity maps from outside.
        predict: configuration -> image and coil images, for networks that give both.
        one_coil: whether the network is for scans of a single coil.
        check_scan: raises ValueError if the network is not for a scan, or None if it is for scans of any size and mask.
        first: (configuration, mask (ny, nx)) -> key -> parameters with which a training begins, for a network of one
            mask; None for those of the reconstructor.
        train: configuration -> the network by the statistics of a batch, if it is trained so.
        train_loss: configuration -> the loss of one example, for a network that is trained on whole scans and not to
            reconstruct; None if the loss compares reconstructions.
        coils: configuration -> (measurement, key) -> coil images (coil, ny, nx) of the reconstruction before measured
            samples replace its own, for methods without weights that have them; see `jaxcs.recon.held_out`.
        of_sinograms: the configuration for sinograms if none is chosen, if it is not the usual one.
    """

    config: type[Any]
    build: Callable[[Any], Reconstructor]
    presets: dict[str, Any]
    trained: bool = False
    clamped: Callable[[Any, Measurement], Array] | None = None
    widened: Callable[[Any, Measurement], Array] | None = None
    surrogate: Callable[[Any], Surrogate | None] = lambda config: None
    searched: Callable[[Any], Any] = lambda config: config
    without_inverse: Callable[[Any], Any] = lambda config: config
    variational: Callable[[Any], MakeVariational] | None = None
    settles: bool = False
    fitted: bool = False
    random: str | None = None
    weights_of: str | None = None
    uses_maps: Callable[[Any], bool] = lambda config: True
    predict: Callable[[Any], Predict] | None = None
    one_coil: bool = False
    check_scan: CheckScan | None = None
    first: Callable[[Any, np.ndarray], Callable[[Key], Params]] | None = None
    train: Callable[[Any], TrainBatch] | None = None
    train_loss: Callable[[Any], TrainLoss] | None = None
    coils: Callable[[Any], Callable[[Measurement, Key], Array]] | None = None
    of_sinograms: Any = None


# An attack that searches at this many times the tolerance takes half the time and is as strong, within the scatter of
# its starts.  On two phantom knees at epsilon 0.02 and 0.05 it leaves 12.9 and -2.2 dB at a tolerance of 0.01, and 12.5
# and -2.8 dB at 0.001.
_SEARCH_TOLERANCE = 30


def looser(config: Any) -> Any:
    """The configuration for searches of a solver that has a tolerance."""
    return replace(config, tolerance=_SEARCH_TOLERANCE * config.tolerance)


def by_solver(solver: str) -> Callable[[Any], Any]:
    """Configuration -> the same method by another solver, if its solver keeps an inverse of each row."""
    return lambda config: replace(config, solver=solver) if config.solver == "rows" else config
