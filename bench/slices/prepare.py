"""Preparation of a case for the experiment: under-sampling, coil maps, scaling."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from bench.plan.config import OF_THE_FILE, RunConfig, Sampling
from bench.plan.errors import InputFileError, UnsuitedError
from bench.slices import coverage
from bench.slices.one_coil import mask_seed
from bench.slices.own_mask import FLAGS
from bench.slices.region import scored_boxes, scored_region
from data_prep.cases import Case, Doubt, InputError
from data_prep.maps import coil_maps
from jaxcs import masks
from jaxcs.coils.background import noise_factor
from jaxcs.coils.espirit import EspiritConfig, check_calibration
from jaxcs.recon.scale import unit_scale
from jaxcs.threats import CHANGES
from jaxcs.types import SliceData

NO_BACKGROUND = "no background to measure noise in"


class Prepared(NamedTuple):
    """A slice that is ready, with its entries for the record.

    Attributes:
        name: name of the case.
        volume: name of the volume.
        data: the arrays, NumPy's: a batch is sent to the devices at once, and until then takes none of their memory.
        scale: raw units per unit of `data`.
        mask: kind of the mask, or `OF_THE_FILE`.
        sampling: the numbers of the mask.
        calibration: (rows, columns) from which maps are estimated, None if the source has maps.
        thermal: epsilon that corresponds to the noise of the scan [-], None if not known.
        left_out: share of the energy of the fully sampled centre that the coil maps leave out [-]; None if the zero
            frequency is not measured.
        outside: norm of the measured samples outside that centre, over the norm of all [-].
        ceiling: scores of the fully sampled data combined by the coil maps; None if the data are not fully sampled.
        doubts: reasons why the slice or its maps may be wrong.
        boxes: the boxes that were drawn in the slice, if they are scored, each with its label.
    """

    name: str
    volume: str
    data: SliceData
    scale: float
    mask: str
    sampling: masks.Sampling
    calibration: tuple[int, int] | None
    thermal: float | None
    left_out: float | None
    outside: float
    ceiling: dict[str, float | None] | None
    doubts: tuple[Doubt, ...]
    boxes: list[dict[str, Any]]

    @property
    def is_sinogram(self) -> bool:
        """Whether the slice is measured by CT."""
        return not jnp.iscomplexobj(self.data.kspace)

    def sent(self) -> Prepared:
        """Return the slice with its arrays on JAX's device, for work of many calls on one slice."""
        return self._replace(data=jax.device_put(self.data))

    def described(self) -> dict[str, Any]:
        """Return the entry of run.json about the sampling."""
        found: dict[str, Any] = {"mask": self.mask} | self.sampling._asdict() | {"scale": self.scale}
        found |= {"maps_leave_out": self.left_out, "outside_centre": self.outside, "ceiling": self.ceiling}
        found |= {"boxes": self.boxes} if self.boxes else {}
        return found | ({"doubts": [list(one) for one in self.doubts]} if self.doubts else {})


def prepare(case: Case | InputError, config: RunConfig) -> Prepared:
    """Under-sample one case, estimate its coil maps and scale it.

    Args:
        case: the slice as its source has it, or why the source could not read it.
        config: settings of the run.

    Returns:
        The prepared slice.

    Raises:
        UnsuitedError: the flags do not fit this case.
        InputFileError: the data of the case cannot be read or used.
    """
    if isinstance(case, InputError):
        raise InputFileError(str(case)) from case
    _check_flags(case, config)
    if config.sinograms:
        return prepare_sinogram(case)
    shape = (case.kspace.shape[-2], case.kspace.shape[-1])
    own = case.mask is not None
    boxes = scored_boxes(case, config)
    region = scored_region(boxes, (case.target.shape[0], case.target.shape[1]))
    try:
        mask = _mask(case, config, shape)
        sampling = masks.describe(mask, case.padding)
    except ValueError as error:
        if own:
            raise InputFileError(f"{case.name}: {error}; correct the file's mask") from error
        raise UnsuitedError(f"{case.name}: {error}; change --mask, --acceleration or --center-fraction") from error
    kspace = np.where(mask, case.kspace, np.complex64(0))
    largest = float(np.abs(kspace).max())
    if not largest > 0:
        remedy = "correct the file's mask or leave the file out" if own else "use another --mask or leave the file out"
        raise InputFileError(f"{case.name}: k-space is zero wherever the mask samples; {remedy}")
    width = masks.acs_width(mask)
    centre = (shape[0], width) if isinstance(width, int) else width
    maps, calibration = case.maps, None
    if maps is None or config.maps == "reestimated":
        try:
            calibration = check_calibration(centre, EspiritConfig())
        except ValueError as error:
            if own:
                raise InputFileError(f"{case.name}: {error} as 'maps' in the file") from error
            now = "" if config.center_fraction is None else f", now {config.center_fraction:g}"
            raise UnsuitedError(f"{case.name}: {error} (--center-fraction{now})") from error
    if maps is None:
        assert calibration is not None
        maps = coil_maps(kspace, calibration)
    measurement, raw = unit_scale(kspace, mask, maps)
    if not raw > 0:
        fault = UnsuitedError if coverage.flags_give_too_few(case, centre) else InputFileError
        raise fault(f"{case.name}: {coverage.why_no_maps(case, kspace, centre)}")
    scaled = case.kspace / raw
    # Sent once for the noise and the ceiling.
    whole = jnp.asarray(scaled)
    noise, thermal = _noise(case, whole, measurement.mask)
    if thermal is None and not own and config.norm == "whitened":
        raise InputFileError(f"{case.name}: {NO_BACKGROUND}, but --norm whitened needs it; use --norm measured")
    share = coverage.share_left_out(measurement, centre)
    data = _on_host(
        case, raw, kspace=scaled, mask=mask, maps=np.asarray(maps, np.complex64), noise=noise, region=region
    )
    return Prepared(
        name=case.name,
        volume=case.volume,
        data=data,
        scale=raw,
        mask=OF_THE_FILE if own else config.mask,
        sampling=sampling,
        calibration=calibration,
        thermal=thermal,
        left_out=share,
        outside=coverage.share_outside(kspace / largest, centre),
        ceiling=None if own else coverage.ceiling(whole, measurement.maps, data.target, data.data_range, data.region),
        doubts=(
            *case.doubts,
            *coverage.doubts(case, share, centre),
            *_noise_doubts(own, thermal),
            *_mask_doubts(own, config),
        ),
        boxes=boxes if isinstance(config.region, str) else [],
    )


