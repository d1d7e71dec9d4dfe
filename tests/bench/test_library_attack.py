"""jaxcs.attack: what bench.attack finds, in the units of the slice; and functions of one's own."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcs
from bench.evaluate import subjects
from bench.evaluate.sending import send
from bench.plan.config import RunConfig
from bench.run.executor import Work, _attack_batch, functions_for
from bench.slices.prepare import prepare
from data_prep import phantom
from data_prep.names import checksum
from jaxcs.attacks import apgd
from jaxcs.keys import new_key

CASE = phantom.case("knee", "test", 0, (32, 24))
MASK = jaxcs.masks.random(24, acceleration=2, center_fraction=0.3, seed=0)
# Raw data of a scanner that counts in other units.
RAW = np.complex64(2.0**-20)


def test_an_attack_on_l1_is_that_of_the_command():
    config = RunConfig(
        settings=(("basis", "fourier"),), attack="pgd", steps=2, eps=(0.05,), acceleration=2.0, center_fraction=0.3
    )
    prepared = prepare(CASE, config)
    attacked = subjects.sources(config)
    work = Work(config, attacked, subjects.victims(config, attacked), 1, save_perturbations=True)
    (theirs,) = _attack_batch(
        work, partial(functions_for, {}, None), send([prepared], 1, config.seed, None), lambda stage: None
    )

    report = jaxcs.attack(
        # Wavelets take twice as long to compile.
        jaxcs.recon.l1.Config(basis="fourier"),
        CASE.kspace,
        np.asarray(prepared.data.mask),
        eps=0.05,
        method="pgd",
        steps=2,
        truth=CASE.target,
        key=jax.random.fold_in(new_key(0), checksum(CASE.name)),
    )

    rows = {row.metric: row for row in theirs.rows}
    for metric, scores in report.scores.items():
        ours = (scores.clean, *scores.noise.tolist(), *scores.attacked.tolist())
        assert ours == tuple(rows[metric].score(state) for state in ("clean", "noise", "attacked"))
    assert np.array_equal(report.perturbation[0], theirs.perturbations[f"{CASE.name}|0.05"])
    assert (report.attack, report.norm[0]) == ("pgd", rows["psnr"].norm)
    assert set(report.flags[0]) == set(rows["psnr"].flags) - {"maps leave out"}
    assert report.trace[0].tolist() == list(theirs.searches[0].trace)
    assert "l1 under pgd" in str(report)
    assert report.clean.shape == CASE.target.shape


def test_an_image_is_in_the_units_of_the_data():
    image = jaxcs.reconstruct("zero_filled", CASE.kspace, MASK)
    scaled = jaxcs.reconstruct("zero_filled", np.where(MASK, CASE.kspace, 0) * RAW, MASK)
    np.testing.assert_allclose(scaled / RAW.real, image, rtol=1e-4, atol=1e-5)
    assert image.shape == CASE.target.shape
    assert 0.3 < np.linalg.norm(image) / np.linalg.norm(CASE.target) < 1


def combined(kspace, mask):
    """A user's function, in the units of the data."""
    assert kspace.shape[1:] == (32, 24)
    assert mask.shape == (24,)
    return jnp.sqrt(jnp.sum(jnp.abs(jaxcs.fourier.ifft2c(kspace)) ** 2, axis=0))


def test_a_function_of_ones_own_sees_the_units_of_the_data():
    kspace = np.where(MASK, CASE.kspace, 0) * RAW
    report = jaxcs.attack(combined, kspace, MASK, eps=[0.1, 0.05], method=apgd.Config(n_steps=2))
    assert (report.eps, report.truth, report.method) == ((0.05, 0.1), None, "combined")
    assert report.perturbation.shape == (2, *kspace.shape)
    # Epsilon is relative to the measured data, and so is the noise beside it.
    sizes = np.linalg.norm(report.perturbation.reshape(2, -1) / RAW, axis=1) / np.linalg.norm(kspace / RAW)
    np.testing.assert_allclose(sizes, report.eps, rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(report.noise[0]), np.linalg.norm(report.perturbation[0]), rtol=1e-5)
    assert not np.any(report.perturbation[..., ~MASK])
    np.testing.assert_allclose(report.clean / RAW.real, combined(kspace / RAW, MASK), rtol=1e-4)
    np.testing.assert_allclose(
        report.attacked[1] / RAW.real, combined((kspace + report.perturbation[1]) / RAW, MASK), rtol=1e-3, atol=1e-4
    )
    assert report.scores["psnr"].clean == np.inf  # against itself: no truth is known
    assert report.loss[1] > report.loss[0] > 0


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (lambda kspace: kspace, "reconstruct fails while JAX traces it"),
        (lambda kspace, mask: kspace[0], "returns complex64 values; return the magnitude image, of floating point"),
        (lambda kspace, mask: jnp.abs(kspace), r"returns an array of \(8, 32, 24\); return the magnitude"),
        (lambda kspace, mask: np.abs(np.asarray(kspace)), "fails while JAX traces it .*jaxcs.interop.from_torch"),
        (lambda kspace, mask: None, "returns NoneType; return an array, the magnitude"),
    ],
)
def test_a_function_that_cannot_be_attacked_is_a_line(function, problem):
    with pytest.raises(TypeError, match=problem) as raised:
        jaxcs.attack(function, CASE.kspace, MASK)
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"threat": "measure"}, "threat 'measure' is unknown; did you mean 'measured'"),
        ({"loss": "mse"}, "loss 'mse' is unknown; did you mean 'nmse'"),
        ({"method": "apdg"}, "method 'apdg' is unknown; did you mean 'apgd'"),
        ({"method": "grid"}, "use threat='rotation'"),
        ({"method": "momentum"}, "use threat='image'"),
        ({"method": "two_step"}, "needs a method that minimises an objective"),
        ({"method": "spectral", "loss": "ssim"}, "drives up squared errors alone"),
        ({"method": "noise", "steps": 3}, "steps: noise has no such setting"),
        ({"steps": 0}, "steps is 0"),
        ({"eps": 0}, "give sizes above 0"),
        ({"eps": 1e30}, "give sizes above 0 and at most 1e"),
        ({"truth": np.ones((33, 24))}, r"give a magnitude image of at most \(32, 24\)"),
        ({"weights": "unet"}, "a function of your own has them already"),
        ({"kspace": np.where(MASK, CASE.kspace, 0), "threat": "rotation"}, "needs fully sampled kspace"),
    ],
)
def test_settings_that_do_not_fit_are_a_line(changed, problem):
    maps = CASE.kspace  # never used
    arguments = {"reconstruct": combined, "kspace": CASE.kspace, "mask": MASK, "maps": maps} | changed
    with pytest.raises(ValueError, match=problem) as raised:
        jaxcs.attack(**arguments)
    assert len(str(raised.value).splitlines()) == 1
