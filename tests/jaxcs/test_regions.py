"""Scores and losses of a part of the image, against crops, NumPy and scikit-image."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

import jaxcs
from data_prep import phantom
from jaxcs.attacks.losses import LOSSES
from jaxcs.metrics import METRICS, windows_inside
from jaxcs.scored import region_of
from tests.helpers.asserts import complex_normal

SHAPE = (24, 20)
BOXES = [(0, 0, 7, 7), (4, 6, 12, 10), (17, 13, 7, 7), (0, 0, *SHAPE)]
RNG = np.random.default_rng(3)
IMAGE, TARGET = RNG.uniform(size=(2, *SHAPE)).astype(np.float32)
RANGE = 1.3


def cropped(box, *images):
    row, column, rows, columns = box
    return [image[row : row + rows, column : column + columns] for image in images]


@pytest.mark.parametrize("box", BOXES)
def test_scores_of_a_box_are_those_of_the_crop(box):
    region, parts = jnp.asarray(region_of([box], SHAPE)), cropped(box, IMAGE, TARGET)
    found = {name: float(metric(IMAGE, TARGET, RANGE, region)) for name, metric in METRICS.items()}
    # HaarPSI's windows reach out of a box.
    for name in METRICS.keys() - {"haarpsi"}:
        metric = METRICS[name]
        np.testing.assert_allclose(found[name], metric(*parts, RANGE), rtol=1e-5, err_msg=name)
    image, target = map(np.float64, parts)
    np.testing.assert_allclose(found["psnr"], peak_signal_noise_ratio(target, image, data_range=RANGE), rtol=1e-5)
    np.testing.assert_allclose(found["ssim"], structural_similarity(target, image, data_range=RANGE), rtol=1e-4)


def test_ssim_of_several_boxes_is_the_mean_over_the_windows_inside():
    boxes = [(1, 2, 8, 9), (12, 9, 10, 7), (6, 5, 8, 8)]
    region = region_of(boxes, SHAPE)
    _, local = structural_similarity(np.float64(TARGET), np.float64(IMAGE), data_range=RANGE, full=True)
    whole = [
        local[row + 3, column + 3]
        for row in range(SHAPE[0] - 6)
        for column in range(SHAPE[1] - 6)
        if region[row : row + 7, column : column + 7].all()
    ]
    assert np.count_nonzero(windows_inside(jnp.asarray(region))) == len(whole)
    np.testing.assert_allclose(METRICS["ssim"](IMAGE, TARGET, RANGE, jnp.asarray(region)), np.mean(whole), rtol=1e-4)


@pytest.mark.parametrize("name", [name for name in LOSSES if name != "haarpsi"])
def test_an_attack_on_a_box_sees_the_crop_alone(name):
    loss, box = LOSSES[name], BOXES[1]
    region = jnp.asarray(region_of([box], SHAPE))

    def value(image):
        return loss(image, TARGET, jnp.float32(RANGE), region)

    found, gradient = jax.value_and_grad(value)(jnp.asarray(IMAGE))
    image, target = cropped(box, IMAGE, TARGET)
    expected, inner = jax.value_and_grad(lambda image: loss(image, target, jnp.float32(RANGE)))(jnp.asarray(image))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    np.testing.assert_allclose(*cropped(box, gradient), inner, rtol=1e-4, atol=1e-7)
    assert not np.any(np.where(region, 0, gradient))


def test_a_batch_of_different_regions_is_one_program():
    regions = jnp.asarray([region_of([box], SHAPE) for box in BOXES])
    traced = []

    @jax.jit
    def scores(region):
        traced.append(region.shape)
        return [metric(IMAGE, TARGET, RANGE, region) for metric in METRICS.values()]

    together = jax.vmap(scores)(regions)
    for index, region in enumerate(regions):
        np.testing.assert_allclose([one[index] for one in together], scores(region), rtol=1e-5)
    assert traced == [SHAPE]


def attacked(region):
    case = phantom.case("knee", "test", 0, (32, 24))
    mask = np.abs(np.arange(24) - 11.5) < 7
    return jaxcs.attack("zero_filled", case.kspace, mask, eps=0.05, region=region, steps=3)


def test_the_library_takes_a_box_or_any_form():
    box = attacked((8, 6, 12, 10))
    form = attacked(region_of([(8, 6, 12, 10)], (32, 24)))
    for metric in METRICS:
        np.testing.assert_array_equal(box.scores[metric].attacked, form.scores[metric].attacked)
    assert attacked(None).scores["nmse"].attacked[0] != box.scores["nmse"].attacked[0]


@pytest.mark.parametrize(
    ("region", "problem"),
    [
        ((0, 0, 33, 8), "give a box inside"),
        ((-1, 0, 8, 8), "give a box inside"),
        ((0, 0, 0, 8), "give a box inside"),
        ((0, 0, 6, 24), "which SSIM needs"),
        ((0.0, 0.0, 8.0, 8.0), "give \\(first row"),
        (np.ones((24, 32), bool), "bool of \\(32, 24\\)"),
        (np.ones((32, 24)), "bool of \\(32, 24\\)"),
        (np.zeros((32, 24), bool), "which SSIM needs"),
    ],
)
def test_a_region_that_cannot_be_scored_is_refused(region, problem):
    with pytest.raises(ValueError, match=f"region.*{problem}"):
        jaxcs.attack("zero_filled", complex_normal(RNG, (1, 32, 24))[0][None], np.ones(24, bool), region=region)
