"""Un-trained reconstruction: the fit, its gradients, the data that it may see, and the attacks on it."""

import json
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from bench import attack
from jaxcs.attacks import two_step
from jaxcs.complex import abs2, l2_norm, root_sum_of_squares
from jaxcs.fourier import ifft2c
from jaxcs.recon import METHODS, convdecoder, l1, untrained
from jaxcs.solvers.fit import fit
from jaxcs.threats import balls
from jaxcs.types import Measurement
from tests.helpers.asserts import relative_error
from tests.helpers.cheap_run import write_volume
from tests.jaxcs.test_recon import measurement

KEY = jax.random.key(0)
SMALL = convdecoder.Config(n_steps=6, channels=8, layers=3, in_rows=4, in_columns=3, gradient="unroll")


def least_squares(theta, params):
    """1/2 |A p - theta|^2 with a fixed, well-conditioned A."""
    a = jnp.asarray(np.eye(3) + 0.3 * np.arange(9).reshape(3, 3) / 9, jnp.float32)
    loss = 0.5 * jnp.sum((a @ params["p"] - theta) ** 2)
    return loss, loss


THETA = jnp.asarray([1.0, -2.0, 0.5])
START = {"p": jnp.asarray([0.3, 0.1, -0.4])}


def solution(theta, gradient, n_steps=40, rate=0.3, gradient_steps=0):
    return fit(least_squares, theta, START, optax.sgd(rate), n_steps, gradient, gradient_steps).params["p"]


def test_the_unrolled_gradient_is_that_of_finite_differences():
    weights = jnp.asarray([1.0, 0.5, -1.0])
    value = lambda theta: weights @ solution(theta, "unroll", n_steps=7)  # noqa: E731
    gradient = jax.grad(value)(THETA)
    for i in range(3):
        step = 1e-2 * jnp.eye(3)[i]
        np.testing.assert_allclose(gradient[i], (value(THETA + step) - value(THETA - step)) / 2e-2, rtol=1e-3)


def test_the_gradient_of_all_steps_is_the_limit_of_truncated_ones():
    jacobians = [jax.jacrev(lambda t, k=k: solution(t, "truncated", 12, 0.1, k))(THETA) for k in (1, 4, 12)]
    whole = jax.jacrev(lambda t: solution(t, "unroll", 12, 0.1))(THETA)
    errors = [relative_error(one, whole) for one in jacobians]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 1e-6


def test_the_implicit_gradient_is_that_of_the_minimum():
    a = np.eye(3) + 0.3 * np.arange(9).reshape(3, 3) / 9
    found = jax.jacrev(lambda theta: solution(theta, "implicit", n_steps=300))(THETA)
    assert relative_error(found, np.linalg.inv(a)) < 1e-2  # the damping
    unrolled = jax.jacrev(lambda theta: solution(theta, "unroll", n_steps=300))(THETA)
    assert relative_error(found, unrolled) < 1e-2


def test_the_best_iterate_is_the_one_that_had_its_loss():
    found = fit(least_squares, THETA, START, optax.sgd(5.0), 6)  # diverges from the first step on
    np.testing.assert_array_equal(found.params["p"], START["p"])
    assert found.score == found.losses[0] == least_squares(THETA, START)[0]
    assert found.losses[-1] > found.losses[0]


def test_a_fit_that_meets_nan_keeps_what_it_had_before():
    def losses(theta, params):
        loss = jnp.where(params > 0.35, jnp.nan, 1 - params)
        return loss, loss

    found = fit(losses, THETA, jnp.asarray(0.0), optax.sgd(0.1), 8)
    np.testing.assert_allclose(found.params, 0.3, rtol=1e-5)
    assert np.isnan(found.losses[-1])


@pytest.mark.parametrize("coils", untrained.COILS)
def test_measured_samples_are_those_that_were_given(coils):
    """Hard data consistency: for fully sampled data the image is the image of the data, perturbed or not."""
    m = measurement()
    m = m._replace(mask=np.ones(24, bool), kspace=m.kspace + 0.01)
    image = untrained.build(convdecoder.network, replace(SMALL, coils=coils)).apply({}, m, KEY)
    np.testing.assert_allclose(image, root_sum_of_squares(ifft2c(m.kspace)), atol=1e-5)


def test_the_fit_sees_the_measured_samples_only_and_scales_with_them():
    method = untrained.build(convdecoder.network, SMALL)
    m = measurement()
    image = method.apply({}, m, KEY)
    full = m._replace(kspace=m.kspace + jnp.where(m.mask, 0, 7.0))
    np.testing.assert_array_equal(method.apply({}, full, KEY), image)
    np.testing.assert_allclose(method.apply({}, m._replace(kspace=3 * m.kspace), KEY), 3 * image, rtol=1e-3, atol=1e-3)


