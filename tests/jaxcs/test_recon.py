"""Every method in the registry, and the minima of l1 and TV, confirmed by independent solvers."""

from dataclasses import replace

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcs.catalogue import OF_KSPACE
from jaxcs.fourier import centre_crop, fft2c, ifft2c
from jaxcs.operators import Sense
from jaxcs.recon import METHODS, l1, normalise, sense, tv
from jaxcs.types import Measurement
from tests.helpers.asserts import relative_error
from tests.helpers.places import PARITY

KEY = jax.random.key(0)
# One function to compile for each shape, and not each of its operations.
NORMALISED = jax.jit(lambda m: normalise(m)[0].kspace)
# After one step, the image would still come from parameters that no data have changed.
FEW_STEPS = {"n_steps": 2, "optimiser": "rising_descent", "learning_rate": 0.3, "gradient": "unroll"}
QUICK_TO_COMPILE = {
    "l1": {"wavelet": "db2", "levels": 2},
    # Squared singular values near the threshold are as exact as float32 allows: here its rounding is below 1e-4.
    "loraks": {"radius": 1, "tolerance": 1e-5, "threshold": 0.05, "lam": 0.1},
    "bpdn": {"levels": 2, "n_iters": 100},
    "shearlets": {"levels": (1,), "outer": 10, "beta": 1e3, "reweight": "none"},
    "mri_vn": {"stages": 1, "filters": 2, "size": 3, "gaussians": 5},
    "modl": {"iterations": 2, "layers": 3, "channels": 4},
    "smug": {"iterations": 2, "layers": 3, "channels": 4, "draws": 2},
    "diffusion": {"channels": 4, "levels": 2, "steps": 2, "cg_iters": 200},
    "pnp": {"channels": 4, "levels": 2, "tolerance": 1e-6},
    "deepmri": {"cascades": 1, "layers": 2, "channels": 4},
    "dagan": {"levels": 2, "channels": 2},
    "automap": {"side": 24, "samples": 192, "hidden": 32, "channels": 2},
    "unet": {"channels": 8, "pools": 2},
    "unet_complex": {"channels": 8, "pools": 2},
    "ttt_unet": {"channels": 8, "pools": 1, "n_steps": 1, "learning_rate": 1e-5, "gradient": "unroll"},
    "ttt_varnet": {"cascades": 1, "channels": 8, "pools": 1, "sens_channels": 8, "sens_pools": 1}
    | {"n_steps": 1, "learning_rate": 1e-5, "gradient": "unroll"},
    **dict.fromkeys(
        ("convdecoder", "deepdecoder"),
        {"channels": 8, "layers": 2, "in_rows": 4, "in_columns": 3, "coils": "maps"} | FEW_STEPS,
    ),
    "dip": {"channels": 8, "scales": 2, "coils": "maps"} | FEW_STEPS,
    "varnet": {"cascades": 2, "channels": 8, "pools": 1, "sens_channels": 8, "sens_pools": 1},
    "irim": {"steps": 2, "width": 26, "hidden": (8,), "strides": (2,), "most_coils": 6},
}


def piecewise_object(shape):
    """Ellipses of constant value with a slowly varying phase, complex64."""
    v, u = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    image = 1.0 * ((u / 0.8) ** 2 + (v / 0.9) ** 2 < 1)
    image -= 0.4 * (((u - 0.25) / 0.3) ** 2 + ((v + 0.1) / 0.5) ** 2 < 1)
    image += 0.5 * (((u + 0.4) / 0.15) ** 2 + ((v - 0.2) / 0.2) ** 2 < 1)
    return (image * np.exp(0.4j * u + 0.3j * v)).astype(np.complex64)


def smooth_maps(shape, n_coils):
    """Coils on a circle, each a Gaussian lobe with its own phase, normalised."""
    v, u = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    angles = 2 * np.pi * np.arange(n_coils)[:, None, None] / n_coils
    maps = np.exp(-((u - np.cos(angles)) ** 2) - (v - np.sin(angles)) ** 2 + 1j * angles * (u + 0.5))
    return (maps / np.linalg.norm(maps, axis=0)).astype(np.complex64)


