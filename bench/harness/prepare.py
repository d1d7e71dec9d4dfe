"""From a case to what the experiment computes on: under-sampled, with coil maps, scaled."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Float

from bench.harness.config import RunConfig
from bench.harness.errors import InputFileError, UsageError
from bench.training.config import TrainConfig
from data_prep.cases import Case
from jaxcs import masks
from jaxcs.coils.espirit import EspiritConfig, check_calibration, espirit
from jaxcs.recon import normalise
from jaxcs.types import Measurement


class SliceData(NamedTuple):
    """One slice, divided by max|A^H y|; leaves only, so that slices of one shape stack.

    kspace is the case's whole k-space, before `mask` is applied; target is (ty, tx); data_range its volume's maximum.
    """

    kspace: Complex[Array, "coil ny nx"]
    mask: Bool[Array, "..."]
    maps: Complex[Array, "coil ny nx"]
    target: Float[Array, "ty tx"]
    data_range: Float[Array, ""]


class Prepared(NamedTuple):
    """A slice that is ready, with what the record says of it.

    scale: raw units per unit of `data`.  calibration: (rows, columns) that maps are estimated from, None where the
    source gave maps.
    """

    name: str
    data: SliceData
    scale: float
    sampling: masks.Sampling
    calibration: tuple[int, int] | None


def prepare(case: Case, config: RunConfig) -> Prepared:
    """Sample, estimate maps and scale one case.

    Raises UsageError where the sampling flags do not fit the data, InputFileError where the data themselves are unfit.
    """
    shape = (case.kspace.shape[-2], case.kspace.shape[-1])
    fault = UsageError if case.mask is None else InputFileError
    if case.mask is not None and config.norm == "kspace":
        raise UsageError(
            f"--norm kspace: {case.name} is already under-sampled, its whole k-space unknown; use measured"
        )
    try:
        mask = _mask(case, config, shape)
        sampling = masks.describe(mask, case.padding)
    except ValueError as error:
        flags = "change --mask, --acceleration or --center-fraction" if case.mask is None else "correct the file's mask"
        raise fault(f"{case.name}: {error}; {flags}") from error
    kspace = jnp.where(mask, case.kspace, 0)
    largest = float(np.abs(kspace).max())
    if not largest > 0:
        raise fault(f"{case.name}: k-space is zero wherever the mask samples; use another mask or leave the file out")
    maps, calibration = case.maps, None
    if maps is None or config.maps == "reestimated":
        width = masks.acs_width(mask)
        acs = (shape[0], width) if isinstance(width, int) else width
        try:
            calibration = check_calibration(acs, EspiritConfig())
        except ValueError as error:
            raise fault(f"{case.name}: {error}") from error
    if maps is None:
        assert calibration is not None
        # Divided by its maximum, because squares of raw units of 1e-25 would vanish in float32.
        maps = espirit(kspace / largest, calibration, EspiritConfig())
    measurement, scale = normalise(Measurement(kspace / largest, jnp.asarray(mask), jnp.asarray(maps)))
    if not float(scale) > 0:
        raise fault(f"{case.name}: coil maps are zero everywhere; its calibration region holds no signal")
    raw = float(scale) * largest
    data = SliceData(
        kspace=jnp.asarray(case.kspace / raw),
        mask=measurement.mask,
        maps=measurement.maps,
        target=jnp.asarray(case.target / raw),
        data_range=jnp.asarray(case.data_range / raw, jnp.float32),
    )
    return Prepared(case.name, data, raw, sampling, calibration)


def _mask(case: Case, config: RunConfig, shape: tuple[int, int]) -> np.ndarray:
    if case.mask is not None:
        return case.mask
    return draw_mask(config, shape, case.padding, masks.seed_from_name(case.volume))


def draw_mask(
    config: RunConfig | TrainConfig, shape: tuple[int, int], padding: tuple[int, int], seed: tuple[int, ...]
) -> np.ndarray:
    """The mask that the configuration asks for, of k-space of `shape`.  Raises ValueError where it cannot be drawn."""
    mask = masks.make(config.mask, shape, config.acceleration, config.center_fraction, seed).copy()
    left, right = padding
    # Columns that the scanner never acquired hold zeros: nothing is measured there, and nothing can be perturbed.
    mask[..., :left] = False
    mask[..., right:] = False
    return mask
