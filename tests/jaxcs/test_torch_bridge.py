import sys
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcs.attacks import pgd
from jaxcs.complex import magnitude, root_sum_of_squares, value_and_ascent
from jaxcs.fourier import ifft2c
from jaxcs.interop import from_torch, reconstruction_of
from jaxcs.interop.signature import takes_maps
from jaxcs.nets.varnet import varnet
from jaxcs.threats import balls
from jaxcs.weights.fastmri import import_varnet
from tests.helpers.asserts import complex_normal, relative_error

COILS, NY, NX = 3, 12, 10
KEY = jax.random.key(0)
RNG = np.random.default_rng(0)
KERNELS = [RNG.normal(size=(4, 2, 3, 3)).astype(np.float32), RNG.normal(size=(2, 4, 3, 3)).astype(np.float32)]
KSPACES = complex_normal(RNG, (4, COILS, NY, NX))
MASK = jnp.asarray(np.arange(NX) % 3 != 1)
TARGET = jnp.asarray(RNG.random((NY, NX)), jnp.float32)


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="PyTorch is not installed: jaxcs[torch]")


@pytest.fixture
def fastmri_varnet(torch):
    pytest.importorskip("fastmri", reason="the fastmri package is not installed")
    from fastmri.models import VarNet

    torch.manual_seed(0)
    return VarNet(num_cascades=2, chans=4, pools=2, sens_chans=2, sens_pools=2).eval()


def torch_rss(torch):
    def reconstruct(kspace, mask):
        kspace *= mask  # in place, as much code does
        shifted = torch.fft.ifft2(torch.fft.ifftshift(kspace, dim=(-2, -1)), norm="ortho")
        return torch.linalg.vector_norm(torch.fft.fftshift(shifted, dim=(-2, -1)), dim=0)

    return reconstruct


def jax_rss(kspace, mask):
    return root_sum_of_squares(ifft2c(kspace * mask))


def torch_conv(torch):
    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            layers = torch.nn.Conv2d(2, 4, 3, padding=1, bias=False), torch.nn.Conv2d(4, 2, 3, padding=1, bias=False)
            self.first, self.second = layers
            self.load_state_dict(dict(zip(self.state_dict(), map(torch.tensor, KERNELS), strict=True)))

        def forward(self, kspace, mask):
            image = torch.fft.ifft2(kspace * mask).sum(0)
            image = self.second(torch.tanh(self.first(torch.view_as_real(image).permute(2, 0, 1))))
            return torch.complex(image[0], image[1]).abs()

    return Network()


def jax_conv(kspace, mask):
    convolve = partial(jax.lax.conv, window_strides=(1, 1), padding="SAME")
    image = jnp.sum(jnp.fft.ifft2(kspace * mask), axis=0)
    image = jnp.stack([jnp.real(image), jnp.imag(image)])[None]
    image = convolve(jnp.tanh(convolve(image, KERNELS[0])), KERNELS[1])[0]
    return magnitude(jax.lax.complex(image[0], image[1]))


TWINS = {"rss": (torch_rss, jax_rss), "convolutions": (torch_conv, jax_conv)}


@pytest.fixture(params=TWINS)
def twins(request, torch):
    """The same reconstruction through PyTorch and in JAX."""
    make, twin = TWINS[request.param]
    return from_torch(make(torch)), twin


def error(reconstruct, kspace):
    """A loss that is not an even function of anything, so that a wrong conjugation changes its gradient."""
    return jnp.sum((reconstruct(kspace, MASK) - TARGET) ** 2)


def test_values_and_gradients_are_those_of_the_same_function_in_jax(twins):
    bridged, twin = twins
    image = bridged(KSPACES[0], MASK)
    assert image.dtype == jnp.float32
    assert relative_error(image, twin(KSPACES[0], MASK)) < 1e-5
    (value, gradient), (expected, expected_gradient) = (
        jax.value_and_grad(partial(error, reconstruct))(KSPACES[0]) for reconstruct in twins
    )
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    assert relative_error(gradient, expected_gradient) < 1e-5
    assert relative_error(np.conj(gradient), expected_gradient) > 0.1