def measurement(shape=(32, 24), n_coils=6, seed=0, noise=0.005, mask=None):
    """A normalised measurement of the object: random columns, the centre fully sampled, unless a mask is given."""
    rng = np.random.default_rng(seed)
    if mask is None:
        mask = rng.random(shape[1]) < 0.35
        mask[shape[1] // 2 - 2 : shape[1] // 2 + 2] = True
    a = Sense(smooth_maps(shape, n_coils), mask)
    kspace = a.forward(piecewise_object(shape))
    white = rng.normal(size=(*kspace.shape, 2)) @ [1, 1j]
    kspace = np.where(mask, kspace + noise * white, 0).astype(np.complex64)
    m = Measurement(kspace, mask, a.maps)
    return m._replace(kspace=NORMALISED(m))


def scan(name, shape=(32, 24), n_coils=6, seed=0):
    """A measurement that suits the method: of one coil, or of one size and one mask, if it takes no other."""
    if METHODS[name].one_coil and METHODS[name].check_scan is not None:
        return measurement((24, 24), 1, seed, mask=np.arange(24) % 3 == 0)
    return measurement(shape, 1 if METHODS[name].one_coil else n_coils, seed)


@pytest.fixture(scope="module", params=OF_KSPACE)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def method(name):
    """A method: its `apply`, `apply` as a function of the measurement alone, and a loss with its gradients."""
    entry = METHODS[name]
    built = entry.build(entry.config(**QUICK_TO_COMPILE.get(name, {})))
    apply, params = built.apply, built.init(KEY)
    reconstruct = lambda m: apply(params, m, KEY)  # noqa: E731

    def loss(kspace, maps, mask):
        image = reconstruct(Measurement(kspace, mask, maps))
        return jnp.sum((image - 0.5) ** 2), image

    evaluate = jax.jit(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True))
    return apply, reconstruct, lambda m: evaluate(m.kspace, m.maps, m.mask)


def test_a_method_is_pure_and_compiles_once(method, name):
    """For prime sizes and a mask of single samples.

    The magnitude does not depend on the phase of the whole image, except for networks that treat its two parts
    separately.
    """
    apply, reconstruct, _ = method
    cases = [scan(name, (31, 37), 3, seed) for seed in range(2)]
    shape = cases[0].maps.shape[1:]
    cases = [m._replace(mask=np.tile(m.mask, (shape[0], 1))) for m in cases]
    copies = jax.tree.map(lambda leaf: np.array(leaf), cases)
    images = [np.array(reconstruct(m)) for m in cases]
    compiled = apply._cache_size()
    for m, image in zip(cases, images, strict=True):
        check_image(name, image, shape)
        np.testing.assert_array_equal(reconstruct(m), image)
    turned = reconstruct(cases[0]._replace(kspace=np.exp(2j).astype(np.complex64) * cases[0].kspace))
    if (
        name
        not in ("varnet", "unet_complex", "irim", "mri_vn", "modl", "smug", "diffusion", "pnp", "deepmri", "automap")
        and not METHODS[name].fitted
    ):
        assert relative_error(turned, images[0]) < 1e-4
    assert np.all(np.isfinite(turned))
    assert apply._cache_size() == compiled == 1
    assert relative_error(*images) > 1e-3
    chex.assert_trees_all_equal(cases, copies)


def check_image(name, image, shape):
    assert image.shape == shape
    assert image.dtype == np.float32
    assert np.all(np.isfinite(image))
    if not METHODS[name].trained:
        assert image.min() >= 0
        assert 0.3 < image.max() < 3


def test_a_method_is_differentiable(method, name):
    """A small step along the gradient changes the loss by the amount that the gradient predicts."""
    _, _, evaluate = method
    m = scan(name)
    (value, _), gradients = evaluate(m)
    entry = METHODS[name]
    if not entry.uses_maps(entry.config(**QUICK_TO_COMPILE.get(name, {}))):
        np.testing.assert_array_equal(gradients[1], 0)
        gradients = gradients[:1]
    for field, gradient in zip(("kspace", "maps"), gradients, strict=False):
        ascent = np.conj(np.asarray(gradient))
        norm = np.linalg.norm(ascent)
        assert np.isfinite(norm)
        assert norm > 0
        step = 1e-3 * np.linalg.norm(getattr(m, field)) / norm
        values = [evaluate(m._replace(**{field: getattr(m, field) + s * ascent}))[0][0] for s in (step, -step)]
        assert values[0] > value > values[1]
        np.testing.assert_allclose((values[0] - values[1]) / (2 * step), norm**2, rtol=0.1)


