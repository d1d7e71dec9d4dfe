"""The FDA's phantoms, reconstructed from clean data, with noise and under attack, and their seven scores."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Bool

import jaxcs
from bench.findings.markdown import table
from bench.plan.errors import UsageError
from jaxcs.coils.simulate import loop_sensitivities
from jaxcs.fourier import fft2c, ifft2c
from jaxcs.measures import iq_scores
from jaxcs.measures.iq_phantoms import Grid, disc, low_contrast_phantom, resolution_phantom
from jaxcs.weights.files import Weights

# Settings of the FDA's demonstration, in mm.
GRID, RADIUS, HOLES, RADII = Grid((128, 128), (240.0, 240.0)), 95.0, 2.0, (0.75, 3.5)
INTENSITY, CONTRAST, NOISE = 0.5, 0.4, 0.02
# Eight loops about the field of view: radius of their cylinder and of each loop [mm].
_COILS, _CYLINDER, _LOOP = 8, 200.0, 70.0
_STATES = ("clean", "noise", "attacked")

Images = dict[str, np.ndarray]


class Settings(NamedTuple):
    """A method, its scan and its perturbations.

    Attributes:
        method: name of the method.
        weights: its weights, None for methods without.
        mask: (nx,) mask.
        eps: size of the perturbations [-].
        steps: steps of the attack, None for its default.
        seed: seed of the scanner's noise and of the search.
    """

    method: str
    weights: Weights | None
    mask: Bool[np.ndarray, "nx"]
    eps: float
    steps: int | None
    seed: int


def scores(settings: Settings) -> str:
    """Make the table of the seven scores, a line for each.

    Raises:
        UsageError: the method cannot reconstruct the phantoms; the message is one line.
    """
    phantoms = {
        "disc": disc(GRID, RADIUS, intensity=INTENSITY),
        "resolution": resolution_phantom(GRID, HOLES, INTENSITY),
        "contrast": low_contrast_phantom(GRID, RADII, INTENSITY, CONTRAST),
    }
    try:
        seen = {name: _attacked(settings, kspace, index) for index, (name, kspace) in enumerate(phantoms.items())}
    except (TypeError, ValueError) as error:
        raise UsageError(f"--method {settings.method}: {error}") from error
    lines = {state: _seven(*(seen[name][state] for name in phantoms)) for state in _STATES}
    heads = ["score", "clean", f"noise {settings.eps:g}", f"attacked {settings.eps:g}"]
    return table(heads, [[name, *(lines[state][name] for state in _STATES)] for name in lines["clean"]])


def _seven(discs: Images, resolution: Images, contrast: Images) -> dict[str, str]:
    """The scores in words; each argument has the image `first`, and the disc has `second` with other noise."""
    first = discs["first"]
    columns, rows = iq_scores.resolved_lines(resolution["first"], GRID, HOLES)
    spokes = iq_scores.complete_spokes(contrast["first"], GRID, NOISE, RADII, INTENSITY, CONTRAST)
    try:
        width = f"{iq_scores.sharpness(first, GRID, RADIUS):.2f}"
    except RuntimeError:  # no edge can be fitted
        width = "-"
    return {
        "geometric accuracy, largest error [%]": f"{100 * iq_scores.geometric_accuracy(first, GRID, RADIUS):.2f}",
        "uniformity [%]": f"{iq_scores.uniformity(first, GRID, RADIUS):.1f}",
        "ghosting [%]": f"{100 * iq_scores.ghosting(first):.2f}",
        "sharpness, width of the edge [mm]": width,
        "signal-to-noise ratio": f"{iq_scores.signal_to_noise(first, discs['second']):.1f}",
        "resolved lines of 4 mm, of 8": str(columns + rows),
        "complete low-contrast spokes, of 10": str(spokes),
    }


def _attacked(settings: Settings, kspace: np.ndarray, index: int) -> dict[str, Images]:
    """The images of a phantom by state, `first`, and from a scan with other noise under the same perturbation."""
    rng = np.random.default_rng((settings.seed, index))
    loops = loop_sensitivities(GRID.shape, GRID.fov, _COILS, _CYLINDER, _LOOP)
    maps = jnp.asarray(loops / np.sqrt(np.sum(np.abs(loops) ** 2, axis=0)))
    mask, coils = jnp.asarray(settings.mask), fft2c(maps * ifft2c(jnp.asarray(kspace)))
    first, second = (coils + NOISE * lax.complex(*jnp.float32(rng.normal(size=(2, *coils.shape)))) for _ in range(2))
    report = jaxcs.attack(
        settings.method, first, mask, maps, settings.eps, weights=settings.weights, steps=settings.steps,
        key=settings.seed,
    )  # fmt: skip
    changes = {"clean": jnp.zeros_like(second), "noise": report.noise[0], "attacked": report.perturbation[0]}
    images = {"clean": report.clean, "noise": report.noisy[0], "attacked": report.attacked[0]}
    return {
        state: {
            "first": np.asarray(images[state], np.float64),
            "second": np.asarray(
                jaxcs.reconstruct(settings.method, second + change, mask, maps, weights=settings.weights), np.float64
            ),
        }
        for state, change in changes.items()
    }
