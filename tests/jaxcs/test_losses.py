"""The errors that an attack may maximise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage.metrics import structural_similarity

import bench.attack as command
from bench.evaluate import experiment, scan
from bench.evaluate.experiment import Search
from bench.plan.config import RunConfig
from bench.slices.prepare import prepare
from data_prep import phantom
from jaxcs import catalogue
from jaxcs.attacks import scout
from jaxcs.attacks.losses import LOSSES
from jaxcs.goal import OF_GOALS
from jaxcs.haarpsi import haarpsi
from jaxcs.metrics import METRICS, max_error, row_error
from jaxcs.recon import METHODS
from tests.helpers.asserts import float64

SHAPE = (20, 24)


# The others are told by a scan: tests/jaxcs/test_goal.py.
OF_IMAGES = [name for name, loss in LOSSES.items() if loss.sees == "image"]


def pair(seed=0):
    image, target = np.random.default_rng(seed).uniform(size=(2, *SHAPE)).astype(np.float32)
    return jnp.asarray(image), jnp.asarray(target)


def test_every_loss_is_a_metric_and_a_choice_of_the_command():
    assert set(LOSSES) <= {*METRICS, *OF_GOALS}
    assert list(LOSSES) == list(catalogue.LOSSES)


@pytest.mark.parametrize("name", OF_IMAGES)
def test_the_shares_of_rows_are_of_the_rows_that_are_wrong(name):
    _, target = pair()
    rows = LOSSES[name].rows(target.at[9].add(0.5), target, jnp.float32(1.0), None)
    # SSIM has windows of 7 rows.  HaarPSI compares windows of 4 pairs of rows, of which row 9 is in that of 8 and 9.
    first, last = {"ssim": (6, 12), "haarpsi": (4, 11)}.get(name, (9, 9))
    wrong = np.flatnonzero(np.asarray(rows) > 1e-6)
    assert wrong.min() == first
    assert wrong.max() == last


def test_values_are_those_of_the_metrics():
    image, target = pair()
    data_range = jnp.float32(1.5)
    value = {name: float(loss(image, target, data_range)) for name, loss in LOSSES.items() if name in OF_IMAGES}
    for name in ("nmse", "row_error"):
        np.testing.assert_allclose(value[name], METRICS[name](image, target, data_range), rtol=1e-5)
    expected = structural_similarity(np.float64(target), np.float64(image), data_range=1.5)
    np.testing.assert_allclose(value["ssim"], 1 - expected, rtol=1e-4)
    odd = image[1:], target[1:]
    np.testing.assert_allclose(value["haarpsi"], 1 - haarpsi(image, target, data_range), rtol=1e-5)
    np.testing.assert_allclose(LOSSES["haarpsi"](*odd, data_range), 1 - haarpsi(*odd, data_range), rtol=1e-5)
    eight = np.sum((np.abs(np.float64(image) - np.float64(target)) / 1.5) ** 8) ** (1 / 8)
    np.testing.assert_allclose(value["max_error"], eight, rtol=1e-5)


def test_the_largest_error_is_that_of_one_pixel():
    _, target = pair()
    image = target.at[3, 4].add(-0.6)
    np.testing.assert_allclose(max_error(image, target, 2.0), 0.3, rtol=1e-5)
    np.testing.assert_allclose(LOSSES["max_error"](image, target, jnp.float32(2.0)), 0.3, rtol=1e-5)


def test_a_row_counts_by_its_own_energy():
    target = jnp.zeros(SHAPE).at[5].set(1.0).at[6].set(10.0)
    bright, dark = (row_error(target.at[row].add(1.0), target) for row in (6, 5))
    mean = 101 / SHAPE[0]
    np.testing.assert_allclose(bright, 1 / (100 + mean) / SHAPE[0], rtol=1e-5)
    np.testing.assert_allclose(dark, 1 / (1 + mean) / SHAPE[0], rtol=1e-5)


@pytest.mark.parametrize("name", OF_IMAGES)
def test_gradients_are_finite_and_those_of_differences(name):
    image, target = pair()
    loss = LOSSES[name]
    direction = pair(1)[0] - 0.5

    with float64():
        image, target, direction = (jnp.asarray(np.float64(x)) for x in (image, target, direction))

        def at(t):
            return loss(image + t * direction, target, jnp.float64(1.0))

        found = jax.grad(at)(jnp.float64(0.0))
        expected = (at(1e-5) - at(-1e-5)) / 2e-5
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_each_loss_does_the_most_harm_by_its_own_metric():
    """The method is SENSE with its default attack, whose bands need the loss of each row."""
    attacked = {loss: _attacked(loss) for loss in ("nmse", "ssim", "haarpsi", "max_error")}
    for loss, found in attacked.items():
        sign = -1 if loss in ("ssim", "haarpsi") else 1
        assert all(sign * found[loss] > sign * other[loss] for name, other in attacked.items() if name != loss), loss


def _attacked(loss):
    config = RunConfig(method="sense", attack="default", loss=loss, acceleration=2.5, center_fraction=0.25)
    prepared = prepare(phantom.case("knee", "train", 0, (48, 40)), config)
    data = jax.tree.map(lambda leaf: leaf[None], prepared.data)
    method_config = METHODS["sense"].config()
    search = {"attack": Search("scout", scout.Config(n_steps=10))}
    functions = experiment.build(config, {}, METHODS["sense"], method_config, search, scan.build(config, None))
    keys = jax.random.split(jax.random.key(0), 1)
    staged = functions.stage(data)
    found = functions.searches["attack"](data, staged, data.target, {}, jnp.asarray([[0.1]], jnp.float32), keys)
    evaluated = functions.evaluate(data, staged, found.delta, keys)
    np.testing.assert_allclose(
        found.loss[0, 0], LOSSES[loss](evaluated.image[0, 0], data.target[0], data.data_range[0]), rtol=0.05
    )
    return {name: float(score[0, 0]) for name, score in evaluated.scores.items()}


def test_attacks_of_squared_errors_refuse_other_losses(capsys, tmp_path):
    code = command.main(["--loss", "ssim", "--attack", "momentum", "--output", str(tmp_path)])
    assert code == 2
    assert "--loss ssim: momentum drives up squared errors alone; use scout, apgd or pgd" in capsys.readouterr().err