def test_seeds_draw_different_networks_and_are_averaged():
    m = measurement()
    one = untrained.build(convdecoder.network, SMALL).apply
    assert relative_error(one({}, m, KEY), one({}, m, jax.random.key(1))) > 1e-4
    several = untrained.build(convdecoder.network, replace(SMALL, seeds=2)).apply
    assert relative_error(several({}, m, KEY), one({}, m, KEY)) > 1e-4


def test_samples_held_out_choose_the_iterate():
    """With many held-out samples the loss falls to the end, but the best iterate may come before.

    The test sees both.
    """
    m = measurement()
    config = replace(SMALL, n_steps=30, holdout=0.5, learning_rate=0.05)
    fitting = untrained._fitting(convdecoder.network, config, m, KEY)
    assert 0.3 < float(jnp.sum(fitting.problem.held) / jnp.sum(fitting.problem.held + fitting.problem.fitted)) < 0.7
    assert float(jnp.max(fitting.problem.held * fitting.problem.fitted)) == 0
    found = untrained._run(config, fitting, None)
    _, score = fitting.losses(fitting.problem, found.params)
    np.testing.assert_allclose(score, found.score, rtol=1e-4)


def test_a_warm_start_goes_on_where_the_clean_fit_stood():
    """The optimiser's state is kept: a fit in two parts equals the fit in one, and its image is the last iterate's."""
    config = replace(SMALL, gradient="warm", gradient_steps=3, n_steps=7)
    surrogate = untrained.surrogate(convdecoder.network, config)
    m = measurement()
    image = surrogate.method.apply(surrogate.start({}, m, KEY), m, KEY)
    whole = replace(config, n_steps=10)
    fitting = untrained._fitting(convdecoder.network, whole, m, jax.random.split(KEY, 1)[0])
    last = untrained._run(whole, fitting, None).last.params
    kspace = jnp.where(m.mask, m.kspace, fitting.unit * fitting.draw(fitting.problem, last))
    assert relative_error(image, root_sum_of_squares(ifft2c(kspace))) < 1e-4
    assert untrained.surrogate(convdecoder.network, SMALL) is None


def test_the_gradient_of_a_warm_start_sees_more_than_the_measured_samples():
    """Unmeasured samples move with the data; an older best iterate's samples would not."""
    config = replace(SMALL, gradient="warm", gradient_steps=3, n_steps=7)
    surrogate = untrained.surrogate(convdecoder.network, config)
    m = measurement()
    start = surrogate.start({}, m, KEY)

    def filled_in(scale):
        image = surrogate.method.apply(start, m._replace(kspace=m.kspace * scale), KEY)
        return jnp.sum(image**2) - jnp.sum(abs2(jnp.where(m.mask, m.kspace * scale, 0)))

    value, slope = jax.jit(jax.value_and_grad(filled_in))(1.0)
    assert abs(slope) > 1e-3 * value


def test_the_gradient_through_a_thousand_steps_fits_into_four_gigabytes():
    """The compiler's estimate for the default network on a slice of the phantom; nothing is run."""
    method = untrained.build(convdecoder.network, convdecoder.Config(n_steps=1000, gradient="unroll"))
    kspace, mask = jax.ShapeDtypeStruct((8, 160, 128), jnp.complex64), jax.ShapeDtypeStruct((128,), bool)

    def energy(kspace, mask):
        return jnp.sum(method.apply({}, Measurement(kspace, mask, kspace), KEY) ** 2)

    compiled = jax.jit(jax.grad(energy)).lower(kspace, mask).compile()
    assert 0.5e9 < compiled.memory_analysis().temp_size_in_bytes < 4e9


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"holdout": 1.0}, r"holdout must lie in \[0, 1\)"),
        ({"optimiser": "sgd"}, "optimiser 'sgd' is unknown"),
        ({"gradient": "none"}, "gradient 'none' is unknown"),
        ({"n_steps": 0}, "n_steps is 0"),
        ({"layers": 1}, "layers is 1"),
    ],
)
def test_configurations_that_make_no_sense_are_refused(change, problem):
    with pytest.raises(ValueError, match=problem):
        replace(SMALL, **change)


# ---- The two-step attack.


