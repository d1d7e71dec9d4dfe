"""Fourier ring correlation against the authors' program (`tests/parity/make_sfrc.py`) and against its definition."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from data_prep import phantom
from jaxcs.complex import root_sum_of_squares
from jaxcs.fourier import ifft2c
from jaxcs.measures.fourier_ring import fourier_ring_correlation, patch_correlation

STORED = np.load(Path(__file__).parents[2] / "parity" / "sfrc.npz")


def knee():
    return root_sum_of_squares(ifft2c(jnp.asarray(phantom.case("knee", "test", 0, (96, 96)).kspace)))


def test_curves_are_the_authors():
    image, reference = STORED["image"], STORED["reference"]
    np.testing.assert_allclose(jnp.abs(fourier_ring_correlation(image, reference)), STORED["whole"], rtol=0, atol=1e-4)
    found = patch_correlation(image, reference, patch=32)
    np.testing.assert_allclose(jnp.abs(found.curves), STORED["windowed"], rtol=0, atol=1e-4)


@pytest.mark.parametrize("n", [16, 15])
def test_a_ring_by_its_definition(n):
    rng = np.random.default_rng(n)
    image, reference = rng.normal(size=(2, n, n))
    x, y = (np.fft.fftshift(np.fft.fft2(one)) for one in (image, reference))
    row, column = np.indices((n, n)) - n // 2
    radius = np.sqrt(row**2 + column**2)
    expected = []
    for ring in range(n // 2):
        weight = 0.5 * (np.floor(radius) == ring) + 0.5 * (np.ceil(radius) == ring)
        energies = [np.sum(weight * np.abs(one) ** 2) for one in (x, y)]
        expected.append(np.sum(weight * (x * y.conj()).real) / np.sqrt(np.prod(energies)))
    np.testing.assert_allclose(
        fourier_ring_correlation(jnp.float32(image), jnp.float32(reference)), expected, atol=1e-5
    )


def test_an_equal_image_agrees_at_every_frequency_and_an_inverted_at_none():
    image = jnp.asarray(STORED["image"])
    np.testing.assert_allclose(fourier_ring_correlation(image, image), 1, rtol=1e-5)
    np.testing.assert_allclose(fourier_ring_correlation(-image, image), -1, rtol=1e-5)
    assert (patch_correlation(image, image, patch=16).cutoff == 1).all()


def test_the_cutoff_lies_between_rings():
    """White noise of the same energy at all frequencies from the 8th ring on takes the correlation below 0.75."""
    rng = np.random.default_rng(2)
    spectrum = np.fft.fft2(rng.normal(size=(32, 32)))
    radius = np.hypot(*np.meshgrid(*2 * [np.fft.fftfreq(32, 1 / 32)]))
    other = np.where(radius < 8, spectrum, np.fft.fft2(rng.normal(size=(32, 32))))
    image, reference = (jnp.float32(np.fft.ifft2(one).real) for one in (other, spectrum))
    curve = fourier_ring_correlation(image, reference)
    assert (curve[:8] > 0.75).all()
    assert curve[9] < 0.75
    # The window mixes neighbouring rings.
    found = patch_correlation(image, reference, patch=32)
    assert 6 / 16 < found.cutoff[0, 0] < 10 / 16


def test_an_invented_structure_is_found_in_its_patch_alone_and_air_says_nothing():
    truth = knee().at[:16, :16].set(0)
    rows, columns = np.mgrid[:96, :96]
    lesion = 0.4 * float(truth.max()) * np.cos(columns) * (np.hypot(rows - 40, columns - 40) < 5)
    found = patch_correlation(truth + lesion, truth, patch=16)
    wrong = found.hallucinated(0.99)
    assert wrong[2, 2]
    assert not wrong.at[1:4, 1:4].set(False).any()
    assert found.air[0, 0]
    assert not found.air[2, 2]


@pytest.mark.parametrize(("shape", "other"), [((8, 9), (8, 9)), ((8, 8), (9, 9)), ((8,), (8,))])
def test_needs_equal_squares(shape, other):
    with pytest.raises(ValueError, match="need equal squares"):
        fourier_ring_correlation(jnp.zeros(shape), jnp.zeros(other))


@pytest.mark.parametrize("patch", [6, 9, 40])
def test_needs_a_patch_that_fits(patch):
    with pytest.raises(ValueError, match="an even patch from 8 to the smaller side"):
        patch_correlation(jnp.zeros((36, 48)), jnp.zeros((36, 48)), patch)
