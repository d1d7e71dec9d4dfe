import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from jaxcs.metrics import METRICS, nmse, psnr, ssim

SHAPE = (24, 19)


def image_pairs(seed, count):
    """Make pairs (image, target) in float32 of many kinds, including pairs for which E[x^2] - E[x]^2 fails."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    ramp, disc = rows / SHAPE[0], np.hypot(rows - 12, columns - 9) < 7

    def noise():
        return rng.normal(size=SHAPE)

    kinds = [
        lambda: (rng.uniform(size=SHAPE), rng.uniform(size=SHAPE)),
        lambda: (ramp + 0.1 * noise(), ramp),
        lambda: (disc + 0.05 * noise(), 1.0 * disc),
        lambda: (1 - 1e-3 * noise(), 1 + 0 * noise()),
        lambda: (0.9 * disc + 0.1, 1.0 * disc),
        lambda: (0 * noise() + rng.uniform(), 0 * noise() + rng.uniform()),
        lambda: (0 * noise(), rng.uniform(size=SHAPE)),
        lambda: (np.abs(noise()), 0 * noise()),
        lambda: (0 * noise(), 0 * noise()),
        lambda: (1 + 1e-4 * noise(), 1 + 1e-4 * noise()),
    ]
    return [tuple(part.astype(np.float32) for part in kinds[i % len(kinds)]()) for i in range(count)]


def assert_as_scikit_image(image, target, data_range):
    # In float64, because scikit-image itself loses digits in float32.
    expected = structural_similarity(np.float64(target), np.float64(image), data_range=data_range)
    np.testing.assert_allclose(ssim(image, target, data_range), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("part", range(4))
def test_ssim_equals_scikit_image_on_100_pairs(part):
    for image, target in image_pairs(part, 25):
        assert_as_scikit_image(image, target, float(target.max()) or 1.0)


@pytest.mark.parametrize("units", [1e-12, 1e-6, 1e9])
def test_metrics_do_not_depend_on_the_units(units):
    image, target = image_pairs(0, 2)[1]
    scaled = jnp.float32(units) * image, jnp.float32(units) * target
    for metric in METRICS.values():
        np.testing.assert_allclose(metric(*scaled, 1.2 * units), metric(image, target, 1.2), rtol=1e-5)


@pytest.mark.parametrize("shape", [(7, 7), (8, 31), (320, 40)])
def test_ssim_of_other_sizes(shape):
    rng = np.random.default_rng(0)
    image, target = rng.uniform(size=(2, *shape)).astype(np.float32)
    assert_as_scikit_image(image, target, 0.7)


def test_ssim_of_one_window_by_hand():
    rng = np.random.default_rng(1)
    x = rng.uniform(size=(7, 7))
    y = 0.5 * x + 0.5 * rng.uniform(size=(7, 7))
    (vxx, vxy), (_, vyy) = np.cov(x.ravel(), y.ravel())  # divides by 48
    c1, c2 = (0.01 * 2.0) ** 2, (0.03 * 2.0) ** 2
    mx, my = x.mean(), y.mean()
    expected = (2 * mx * my + c1) * (2 * vxy + c2) / ((mx**2 + my**2 + c1) * (vxx + vyy + c2))
    np.testing.assert_allclose(ssim(jnp.float32(x), jnp.float32(y), 2.0), expected, rtol=1e-4)


@pytest.mark.parametrize(("a", "b"), [(1.0, 0.5), (0.3, 0.0), (0.0, 0.0), (0.7, 0.7)])
def test_ssim_of_constants(a, b):
    value = ssim(jnp.full(SHAPE, a), jnp.full(SHAPE, b), 1.0)
    np.testing.assert_allclose(value, (2 * a * b + 1e-4) / (a**2 + b**2 + 1e-4), rtol=1e-5)


def test_ssim_bounds():
    image, target = image_pairs(3, 1)[0]
    assert ssim(target, target, 1.0) == 1.0
    assert ssim(1 + image, 2 - image, 1.0) < -0.9  # equal means, but opposite structure
    np.testing.assert_allclose(ssim(image, target, 1.0), ssim(target, image, 1.0), rtol=1e-6)


def test_nmse_and_psnr_of_a_volume():
    rng = np.random.default_rng(2)
    image, target = rng.uniform(size=(2, 3, 16, 12)).astype(np.float32)
    expected = np.linalg.norm(target - image) ** 2 / np.linalg.norm(target) ** 2
    np.testing.assert_allclose(nmse(image, target), expected, rtol=1e-5)
    expected = peak_signal_noise_ratio(target, image, data_range=target.max())
    np.testing.assert_allclose(psnr(image, target, target.max()), expected, rtol=1e-5)


def test_psnr_of_a_scaled_image():
    target = jnp.asarray(image_pairs(0, 1)[0][1])
    rms = jnp.sqrt(jnp.mean(target**2))
    expected = -20 * np.log10(0.01 * rms / 0.8)
    np.testing.assert_allclose(psnr(1.01 * target, target, 0.8), expected, rtol=1e-4)
    np.testing.assert_allclose(nmse(1.01 * target, target), 1e-4, rtol=1e-3)


def test_identical_images():
    target = jnp.asarray(image_pairs(0, 1)[0][1])
    assert psnr(target, target, 1.0) == jnp.inf
    assert nmse(target, target) == 0


def test_nmse_of_a_zero_target():
    zero = jnp.zeros(SHAPE)
    assert nmse(zero + 1, zero) == jnp.inf
    assert jnp.isnan(nmse(zero, zero))
    assert nmse(zero, zero + 3) == 1


@pytest.mark.parametrize("name", METRICS)
def test_vmap_equals_a_loop(name):
    metric = METRICS[name]
    images, targets = (jnp.stack(part) for part in zip(*image_pairs(5, 3), strict=True))
    ranges = jnp.asarray([1.0, 0.7, 2.0])
    loop = [metric(*arguments) for arguments in zip(images, targets, ranges, strict=True)]
    np.testing.assert_allclose(jax.jit(jax.vmap(metric))(images, targets, ranges), jnp.stack(loop), rtol=1e-5)


@pytest.mark.parametrize("name", METRICS)
def test_gradients(name):
    rng = np.random.default_rng(4)
    image, target = (jnp.asarray(part, jnp.float32) for part in rng.uniform(0.2, 1, size=(2, 9, 8)))
    check_grads(
        lambda image, target: METRICS[name](image, target, 1.0),
        (image, target),
        order=1,
        eps=3e-3,
        atol=2e-3,
        rtol=2e-3,
    )


def test_gradient_of_ssim_is_finite_where_images_are_flat():
    for image, target in image_pairs(0, 10):
        gradient = jax.grad(ssim)(image, target, 1.0)
        assert jnp.isfinite(gradient).all()


@pytest.mark.parametrize("name", METRICS)
def test_inputs_that_do_not_fit(name):
    image = jnp.ones(SHAPE)
    with pytest.raises(ValueError, match=rf"{name}: image is \(24, 18\), .* \(24, 19\); need equal shapes"):
        METRICS[name](image[:, 1:], image, 1.0)
    with pytest.raises(ValueError, match=f"{name}: image is complex64, .* need magnitudes"):
        METRICS[name](image + 0j, image, 1.0)


@pytest.mark.parametrize("shape", [(6, 24), (24, 6), (24,), (2, 24, 24)])
def test_ssim_needs_a_slice_of_seven_pixels(shape):
    image = jnp.ones(shape)
    with pytest.raises(ValueError, match="ssim: needs one slice of at least 7 x 7 pixels"):
        ssim(image, image, 1.0)


def test_low_precision_input_is_scored_in_float32():
    image, target = (jnp.asarray(part, jnp.bfloat16) for part in image_pairs(0, 2)[1])
    for metric in METRICS.values():
        value = metric(image, target, 1.0)
        assert value.dtype == jnp.float32
        np.testing.assert_allclose(value, metric(image.astype(jnp.float32), target.astype(jnp.float32), 1.0))
