"""Energies of k-space against direct sums, Parseval and images with known spectra."""

import numpy as np
import pytest

from data_prep.fourier import forward
from jaxcs import masks
from jaxcs.spectrum import Crossing, centre_energy, column_profile, crossing

SHAPES = [(3, 12, 10), (2, 11, 9), (1, 12, 9), (2, 7, 10), (2, 1, 1)]


def drawn(shape):
    rng = np.random.RandomState(0)
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(np.complex64)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_centre_is_the_direct_sum(shape):
    kspace = drawn(shape)
    nx = shape[-1]
    total = sum(abs(complex(value)) ** 2 for value in kspace.ravel())
    for columns in range(1, nx + 1):
        first = (nx - columns + 1) // 2
        part = sum(abs(complex(value)) ** 2 for value in kspace[..., first : first + columns].ravel())
        assert centre_energy(kspace, columns) == pytest.approx(part / total, rel=1e-6)
    assert centre_energy(kspace, nx) == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize("nx", [128, 129, 203])
def test_the_centre_is_the_one_that_masks_sample(nx):
    mask = masks.random(nx, 8.0, 0.08, seed=0)
    lines = round(nx * 0.08)
    kspace = np.zeros((1, 4, nx), np.complex64)
    first = (nx - lines + 1) // 2
    assert mask[first : first + lines].all()
    for edge, inside in ((first, 1), (first + lines - 1, 1), (first - 1, 0), (first + lines, 0)):
        kspace[:] = 0
        kspace[0, 1, edge] = 1
        assert centre_energy(kspace, lines) == inside


@pytest.mark.parametrize("shape", SHAPES)
def test_the_profile_is_the_direct_sum(shape):
    kspace = drawn(shape)
    _, ny, nx = shape
    profile = column_profile(kspace)
    assert profile.shape == (ny // 2 + 1,)
    total = np.sum(np.abs(kspace.astype(np.complex128)) ** 2)
    for f, value in enumerate(profile):
        rows = [row for row in {ny // 2 - f, ny // 2 + f} if 0 <= row < ny]
        expected = np.mean([np.sum(np.abs(kspace[:, row, nx // 2].astype(np.complex128)) ** 2) for row in rows])
        assert value == pytest.approx(expected / total, rel=1e-6)


@pytest.mark.parametrize("shape", [(12, 10), (11, 9)])
def test_a_constant_image_has_all_its_energy_in_the_centre(shape):
    kspace = forward(np.ones((2, *shape), np.complex64))
    assert centre_energy(kspace, 1) == pytest.approx(1, rel=1e-9)
    profile = column_profile(kspace)
    assert profile[0] == pytest.approx(1, rel=1e-9)
    assert profile[1:] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("shape", [(2, 12, 10), (2, 11, 9)])
def test_parseval_both_sides_of_the_line_hold_the_energy_of_the_projection(shape):
    """The central column is the transform of the image summed along its rows."""
    image = drawn(shape)
    profile = column_profile(forward(image))
    twice = np.full(profile.size, 2.0)
    twice[0] = 1
    if shape[1] % 2 == 0:
        twice[-1] = 1
    projection = image.sum(axis=-1) / np.sqrt(shape[-1])
    expected = np.sum(np.abs(projection) ** 2) / np.sum(np.abs(image) ** 2)
    assert np.sum(twice * profile) == pytest.approx(expected, rel=1e-5)


def test_neither_the_units_nor_further_coils_matter():
    kspace = drawn((2, 12, 10))
    for changed in (kspace * np.complex64(1e-25), kspace * np.complex64(1e25), np.concatenate([kspace, kspace])):
        assert centre_energy(changed, 3) == pytest.approx(centre_energy(kspace, 3), rel=1e-5)
        np.testing.assert_allclose(column_profile(changed), column_profile(kspace), rtol=1e-5)


def test_curves_cross_where_most_frequencies_agree():
    falling, flat = np.linspace(2, 0, 21), np.ones(21)
    # At 10 they are equal, which agrees with neither side.
    assert crossing(flat, falling) == Crossing(10, True, 20 / 21)
    assert crossing(falling, flat) == Crossing(10, False, 20 / 21)
    wriggling = falling.copy()
    wriggling[[3, 17]] = 2 - wriggling[[3, 17]]
    assert crossing(flat, wriggling) == Crossing(10, True, 18 / 21)


def test_curves_that_do_not_cross():
    falling = np.linspace(2, 0, 21)
    assert crossing(falling, falling + 1) is None
    assert crossing(falling, falling) is None
    # Two thirds agree with the best split.
    assert crossing(np.array([0, 0, 2, 2, 0, 2]), np.ones(6)) == Crossing(2, True, 5 / 6)
    assert crossing(np.array([0, 2, 2, 0, 0, 2]), np.ones(6)) is None
    assert crossing(np.ones(1), np.zeros(1)) is None


def test_what_has_no_shares_is_refused():
    kspace = drawn((2, 12, 10))
    for columns in (0, 11):
        with pytest.raises(ValueError, match=f"{columns} columns of a k-space of 10"):
            centre_energy(kspace, columns)
    for bad in (0 * kspace, np.full_like(kspace, np.nan)):
        with pytest.raises(ValueError, match="0 or not finite"):
            centre_energy(bad, 3)
        with pytest.raises(ValueError, match="0 or not finite"):
            column_profile(bad)
    with pytest.raises(ValueError, match="needs k-space"):
        column_profile(kspace[0, 0])
    with pytest.raises(ValueError, match=r"\(3,\) and \(4,\)"):
        crossing(np.ones(3), np.ones(4))
