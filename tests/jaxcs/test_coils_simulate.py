"""Coil maps by the law of Biot and Savart, and the noise that the coils share."""

import numpy as np
import pytest

from jaxcs.coils.simulate import loop_field, loop_sensitivities, noise_covariance

FIELD = (160.0, 120.0)
GEOMETRY = {"field_of_view": FIELD, "n_coils": 8, "radius": 150.0, "loop_radius": 63.0}


@pytest.fixture(scope="module")
def maps():
    return loop_sensitivities((40, 30), **GEOMETRY)


def direct_field(point, angle, radius, loop_radius, nodes=4000):
    """Compute the field B of one loop at a point (x, y, z) directly by cross products."""
    normal = np.array([np.cos(angle), np.sin(angle), 0.0])
    tangent, axial = np.array([-np.sin(angle), np.cos(angle), 0.0]), np.array([0.0, 0.0, 1.0])
    t = 2 * np.pi * (np.arange(nodes) / nodes)[:, None]
    wire = radius * normal + loop_radius * (np.cos(t) * tangent + np.sin(t) * axial)
    step = loop_radius * (-np.sin(t) * tangent + np.cos(t) * axial) * (2 * np.pi / nodes)
    arm = np.asarray(point) - wire
    return np.sum(np.cross(step, arm) / np.linalg.norm(arm, axis=1, keepdims=True) ** 3, axis=0)


def test_field_on_the_axis_of_a_loop():
    """The textbook case 2 pi r^2 / (r^2 + d^2)^(3/2), as a ratio between two places."""
    place = np.array([0.0, 40.0])
    ratio = np.divide(*np.abs(loop_field(np.zeros((1, 1)), place, 0.0, 150.0, 63.0)[0]))
    assert ratio == pytest.approx(((63.0**2 + 110.0**2) / (63.0**2 + 150.0**2)) ** 1.5, rel=1e-12)


@pytest.mark.parametrize("angle", [0.3, 2.0, 4.5])
@pytest.mark.parametrize("point", [(0.0, 0.0), (31.0, -47.0), (-60.0, 80.0), (90.0, 25.0), (150.0, 63.0 - 17.0)])
def test_field_agrees_with_direct_integration(angle, point):
    """The last point lies near the wire of a coil at angle 0."""
    point = complex(*point) * np.exp(1j * angle) if point[0] == 150.0 else complex(*point)
    bx, by, bz = direct_field((point.real, point.imag, 0.0), angle, 150.0, 63.0)
    field = loop_field(np.array([[point.imag]]), np.array([point.real]), angle, 150.0, 63.0)[0, 0]
    factor = 2 * 63.0 * np.pi / 32  # cancelled by the maps' normalisation: two halves, and r da
    assert abs(field * factor - (bx - 1j * by)) < 1e-6 * abs(bx - 1j * by)
    assert abs(bz) < 1e-12


def test_root_sum_of_squares_is_one_at_the_centre(maps):
    assert np.linalg.norm(maps[:, 20, 15]) == pytest.approx(1, rel=1e-6)
    assert maps.dtype == np.complex64


def test_a_finer_grid_samples_the_same_function(maps):
    finer = loop_sensitivities((120, 90), **GEOMETRY)
    np.testing.assert_allclose(finer[:, ::3, ::3], maps, rtol=0, atol=1e-6)


def test_odd_grids_have_their_centre_at_the_middle_pixel():
    small = loop_sensitivities((5, 3), **GEOMETRY)
    assert small.shape == (8, 5, 3)
    assert np.linalg.norm(small[:, 2, 1]) == pytest.approx(1, rel=1e-6)
    # Opposite coils see opposite pixels alike; B turns by half a turn.
    np.testing.assert_allclose(small[:4], -small[4:, ::-1, ::-1], atol=1e-6)


