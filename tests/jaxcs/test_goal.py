"""Goals of an attack: hallucinated energy, and the most harm at a bounded loss of SSIM."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcs
from jaxcs import evaluate
from jaxcs.attacks.apgd import Config
from jaxcs.attacks.defaults import Search
from jaxcs.complex import root_sum_of_squares
from jaxcs.fourier import ifft2c
from jaxcs.goal import Goal, objective
from jaxcs.measures.hallucination import hallucinated_energy
from jaxcs.operators import Sense
from jaxcs.recon import METHODS
from jaxcs.threats.scan import build as build_scan
from jaxcs.types import SliceData
from tests.jaxcs.test_recon import measurement, piecewise_object

SHAPE = (32, 24)


@cache
def slice_data(rows=SHAPE[0]):
    """A fully sampled slice whose target is cropped to these rows."""
    m = measurement(SHAPE, 6)
    kspace = Sense(m.maps, jnp.ones(SHAPE[1], bool)).forward(jnp.asarray(piecewise_object(SHAPE)))
    kspace = kspace / jnp.max(jnp.abs(Sense(m.maps, m.mask).adjoint(kspace)))
    target = root_sum_of_squares(ifft2c(kspace))[(SHAPE[0] - rows) // 2 :][:rows]
    noise = jnp.eye(kspace.shape[0], dtype=jnp.complex64)
    return SliceData(kspace, m.mask, m.maps, target, jnp.max(target), noise)


def attacked(goal, eps=0.05, data=None, steps=12):
    """SENSE under the attack; returns Found, and scores from clean and attacked data."""
    entry, data = METHODS["sense"], slice_data() if data is None else data
    functions = evaluate.build(
        goal, {}, entry, entry.config(lam=1e-3), {"it": Search("apgd", Config(n_steps=steps))}, build_scan()
    )
    batch, keys = jax.tree.map(lambda leaf: leaf[None], data), jax.random.split(jax.random.key(0), 1)
    staged = functions.stage(batch)
    clean = functions.evaluate(batch, staged, jnp.zeros_like(batch.kspace)[:, None], keys)
    eps = jnp.asarray([[eps]], jnp.float32)
    found = functions.searches["it"](batch, staged, clean.image[:, 0], {}, eps, keys)
    after = functions.evaluate(batch, staged, found.delta, keys)
    return found, *({name: float(score[0, 0]) for name, score in one.scores.items()} for one in (clean, after))


def test_hallucinated_energy_as_a_loss_is_that_of_the_measure():
    data = slice_data()
    image = jnp.asarray(np.random.default_rng(0).uniform(size=SHAPE).astype(np.float32))
    truth = Sense(data.maps, jnp.ones(SHAPE[1], bool)).adjoint(data.kspace)
    aim = objective(Goal(loss="hallucination"), build_scan(), data, data.target)
    rows = aim.rows(image, jnp.zeros_like(data.kspace))
    assert rows.shape == (SHAPE[0],)
    expected = hallucinated_energy(image, truth, data.maps, data.mask)
    np.testing.assert_allclose(aim.value(jnp.sum(rows)), expected, rtol=1e-5)
    scored = Goal(loss="hallucination").scores(data)(image, data.target)
    np.testing.assert_allclose(scored["hallucination"], expected, rtol=1e-5)


def test_the_truth_has_no_hallucination_and_a_finite_gradient():
    data = slice_data()
    truth = jnp.abs(Sense(data.maps, jnp.ones(SHAPE[1], bool)).adjoint(data.kspace))
    aim = objective(Goal(loss="hallucination"), build_scan(), data, data.target)
    delta = jnp.zeros_like(data.kspace)
    value, gradient = jax.value_and_grad(lambda image: jnp.sum(aim.rows(image, delta)))(truth)
    assert value < 1e-10
    assert np.isfinite(gradient).all()


def test_the_attack_drives_hallucinated_energy_up_more_than_that_on_squared_errors():
    aimed, clean, after = attacked(Goal(loss="hallucination"))
    squared = attacked(Goal())[0].delta
    data = slice_data()
    method = METHODS["sense"].build(METHODS["sense"].config(lam=1e-3))
    scan, scores = build_scan(), Goal(loss="hallucination").scores(data)
    image = method.apply({}, scan.measure(data, squared[0, 0]), None)
    assert after["hallucination"] > float(scores(image, data.target)["hallucination"]) > clean["hallucination"]
    np.testing.assert_allclose(aimed.loss[0, 0], after["hallucination"], rtol=0.01)


def test_a_cropped_target_scores_the_part_of_the_map_that_is_shown():
    data = slice_data(20)
    image = jnp.asarray(np.random.default_rng(0).uniform(size=SHAPE).astype(np.float32))
    aim = objective(Goal(loss="hallucination"), build_scan(), data, data.target)
    whole = objective(Goal(loss="hallucination"), build_scan(), slice_data(), slice_data().target)
    delta = jnp.zeros_like(data.kspace)
    np.testing.assert_allclose(aim.rows(image, delta), whole.rows(image, delta)[6:26], rtol=1e-5)


def test_stealth_keeps_the_loss_of_ssim_below_its_bound_and_harms_the_region_all_the_same():
    bound = 0.002
    region = jnp.zeros(SHAPE, bool).at[8:18, 8:18].set(True)
    data = slice_data()._replace(region=region)
    found, clean, after = attacked(Goal(aim="region", stealth=bound), eps=0.1, data=data, steps=40)
    lost = clean["ssim_image"] - after["ssim_image"]
    assert lost <= bound + 1e-5
    free, _, harmed = attacked(Goal(aim="region"), eps=0.1, data=data, steps=40)
    assert clean["psnr"] > after["psnr"] + 1 > harmed["psnr"]
    assert float(found.share[0, 0]) <= 1.001
    assert float(free.loss[0, 0]) > float(found.loss[0, 0]) > 0


def test_a_perturbation_beyond_the_bound_is_shrunk_until_it_is_within():
    data = slice_data()
    method = METHODS["sense"].build(METHODS["sense"].config(lam=1e-3))
    scan = build_scan()

    def imaged(delta):
        return method.apply({}, scan.measure(data, delta), None)

    clean = imaged(jnp.zeros_like(data.kspace))
    aim = objective(Goal(stealth=0.01), scan, data, clean)
    found = attacked(Goal(), eps=0.2)[0]
    delta = found.delta[0, 0]
    result = jaxcs.attacks.AttackResult(delta, jnp.float32(1), jnp.zeros(1), jnp.float32(1), jnp.zeros(1))
    kept = aim.kept(result, imaged)
    assert float(aim.excess(imaged(delta), delta)) > 0
    assert -0.002 < float(aim.excess(imaged(kept.delta), kept.delta)) <= 0
    within = result._replace(delta=0.01 * delta)
    np.testing.assert_array_equal(aim.kept(within, imaged).delta, within.delta)


def test_the_library_takes_both_and_refuses_what_they_cannot_be():
    data = slice_data()
    call = {"loss": "hallucination", "stealth": 0.01, "steps": 3}
    report = jaxcs.attack("sense", data.kspace, data.mask, data.maps, 0.05, **call)
    assert report.attack == "apgd"
    scores = report.scores
    assert scores["hallucination"].attacked[0] > scores["hallucination"].clean
    assert scores["ssim"].clean - scores["ssim"].attacked[0] <= 0.01 + 1e-5
    measured = jnp.where(data.mask, data.kspace, 0)
    for words, more in (
        ("give fully sampled kspace", {"kspace": measured}),
        ("phase changes the scan", {"threat": "phase"}),
        ("scout cannot keep within a bound", {"method": "scout"}),
        ("stealth is 2", {"stealth": 2}),
    ):
        with pytest.raises(ValueError, match=words):
            jaxcs.attack("sense", more.pop("kspace", data.kspace), data.mask, data.maps, 0.05, **call | more)