def test_zero_kspace_gives_a_zero_image_and_finite_gradients(method, name):
    _, _, evaluate = method
    m = scan(name)
    (_, image), gradients = evaluate(m._replace(kspace=jnp.zeros_like(m.kspace)))
    # fastMRI's U-Net multiplies its output for a zero input by its constant 1e-11; MRI-VN's Gaussians cancel but for
    # rounding.
    np.testing.assert_allclose(image, 0, atol=1e-9 if name in ("unet", "mri_vn") else 0)
    assert all(np.all(np.isfinite(gradient)) for gradient in gradients)


def test_a_batch_equals_a_loop(method, name):
    """For a mask of columns; the images of the loop are the images of which gradients are taken."""
    _, reconstruct, evaluate = method
    cases = [scan(name, seed=seed) for seed in range(3)]
    mapped = jax.jit(jax.vmap(reconstruct))(jax.tree.map(lambda *leaves: np.stack(leaves), *cases))
    for m, image in zip(cases, np.asarray(mapped), strict=True):
        check_image(name, image, m.maps.shape[1:])
        assert relative_error(image, evaluate(m)[0][1]) < 1e-4


def test_normalise():
    m = measurement()
    raw = m._replace(kspace=7e-6 * m.kspace)
    normalised, scale = normalise(raw)
    np.testing.assert_allclose(np.max(np.abs(Sense(m.maps, m.mask).adjoint(normalised.kspace))), 1, rtol=1e-5)
    np.testing.assert_allclose(scale, 7e-6, rtol=1e-5)
    assert relative_error(scale * normalised.kspace, raw.kspace) < 1e-6
    empty, scale = normalise(m._replace(kspace=jnp.zeros_like(m.kspace)))
    assert scale == 0
    np.testing.assert_array_equal(empty.kspace, 0)


def test_sense_and_zero_filled_equal_dense_algebra():
    m = measurement((6, 10), 2)
    a = Sense(m.maps, m.mask)
    dense = np.asarray(jax.vmap(a.forward)(np.eye(60, dtype=np.complex64).reshape(60, 6, 10))).reshape(60, -1).T
    dense = dense.astype(np.complex128)
    adjoint = dense.conj().T @ m.kspace.ravel()
    expected = np.linalg.solve(dense.conj().T @ dense + 0.01 * np.eye(60), adjoint)
    found = sense.solve(sense.Config(lam=0.01), m)
    assert relative_error(found.image.ravel(), expected) < 1e-5
    assert found.error < 1e-3
    image = METHODS["zero_filled"].build(None).apply({}, m, KEY)
    assert relative_error(image.ravel(), np.abs(adjoint)) < 1e-5


def stored(file, prefix=""):
    """Read a stored problem and everything else in the file."""
    with np.load(PARITY / file) as content:
        content = dict(content)
    fields = [content.get(prefix + field) for field in Measurement._fields]
    return Measurement(*fields), content


@pytest.mark.parametrize("basis", ["wavelet", "fourier", "dct"])
def test_l1_minimum_equals_that_of_sigpy(basis):
    m, content = stored("sigpy_l1.npz", "even_")
    config = l1.Config(basis=basis, levels=3, lam=float(content["lam"]), tolerance=1e-6)
    x, reference = l1.solve(config, m).image, content[f"{basis}_x"]
    objective = jax.jit(lambda x: l1.objective(config, m, x))
    assert relative_error(x, reference) < 5e-5
    np.testing.assert_allclose([objective(x), objective(reference)], content[f"{basis}_objective"], rtol=1e-5)


