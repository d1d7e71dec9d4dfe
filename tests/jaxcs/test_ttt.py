"""Test-time training: the loss, the withheld samples, the stop, the gradient, and the joint loss in training."""

from dataclasses import replace
from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from bench.training import step
from bench.training.examples import Batch
from jaxcs.recon import METHODS, ttt, unet_complex, varnet
from jaxcs.recon.self_supervision import misfit, withhold, withhold_as_published
from jaxcs.solvers.fit import fit
from tests.bench.test_train import configuration
from tests.helpers.asserts import relative_error
from tests.jaxcs.test_recon import measurement

KEY = jax.random.key(0)
UNET = ttt.UnetConfig(channels=4, pools=1, n_steps=4, window=1, learning_rate=1e-3, gradient="unroll")
VARNET = ttt.VarnetConfig(cascades=1, channels=4, pools=1, sens_channels=4, sens_pools=1, n_steps=1, window=1)
NETWORKS = {"ttt_unet": (UNET, unet_complex), "ttt_varnet": (VARNET, varnet)}


def centred_fft(x):
    """Fourier transform of the last two axes, orthonormal, by NumPy."""
    axes = (-2, -1)
    return np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(x, axes), norm="ortho"), axes)


def test_the_misfit_is_the_relative_sum_of_magnitudes():
    rng = np.random.default_rng(0)
    coils, kspace = (rng.normal(size=(3, 6, 8, 2)) @ [1, 1j] for _ in range(2))
    for samples in (rng.random(8) < 0.5, rng.random((6, 8)) < 0.5):
        error, size = ((np.abs(x) * samples).sum() for x in (centred_fft(coils) - kspace, kspace))
        np.testing.assert_allclose(misfit(coils, kspace, samples), error / size, rtol=1e-5)
    assert misfit(coils, 0 * kspace, samples) == 0
    assert misfit(coils, kspace, np.zeros(8, bool)) == 0


@pytest.mark.parametrize("name", NETWORKS)
def test_no_steps_give_the_trained_network(name):
    config, network = NETWORKS[name]
    m, base = measurement(), METHODS[METHODS[name].weights_of]
    params = network.build(config).init(KEY)
    plain = base.build(base.config(**{key: getattr(config, key) for key in base.config.__dataclass_fields__}))
    image = METHODS[name].build(replace(config, n_steps=0)).apply(params, m, KEY)
    np.testing.assert_array_equal(image, plain.apply(params, m, KEY))


def test_the_fit_explains_the_data_better_than_the_weights_it_began_with():
    params = unet_complex.build(UNET).init(KEY)
    fitted = ttt.run(replace(UNET, n_steps=30, window=30), unet_complex.predict(UNET), params, measurement(), KEY)
    assert fitted.losses[-1] < 0.9 * fitted.losses[0]
    assert fitted.steps == 30


@pytest.mark.parametrize("points", [False, True])
def test_whole_samples_are_withheld_and_never_the_centre(points):
    mask = measurement().mask
    mask = np.random.default_rng(1).random((32, 24)) < 0.4 if points else mask
    mask[..., 9:15] = True
    held = np.stack([withhold(jax.random.key(seed), mask, 0.2) for seed in range(20)])
    assert held.shape[1:] == mask.shape
    np.testing.assert_array_equal(held.reshape(20, -1).sum(axis=1), round(0.2 * mask.sum()))
    assert not np.any(held & ~mask)
    assert not np.any(held[..., 10:14] if not points else held[:, 16, 12])
    assert np.all(held.any(axis=0) == held.any(axis=0) & mask)
    assert len({one.tobytes() for one in held}) > 10


def test_nothing_but_the_centre_leaves_nothing_to_withhold():
    mask = np.zeros(24, bool)
    mask[10:14] = True
    assert not np.any(withhold(KEY, mask, 0.5))


def test_the_published_split_is_drawn_with_replacement():
    """n draws among N points give N (1 - (1 - 1/N)^n) different points on average: fewer than n."""
    samples = np.random.default_rng(0).random((32, 24)) < 0.4
    count, draws = samples.sum(), round(0.3 * samples.sum())
    held = jax.vmap(lambda key: withhold_as_published(key, samples, 0.3))(jax.random.split(KEY, 200))
    assert not np.any(held & ~samples)
    expected = count * (1 - (1 - 1 / count) ** draws)
    np.testing.assert_allclose(np.sum(held, axis=(1, 2)).mean(), expected, rtol=0.01)
    assert expected < 0.9 * draws


@pytest.mark.parametrize("holdout", ttt.HOLDOUTS)
def test_what_the_network_sees_of_withheld_samples(holdout):
    """The network does not see them, except for the published split, which leaves them in its input.

    The loss never sees them.
    """
    m, config = measurement(), replace(UNET, holdout=holdout, share=0.3)
    predict, params = unet_complex.predict(config), jax.jit(unet_complex.build(config).init)(KEY)
    problem = ttt.problem(config, m, KEY)
    held, fitted = (np.broadcast_to(x, m.kspace.shape) for x in (problem.held, problem.fitted))
    assert not np.any(held & fitted)
    np.testing.assert_array_equal(held | fitted, np.broadcast_to(m.mask, m.kspace.shape))

    def seen(kspace):
        return jnp.sum(predict(params, ttt.problem(config, m._replace(kspace=kspace), KEY).seen).image ** 2)

    def loss(kspace):
        return ttt.losses(predict)(problem._replace(kspace=kspace), params)[0]

    gradient = np.abs(jax.jit(jax.grad(seen))(m.kspace))
    assert np.any(gradient[fitted])
    assert np.any(gradient[held]) == (holdout == "published")
    assert not np.any(np.abs(jax.jit(jax.grad(loss))(m.kspace))[held])


