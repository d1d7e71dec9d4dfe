"""With JAX's float64 enabled, the library draws the same numbers, computes in float32, and gives the same values."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcs.attacks import ATTACKS
from jaxcs.coils.background import noise_covariance, thermal_level
from jaxcs.coils.espirit import EspiritConfig, espirit
from jaxcs.features import insert, shapes, worst
from jaxcs.metrics import METRICS
from jaxcs.recon import METHODS, self_supervision
from jaxcs.threats import CHANGES, balls
from jaxcs.threats.balls import Threat
from jaxcs.types import Measurement
from tests.helpers.asserts import float64
from tests.jaxcs.test_recon import QUICK_TO_COMPILE

COILS, ROWS, COLUMNS = 2, 16, 12
KEY = jax.random.key(0)
SHAPE = jax.ShapeDtypeStruct
IMAGE = SHAPE((ROWS, COLUMNS), jnp.float32)
KSPACE = SHAPE((COILS, ROWS, COLUMNS), jnp.complex64)
MASK = SHAPE((COLUMNS,), bool)
NUMBER = SHAPE((), jnp.float32)
# As few steps and layers as possible, because nothing is computed.
SMALL = QUICK_TO_COMPILE | {
    "l1": {"wavelet": "haar", "levels": 1, "n_iters": 2},
    "irim": {"steps": 1, "width": 8, "hidden": (2,), "strides": (1,), "most_coils": 2},
    "convdecoder": {"channels": 2, "layers": 2, "in_rows": 4, "in_columns": 3, "n_steps": 1, "gradient": "unroll"},
    "varnet": {"cascades": 1, "channels": 2, "pools": 1, "sens_channels": 2, "sens_pools": 1},
}
FEW = {"n_steps": 2}


def traced(function, *arguments):
    """Trace `function` with float64 enabled: all its equations, including those in loops, without computing them."""
    with float64():
        return jax.make_jaxpr(function)(*arguments).jaxpr


def equations(program):
    for equation in program.eqns:
        yield equation
        for inner in jax.tree.leaves(list(equation.params.values()), is_leaf=lambda one: hasattr(one, "eqns")):
            found = getattr(inner, "jaxpr", inner)
            if hasattr(found, "eqns"):
                yield from equations(found)


def assert_float32(function, *arguments):
    """Assert that there is no array of float64 or complex128, and that no random numbers have 64 bits.

    Scalars of optax's Adam may have any type.
    """
    for equation in equations(traced(function, *arguments)):
        for value in equation.outvars:
            shape, dtype = getattr(value.aval, "shape", ()), getattr(value.aval, "dtype", None)
            assert not shape or dtype not in (jnp.float64, jnp.complex128), equation
        assert equation.params.get("bit_width") != 64, equation


def test_what_is_looked_for_is_seen():
    """The check finds an array of a default type, also in a loop, and random numbers of a default type."""

    def loop(x):
        return jax.lax.scan(lambda carry, _: (carry, x * jnp.ones(3)), x, None, length=2)[1]

    for function in (loop, lambda x: x * jax.random.uniform(KEY) > 0.5, lambda x: jnp.arange(3) / 3):
        with pytest.raises(AssertionError):
            assert_float32(function, NUMBER)


@pytest.mark.parametrize("name", ["sense", "l1", "tv", "unet", "irim", "varnet", "convdecoder"])
def test_a_method_and_its_first_parameters(name):
    """The other methods use the same solvers, layers and fits.

    A fit contains gradients, and takes long to trace.
    """
    entry = METHODS[name]
    method = entry.build(replace(entry.config(), **SMALL.get(name, {})))
    params = jax.eval_shape(method.init, KEY)
    assert_float32(method.init, KEY)

    def loss(kspace, params, mask, maps):
        return jnp.sum(method.apply(params, Measurement(kspace, mask, maps), KEY) ** 2)

    slow = name in ("varnet", "convdecoder")
    assert_float32(loss if slow else jax.grad(loss), KSPACE, params, MASK, KSPACE)


def test_what_test_time_training_withholds():
    assert_float32(lambda mask: self_supervision.withhold(KEY, mask, 0.1), MASK)
    points = SHAPE((ROWS, COLUMNS), bool)
    assert_float32(lambda points: self_supervision.withhold_as_published(KEY, points, 0.1), points)


@pytest.mark.parametrize("name", [name for name, one in ATTACKS.items() if one.sees != "objective"])
def test_an_attack(name):
    entry = ATTACKS[name]
    config = entry.config()
    config = replace(config, **FEW) if hasattr(config, "n_steps") else config
    real = name == "grid"
    allowed = Threat(NUMBER, SHAPE((1,) if real else KSPACE.shape, bool), real=real)

    def attacked(allowed, data):
        residual = lambda delta: jnp.abs(data + jnp.sum(delta))  # noqa: E731
        loss = lambda delta: jnp.sum(residual(delta) ** 2)  # noqa: E731
        return entry.build(config)(KEY, residual if entry.sees == "residual" else loss, allowed)

    assert_float32(attacked, allowed, IMAGE)


@pytest.mark.parametrize("name", ["pgd", "apgd", "padam", "spsa"])
def test_an_attack_on_a_method_in_float64(name):
    attack = ATTACKS[name].build(replace(ATTACKS[name].config(), **FEW))

    def attacked(allowed, data):
        return attack(KEY, lambda delta: jnp.sum(jnp.abs(data + delta[0]) ** 2), allowed)

    with float64():
        data = SHAPE((ROWS, COLUMNS), jnp.float64)
        found = jax.eval_shape(attacked, Threat(NUMBER, SHAPE(KSPACE.shape, bool)), data)
    assert (found.delta.dtype, found.loss.dtype) == (jnp.complex64, jnp.float32)


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_the_scan(name):
    change = CHANGES[name]

    def changed(kspace, maps, mask, epsilon):
        ball = change.threat(epsilon, kspace, maps, mask)
        return change.apply(kspace, maps, ball.random(KEY))

    assert_float32(changed, KSPACE, KSPACE, MASK, NUMBER)


def test_maps_noise_and_metrics():
    assert_float32(lambda kspace: espirit(kspace, (12, 8), EspiritConfig(n_iters=2)), KSPACE)
    assert_float32(lambda kspace: noise_covariance(kspace, (0, COLUMNS)), KSPACE)
    assert_float32(thermal_level, SHAPE((COILS, COILS), jnp.complex64), KSPACE, MASK)
    for metric in METRICS.values():
        assert_float32(metric, IMAGE, IMAGE, NUMBER)


@pytest.mark.parametrize("name", shapes.SHAPES)
def test_a_small_feature(name):
    insertion = insert.Insertion(name, reference="local")

    def scan_with(kspace, maps, target, centre, size):
        back = insert.background(kspace, maps, target.shape)
        added = insert.coil_images(insertion, back, insert.profile(insertion, back, centre, size))
        return insert.truth_with(back, target, insert.inserted(back, added))

    assert_float32(scan_with, KSPACE, KSPACE, IMAGE, SHAPE((2,), jnp.float32), NUMBER)


def test_the_worst_feature():
    allowed = worst.Visible(NUMBER, SHAPE(IMAGE.shape, bool), floor=NUMBER)
    attack = ATTACKS["apgd"].build(replace(ATTACKS["apgd"].config(), **FEW))

    def profile(allowed, start):
        return worst.worst_profile(attack, KEY, lambda feature: (feature, feature), allowed, start)

    assert_float32(profile, allowed, IMAGE)
    assert_float32(lambda allowed: allowed.random(KEY), allowed)


def test_values_are_the_same_to_the_last_bit():
    mask, kspace = np.arange(12) % 3 > 0, np.ones((2, 4, 12), np.complex64)

    def drawn():
        return balls.measured(0.1, kspace, mask).random(KEY), self_supervision.withhold(KEY, mask, 0.2)

    before = drawn()
    with float64():
        after = drawn()
    for one, other in zip(before, after, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