def test_the_gradient_is_the_derivative_along_every_direction(twins):
    """Finite differences do not depend on a convention: f(k + t d) - f(k - t d) = 2 t Re<ascent, d>."""
    _, ascent = value_and_ascent(partial(error, twins[0]))(KSPACES[0])
    for direction in (KSPACES[1], 1j * KSPACES[1]):
        step = 1e-2
        ahead, behind = (float(error(twins[0], KSPACES[0] + sign * step * direction)) for sign in (1, -1))
        np.testing.assert_allclose((ahead - behind) / (2 * step), np.real(np.vdot(ascent, direction)), rtol=1e-2)


def test_every_transformation_agrees_with_a_loop(twins):
    evaluate = jax.value_and_grad(partial(error, twins[0]))
    expected = [jnp.stack(results) for results in zip(*(evaluate(kspace) for kspace in KSPACES), strict=True)]
    transformed = {
        "jit": lambda kspaces: [jnp.stack(r) for r in zip(*map(jax.jit(evaluate), kspaces), strict=True)],
        "vmap": jax.vmap(evaluate),
        "jit of vmap": jax.jit(jax.vmap(evaluate)),
        "map": partial(jax.lax.map, evaluate),
        "map in batches": partial(jax.lax.map, evaluate, batch_size=3),
        "scan": jax.jit(lambda kspaces: jax.lax.scan(lambda _, kspace: (None, evaluate(kspace)), None, kspaces)[1]),
    }
    for name, function in transformed.items():
        for found, reference in zip(function(KSPACES), expected, strict=True):
            np.testing.assert_allclose(found, reference, rtol=1e-5, atol=1e-6, err_msg=name)
    both = jax.vmap(twins[0])(KSPACES[:2], jnp.stack([MASK, ~MASK]))
    np.testing.assert_allclose(both[1], twins[0](KSPACES[1], ~MASK), rtol=1e-5)


def attacked(reconstruct, kspace, mask, config):
    """Compute the loss that PGD reaches against the clean image."""
    clean = reconstruct(kspace, mask)
    loss = lambda delta: jnp.sum((reconstruct(kspace + delta, mask) - clean) ** 2)  # noqa: E731
    return pgd.build(config)(KEY, loss, balls.measured(0.1, kspace, mask))


def test_pgd_reaches_the_same_loss(twins):
    config = pgd.Config(n_steps=4, restarts=2)
    found, expected = (jax.jit(partial(attacked, twin, config=config))(KSPACES[0], MASK) for twin in twins)
    np.testing.assert_allclose(found.loss, expected.loss, rtol=1e-3)
    np.testing.assert_allclose(found.trace, expected.trace, rtol=1e-3)
    assert found.loss > found.trace[0]


def test_the_module_is_left_as_it_was(torch):
    network = torch_conv(torch)
    network.first.weight.requires_grad_(False)
    jax.grad(partial(error, from_torch(network)))(KSPACES[0])
    parameters = network.first.weight, network.second.weight
    assert [parameter.requires_grad for parameter in parameters] == [False, True]
    assert all(parameter.grad is None for parameter in parameters)
    assert network.training
    for parameter, kernel in zip(parameters, KERNELS, strict=True):
        np.testing.assert_array_equal(parameter.detach().numpy(), kernel)


def torch_with_maps(torch):
    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.drop = torch.nn.Dropout(0.9)
            self.calls = 0

        def forward(self, kspace, mask, maps):
            self.calls += torch.is_grad_enabled()
            kspace *= mask
            maps *= 2
            return self.drop((torch.fft.ifft2(kspace) * maps.conj()).sum(0).abs())

    return Network()


def jax_with_maps(kspace, mask, maps):
    return magnitude(jnp.sum(jnp.fft.ifft2(kspace * mask) * 2 * jnp.conj(maps), axis=0))


def test_a_module_of_three_arguments_has_gradients_of_the_maps_too(torch):
    before, network = np.array(KSPACES), torch_with_maps(torch)
    bridged = reconstruction_of(network)
    assert takes_maps(bridged)
    assert not network.training

    def loss(reconstruct, kspace, maps):
        return jnp.sum((reconstruct(kspace, MASK, maps) - TARGET) ** 2)

    gradients = [
        jax.jit(jax.grad(partial(loss, one), (0, 1)))(KSPACES[0], KSPACES[1]) for one in (bridged, jax_with_maps)
    ]
    for found, expected in zip(*gradients, strict=True):
        assert relative_error(found, expected) < 1e-5
    # Maps that a network ignores have a gradient of 0.
    ignores = from_torch(lambda kspace, mask, maps: torch_rss(torch)(kspace, mask))
    assert not np.any(jax.grad(partial(loss, ignores, KSPACES[0]))(KSPACES[1]))
    # PyTorch changes its inputs in place, which are in JAX's memory.
    np.testing.assert_array_equal(KSPACES, before)


