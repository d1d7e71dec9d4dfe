"""The compiled functions of one method: its image, its worst perturbations and its largest singular value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from bench.evaluate.subjects import Subject
from bench.slices.prepare import SliceData
from bench.studies.stability.compared import compared
from bench.studies.stability.worlds import ALGORITHM_1, ALGORITHM_2, MAGNITUDE
from bench.studies.staged import Staged, reconstruction
from jaxcs.attacks import apgd, momentum
from jaxcs.attacks.spectral import singular_pair
from jaxcs.complex import l2_norm
from jaxcs.metrics import psnr, ssim
from jaxcs.operators.parallel_beam import ParallelBeam
from jaxcs.threats import scan
from jaxcs.types import Key

# The published ascent has no bound.  This one, of ||r|| / ||x||, is where an ascent that diverges is stopped.
LARGEST = 0.5
# ||r|| / ||x|| at which an ascent with automatic constants arrives and stays [-].  The perturbations of the paper's
# figures are about so large: 1 to 2 % for DeepMRI, and from a tenth of that to 5 % for AUTOMAP.
ARRIVAL = 0.01
# ||r|| / ||x|| about which a method is linearised [-], and iterations for its singular value.
_NEAR, _ITERATIONS = 0.01, 10
# Iterations for the worst perturbation of a linear method.
EXACT = 60
_SCAN = scan.build(norm="image")


class Functions(NamedTuple):
    """The compiled functions of one method.

    Perturbations r are images (ny, nx), complex but for sinograms, added to the data as A r.

    Attributes:
        stage: slice -> staged.
        image: staged, (coil, ny, nx) k-space of which the mask is applied, key -> (ty, tx) image.
        compared: the same for what is compared of two images, see `bench.studies.stability.compared`.  The reference
            and the clean image of the functions below are of this.
        climb: staged, reference image, random key, key -> the perturbations of the ascent after its snapshots.
        vary: staged, reference image, other constants, random key, key -> the perturbations of an ascent with these
            constants, after `halves(constants)`.
        push: staged, reference image, norm relative to the truth, random key, key -> the perturbation of projected
            gradients in the ball of this norm.
        singular: staged, clean image, random key, key -> largest singular value of the linearised map from r to the
            image [-].
        worst: staged, clean image, norm relative to the truth, random key, key -> the perturbation of this norm along
            the first right singular vector, which is the worst if the method is linear.
    """

    stage: Callable[[SliceData], Staged]
    image: Callable[[Staged, Array, Key], Array]
    compared: Callable[[Staged, Array, Key], Array]
    climb: Callable[[Staged, Array, Key, Key], Array]
    vary: Callable[[Staged, Array, momentum.Varied, Key, Key], Array]
    push: Callable[[Staged, Array, Array, Key, Key], Array]
    singular: Callable[[Staged, Array, Key, Key], Array]
    worst: Callable[[Staged, Array, Array, Key, Key], Array]


def build(
    subject: Subject,
    method_config: Any,
    constants: momentum.Config,
    steps: int,
    ascent: str = ALGORITHM_1,
    residual_of: str = MAGNITUDE,
) -> Functions:
    """Build the functions.

    Args:
        subject: the method.
        method_config: its configuration, fitted to the size of the slice.
        constants: constants and snapshots of Algorithm 1.
        steps: gradient evaluations of projected gradients.
        ascent: `ALGORITHM_1`, or `ALGORITHM_2` for sinograms.
        residual_of: a name of `worlds.RESIDUALS`.
    """
    stage, image = reconstruction(subject, method_config)
    seen = compared(subject, method_config, residual_of, image)

    def residual(staged: Staged, reference: Array, key: Key) -> Callable[[Array], Array]:
        return lambda r: seen(staged, _SCAN.measure(staged.data, r).kspace, key) - reference

    def ascended(
        chosen: momentum.Config, varied: momentum.Varied | None, staged: Staged, reference: Array, random: Key, key: Key
    ) -> Array:
        allowed = _SCAN.allowed(staged.data, jnp.float32(ARRIVAL if chosen.step is None else LARGEST))
        climbed = residual(staged, reference, key)
        if ascent == ALGORITHM_2:
            beam = ParallelBeam(staged.data.maps, staged.data.mask)
            measure = momentum.pulled_back_by(beam.forward, beam.fbp)
            climbed = lambda r: seen(staged, staged.data.kspace + measure(r), key) - reference  # noqa: E731
        return momentum.snapshots(chosen, varied)(random, climbed, allowed).deltas

    def climb(staged: Staged, reference: Array, random: Key, key: Key) -> Array:
        return ascended(constants, None, staged, reference, random, key)

    def vary(staged: Staged, reference: Array, varied: momentum.Varied, random: Key, key: Key) -> Array:
        return ascended(halves(constants), varied, staged, reference, random, key)

    def push(staged: Staged, reference: Array, norm: Array, random: Key, key: Key) -> Array:
        far = residual(staged, reference, key)
        attack = apgd.build(apgd.Config(n_steps=steps))
        return attack(random, lambda r: jnp.sum(far(r) ** 2), _SCAN.allowed(staged.data, norm)).delta

    def singular(staged: Staged, clean: Array, random: Key, key: Key) -> Array:
        near = _SCAN.allowed(staged.data, jnp.float32(_NEAR))
        return singular_pair(residual(staged, clean, key), near, near.random(random), _ITERATIONS)[0]

    def worst(staged: Staged, clean: Array, norm: Array, random: Key, key: Key) -> Array:
        allowed = _SCAN.allowed(staged.data, norm)
        return allowed.radius * singular_pair(residual(staged, clean, key), allowed, allowed.random(random), EXACT)[1]

    plain = jax.jit(image)
    same = plain if seen is image else jax.jit(seen)  # nothing is compiled twice
    others = (climb, vary, push, singular, worst)
    return Functions(jax.jit(stage), plain, same, *(jax.jit(function) for function in others))


def halves(constants: momentum.Config) -> momentum.Config:
    """Return the ascent that is scored after half, all and twice the steps of `constants`.

    Automatic constants remain those for all the steps.
    """
    steps = constants.n_steps
    return replace(constants, snapshots=tuple(sorted({max(1, steps // 2), steps, 2 * steps})))


@jax.jit
def scores(image: Array, truth: Array, data_range: Array) -> dict[str, Array]:
    """Score an image: PSNR [dB] and SSIM [-]."""
    return {"psnr": psnr(image, truth, data_range), "ssim": ssim(image, truth, data_range)}


@jax.jit
def noise_like(r: Array, norm: Array, key: Key) -> Array:
    """Draw white noise of this norm, shaped like the perturbation `r`, and complex if that is."""
    drawn = jax.random.normal(key, r.shape, jnp.complex64 if jnp.iscomplexobj(r) else jnp.float32)
    return drawn * (norm / l2_norm(drawn))


@jax.jit
def perturbed(data: SliceData, r: Array) -> Array:
    """Compute the measured k-space y + A r, (coil, ny, nx)."""
    return _SCAN.measure(data, r).kspace


@jax.jit
def size_in_data(data: SliceData, r: Array) -> Array:
    """Compute ||A r|| / ||A x||, the norm of the perturbation in the measured data over that of the data [-]."""
    clean = jnp.where(data.mask, data.kspace, 0)
    return l2_norm(_SCAN.measure(data, r).kspace - clean) / l2_norm(clean)
