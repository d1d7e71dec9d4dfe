"""The Radon transform: an exact pair in both precisions, and ASTRA's and scikit-image's numbers."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage.transform import iradon, radon

from jaxcs.operators import Radon
from jaxcs.operators.radon import enough_detectors, even_angles
from tests.helpers.asserts import relative_error
from tests.helpers.compiling import quick
from tests.helpers.places import PARITY
from tests.jaxcs.test_float64 import float64

ASTRA = dict(np.load(PARITY / "radon_astra.npz"))
KINDS = ("joseph", "pixel")
# Sizes odd and even, detectors as many as pixels or more, and views that are all upright, flat or oblique.
SHAPES = [(8, 8, even_angles(6)), (7, 12, (45.0, 0.0)), (12, 19, (100.0, -60.0, 263.5))]
DRAWS = 34


def blobs(size):
    """A smooth image that is 0 near and outside the inscribed disc."""
    y, x = (np.mgrid[:size, :size] - size // 2) / (size / 2)
    centres = [(0.1, -0.3, 0.2, 1.0), (-0.35, 0.2, 0.15, 0.7), (0.3, 0.35, 0.12, -0.4)]
    image = sum(value * np.exp(-((y - a) ** 2 + (x - b) ** 2) / (2 * width**2)) for a, b, width, value in centres)
    return np.where(y**2 + x**2 < 0.9**2, image, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_adjoint(kind):
    """The dot test in 200 drawn cases for both kinds together."""
    rng = np.random.default_rng(0)
    norm = partial(np.linalg.norm, axis=(-2, -1))
    for size, detectors, angles in SHAPES:
        a = Radon(angles, size, detectors, kind)
        with float64():
            x, y = (jnp.asarray(rng.normal(size=(DRAWS, *shape))) for shape in ((size, size), (len(angles), detectors)))
            pair = quick(lambda x, y, a=a: (jax.lax.map(a.forward, x), jax.lax.map(a.adjoint, y)))(x, y)
        x, y, ax, aty = (np.asarray(array) for array in (x, y, *pair))
        mismatch = np.abs(np.sum(ax * y, (1, 2)) - np.sum(x * aty, (1, 2))) / (norm(ax) * norm(y))
        assert np.max(mismatch) < 1e-13
        assert min(np.min(norm(ax)), np.min(norm(aty))) > 0


@pytest.mark.parametrize("kind", KINDS)
def test_derivatives_of_all_orders_are_the_pair(kind):
    """In float32, in which the pair agrees as well; vmap maps over images."""
    rng = np.random.default_rng(4)
    a = Radon(even_angles(3), 6, 7, kind)
    x, y = (rng.normal(size=shape).astype(np.float32) for shape in ((2, 6, 6), (2, 3, 7)))

    @quick
    def of(x, y):
        ax, transposed = jax.vjp(jax.vmap(a.forward), x)
        aty, again = jax.vjp(jax.vmap(a.adjoint), y)
        return ax, again(x)[0], aty, transposed(y)[0]

    ax, again, aty, transposed = of(x, y)
    np.testing.assert_array_equal(again, ax)
    np.testing.assert_array_equal(transposed, aty)
    assert abs(np.vdot(ax, y) - np.vdot(x, aty)) < 1e-6 * np.linalg.norm(ax) * np.linalg.norm(y)
    np.testing.assert_allclose(ax[1], a.forward(x[1]), atol=1e-5)


@pytest.mark.parametrize("detectors", [25, 37])
def test_joseph_is_astras(detectors):
    a = Radon(tuple(ASTRA["angles"]), 25, detectors)
    assert relative_error(a.forward(ASTRA["image"]), ASTRA[f"sinogram|{detectors}"]) < 2e-5  # ASTRA's own rounding
    assert relative_error(a.adjoint(ASTRA[f"data|{detectors}"]), ASTRA[f"back|{detectors}"]) < 2e-5


@pytest.mark.parametrize(("size", "detectors"), [(24, 24), (23, 40)])
def test_back_projection_is_scikit_images(size, detectors):
    """Its rim as well: a detector beyond the last counts as 0, without a taper."""
    angles = even_angles(10)
    a = Radon(angles, size, detectors)
    with float64():
        y = jnp.asarray(np.random.default_rng(1).normal(size=(10, detectors)))
        for filter_name, ours in (
            ("ramp", a.fbp(y)),
            (None, np.pi / 20 * Radon(angles, size, detectors, "pixel").adjoint(y)),
        ):
            theirs = iradon(np.asarray(y).T, angles, size, filter_name, circle=False)
            assert relative_error(ours, theirs) < 1e-13
    assert a.fbp(y.astype(jnp.float32)).dtype == jnp.float32


@pytest.mark.parametrize("kind", KINDS)
def test_projection_is_near_scikit_images(kind):
    """scikit-image turns the image and adds up its columns; only the interpolation differs from both kinds."""
    image = blobs(64)
    theirs = radon(image, even_angles(15), circle=True).T
    assert relative_error(Radon(even_angles(15), 64, 64, kind).forward(image), theirs) < 2e-3
    shifted = Radon(even_angles(15), 64, 64, kind).forward(np.roll(image, 1, 0))  # the centre is theirs too
    assert relative_error(shifted, theirs) > 2e-2


def test_many_views_give_the_image_back():
    image = blobs(64)
    a = Radon(even_angles(100), 64, enough_detectors(64))
    assert relative_error(a.fbp(a.forward(image)), image) < 0.02


def test_enough_detectors_see_each_pixel_in_all_views():
    views = 24
    for size in (1, 2, 5):
        counts = [
            quick(Radon(even_angles(views), size, detectors, "pixel").adjoint)(np.ones((views, detectors), np.float32))
            for detectors in (size, enough_detectors(size))
        ]
        assert np.min(counts[1]) > views - 1e-4
        assert size == 1 or np.min(counts[0]) < views - 1


def test_the_filter_and_the_transpose_of_filtered_back_projection():
    rng = np.random.default_rng(2)
    a = Radon(even_angles(5), 12, 15)
    y, x = rng.normal(size=(5, 15)).astype(np.float32), rng.normal(size=(12, 12)).astype(np.float32)
    value, transposed = quick(lambda y, x: (a.fbp(y), jax.vjp(a.fbp, y)[1](x)[0]))(y, x)
    assert abs(np.vdot(value, x) - np.vdot(y, transposed)) < 1e-6 * np.linalg.norm(value) * np.linalg.norm(x)
    impulses = a.filtered(np.eye(5, 15, dtype=np.float32))  # the ramp's kernel at five places
    distance = np.abs(np.arange(5)[:, None] - np.arange(15))
    expected = np.where(distance % 2 == 1, -2 / (np.pi * np.maximum(distance, 1)) ** 2, 0.5 * (distance == 0))
    np.testing.assert_allclose(impulses, expected, atol=1e-6)


def test_an_operator_is_a_static_pytree():
    a = Radon(even_angles(3), 6, 6)
    assert not jax.tree.leaves(a)
    x = np.random.default_rng(3).normal(size=(6, 6)).astype(np.float32)
    np.testing.assert_array_equal(quick(lambda a, x: a.forward(x))(a, x), quick(a.forward)(x))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"angles": ()}, "no views"),
        ({"angles": (0.0, float("nan"))}, "not finite"),
        ({"size": 0}, "size is 0"),
        ({"detectors": 7}, "7 detectors cut an image of 8 columns; use at least 8, or 13 to see its corners"),
        ({"kind": "strip"}, "'strip' is unknown; choose from joseph, pixel"),
    ],
)
def test_what_cannot_be_scanned_is_refused(change, words):
    with pytest.raises(ValueError, match=words):
        Radon(**{"angles": even_angles(4), "size": 8, "detectors": 8} | change)


def test_arrays_of_other_shapes_are_refused():
    a = Radon(even_angles(4), 8, 9)
    for image in ((8, 9), (9, 9), (1, 8, 8)):
        with pytest.raises(ValueError, match=r"the image is .*, not \(8, 8\)"):
            a.forward(np.zeros(image, np.float32))
    for function in (a.adjoint, a.filtered, a.fbp):
        for shape in ((4, 8), (0, 9), (9, 4)):
            with pytest.raises(ValueError, match=r"the sinogram is .*, not \(4, 9\)"):
                function(np.zeros(shape, np.float32))
    with pytest.raises(ValueError, match="views is 0"):
        even_angles(0)