def test_a_gradient_runs_each_pass_once_unless_many_wait(torch):
    network = torch_with_maps(torch)
    bridged = reconstruction_of(network)
    evaluate = jax.jit(jax.value_and_grad(lambda kspace: jnp.sum(bridged(kspace, MASK, KSPACES[1]) ** 2)))
    for _ in range(3):
        jax.block_until_ready(evaluate(KSPACES[0]))
    assert network.calls == 3
    many = jnp.concatenate([KSPACES, 2 * KSPACES])
    jax.block_until_ready(jax.jit(jax.vmap(evaluate))(many))
    assert network.calls == 3 + 8 + 4  # 4 wait, and the other 4 are run again
    assert not bridged._side._waiting


def test_the_shape_of_the_image_is_found_once_or_given(torch):
    calls = []

    def cropped(kspace, mask):
        calls.append(mask)
        return torch_rss(torch)(kspace, mask)[2:8, 1:9].double()

    reconstruct = from_torch(cropped)
    assert jax.eval_shape(reconstruct, KSPACES[0], MASK).shape == (6, 8)
    assert jax.eval_shape(reconstruct, KSPACES[1], MASK).shape == (6, 8)
    assert len(calls) == 1
    given = from_torch(cropped, (6, 8))
    assert jax.eval_shape(given, KSPACES[0], MASK).shape == (6, 8)
    assert len(calls) == 1
    gradient = jax.grad(lambda kspace: jnp.sum(given(kspace, MASK)))(KSPACES[0])
    expected = jax.grad(lambda kspace: jnp.sum(jax_rss(kspace, MASK)[2:8, 1:9]))(KSPACES[0])
    assert relative_error(gradient, expected) < 1e-5


def test_what_cannot_be_attacked_is_refused(torch):
    with pytest.raises(ValueError, match=r"real image .*complex64 of shape \(12, 10\)"):
        from_torch(lambda kspace, mask: kspace[0])(KSPACES[0], MASK)
    with pytest.raises(ValueError, match=r"real image .*float32 of shape \(3, 12, 10\)"):
        from_torch(lambda kspace, mask: kspace.abs())(KSPACES[0], MASK)
    cut = from_torch(lambda kspace, mask: kspace[0].detach().abs())
    with pytest.raises(Exception, match="the image has no gradient"):  # JAX wraps errors of a callback
        jax.block_until_ready(jax.grad(partial(error, cut))(KSPACES[0]))


def test_a_variational_network_of_fastmri_is_attacked_as_ours_is(torch, fastmri_varnet):
    def masked(kspace, mask):
        kspace = torch.view_as_real(kspace * mask)[None]
        return fastmri_varnet(kspace, mask[None, None, None, :, None])[0]

    state = {name: value.numpy() for name, value in fastmri_varnet.state_dict().items()}
    arguments, params = import_varnet(state)
    bridged, ours = from_torch(masked), partial(varnet(**arguments, centre=0).apply, params)
    kspace = complex_normal(np.random.default_rng(1), (3, 20, 32))
    mask = jnp.asarray((np.arange(32) % 4 == 0) | (np.abs(np.arange(32) - 15.5) < 4))
    assert relative_error(bridged(kspace, mask), ours(kspace, mask)) < 1e-4
    gradients = [jax.jit(jax.grad(lambda k, f=f: jnp.sum(f(k, mask) ** 3)))(kspace) for f in (bridged, ours)]
    assert relative_error(*gradients) < 1e-4
    search = partial(attacked, config=pgd.Config(n_steps=3))
    found, expected = (jax.jit(partial(search, f))(kspace, mask) for f in (bridged, ours))
    np.testing.assert_allclose(found.loss, expected.loss, rtol=1e-3)
    assert found.loss > 1.1 * found.trace[0]


def test_without_pytorch_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match=r"^from_torch needs PyTorch.*pip install 'jaxcs\[torch\]'$"):
        from_torch(lambda kspace, mask: kspace)
