"""The phantom: anatomies that are the same everywhere, scanned without inverse crime and with the stated noise."""

import itertools
import subprocess
import sys
import time
from functools import cache

import numpy as np
import pytest

from data_prep import phantom
from data_prep.cases import InputError
from data_prep.fourier import root_sum_of_squares
from data_prep.phantom import brain, head, knee
from data_prep.phantom.pieces import (
    Canvas,
    blank,
    curve,
    ellipse,
    inside,
    make_grid,
    smooth_minimum,
    smooth_noise,
    stroke,
)
from data_prep.phantom.scan import _geometry, _truncated_transform
from data_prep.phantom.scan import scan as uncached_scan
from jaxcs.coils.whiten import estimate_covariance, whiten
from jaxcs.fourier import fft2c, ifft2c
from tests.helpers.places import ROOT

SMALL, USUAL = (40, 32), (160, 128)
FAMILIES, SPLITS = ("knee", "brain", "head"), ("train", "validation", "test")


@cache
def case(family, split="test", index=3, shape=SMALL):
    return phantom.case(family, split, index, shape)


scan = cache(uncached_scan)


# ---- the same everywhere -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "expected"),
    [
        ("knee", [1.9723988, 0.70226622, 0.24691091, 0.57093799, 15.490666, -0.078064874, 99.290817]),
        ("brain", [1.7498591, 0.93650573, 0.39153609, 0.37917575, 4.0057888, -0.20996246, 76.438835]),
        ("head", [2.4756951, 0.75855118, 0.6541844, 0.56418353, 12.788394, -0.15774842, 103.59126]),
    ],
)
def test_fingerprint(family, expected):
    one = case(family, shape=USUAL)
    values = [one.data_range, one.target[80, 64], one.target[50, 40], one.target.mean()]
    values += [one.kspace[0, 80, 64].real, one.kspace[5, 70, 61].imag, np.linalg.norm(one.kspace)]
    np.testing.assert_allclose(values, expected, rtol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_random_access_gives_what_the_generator_gives(family):
    listed = list(phantom.cases(family, "train", 3, SMALL))
    again = phantom.case(family, "train", 2, SMALL)
    assert [one.name for one in listed] == [f"phantom-{family}-train-000{i}:0" for i in range(3)]
    assert listed[2].name == again.name
    np.testing.assert_array_equal(listed[2].kspace, again.kspace)
    np.testing.assert_array_equal(listed[2].target, again.target)


def test_cases_are_made_when_asked_for():
    endless = phantom.cases("knee", "train", 10**9, SMALL)
    assert [one.volume for one in itertools.islice(endless, 2)] == [
        "phantom-knee-train-0000",
        "phantom-knee-train-0001",
    ]


def test_global_random_state_is_not_touched():
    np.random.seed(5)
    before = np.random.get_state()[1].copy()
    phantom.case("brain", "train", 0, SMALL)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_no_two_cases_are_alike():
    """Seeds are disjoint and anatomies differ within a split, between splits and between families."""
    keys = [(f, s, i) for f in FAMILIES for s in SPLITS for i in range(3)]
    targets = [case(*key).target.ravel() for key in keys]
    for (a, one), (b, other) in itertools.combinations(zip(keys, targets, strict=True), 2):
        difference = np.linalg.norm(one - other) / np.linalg.norm(one)
        assert difference > 0.1, (a, b, difference)
    assert len({case(*key).volume for key in keys}) == len(keys)


# ---- the case ------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("shape", [USUAL, (33, 45), (32, 31), (17, 64), (2, 1)])
def test_fields_of_a_case(family, shape):
    one = case(family, shape=shape)
    assert one.kspace.shape == (8, *shape)
    assert one.kspace.dtype == np.complex64
    assert one.target.shape == shape
    assert one.target.dtype == np.float32
    assert one.data_range == one.target.max() > 0
    assert one.padding == (0, shape[1])
    assert one.mask is None
    assert one.maps is None
    assert one.name == one.volume + ":0"
    assert np.isfinite(one.kspace).all()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("shape", [USUAL, (81, 65)])
def test_target_is_the_image_of_the_kspace(family, shape):
    one = case(family, shape=shape)
    image = np.sqrt(np.sum(np.abs(ifft2c(one.kspace)) ** 2, axis=0))
    np.testing.assert_allclose(one.target, image, atol=1e-6 * image.max())


@pytest.mark.parametrize("family", FAMILIES)
def test_target_is_that_of_the_anatomy_up_to_noise(family):
    one = scan(family, "test", 3, USUAL)
    noisy, clean = root_sum_of_squares(one.kspace), root_sum_of_squares(one.clean)
    tissue = clean > 0.3 * clean.max()
    error = noisy[tissue] - clean[tissue]
    assert abs(error.mean()) < 0.2 * error.std()  # the noise of 8 coils lifts the root sum of squares a little
    assert 0.02 < error.std() / np.median(clean[tissue]) < 0.04


@pytest.mark.parametrize("family", FAMILIES)
def test_amplitude_is_of_order_one_at_every_matrix_size(family):
    large, small = case(family, shape=USUAL).target, case(family, shape=(80, 64)).target
    tissue = [np.median(t[t > 0.1 * t.max()]) for t in (large, small)]
    assert 0.4 < tissue[0] < 1.5
    assert tissue[1] == pytest.approx(tissue[0], rel=0.1)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_small_matrix_shows_the_same_anatomy(family):
    """Truncating a large k-space gives the small k-space, except for the sharpness of the finer structures."""
    large, small = (scan(family, "test", 3, shape).clean for shape in (USUAL, (80, 64)))
    cropped = large[:, 40:120, 32:96] / 2
    assert np.linalg.norm(cropped - small) < 0.05 * np.linalg.norm(small)


@pytest.mark.parametrize("family", FAMILIES)
def test_contrast_is_that_of_a_scan(family):
    """The image has no saturated rim, a dark background, and tissue that is not piecewise constant."""
    for index in range(4):
        target = case(family, "train", index, USUAL).target
        tissue = target[target > 0.1 * target.max()]
        # The head has a bias on purpose, as scans by near coils have.
        assert np.percentile(tissue, 99) < (3.0 if family == "head" else 2.2) * np.median(tissue)
        assert np.mean(target < 0.1 * target.max()) > 0.2
        patches = target[:160, :128].reshape(40, 4, 32, 4).swapaxes(1, 2).reshape(-1, 16)
        flat = patches[(patches.mean(1) > 0.5 * np.median(tissue))]
        assert np.percentile(flat.std(1) / flat.mean(1), 10) > 0.01


@pytest.mark.parametrize("family", FAMILIES)
def test_phase_varies_by_radians_but_smoothly(family):
    result = scan(family, "train", 1, (80, 64))
    image = np.asarray(ifft2c(result.clean))
    strong = root_sum_of_squares(result.clean)
    strong = strong > 0.5 * np.median(strong[strong > 0.1 * strong.max()])
    step = np.angle(image[:, 1:] * image[:, :-1].conj())[:, strong[1:] & strong[:-1]]
    assert np.median(np.abs(step)) < 0.2
    assert np.ptp(np.cumsum(np.median(step, axis=0))) > 1.0


# ---- the scanner ---------------------------------------------------------------------------------


def test_transform_of_a_band_limited_image_is_exact():
    """With nothing beyond the band, truncation on the fine grid equals sampling the image at its own pixels."""
    rng = np.random.default_rng(1)
    shape = (11, 8)
    spectrum = rng.normal(size=shape) + 1j * rng.normal(size=shape)
    y, x = (np.arange(-(n // 2), n - n // 2) for n in shape)
    fine = [np.arange(3 * n) / (3 * n) for n in shape]
    rows, columns = (np.exp(2j * np.pi * np.outer(f, k)) for f, k in zip(fine, (y, x), strict=True))
    image = rows @ spectrum @ columns.T
    np.testing.assert_allclose(_truncated_transform(image, shape), spectrum * np.sqrt(88), atol=1e-10)
    pixels = np.fft.fftshift(image[::3, ::3])
    np.testing.assert_allclose(fft2c(pixels), spectrum * np.sqrt(88), atol=1e-3)


@pytest.mark.parametrize("family", FAMILIES)
def test_no_inverse_crime(family):
    """Drawing on the image's own pixels gives another image, with less ringing: the target is a real truncation."""
    target = case(family, shape=USUAL).target
    fine, maps = _geometry(family, USUAL)
    draw = {"knee": knee, "brain": brain, "head": head}[family].draw
    drawn = draw(np.random.RandomState([FAMILIES.index(family), 2, 3, 0]), make_grid(USUAL, 3 * fine.step)).signal
    sensitivity = np.sqrt(np.sum(np.abs(np.fft.fftshift(maps, axes=(1, 2))[:, ::3, ::3]) ** 2, axis=0))
    coarse = drawn * sensitivity
    difference = np.linalg.norm(coarse - target) / np.linalg.norm(target)
    assert 0.03 < difference < 0.3
    outside = drawn == 0
    assert np.sqrt(np.mean(target[outside] ** 2)) > 1e-3


@pytest.mark.parametrize("family", FAMILIES)
def test_noise_has_the_covariance_stated(family):
    result = scan(family, "test", 3, USUAL)
    noise = (result.kspace - result.clean).astype(np.complex64)
    white = whiten(noise, result.covariance.astype(np.complex64))
    np.testing.assert_allclose(estimate_covariance(white), np.eye(8), atol=0.04)  # 6 standard deviations
    real, imaginary = np.asarray(white).real.ravel(), np.asarray(white).imag.ravel()
    assert real.std() == pytest.approx(imaginary.std(), rel=0.02)
    assert abs(np.mean(real * imaginary)) < 0.01
    neighbours = np.mean(white[:, :, 1:] * np.conj(white[:, :, :-1]))
    assert abs(neighbours) < 0.02


@pytest.mark.parametrize("family", FAMILIES)
def test_coils_share_noise(family):
    covariance = scan(family, "test", 0, SMALL).covariance
    correlation = np.abs(covariance) / covariance[0, 0].real
    np.testing.assert_allclose(np.diagonal(correlation), 1, rtol=1e-12)
    assert 0.1 < correlation[0, 1] < 0.3
    assert correlation[0, 4] < correlation[0, 1]


@pytest.mark.parametrize("family", FAMILIES)
def test_signal_to_noise_ratio_is_the_one_stated(family):
    ratios = []
    for index in range(12):
        result = scan(family, "train", index, SMALL)
        target = root_sum_of_squares(result.clean)
        noise = np.real(result.kspace - result.clean).std()
        ratios.append(np.median(target[target > 0.1 * target.max()]) / noise)
    assert 29.5 < min(ratios) < 33
    assert 37 < max(ratios) < 40.5


def test_noise_of_two_cases_is_independent():
    one, other = (scan("knee", "train", index, SMALL) for index in (0, 1))
    a, b = (np.ravel(result.kspace - result.clean) for result in (one, other))
    assert abs(np.vdot(a, b)) < 4 * np.linalg.norm(a) * np.linalg.norm(b) / np.sqrt(a.size)


def test_speed():
    """A case takes about 0.15 s on one core; the bound leaves room for slower machines."""
    phantom.case("knee", "train", 0)
    times = []
    for index in range(3):
        start = time.process_time()
        phantom.case("knee", "train", index)
        times.append(time.process_time() - start)
    assert min(times) < 1.0


# ---- impossible requests -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (("elbow", "test", 0), "unknown family 'elbow', choose from knee, brain, head"),
        (("knee", "testing", 0), "unknown split 'testing', choose from train, validation, test"),
        (("knee", "test", -1), "the index must not be negative, got -1"),
        (("knee", "test", 0, (0, 8)), r"the shape must not be empty, got \(0, 8\)"),
    ],
)
def test_impossible_case(request_, message):
    with pytest.raises(InputError, match=rf"^phantom: {message}$"):
        phantom.case(*request_)


def test_impossible_cases_are_refused_at_once():
    with pytest.raises(InputError, match=r"^phantom: unknown family 'elbow', choose from knee, brain, head$"):
        phantom.cases("elbow", "test", 3)
    with pytest.raises(InputError, match=r"^phantom: the number of cases must not be negative, got -2$"):
        phantom.cases("knee", "test", -2)
    assert list(phantom.cases("knee", "test", 0)) == []


# ---- the pieces ----------------------------------------------------------------------------------


def test_distance_from_an_ellipse_is_true_near_its_edge():
    grid = make_grid((200, 200), 0.5)
    distance = ellipse(grid, (3.0, -5.0), (30.0, 20.0), 0.4)
    t = np.linspace(0, 2 * np.pi, 4000)
    u, v = 30 * np.cos(t), 20 * np.sin(t)
    edge = np.stack([3 + np.cos(0.4) * u + np.sin(0.4) * v, -5 - np.sin(0.4) * u + np.cos(0.4) * v])
    rows, columns = np.nonzero(np.abs(distance) < 2)
    points = np.stack([grid.y[rows, 0], grid.x[0, columns]])[:, ::50]
    nearest = np.sqrt(((points[:, :, None] - edge[:, None]) ** 2).sum(0).min(1))
    np.testing.assert_allclose(np.abs(distance[rows, columns])[::50], nearest, atol=0.15)
    assert distance[106, 90] < 0 < distance[0, 0]


def test_a_power_of_two_is_the_ellipse_and_more_is_squarer():
    grid = make_grid((60, 60), 1.0)
    round_, almost, square = (ellipse(grid, (0, 0), (20.0, 15.0), 0.2, p) for p in (2.0, 2.0000001, 8.0))
    np.testing.assert_allclose(almost, round_, atol=1e-4)
    assert np.all((square < 0) | (round_ >= 0))
    assert (square < 0).sum() > 1.1 * (round_ < 0).sum()


def test_stroke_is_as_wide_as_stated():
    grid = make_grid((80, 80), 0.5)
    distance = stroke(grid, [(-10.0, 0.0), (10.0, 0.0)], [1.0, 3.0])
    for y, width in ((-10, 1.0), (0, 2.0), (10, 3.0)):
        expected = np.abs(grid.x[0]) - width
        near = np.abs(expected) < 1
        np.testing.assert_allclose(distance[40 + 2 * y, near], expected[near], atol=1e-9)


def test_curve_passes_through_its_knots_without_corners():
    knots, values = (-3.0, 0.0, 1.0, 4.0), (1.0, 2.0, -1.0, 0.0)
    np.testing.assert_allclose(curve(np.array(knots), knots, values), values, atol=1e-12)
    np.testing.assert_allclose(curve(np.array([-9.0, 9.0]), knots, values), [1.0, 0.0])
    fine = curve(np.linspace(-3, 4, 7001), knots, values)
    assert np.abs(np.diff(fine, 2)).max() < 3e-5


def test_smooth_minimum_fills_the_corner_only():
    a, b = np.array([0.0, 5.0, 1.0]), np.array([5.0, 0.0, 1.0])
    np.testing.assert_allclose(smooth_minimum(a, b, 4.0), [0.0, 0.0, 0.0])


def test_noise_has_unit_variance_and_does_not_depend_on_the_grid():
    coarse, fine = make_grid((60, 50), 1.5), make_grid((180, 150), 0.5)
    one, other = (smooth_noise(np.random.RandomState(1), grid, (2.0, 3.0)) for grid in (coarse, fine))
    np.testing.assert_allclose(other[::3, ::3], one, atol=1e-12)
    assert one.std() == pytest.approx(1, abs=0.06)
    jump = [np.abs(np.diff(other, axis=axis)).mean() for axis in (0, 1)]
    assert jump[1] < jump[0] < 0.4


def test_painting_a_patch_paints_the_whole():
    canvas = blank(make_grid((40, 30), 1.0))
    patch = canvas.patch((-5.0, 2.0), (5.0, 9.0))
    patch.paint(np.full(patch.signal.shape, -9.0), 0.7)
    assert canvas.signal[patch.where].min() == 0.7
    assert (canvas.signal > 0).sum() == patch.signal.size == 10 * 8
    assert canvas.patch((90.0, 90.0), (95.0, 95.0)).signal.size == 0
    distance = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
    np.testing.assert_allclose(inside(distance, 1.0), [1, 1, 0.5, 0, 0])


def test_boxes_are_around_the_lesions_of_brains(monkeypatch):
    """Without the lesions of a head its image changes within the boxes, and hardly beside them."""
    whole = scan("brain", "test", 3, USUAL)
    assert 1 <= len(whole.boxes) < 8
    assert {box.file for box in whole.boxes} == {"phantom-brain-test-0003"}
    boxes = np.zeros(USUAL, bool)
    for box in whole.boxes:
        assert 4 <= min(box.rows, box.columns) <= max(box.rows, box.columns) < 12
        boxes[box.row : box.row + box.rows, box.column : box.column + box.columns] = True
    dots, lesion = Canvas.dots, (0.8, 3.0)

    def without_lesions(self, rng, centres, radii, value):
        # On a copy: as many random numbers are drawn.
        canvas = self._replace(signal=self.signal.copy()) if radii == lesion else self
        return dots(canvas, rng, centres, radii, value)

    monkeypatch.setattr(Canvas, "dots", without_lesions)
    healthy = uncached_scan("brain", "test", 3, USUAL)
    change = root_sum_of_squares(whole.clean - healthy.clean)
    assert np.sum(change[boxes] ** 2) > 0.9 * np.sum(change**2) > 0


def test_knees_are_healthy_and_what_is_boxed_is_known_without_a_scan():
    assert case("knee").boxes == ()
    assert not phantom.boxed("knee", "test", 3)
    for index in (3, 10):
        assert phantom.boxed("brain", "test", index) == bool(phantom.case("brain", "test", index).boxes)


def test_only_heads_wait_for_scipy():
    """Importing its filters takes as long as all else of the phantoms."""
    code = "import sys, data_prep.phantom; sys.exit('scipy.ndimage' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
