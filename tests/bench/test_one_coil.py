"""Networks for a single coil: what they are given of scans of many, and what they refuse."""

import numpy as np
import pytest

import jaxcs
from bench import attack, train
from bench.plan.command_line import command_line
from bench.plan.config import RunConfig, Sampling
from bench.slices.one_coil import mask_seed
from data_prep import phantom
from data_prep.cases import InputError
from data_prep.fourier import inverse
from data_prep.one_coil import one_coil
from jaxcs import catalogue, masks
from jaxcs.recon import METHODS, automap
from jaxcs.weights.files import Weights

CASE = phantom.case("knee", "test", 0)
CONFIG = automap.Config(16, 154, 8, 2)
TRAINING = {"mask": "poisson", "acceleration": 1.667, "center_fraction": 0.2}
MASK = masks.make("poisson", (16, 16), 1.667, 0.2, automap.MASK_SEED)


def test_one_coil_measures_the_magnitude():
    found = one_coil(CASE)
    np.testing.assert_allclose(inverse(found.kspace[0]), found.target, atol=1e-6 * found.target.max())
    np.testing.assert_allclose(found.target, CASE.target, rtol=1e-4, atol=1e-5 * CASE.target.max())
    assert found.data_range == pytest.approx(CASE.data_range)
    assert np.all(found.maps == 1)


def test_a_smaller_matrix_keeps_the_brightness():
    found = one_coil(CASE, 32)
    assert found.kspace.shape == (1, 32, 32)
    assert found.target.min() >= 0
    rows, columns = CASE.target.shape
    square = CASE.target[(rows - columns) // 2 :][:columns]
    assert found.target.mean() == pytest.approx(square.mean(), rel=0.02)
    with pytest.raises(InputError, match="the network needs 999"):
        one_coil(CASE, 999)


def test_a_scan_that_is_under_sampled_is_refused():
    with pytest.raises(InputError, match="already under-sampled"):
        one_coil(CASE._replace(mask=np.ones(CASE.kspace.shape[-1], bool)))


def test_all_scans_of_a_network_for_one_mask_have_the_same():
    assert mask_seed(("l1", "automap"), (1, 2)) == automap.MASK_SEED
    assert mask_seed(("l1", "deepmri"), (1, 2)) == (1, 2)


@pytest.mark.parametrize(
    ("kspace", "mask", "problem"),
    [
        (np.ones((3, 16, 16)), MASK, "the network is for one coil, the measurement has 3"),
        (np.ones((1, 16, 20)), np.ones(20, bool), "16 x 16 pixels; the scan is"),
        (np.ones((1, 16, 16)), np.ones(16, bool), "for 154 samples, an acceleration of 1.662; the mask has 256"),
        (np.ones((1, 16, 16)), MASK[::-1], "the mask of its training: poisson, acceleration 1.667, centre 0.2"),
    ],
)
def test_a_scan_that_the_network_is_not_for_is_one_line(kspace, mask, problem):
    weights = Weights("automap", CONFIG, {}, {"training": TRAINING}, "")
    with pytest.raises(ValueError, match=problem) as raised:
        jaxcs.reconstruct("automap", kspace.astype(np.complex64) * mask, mask, weights=weights)
    assert len(str(raised.value).splitlines()) == 1


def test_the_scan_that_it_is_for_is_taken():
    METHODS["automap"].check_scan(CONFIG, (1, 16, 16), MASK, TRAINING)
    assert RunConfig("automap").eps == RunConfig("unet").eps


@pytest.mark.parametrize("flags", [[], ["--mask", "random"], ["--acceleration", "4"], ["--center-fraction", "0.1"]])
@pytest.mark.parametrize("method", ["unet", "deepmri", "automap"])
def test_the_sampling_that_is_not_given_is_that_of_the_first_method(method, flags):
    config = attack.configuration(attack.parser().parse_args(["--method", method, "l1", *flags]))
    wanted = dict(zip(Sampling._fields, catalogue.METHODS[method].sampling, strict=True))
    given = {"--mask": {"mask": "random"}, "--acceleration": {"acceleration": 4.0}}
    wanted |= given.get(flags[0], {"center_fraction": 0.1}) if flags else {}
    assert config.sampling == Sampling(**wanted)
    assert attack.configuration(attack.parser().parse_args(command_line(config))) == config
    trained = train.configuration(train.parser().parse_args(["--method", method, *flags]))
    assert trained.sampling == config.sampling
