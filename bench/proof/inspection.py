"""One image of a run by the measures beside the scores: hallucination, Fourier ring correlation, sensitivity."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from bench.evaluate.subjects import Subject
from bench.plan.errors import InputFileError, UsageError
from bench.proof.rescore import opened_here
from bench.record.forms import shown
from bench.record.pictures import Pictures
from bench.record.record import Record
from bench.record.records import shown_epsilon
from bench.record.stored import Stored
from bench.slices.prepare import Prepared, prepare
from data_prep.names import checksum
from jaxcs.complex import magnitude
from jaxcs.fourier import image_crop, image_slice
from jaxcs.keys import new_key
from jaxcs.measures.fourier_ring import patch_correlation
from jaxcs.measures.hallucination import hallucination_map
from jaxcs.measures.sensitivity import sensitivity_map
from jaxcs.names import printable
from jaxcs.operators import Sense
from jaxcs.threats import balls
from jaxcs.types import Measurement

STATES = {"clean": "clean data", "noise": "noise of equal norm", "attacked": "attacked"}
# Sides of a patch that the authors of sFRC used, and two for small images [pixels].
_PATCHES = (48, 32, 16, 8)
# At least so many patches along the smaller side.
_FEWEST = 4
_PROBES = 32
# Size of a probe of the sensitivity map relative to the data, of which a tenth is the step of a central difference.
_PROBE = 0.01


class Inspection(NamedTuple):
    """The result for one image.

    Attributes:
        numbers: content of inspection.json.
        truth: (ty, tx) true image.
        images: (ty, tx) image by state.
        hallucinated: (ty, tx) hallucination map by state.
        cutoff: (rows, columns) cut-off frequency of each patch by state, NaN for air.
        patch: side of a patch [pixels].
        sensitivity: (ty, tx) row norms of the Jacobian, None for a method that is fitted to each measurement.
    """

    numbers: dict[str, Any]
    truth: np.ndarray
    images: dict[str, np.ndarray]
    hallucinated: dict[str, np.ndarray]
    cutoff: dict[str, np.ndarray]
    patch: int
    sensitivity: np.ndarray | None

    def sentences(self) -> list[str]:
        """Return the numbers in words."""
        found = self.numbers
        return [
            f"{printable(found['method'])} on {printable(found['case'])}, epsilon {found['eps']:g}",
            *(
                f"{STATES[state]}: {one['hallucinated_energy']:.2g} of the energy of the truth is hallucinated; the "
                f"median patch of {self.patch} pixels agrees with it up to {one['median_cutoff']:.2f} of the Nyquist "
                f"frequency, the worst up to {one['least_cutoff']:.2f}"
                for state, one in found["states"].items()
            ),
        ]


def inspected(
    record: Record, stored: Stored, case: str | None, label: str | None, data: str | None, weights: str | None
) -> Inspection:
    """Measure one image of a run.

    Args:
        record: the run.
        stored: the same run with its configuration.
        case: name of the image, None for the first.
        label: name of the method, None for the first.
        data: path of the run's data, None for the path in its record.
        weights: file of the run's weights, None for that in its record.

    Raises:
        UsageError: the run has no such image or method.
        InputFileError: data or weights are not those of the run, or the run kept no pictures of the image.
    """
    case = _one_of("--case", case, [row.case for row in record.rows])
    label = _one_of("--method", label, [row.source for row in record.rows])
    config, victims, source = opened_here(record, stored, data, weights)
    victim = next(one for one in victims if one.label == label)
    (position,) = (at for name, at in zip(source.names, source.positions, strict=True) if name == case)
    (read,) = source.read([position])
    return _measured(record, prepare(read, config), victim, config.seed)


def _one_of(flag: str, given: str | None, known: list[str]) -> str:
    if given is not None and given not in known:
        raise UsageError(f"{flag} {shown(given)}: the run has {', '.join(map(shown, dict.fromkeys(known)))}")
    return known[0] if given is None else given


def _measured(record: Record, prepared: Prepared, victim: Subject, seed: int) -> Inspection:
    scan, eps = prepared.data, shown_epsilon(record.eps)
    truth = np.asarray(scan.target)
    shape = (truth.shape[0], truth.shape[1])
    images = _pictures(record, prepared.name, victim.label, eps, shape)
    patch = next((side for side in _PATCHES if side * _FEWEST <= min(shape)), _PATCHES[-1])
    whole = Sense(scan.maps, scan.mask).adjoint(scan.kspace)
    true = _embedded(truth, whole)
    hallucinated, cutoff, states = {}, {}, {}
    for state, image in images.items():
        found = hallucination_map(_embedded(image, whole), true, scan.maps, scan.mask)
        agreement = patch_correlation(jnp.asarray(image), scan.target, patch)
        hallucinated[state] = np.asarray(image_crop(found, shape))
        cutoff[state] = np.where(agreement.air, np.nan, agreement.cutoff)
        states[state] = {
            "hallucinated_energy": float(np.sum(np.asarray(found) ** 2) / np.sum(truth**2)),
            "median_cutoff": float(np.nanmedian(cutoff[state])),
            "least_cutoff": float(np.nanmin(cutoff[state])),
        }
    sensitivity = None if victim.method.fitted else _sensitivity(prepared, victim, seed)
    numbers: dict[str, Any] = {"case": prepared.name, "method": victim.label, "eps": eps, "patch": patch}
    numbers |= {"states": states}
    if sensitivity is not None:
        numbers["sensitivity"] = {"mean": float(np.mean(sensitivity)), "largest": float(np.max(sensitivity))}
    return Inspection(numbers, truth, images, hallucinated, cutoff, patch, sensitivity)


def _pictures(record: Record, case: str, label: str, eps: float, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    path = record.folder / "pictures.npz"
    names = {"clean": f"{label}|clean", "noise": f"{label}|noise|{eps:g}", "attacked": f"{label}|{label}|{eps:g}"}
    if not path.exists():
        raise InputFileError(f"{path}: is missing; name a run that kept its pictures")
    with Pictures(path) as file:
        lost = [name for name in names.values() if f"{case}|{name}" not in file]
        if lost:
            raise InputFileError(f"{path}: lacks the picture {shown(f'{case}|{lost[0]}')}; name another --case")
        return {state: file.read(f"{case}|{name}", shape).astype(np.float32) for state, name in names.items()}


def _embedded(image: np.ndarray, whole: Array) -> Array:
    """The image, with the phase of the whole scan, in the centre of it."""
    size = magnitude(whole)
    phase = jnp.where(size > 0, whole / jnp.where(size > 0, size, 1.0), 1.0)
    place = tuple(image_slice(full, part) for full, part in zip(whole.shape, image.shape, strict=True))
    return whole.at[place].set(image * phase[place])


def _sensitivity(prepared: Prepared, victim: Subject, seed: int) -> np.ndarray:
    scan = prepared.data
    kspace = jnp.where(scan.mask, scan.kspace, 0)
    method = victim.method.build(victim.method_config).apply
    key = jax.random.fold_in(new_key(seed), checksum(prepared.name))

    @jax.jit
    def found(params: Any) -> Array:
        allowed = balls.measured(jnp.float32(_PROBE), kspace, scan.mask)

        def image(delta: Array) -> Array:
            whole = method(params, Measurement(kspace + delta, scan.mask, scan.maps), key)
            return image_crop(whole, (scan.target.shape[0], scan.target.shape[1]))

        return sensitivity_map(image, allowed, key, _PROBES)

    return np.asarray(found(victim.params))
