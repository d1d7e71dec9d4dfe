"""Phantoms and scores against the FDA's MRI-IQ-ETK (`tests/parity/make_iq_scores.py`), and what the scores mean."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from jaxcs.fourier import ifft2c
from jaxcs.measures import iq_scores
from jaxcs.measures.iq_phantoms import Grid, disc, low_contrast_phantom, resolution_phantom

STORED = np.load(Path(__file__).parents[2] / "parity" / "iq_scores.npz")
GRID, RADIUS, INTENSITY = Grid((96, 96), (240.0, 240.0)), 80.0, 0.5
RADII, CONTRAST, HOLES = (1.5, 6.0), 0.4, 1.5


def names(kind):
    return [key.removeprefix(f"{kind}|") for key in STORED.files if key.startswith(f"{kind}|")]


def image_of(kspace):
    return np.abs(np.asarray(ifft2c(jnp.asarray(kspace))))


@pytest.mark.parametrize(
    ("name", "kspace"),
    [
        ("disc", disc(GRID, 30.0, (12.0, -20.0), INTENSITY)),
        ("resolution", resolution_phantom(GRID, 4.0, INTENSITY)),
        ("contrast", low_contrast_phantom(GRID, RADII, INTENSITY, CONTRAST)),
    ],
)
def test_phantoms_are_the_tools(name, kspace):
    expected = STORED[f"kspace|{name}"]
    np.testing.assert_allclose(kspace[::8, ::8], expected, rtol=0, atol=1e-6 * np.abs(kspace).max())


def test_a_disc_has_its_intensity_and_its_place():
    image = np.asarray(ifft2c(jnp.asarray(disc(Grid((64, 80), (128.0, 240.0)), 30.0, (10.0, -30.0), 2.0))))
    assert abs(image[37, 30]) == pytest.approx(2.0, rel=0.03)
    assert abs(image[10, 60]) < 0.1
    # Pixels of 2 x 3 mm.
    assert np.sum(image).real == pytest.approx(2.0 * np.pi * 30**2 / 6, rel=1e-4)
    assert np.abs(image.imag).max() < 0.05


@pytest.mark.parametrize("name", names("scores"))
def test_scores_of_a_disc_are_the_tools(name):
    image = np.float64(STORED[f"disc|{name}"])
    geometry, uniform, ghost, width = STORED[f"scores|{name}"]
    assert iq_scores.geometric_accuracy(image, GRID, RADIUS) == pytest.approx(geometry, rel=1e-6)
    assert iq_scores.uniformity(image, GRID, RADIUS) == pytest.approx(uniform, rel=1e-6)
    assert iq_scores.ghosting(image) == pytest.approx(ghost, rel=1e-6)
    assert iq_scores.sharpness(image, GRID, RADIUS) == pytest.approx(width, rel=1e-3)


@pytest.mark.parametrize("name", names("snr"))
def test_the_signal_to_noise_ratio_is_the_tools(name):
    pair = (np.float64(STORED[f"{kind}|{name}"]) for kind in ("disc", "again"))
    assert iq_scores.signal_to_noise(*pair) == pytest.approx(float(STORED[f"snr|{name}"]), rel=1e-6)


@pytest.mark.parametrize("blur", names("lines"))
def test_resolved_lines_are_the_tools(blur):
    image = np.float64(STORED[f"resolution|{blur}"])
    assert iq_scores.resolved_lines(image, GRID, HOLES) == tuple(STORED[f"lines|{blur}"])


@pytest.mark.parametrize("noise", names("spokes"))
def test_complete_spokes_are_the_tools_but_for_its_random_thresholds(noise):
    image = np.float64(STORED[f"contrast|{noise}"])
    found = iq_scores.complete_spokes(image, GRID, float(noise), RADII, INTENSITY, CONTRAST)
    assert abs(found - int(STORED[f"spokes|{noise}"])) <= 1


def test_each_score_sees_its_own_fault():
    """The disc has no noise, so that the change of a score is that of the fault."""
    plain = image_of(disc(GRID, RADIUS, intensity=INTENSITY))
    wide = image_of(disc(GRID, 1.1 * RADIUS, intensity=INTENSITY))
    assert iq_scores.geometric_accuracy(plain, GRID, RADIUS) < 0.005
    assert iq_scores.geometric_accuracy(wide, GRID, RADIUS) == pytest.approx(0.1, abs=0.005)
    shaded = plain * (1 + 0.3 * np.linspace(-1, 1, 96))
    assert iq_scores.uniformity(shaded, GRID, RADIUS) < iq_scores.uniformity(plain, GRID, RADIUS) - 10
    ghosted = plain + 0.1 * np.roll(plain, 48, axis=1)
    assert iq_scores.ghosting(ghosted) > 0.04 > 0.01 > iq_scores.ghosting(plain)
    widths = [iq_scores.sharpness(gaussian_filter(plain, blur), GRID, RADIUS) for blur in (0.01, 1.0, 2.0)]
    assert widths[0] < widths[1] < widths[2]
    # A Gauss function of standard deviation 2 pixels of 2.5 mm is 11.8 mm wide at half its height.
    assert widths[2] == pytest.approx(11.8, rel=0.15)


def test_the_ratio_is_that_of_the_noise():
    rng = np.random.default_rng(0)
    plain = image_of(disc(GRID, RADIUS, intensity=INTENSITY))
    pair = [plain + 0.01 * rng.normal(size=plain.shape) for _ in range(2)]
    assert iq_scores.signal_to_noise(*pair) == pytest.approx(50, rel=0.15)
