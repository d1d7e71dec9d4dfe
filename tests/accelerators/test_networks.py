"""Networks in the form that XLA is given for a GPU: convolutions of a batch are one, and fits end when they may."""

from __future__ import annotations

import re

import jax
import jax.numpy as jnp
import pytest

from jaxcs.nets import coupling
from tests.accelerators.cases import CASES
from tests.accelerators.scans import KEY, Scan

# Four slices; the size of an image is of no account here.
SCAN = Scan(3, 64, 48, batch=4)


def lowered(function, arguments, platform="cuda"):
    function = function if hasattr(function, "trace") else jax.jit(function)
    return str(function.trace(*arguments).lower(lowering_platforms=(platform,)).as_text())


def grouped(text):
    """The convolutions of several groups."""
    lines = [line for line in text.splitlines() if "stablehlo.convolution" in line]
    assert lines
    groups = re.compile(r"(?:batch|feature)_group_count = (\d+)")
    return [line for line in lines if any(int(count) > 1 for count in groups.findall(line))]


@pytest.mark.parametrize("name", ["attack on unet", "attack on varnet", "training of unet", "training of varnet"])
def test_slices_share_the_weights_of_each_convolution(name):
    """Weights of each slice, or gradients of each example's weights, would be convolutions of as many groups."""
    assert grouped(lowered(*CASES[name].job(SCAN))) == []


def test_no_group_of_a_fit_has_a_window_as_large_as_the_image():
    """In groups, a kernel's gradient as a convolution with the output's gradient would have one."""
    lines = grouped(lowered(*CASES["fit of convdecoder"].job(SCAN)))
    forward = [line for line in lines if re.search(r"feature_group_count = [2-9]", line)]
    assert forward
    assert all("x[0, 1, i, o]" in line for line in forward)
    assert len(forward) < len(lines)


def test_groups_are_seen():
    kernels = jax.ShapeDtypeStruct((4, 3, 3, 2, 2), jnp.float32)
    images = jax.ShapeDtypeStruct((4, 1, 8, 8, 2), jnp.float32)
    many = jax.vmap(
        lambda x, k: jax.lax.conv_general_dilated(x, k, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    )
    assert len(grouped(lowered(many, (images, kernels)))) == 1


def test_a_training_step_has_three_convolutions_for_each_layer():
    """The result, the gradient of its weights and, but for the first layer, the gradient of its input."""
    text = lowered(*CASES["training of unet"].job(SCAN))
    layers = 2 * (2 + 1 + 2)
    assert text.count("stablehlo.convolution") == 3 * layers - 1


def test_reversible_layers_mix_in_full_float32():
    """On a TPU only the branch may multiply in bfloat16: two products, and a convolution."""
    layer = jax.eval_shape(lambda key: coupling.init(key, 8, 4, 2), KEY)
    latent = jax.ShapeDtypeStruct((8, 6, 8), jnp.float32)
    for function, arguments, rounded in (
        (coupling.forward, (layer, latent), 2),
        (coupling.inverse, (layer, latent), 2),
        (coupling.backward, (layer, latent, latent), 6),
    ):
        products = [
            line for line in lowered(function, arguments, "tpu").splitlines() if "stablehlo.dot_general" in line
        ]
        assert sum("HIGHEST" not in line for line in products) == rounded
        assert len(products) > rounded