def prepare_sinogram(case: Case) -> Prepared:
    """Scale a sinogram so that the largest magnitude of its filtered back-projection is 1.

    Raises:
        InputFileError: the image of the sinogram is zero.
    """
    assert case.mask is not None
    assert case.maps is not None
    measurement, raw = unit_scale(case.kspace, case.mask, case.maps)
    if not raw > 0:
        raise InputFileError(f"{case.name}: its sinogram is zero; leave it out")
    kspace, maps = np.asarray(measurement.kspace), np.asarray(measurement.maps)
    data = _on_host(case, raw, kspace=kspace, mask=case.mask, maps=maps, noise=np.eye(1, dtype=np.float32))
    return Prepared(
        name=case.name,
        volume=case.volume,
        data=data,
        scale=raw,
        mask=OF_THE_FILE,
        sampling=masks.describe(np.ones(case.kspace.shape[-1], bool)),
        calibration=None,
        thermal=None,
        left_out=None,
        outside=0.0,
        ceiling=None,
        doubts=case.doubts,
        boxes=[],
    )


def _on_host(case: Case, raw: float, **arrays: Any) -> SliceData:
    """The arrays of a slice on the host, with its truth in the units of a measurement, which are `raw` raw ones."""
    target, data_range = np.asarray(case.target / raw, np.float32), np.asarray(case.data_range / raw, np.float32)
    return SliceData(target=target, data_range=data_range, **arrays)  # type: ignore[arg-type]


def _check_flags(case: Case, config: RunConfig) -> None:
    """Raise UnsuitedError if flags do not fit this case."""
    if config.sinograms and config.threat in CHANGES:
        raise UnsuitedError(f"--threat {config.threat}: a change of an MRI scan; {case.name} is a sinogram, use noise")
    if case.mask is not None:
        if config.norm in ("kspace", "whitened"):
            raise UnsuitedError(
                f"--norm {config.norm}: {case.name} is already under-sampled, its whole data unknown; use measured"
            )
        if config.threat in CHANGES and CHANGES[config.threat].moves_object:
            raise UnsuitedError(
                f"--threat {config.threat}: {case.name} is already under-sampled, so that its object cannot be "
                "changed; use noise, maps or phase"
            )


def _noise_doubts(own: bool, thermal: float | None) -> list[Doubt]:
    if own or thermal is not None:
        return []
    return [Doubt(NO_BACKGROUND, f"{NO_BACKGROUND}: the epsilon that its own noise amounts to is not known")]


def _mask_doubts(own: bool, config: RunConfig) -> list[Doubt]:
    """The doubt about a file with a mask among files without masks."""
    if not own or config.mask == OF_THE_FILE:
        return []
    return [
        Doubt("a mask of its own", f"is already under-sampled by its own mask, so that {', '.join(FLAGS)} do not apply")
    ]


def _noise(case: Case, kspace: Array, mask: Array) -> tuple[np.ndarray, float | None]:
    """The factor of the noise covariance, and the thermal epsilon or None; only a whole scan shows its background."""
    coils = case.kspace.shape[0]
    if case.mask is None:
        factor, thermal, seen = jax.device_get(noise_factor(kspace, mask, case.padding))
        if seen:
            return factor, float(thermal)
    return np.eye(coils, dtype=np.complex64), None


def _mask(case: Case, config: RunConfig, shape: tuple[int, int]) -> np.ndarray:
    if case.mask is not None:
        return case.mask
    seed = mask_seed((*config.attacked, *config.victims), masks.seed_from_name(case.volume))
    return draw_mask(config.sampling, shape, case.padding, seed)


def draw_mask(
    sampling: Sampling, shape: tuple[int, int], padding: tuple[int, int], seed: tuple[int, ...]
) -> np.ndarray:
    """Draw the mask of a sampling for k-space.

    Args:
        sampling: the kind of mask and its numbers.
        shape: (ny, nx) of the k-space.
        padding: first acquired column and the first column after the acquired ones.
        seed: seed of the mask.

    Returns:
        (nx,) or (ny, nx), True where measured.

    Raises:
        ValueError: the mask cannot be drawn.
    """
    if sampling.acceleration is None or sampling.center_fraction is None:
        raise ValueError("the data had masks of their own when the run began, and now have none")
    mask = masks.make(sampling.mask, shape, sampling.acceleration, sampling.center_fraction, seed).copy()
    left, right = padding
    # Columns that the scanner never acquired hold zeros: they are not measured, and an attack must not perturb them.
    mask[..., :left] = False
    mask[..., right:] = False
    return mask
