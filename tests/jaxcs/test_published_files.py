"""Files of published weights under their names, and the settings that a card may hold."""

import jax
import numpy as np
import pytest

from jaxcs.keys import new_key
from jaxcs.nets.cascade import deep_cascade
from jaxcs.recon import METHODS
from jaxcs.weights import files
from jaxcs.weights.errors import WeightsError


def test_a_file_of_d5_c5_gives_the_network(tmp_path):
    shapes = jax.eval_shape(deep_cascade().init, new_key(0))
    arrays = {}
    for cascade in range(5):
        for layer in range(5):
            outputs, inputs = shapes[f"layer{layer}"]["kernel"].shape[:-3:-1]
            arrays[f"arr_{10 * cascade + 2 * layer}"] = np.zeros((outputs, inputs, 3, 3), np.float32)
            arrays[f"arr_{10 * cascade + 2 * layer + 1}"] = np.zeros(outputs, np.float32)
    np.savez(tmp_path / "d5_c5.npz", **arrays)
    found = files.load_weights(tmp_path / "d5_c5.npz")
    assert (found.method, found.config) == ("deepmri", METHODS["deepmri"].presets["paper"])


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"scale": "x" * 21}, "'scale' has over 20 letters"),
        ({"hidden": 2**15 + 1}, "'hidden' is no whole number from 0 to 32768"),
        ({"levels": 11}, "'levels' is no whole number from 0 to 10"),
        ({"levels": 2.5, "noise": 0.1}, "'levels' is no whole number from 0 to 10"),
    ],
)
def test_a_card_of_a_network_that_is_too_large_is_refused(settings, problem):
    with pytest.raises(WeightsError, match=problem):
        files._check_settings(settings, {"noise"})


def test_the_published_networks_have_cards_that_are_taken():
    for name in ("mri_vn", "deepmri", "dagan", "automap"):
        for preset in METHODS[name].presets.values():
            files._check_settings(dict(preset.__dict__), set())