def test_maps_are_smooth(maps):
    """Few low frequencies hold almost all energy, in the part that the wrap-around does not cut."""
    window = np.hanning(40)[:, None] * np.hanning(30)
    spectrum = np.abs(np.fft.fft2(maps * window)) ** 2
    low = np.ix_(range(8), np.abs(np.fft.fftfreq(40, 1 / 40)) < 4.5, np.abs(np.fft.fftfreq(30, 1 / 30)) < 4.5)
    assert spectrum[low].sum() > 0.9999 * spectrum.sum()


def test_each_coil_is_strongest_on_its_own_side(maps):
    y, x = np.mgrid[-20:20, -15:15] * np.array([4.0, 4.0])[:, None, None]
    inside = np.hypot(y, x) < 55
    weight = np.abs(maps) ** 2 * inside
    seen = np.arctan2((weight * y).sum((1, 2)), (weight * x).sum((1, 2)))
    placed = np.pi * (2 * np.arange(8) + 1) / 8
    assert np.abs(np.angle(np.exp(1j * (seen - placed)))).max() < 0.15


def test_phase_turns_with_the_coil(maps):
    """At the centre the field of a loop points to the loop, so that B1- = Bx - i By has the phase -angle."""
    turn = np.angle(maps[1:, 20, 15] / maps[:-1, 20, 15])
    np.testing.assert_allclose(turn, -np.pi / 4, atol=1e-5)


@pytest.mark.parametrize(
    "change",
    [{"radius": 99.0}, {"radius": -1.0}, {"loop_radius": 0.0}, {"n_coils": 0}, {"field_of_view": (0.0, 5.0)}],
)
def test_impossible_geometry(change):
    with pytest.raises(ValueError, match=r"^loop_sensitivities: .*$"):
        loop_sensitivities((8, 8), **(GEOMETRY | change))


# ---- noise ---------------------------------------------------------------------------------------


def test_noise_covariance_is_hermitian_with_unit_variances(maps):
    covariance = noise_covariance(maps, np.ones((40, 30), bool), 0.4)
    np.testing.assert_allclose(covariance, covariance.conj().T, atol=1e-12)
    np.testing.assert_allclose(np.diagonal(covariance), 1, atol=1e-12)
    assert np.linalg.eigvalsh(covariance)[0] >= 0.6


def test_noise_covariance_is_that_of_noise_from_the_object(maps):
    """Each point of the object emits independent noise, which is seen through the maps."""
    rng = np.random.default_rng(0)
    support = np.hypot(*np.mgrid[-20:20, -15:15]) < 12
    emitted = rng.normal(size=(8000, 2, support.sum())) @ maps[:, support].T
    seen = emitted[:, 0] + 1j * emitted[:, 1]
    sample = seen.T @ seen.conj() / len(seen)
    scale = np.sqrt(np.diagonal(sample).real)
    expected = (noise_covariance(maps, support, 0.5) - 0.5 * np.eye(8)) / 0.5
    np.testing.assert_allclose(sample / np.outer(scale, scale), expected, atol=0.06)


def test_neighbours_share_more_noise_than_opposite_coils(maps):
    covariance = np.abs(noise_covariance(maps, np.ones((40, 30), bool), 0.4))
    assert covariance[0, 1] > 2 * covariance[0, 4]
    assert covariance[0, 1] < 0.4


def test_no_coupling_is_the_identity(maps):
    np.testing.assert_array_equal(noise_covariance(maps, np.ones((40, 30), bool), 0.0), np.eye(8))


def test_impossible_noise(maps):
    everywhere = np.ones((40, 30), bool)
    with pytest.raises(ValueError, match=r"^noise_covariance: coupling must be in \[0, 1\), got 1.0$"):
        noise_covariance(maps, everywhere, 1.0)
    with pytest.raises(ValueError, match=r"^noise_covariance: support is \(3, 3\), maps are \(8, 40, 30\)$"):
        noise_covariance(maps, np.ones((3, 3), bool), 0.1)
    with pytest.raises(ValueError, match=r"^noise_covariance: a coil is zero in the whole object$"):
        noise_covariance(maps, ~everywhere, 0.1)
