"""Reconstructions of DeepInverse: its physics is ours, and the gradient is the derivative of the image."""

import sys
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcs.complex import value_and_ascent
from jaxcs.interop import deepinverse, from_deepinv, reconstruction_of
from jaxcs.interop.signature import takes_maps, takes_physics
from jaxcs.operators.sense import Sense
from tests.helpers.asserts import complex_normal, relative_error

pytestmark = pytest.mark.filterwarnings("ignore")  # DeepInverse and what it imports give warnings

COILS, NY, NX = 3, 16, 12
RNG = np.random.default_rng(0)
MASK = jnp.asarray(np.arange(NX) % 3 != 1)
KSPACE, DIRECTION, MAPS = complex_normal(RNG, (3, COILS, NY, NX))
MAPS = MAPS / jnp.linalg.norm(MAPS, axis=0)


@pytest.fixture
def deepinv():
    return pytest.importorskip("deepinv", reason="DeepInverse is not installed: jaxcs[deepinv]")


def test_a_reconstruction_is_told_by_its_second_argument():
    class Takes:
        def __call__(self, y, physics, **more): ...

    assert takes_physics(lambda y, physics: y)
    assert takes_physics(Takes())
    for other in (lambda kspace, mask, physics: kspace, lambda physics, y: y, lambda y: y, dict.get, 3):
        assert not takes_physics(other)


def test_without_deepinverse_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "deepinv", None)
    for call in (partial(from_deepinv, lambda y, physics: y), partial(deepinverse.named, "MoDL")):
        with pytest.raises(ImportError, match=r"DeepInverse and PyTorch, which are not installed: pip install 'jaxcs"):
            call()


def zero_filled(y, physics):
    return physics.A_adjoint(y)


def test_the_physics_is_our_operator(deepinv):
    image = complex_normal(RNG, (NY, NX))
    seen = []

    def reconstruct(y, physics):
        import torch

        seen.append((y, physics(torch.view_as_real(torch.from_numpy(np.array(image))).movedim(-1, 0)[None])))
        return physics.A_adjoint(y)

    ours = Sense(MAPS, MASK)
    bridged = from_deepinv(reconstruct, (NY, NX))
    assert takes_maps(bridged)
    assert relative_error(bridged(KSPACE, MASK, MAPS), jnp.abs(ours.adjoint(KSPACE))) < 1e-5
    for found, expected in zip(seen[0], (jnp.where(MASK, KSPACE, 0), ours.forward(image)), strict=True):
        assert relative_error(np.array(found[0, 0] + 1j * found[0, 1]), expected) < 1e-5


def test_a_single_coil_is_mri_without_maps(deepinv):
    def reconstruct(y, physics):
        assert type(physics).__name__ == "MRI"
        assert y.shape == (1, 2, NY, NX)
        return physics.A_adjoint(y)

    one = KSPACE[:1]
    expected = jnp.abs(Sense(jnp.ones_like(one), MASK).adjoint(one))
    assert relative_error(from_deepinv(reconstruct)(one, MASK, MAPS[:1]), expected) < 1e-5


def total_variation():
    from deepinv.optim import L2, PGD, TVPrior

    prior = TVPrior(n_it_max=30)
    return PGD(data_fidelity=L2(), prior=prior, stepsize=1.0, lambda_reg=0.02, max_iter=4, early_stop=False)


def smooth_network():
    """The network is smooth, so that finite differences in float32 tell its derivative."""
    import torch
    from deepinv.models import MoDL

    torch.manual_seed(0)
    layers = torch.nn.Conv2d(2, 4, 3, padding=1), torch.nn.Tanh(), torch.nn.Conv2d(4, 2, 3, padding=1)

    class Denoiser(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = torch.nn.Sequential(*layers)

        def forward(self, image, sigma):
            return image + self.layers(image)

    return MoDL(Denoiser(), num_iter=2)


def least_squares():
    def reconstruct(y, physics):
        return physics.A_dagger(y, max_iter=10)

    return from_deepinv(reconstruct)


MAKERS = {"zero-filled": lambda: from_deepinv(zero_filled), "least squares": least_squares}
MAKERS |= {"MoDL": smooth_network, "total variation": total_variation}


@pytest.mark.parametrize("name", MAKERS)
def test_the_gradient_is_the_derivative_along_every_direction(name, deepinv):
    bridged = reconstruction_of(MAKERS[name]())
    target = jnp.asarray(RNG.random((NY, NX)), jnp.float32)

    def error(kspace):
        return jnp.sum((bridged(kspace, MASK, MAPS) - target) ** 2)

    value, ascent = jax.jit(value_and_ascent(error))(KSPACE)
    # Neither kept state nor chance decides the image.
    assert float(error(KSPACE)) == pytest.approx(float(value), rel=1e-6)
    for direction in (DIRECTION, 1j * DIRECTION):
        step = 3e-3
        ahead, behind = (float(error(KSPACE + sign * step * direction)) for sign in (1, -1))
        np.testing.assert_allclose((ahead - behind) / (2 * step), np.real(np.vdot(ascent, direction)), rtol=2e-2)


def test_what_is_no_image_is_one_line(deepinv):
    with pytest.raises(Exception, match=r"returns \(1, 2, ny, nx\) or \(1, 1, ny, nx\), not \(1, 2, 3, 16, 12\)"):
        from_deepinv(lambda y, physics: y)(KSPACE, MASK, MAPS)
    magnitudes = from_deepinv(lambda y, physics: physics.A_adjoint(y, rss=True))(KSPACE, MASK, MAPS)
    assert magnitudes.shape == (NY, NX)


def test_names_are_of_reconstructions(deepinv):
    assert deepinverse.named("MoDL") is deepinv.models.MoDL
    assert deepinverse.named("PGD") is deepinv.optim.PGD
    with pytest.raises(AttributeError, match=r"DeepInverse has no reconstruction MODL; did you mean 'MoDL'"):
        deepinverse.named("MODL")
    with pytest.raises(AttributeError, match=r"no reconstruction DnCNN"):
        deepinverse.named("DnCNN")
