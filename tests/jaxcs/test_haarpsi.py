"""HaarPSI against the authors' program and PIQ (`tests/parity/make_haarpsi.py`)."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcs.haarpsi import haarpsi

STORED = np.load(Path(__file__).parents[1] / "parity" / "haarpsi.npz")
NAMES = [key.removeprefix("image|") for key in STORED.files if key.startswith("image|")]


@pytest.mark.parametrize("name", NAMES)
def test_as_the_authors_and_piq(name):
    found = haarpsi(STORED[f"image|{name}"] / 255, STORED[f"target|{name}"] / 255, 1.0)
    for program in ("authors", "piq"):
        if f"{program}|{name}" in STORED:
            np.testing.assert_allclose(found, STORED[f"{program}|{name}"], rtol=0, atol=2e-6)


def test_bounds_and_symmetry():
    image, target = STORED["image|other"], STORED["target|other"]
    np.testing.assert_allclose(haarpsi(target, target, 255.0), 1, rtol=1e-6)
    np.testing.assert_allclose(haarpsi(image, target, 255.0), haarpsi(target, image, 255.0), rtol=1e-6)
    assert haarpsi(jnp.zeros((7, 7)), jnp.zeros((7, 7)), 1.0) == pytest.approx(1)
    assert 0 < haarpsi(image, 0 * target, 255.0) < 0.1


def test_gradients_are_finite_where_images_are_flat_or_equal():
    target = jnp.asarray(STORED["target|equal"]) / 255
    for image, other in ((target, target), (0 * target, 0 * target), (0 * target + 1, target), (target, 0 * target)):
        assert jnp.isfinite(jax.grad(haarpsi)(image, other, 1.0)).all()


@pytest.mark.parametrize("shape", [(1, 24), (24,), (2, 24, 24)])
def test_it_needs_a_slice(shape):
    with pytest.raises(ValueError, match="haarpsi: needs one slice of at least 2 x 2 pixels"):
        haarpsi(jnp.ones(shape), jnp.ones(shape), 1.0)


def test_a_region_counts_the_pairs_of_pixels_in_it():
    rng = np.random.default_rng(0)
    target = jnp.float32(rng.random((32, 40)))
    image = target.at[:8, :8].set(0)
    whole = np.ones(target.shape, bool)
    np.testing.assert_allclose(haarpsi(image, target, 1.0, whole), haarpsi(image, target, 1.0), rtol=1e-6)
    far, near = (np.zeros(target.shape, bool) for _ in range(2))
    far[28:, 30:], near[:6, :6] = True, True
    np.testing.assert_allclose(haarpsi(image, target, 1.0, far), 1, atol=1e-6)
    assert haarpsi(image, target, 1.0, near) < 0.5 < haarpsi(image, target, 1.0)