def test_l1_minimum_on_a_padded_grid_equals_that_of_sigpy():
    """Three levels cannot halve 22 x 29, so the unknown lives on 24 x 32 and the data see its centre."""
    m, content = stored("sigpy_l1.npz", "odd_")
    config = l1.Config(levels=3, lam=float(content["lam"]), tolerance=1e-6)
    reference = content["padded_x"]
    assert reference.shape == (24, 32)
    objective = jax.jit(lambda x: l1.objective(config, m, x))(reference)
    np.testing.assert_allclose(objective, content["padded_objective"], rtol=1e-5)
    assert relative_error(l1.solve(config, m).image, centre_crop(reference, (22, 29))) < 5e-5


def test_tv_minimum_equals_that_of_sigpy():
    m, content = stored("sigpy_l1.npz", "even_")
    config = tv.Config(lam=float(content["lam"]), tolerance=1e-5)
    x = tv.solve(config, m).image
    assert relative_error(x, content["tv_x"]) < 1e-3
    minimum = content["tv_objective"]
    np.testing.assert_allclose(
        [tv.objective(config, m, x), tv.objective(config, m, content["tv_x"])], minimum, rtol=1e-4
    )


@pytest.mark.parametrize(("case", "tolerance"), [("haar", 1e-3), ("dau2", 0.015), ("tv", 0.01)])
def test_minima_equal_those_of_bart(case, tolerance):
    """Haar agrees to rounding, given that BART's image is one gradient step of 0.95 beyond the minimiser.

    For dau2, BART mirrors the image at its edges, and its wavelets' grid lies one sample off PyWavelets'.
    """
    _, content = stored("bart_l1.npz")
    m = measurement((64, 64), 4, noise=0.0, mask=content["mask"])
    shift, lam = (-1 if case == "dau2" else 0), float(content["lam"])
    roll = lambda x, shift: jnp.roll(x, (shift, shift), (-2, -1))  # noqa: E731
    m = Measurement(fft2c(roll(ifft2c(m.kspace), shift)), m.mask, roll(m.maps, shift))
    if case == "tv":
        x = tv.solve(tv.Config(lam=lam, tolerance=1e-4), m).image
    else:
        config = l1.Config(wavelet={"haar": "haar", "dau2": "db2"}[case], levels=3, lam=lam, tolerance=1e-5)
        x, a = l1.solve(config, m).image, Sense(m.maps, m.mask)
        x = x + 0.95 * a.adjoint(m.kspace - a.forward(x))
    assert relative_error(roll(x, -shift), content[case] @ [1, 1j]) < tolerance


def test_l1_is_zero_from_the_largest_coefficient_on():
    m = measurement()
    config = l1.Config(basis="fourier")
    psi, _ = l1.sparsifying_transform(config, (32, 24))
    largest = float(np.max(np.abs(psi.forward(Sense(m.maps, m.mask).adjoint(m.kspace)))))
    assert largest > 0.5
    np.testing.assert_array_equal(l1.solve(replace(config, lam=1.001 * largest), m).image, 0)
    assert np.any(l1.solve(replace(config, lam=0.9 * largest), m).image)


def test_rc2021_is_landwebers_iteration():
    """For one coil and a full mask it has a closed form."""
    preset = METHODS["l1"].presets["rc2021"]
    assert (preset.step, preset.n_iters, preset.lam, preset.solver) == (0.283, 1000, 0, "ista")
    kspace = fft2c(jnp.asarray(piecewise_object((31, 24))))[None]
    m = Measurement(kspace, np.ones(24, bool), np.ones((1, 31, 24), np.complex64))
    for n_iters in (1, 9, 1000):
        x = l1.solve(replace(preset, n_iters=n_iters), m).image
        assert relative_error(x, (1 - (1 - preset.step) ** n_iters) * ifft2c(kspace)[0]) < 1e-5


def test_tv_beats_zero_filling_on_a_piecewise_constant_object():
    m = measurement()
    truth = np.abs(piecewise_object((32, 24)))
    errors = {}
    for name in ("zero_filled", "tv"):
        image = np.asarray(METHODS[name].build(METHODS[name].config()).apply({}, m, KEY))
        errors[name] = relative_error(image * np.vdot(image, truth) / np.vdot(image, image), truth)
    assert errors["tv"] < 0.3 * errors["zero_filled"]