@pytest.mark.parametrize("method", ["l1", "convdecoder"])
def test_the_two_step_attack_stays_in_the_set_and_does_harm(method):
    m = measurement()
    config = l1.Config(wavelet="db2", levels=2) if method == "l1" else SMALL
    problem = METHODS[method].variational(config)(m, KEY)
    allowed = balls.measured(jnp.float32(0.1), m.kspace, m.mask)
    settings = replace(two_step.PRESETS["l1" if method == "l1" else "untrained"], n_steps=60, warm_up=20)
    truth = m.maps * 1.0
    found = jax.jit(lambda key: two_step.build(settings)(key, problem, lambda e: m.kspace + e, truth, allowed))(KEY)
    assert np.all(np.isfinite(found.trace))
    assert found.trace.shape == (60,)
    assert found.gradient_norm > 0
    np.testing.assert_array_equal(np.asarray(found.delta)[:, :, ~np.asarray(m.mask)], 0)
    assert 0.5 * allowed.radius < l2_norm(found.delta) <= allowed.radius * (1 + 1e-5)


def test_the_published_objective_is_unbounded_and_the_bounded_one_is_not():
    """The mask hardly sees this image, which moves ever farther from the truth."""
    m = measurement()
    problem = METHODS["l1"].variational(l1.Config(lam=0.0, wavelet="db2", levels=2))(m, KEY)
    far = jnp.ones(problem.first.shape, problem.first.dtype) * jnp.exp(1j * jnp.pi * jnp.arange(24))
    distance = lambda x: jnp.sum(jnp.abs(problem.coils(x)) ** 2)  # noqa: E731
    objective = [problem.objective(s * far, 0 * m.kspace) - 0.5 * distance(s * far) for s in (1.0, 10.0, 100.0)]
    assert objective[0] > objective[1] > objective[2]


def test_a_descent_that_runs_away_leaves_its_last_finite_perturbation():
    m = measurement()
    problem = METHODS["l1"].variational(l1.Config(wavelet="db2", levels=2))(m, KEY)
    allowed = balls.measured(jnp.float32(0.1), m.kspace, m.mask)
    attack = two_step.build(two_step.PRESETS["l1_published"])
    found = jax.jit(lambda key: attack(key, problem, lambda e: m.kspace + e, m.maps * 1.0, allowed))(KEY)
    assert not np.isfinite(found.trace[-1])
    assert 0.5 * allowed.radius < l2_norm(found.delta) <= allowed.radius * (1 + 1e-5)


# ---- The command.

TINY = ["n_steps=3", "gradient_steps=1", "channels=8", "layers=3", "in_rows=4", "in_columns=3"]


@pytest.mark.parametrize("flags", [["--steps", "2"], ["--attack", "two_step", "--method-seed", "fresh"]])
def test_the_command_attacks_a_fit(flags, tmp_path, capsys, monkeypatch):
    short = {"untrained": replace(two_step.PRESETS["untrained"], n_steps=5, warm_up=2)}
    monkeypatch.setattr(two_step, "ATTACK", two_step.ATTACK._replace(presets=short))
    write_volume(tmp_path / "volume.h5")
    common = ["--method", "convdecoder", "--limit", "1", "--json", "--output", str(tmp_path), "--set", *TINY]
    common += ["--data", str(tmp_path / "volume.h5"), "--center-fraction", "0.25", "--acceleration", "2.5"]
    assert attack.main([*common, *flags]) == 0, capsys.readouterr().err
    output = capsys.readouterr()
    assert "the default network is small" in output.err
    record = json.loads(output.out)
    assert record["config"]["eps"] == [0.05]
    assert record["methods"]["convdecoder"]["attack_config"]["n_steps"] == (5 if "two_step" in flags else 2)
    assert ("objective" in record["threat_model"]["goal"]) == ("two_step" in flags)
    assert record["threat_model"]["maps"] == "not used"
    assert ("not the random seed" in record["threat_model"]["knowledge"]) == ("fresh" in flags)
    assert all(np.isfinite(row["attacked"]) for row in record["summary"])


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        (["--method", "l1", "--method-seed", "fresh"], "l1 draws nothing at random"),
        (["--method", "unet", "--attack", "two_step"], "unet minimises no objective; use pgd"),
        (["--method", "convdecoder", "--set", "bias=maybe"], "--set bias=maybe: needs bool"),
        (["--attack", "two_step", "--steps", "3"], "--steps: two_step has constants of its own"),
        (["--attack", "two_step", "--target", "clean"], "--target: two_step has constants of its own"),
        (["--method", "convdecoder", "--maps", "reestimated"], "--maps reestimated: convdecoder takes no coil maps"),
        (["--method", "dip", "--preset", "paper"], "--preset paper: dip has no such preset"),
    ],
)
def test_mistakes_are_one_line(flags, problem, tmp_path, capsys):
    assert attack.main([*flags, "--output", str(tmp_path / "runs")]) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1
    assert problem in error[0]