def stopped_at(scores, window):
    """The number of steps by the published rule, as a plain loop."""
    for steps in range(3 * window, len(scores) + 1):
        if np.mean(scores[steps - window : steps]) > np.mean(scores[steps - 2 * window : steps - window]):
            return steps
    return len(scores)


@pytest.mark.parametrize("window", [1, 4])
def test_a_fit_stops_where_the_mean_score_of_a_window_rises(window):
    for seed in range(4):
        scores = jnp.asarray(wave(seed), jnp.float32)
        losses = lambda theta, p: (p, theta[jnp.round(-p).astype(int)])  # noqa: E731
        found = fit(losses, scores, jnp.zeros(()), optax.sgd(1.0), 40, stop=ttt.rising(window))
        steps = stopped_at(np.asarray(scores), window)
        assert steps < 40
        assert found.steps == steps
        assert found.last.params == -steps
        np.testing.assert_array_equal(found.scores[:steps], scores[:steps])
        np.testing.assert_array_equal(found.scores[steps:], 0)


def wave(seed):
    return np.random.default_rng(seed).normal(size=40) * 0.3 + np.abs(np.arange(40) - 22) / 10


def test_fits_of_a_batch_end_with_the_last_of_them():
    calls = []

    def losses(theta, p):
        jax.debug.callback(lambda _: calls.append(0), p)
        return p, theta[jnp.round(-p).astype(int)]

    def fitted(scores):
        return fit(losses, scores, jnp.zeros(()), optax.sgd(1.0), 40, "truncated", 2, stop=ttt.rising(4))

    scores = jnp.asarray([wave(seed) for seed in range(3)], jnp.float32)
    alone = [fitted(one) for one in scores]
    jax.effects_barrier()
    calls.clear()
    found = jax.jit(jax.vmap(fitted))(scores)
    jax.effects_barrier()
    steps = [stopped_at(one, 4) for one in np.asarray(scores)]
    assert len(set(steps)) > 1
    assert found.steps.tolist() == steps
    chex.assert_trees_all_equal(found, jax.tree.map(lambda *leaves: jnp.stack(leaves), *alone))
    # The last two steps, through which a gradient goes, are computed in any case.
    assert len(calls) == len(steps) * (max(steps) + 2)


def test_the_gradient_through_the_fit_is_that_of_finite_differences():
    """The difference is taken along the gradient.

    The step is long enough to average out the signs of which Adam's first step consists.
    """
    m = measurement((16, 16), 2)
    config = replace(UNET, n_steps=2, window=2, learning_rate=1e-3)
    params = unet_complex.build(config).init(KEY)
    apply = METHODS["ttt_unet"].build(config).apply
    value = jax.jit(jax.value_and_grad(lambda kspace: jnp.sum(apply(params, m._replace(kspace=kspace), KEY) ** 2)))
    ascent = np.conj(value(m.kspace)[1])
    norm = np.linalg.norm(ascent)
    ahead, behind = (value(m.kspace + s * ascent / norm)[0] for s in (0.02, -0.02))
    np.testing.assert_allclose((ahead - behind) / 0.04, norm, rtol=0.1)


def test_a_warm_start_goes_on_where_the_clean_fit_stopped():
    config = replace(UNET, gradient="warm", gradient_steps=2)
    surrogate, m = ttt.surrogate(unet_complex, config), measurement()
    predict = unet_complex.predict(config)

    @partial(jax.jit, static_argnums=0)
    def run(config, start):
        return ttt.run(config, predict, start, m, KEY).last

    params = jax.jit(unet_complex.build(config).init)(KEY)
    start = jax.jit(lambda params: surrogate.start(params, m, KEY))(params)
    chex.assert_trees_all_equal(start, run(config, params))
    image = surrogate.method.apply(start, m, KEY)
    longer = run(replace(config, n_steps=2, window=2), start)
    assert relative_error(image, jax.jit(predict)(longer.params, m).image) < 1e-5
    assert ttt.surrogate(unet_complex, UNET) is None


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"holdout": "none"}, "holdout 'none' is unknown"),
        ({"gradient": "implicit"}, "gradient 'implicit' is unknown"),
        ({"share": 0.0}, r"share must lie in \(0, 1\)"),
        ({"n_steps": -1}, "n_steps is -1"),
        ({"channels": 0}, "channels is 0"),
    ],
)
def test_configurations_that_make_no_sense_are_refused(change, problem):
    with pytest.raises(ValueError, match=problem):
        replace(UNET, **change)


# ---- Training.


def test_the_joint_loss_is_the_sum_of_both():
    """Computed by hand: mean |image - target| and W times the misfit of M F S f."""
    weight, method = 0.7, METHODS["unet_complex"]
    network = unet_complex.Config(4, 1)
    m = measurement((16, 16), 3)
    target = np.random.default_rng(0).random((16, 16)).astype(np.float32)
    batch = Batch(*(np.asarray(leaf)[None, None] for leaf in (m.kspace, m.mask, target, m.maps)))
    params = method.build(network).init(KEY)
    image = np.asarray(method.build(network).apply(params, m, KEY))
    f = np.asarray(unet_complex.predict(network)(params, m).coils)
    supervised = np.abs(image - target).mean()
    error = np.abs(np.where(m.mask, centred_fft(f) - m.kspace, 0)).sum() / np.abs(m.kspace).sum()
    config = configuration(method="unet_complex", variant="small", loss="l1")
    for w, expected in ((0.0, supervised), (weight, supervised + weight * error)):
        functions = step.build(replace(config, self_supervised=w), method.build(network), method.predict(network))
        _, loss = functions.step(functions.init(params), batch, KEY)
        np.testing.assert_allclose(loss, expected, rtol=1e-4)
