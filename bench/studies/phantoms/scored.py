"""The FDA's phantoms, reconstructed from clean data, with noise and under attack, and their seven scores."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Bool

import jaxcs
from bench.evaluate import subjects
from bench.evaluate.subjects import Subject
from bench.plan.config import RunConfig
from bench.plan.errors import UsageError
from bench.run.describe import described
from bench.studies.phantoms.told import SCORES, STATES
from jaxcs import masks
from jaxcs.coils.simulate import loop_sensitivities
from jaxcs.fourier import fft2c, ifft2c
from jaxcs.measures import iq_scores
from jaxcs.measures.iq_phantoms import Grid, disc, low_contrast_phantom, resolution_phantom

# Settings of the FDA's demonstration, in mm.
GRID, RADIUS, HOLES, RADII = Grid((128, 128), (240.0, 240.0)), 95.0, 2.0, (0.75, 3.5)
INTENSITY, CONTRAST, NOISE = 0.5, 0.4, 0.02
# Eight loops about the field of view: radius of their cylinder and of each loop [mm].
_COILS, _CYLINDER, _LOOP = 8, 200.0, 70.0

Images = dict[str, np.ndarray]


def carry_out(config: RunConfig) -> dict[str, Any]:
    """Score a method on the phantoms.

    Args:
        config: method, settings, weights, sampling, steps and one epsilon; seed is that of mask, noise and search.

    Returns:
        The record: the scores by state and name, and all that decided them.

    Raises:
        RunError: the method cannot reconstruct the phantoms, or a flag does not fit it; the message is one line.
    """
    (subject,) = subjects.sources(config)
    mask = _mask(config)
    phantoms = {
        "disc": disc(GRID, RADIUS, intensity=INTENSITY),
        "resolution": resolution_phantom(GRID, HOLES, INTENSITY),
        "contrast": low_contrast_phantom(GRID, RADII, INTENSITY, CONTRAST),
    }
    try:
        seen = {name: _attacked(subject, mask, kspace, index) for index, (name, kspace) in enumerate(phantoms.items())}
    except (TypeError, ValueError) as error:
        raise UsageError(f"--method {config.method}: {error}") from error
    record = described(subject)
    if subject.trained is not None:
        record["weights"]["given"] = config.weights
    return record | {
        "label": subject.label,
        "eps": config.eps[0],
        "seed": config.seed,
        "mask": {
            "kind": config.mask,
            "acceleration": config.acceleration,
            "center_fraction": config.center_fraction,
            "measured": int(mask.sum()),
            "columns": mask.size,
        },
        "scores": {state: _seven(*(seen[name][state] for name in phantoms)) for state in STATES},
    }


def _mask(config: RunConfig) -> Bool[np.ndarray, "nx"]:
    _, acceleration, centre = config.sampling
    assert acceleration is not None
    assert centre is not None
    try:
        return masks.random(GRID.shape[1], acceleration, centre, config.seed)
    except ValueError as error:
        raise UsageError(f"--acceleration {acceleration:g}: {error}") from error


def _seven(discs: Images, resolution: Images, contrast: Images) -> dict[str, float | None]:
    """The scores by name; each argument has the image `first`, and the disc has `second` with other noise."""
    first = discs["first"]
    columns, rows = iq_scores.resolved_lines(resolution["first"], GRID, HOLES)
    try:
        width = float(iq_scores.sharpness(first, GRID, RADIUS))
    except RuntimeError:  # no edge can be fitted
        width = None
    found = (
        100 * float(iq_scores.geometric_accuracy(first, GRID, RADIUS)),
        float(iq_scores.uniformity(first, GRID, RADIUS)),
        100 * float(iq_scores.ghosting(first)),
        width,
        float(iq_scores.signal_to_noise(first, discs["second"])),
        int(columns + rows),
        int(iq_scores.complete_spokes(contrast["first"], GRID, NOISE, RADII, INTENSITY, CONTRAST)),
    )
    return dict(zip(SCORES, found, strict=True))


def _attacked(subject: Subject, mask: Bool[np.ndarray, "nx"], kspace: np.ndarray, index: int) -> dict[str, Images]:
    """The images of a phantom by state, `first`, and from a scan with other noise under the same perturbation."""
    config, method = subject.config, subject.method_config
    # The front door lets the weights decide what they share with a configuration, such as the steps of a sampler.
    weights = None if subject.trained is None else subject.trained._replace(config=method)
    rng = np.random.default_rng((config.seed, index))
    loops = loop_sensitivities(GRID.shape, GRID.fov, _COILS, _CYLINDER, _LOOP)
    maps = jnp.asarray(loops / np.sqrt(np.sum(np.abs(loops) ** 2, axis=0)))
    columns, coils = jnp.asarray(mask), fft2c(maps * ifft2c(jnp.asarray(kspace)))
    first, second = (coils + NOISE * lax.complex(*jnp.float32(rng.normal(size=(2, *coils.shape)))) for _ in range(2))
    report = jaxcs.attack(
        method, first, columns, maps, config.eps, subject.attack.config, weights=weights, key=config.seed,
    )  # fmt: skip
    changes = {"clean": jnp.zeros_like(second), "noise": report.noise[0], "attacked": report.perturbation[0]}
    images = {"clean": report.clean, "noise": report.noisy[0], "attacked": report.attacked[0]}
    # With the draws of the first scan, so that what is random in a method is not taken for noise of the scanner.
    again = {
        state: jaxcs.reconstruct(method, second + change, columns, maps, weights=weights, seed=config.seed)
        for state, change in changes.items()
    }
    return {
        state: {"first": np.asarray(images[state], np.float64), "second": np.asarray(again[state], np.float64)}
        for state in STATES
    }
