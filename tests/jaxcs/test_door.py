"""The input of a reconstruction is judged at the door: each mistake is one line, also while JAX traces."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcs
from jaxcs.api.slices import sampling
from jaxcs.keys import new_key
from jaxcs.recon import METHODS
from jaxcs.types import Measurement

RNG = np.random.default_rng(3)
MASK = np.array([0, 1, 0, 0, 1, 1, 1, 1, 1, 1, 0, 0, 1, 0, 0, 1], bool)
WHOLE = (RNG.normal(size=(3, 20, 16)) + 1j * RNG.normal(size=(3, 20, 16))).astype(np.complex64)
KSPACE = np.where(MASK, WHOLE, 0)
MAPS = np.full_like(WHOLE, 3**-0.5)
SHAPES = [
    (
        {"kspace": KSPACE[0]},
        ValueError,
        r"\(20, 16\); it must be \(coil, ny, nx\): give a single coil as kspace\[None\]",
    ),
    ({"kspace": KSPACE[None]}, ValueError, r"one slice: use jax.vmap"),
    ({"kspace": np.stack([KSPACE.real, KSPACE.imag], -1)}, TypeError, r"join the last axis, kspace\[..., 0\]"),
    ({"kspace": np.abs(KSPACE)}, TypeError, "float32 .*it must be complex, the scanner's samples"),
    ({"kspace": KSPACE.tolist()}, TypeError, "kspace is list; it must be an array"),
    ({"mask": MASK[:-1]}, ValueError, r"mask is \(15,\) .* must be \(nx,\) = \(16,\)"),
    ({"mask": MASK[None]}, ValueError, r"mask is \(1, 16\)"),
    ({"maps": MAPS[:2]}, ValueError, r"maps are \(2, 20, 16\) and kspace \(3, 20, 16\)"),
    ({"maps": MAPS.real}, TypeError, "maps are float32; they must be complex"),
]


@pytest.mark.parametrize(("changed", "error", "problem"), SHAPES)
@pytest.mark.parametrize("method", ["zero_filled", "sense", "l1"])
def test_shapes_and_types_are_judged_by_reconstruct_and_apply(method, changed, error, problem):
    given = {"kspace": KSPACE, "mask": MASK, "maps": MAPS} | changed
    with pytest.raises(error, match=problem) as raised:
        jaxcs.reconstruct(method, **given)
    assert len(str(raised.value).splitlines()) == 1
    apply = METHODS[method].build(METHODS[method].config()).apply
    if isinstance(given["kspace"], np.ndarray):
        with pytest.raises(error, match=problem):
            jax.eval_shape(lambda given: apply({}, Measurement(**given), new_key(0)), given)


def test_a_batch_is_welcome_under_vmap():
    apply = METHODS["zero_filled"].build(METHODS["zero_filled"].config()).apply
    many = jax.eval_shape(
        jax.vmap(lambda kspace: apply({}, Measurement(kspace, jnp.asarray(MASK), jnp.asarray(MAPS)), new_key(0))),
        jnp.stack([KSPACE, KSPACE]),
    )
    assert many.shape == (2, 20, 16)
    traced = jax.eval_shape(jax.vmap(lambda kspace: jaxcs.reconstruct("zero_filled", kspace, MASK, MAPS)), KSPACE[None])
    assert traced.shape == (1, 20, 16)


def test_missing_maps_and_weights_are_named():
    measurement = Measurement(jnp.asarray(KSPACE), jnp.asarray(MASK), None)
    for name in ("zero_filled", "l1", "unet_complex"):
        apply = METHODS[name].build(METHODS[name].config()).apply
        with pytest.raises(ValueError, match=r"maps are None; this method needs coil maps \(coil, ny, nx\)"):
            jax.eval_shape(lambda kspace, apply=apply: apply({}, measurement, new_key(0)), KSPACE)
    for name in ("unet", "varnet", "irim", "ttt_varnet"):
        apply = METHODS[name].build(METHODS[name].config()).apply
        with pytest.raises(ValueError, match="the network has no weights"):
            jax.eval_shape(lambda kspace, apply=apply: apply({}, measurement, new_key(0)), KSPACE)
    with pytest.raises(ValueError, match=r"unet is a network and needs weights: .* unet-phantom-knee"):
        jaxcs.reconstruct("unet", KSPACE, MASK)
    weights = jaxcs.load_weights("unet-phantom-knee")
    with pytest.raises(ValueError, match="weights are of unet; varnet needs those of varnet"):
        jaxcs.reconstruct("varnet", KSPACE, MASK, weights=weights)
    with pytest.raises(ValueError, match="l1 is not trained"):
        jaxcs.reconstruct("l1", KSPACE, MASK, weights=weights)
    with pytest.raises(TypeError, match="mask is traced by JAX"):
        jax.eval_shape(lambda kspace, mask: jaxcs.reconstruct("l1", kspace, mask), KSPACE, MASK)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("L1", "did you mean 'l1'"),
        ("vernet", "did you mean 'varnet'"),
        ("?", "unknown; choose from zero_filled, sense"),
    ],
)
def test_an_unknown_name_gets_its_neighbour(name, problem):
    with pytest.raises(ValueError, match=problem):
        jaxcs.reconstruct(name, KSPACE, MASK)
    with pytest.raises(TypeError, match="method is int; give a name"):
        jaxcs.reconstruct(3, KSPACE, MASK)


def test_a_mask_that_contradicts_the_zeros_of_kspace_is_refused():
    assert sampling(KSPACE, MASK) == "measured"
    assert sampling(WHOLE, MASK) == "whole"
    # Columns that were never acquired, at the sides, are no contradiction.
    assert sampling(np.where(np.arange(16) > 2, WHOLE, 0), MASK) == "whole"
    columns = np.broadcast_to(MASK, (20, 16))
    assert sampling(KSPACE, columns) == "measured"
    for mask in (~MASK, ~columns):
        with pytest.raises(ValueError, match="kspace is zero wherever the mask measures"):
            jaxcs.reconstruct("zero_filled", KSPACE, mask, MAPS)
    for mask in (np.roll(MASK, 1), np.roll(columns, 1, axis=1), np.zeros(16, bool) | (np.arange(16) == 8)):
        with pytest.raises(ValueError, match="places that the mask leaves out, and is not fully sampled"):
            jaxcs.reconstruct("zero_filled", KSPACE, mask, MAPS)
    with pytest.raises(ValueError, match="NaN or infinity"):
        jaxcs.reconstruct("zero_filled", np.full_like(KSPACE, np.nan), MASK, MAPS)
    with pytest.raises(ValueError, match="maps: ESPIRiT needs a fully sampled centre"):
        jaxcs.estimate_maps(KSPACE * (np.arange(16) != 7), MASK & (np.arange(16) != 7))
