"""The choice of bench.tune without ground truth: the error at measured samples that the method was not given."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from functools import partial
from typing import Any

import jax

from bench.plan.errors import InputFileError, UsageError
from bench.run.parallel import of_each
from bench.slices.prepare import Prepared
from data_prep.names import checksum
from jaxcs.keys import new_key
from jaxcs.recon import METHODS
from jaxcs.recon.held_out import error, folds
from jaxcs.types import Measurement


def check_held_out(method: str) -> None:
    """Raise UsageError if a method has no coil images, which predict withheld samples."""
    if METHODS[method].coils is None:
        there = ", ".join(name for name in METHODS if METHODS[name].coils is not None)
        raise UsageError(f"--held-out: {method} gives a magnitude, which predicts no samples; it is for {there}")


def held_out_error(
    slices: list[Prepared], method: str, method_config: Any, count: int, advance: Callable[[], None]
) -> float:
    """Compute the mean squared error at withheld samples over their energy, with one choice of settings.

    Args:
        slices: the images, of which only the measured samples are used.
        method: name of the method.
        method_config: its configuration with this choice.
        count: number of parts of the samples, each withheld once.
        advance: called after each image.

    Raises:
        InputFileError: a slice has no samples to withhold, or a reconstruction is not finite.
    """
    make = METHODS[method].coils
    assert make is not None, "the caller has checked that"
    compute = jax.jit(partial(_error, make(method_config), count))

    def of(prepared: Prepared) -> float:
        data = prepared.data
        key = jax.random.fold_in(new_key(0), checksum(prepared.name))
        found = float(compute(Measurement(data.kspace, data.mask, data.maps), key))
        if not math.isfinite(found):
            raise InputFileError(
                f"{prepared.name}: no sample outside its fully sampled centre can be withheld, or a reconstruction is "
                "not finite; leave out the value or the image"
            )
        return found

    return statistics.fmean(of_each(of, slices, advance))


def _error(coils: Any, count: int, measurement: Measurement, key: Any) -> Any:
    draw, own = jax.random.split(key)
    return error(coils, measurement, folds(draw, measurement.mask, count), own)
