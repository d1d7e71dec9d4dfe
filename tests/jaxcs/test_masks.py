import itertools

import numpy as np
import pytest
from scipy.spatial import cKDTree

from jaxcs import masks
from jaxcs.fourier import centre_slice
from jaxcs.masks.variable_density import _throw_darts
from tests.helpers.places import PARITY

with np.load(PARITY / "fastmri_masks.npz") as file:
    FASTMRI = dict(file)
VOLUME = masks.seed_from_name("file1000769.h5")


# ---- parity with the fastmri package -------------------------------------------------------------


@pytest.mark.parametrize("kind", FASTMRI["kinds"])
def test_equal_to_the_fastmri_package_bit_for_bit(kind):
    stored = FASTMRI["masks"][list(FASTMRI["kinds"]).index(kind)]
    axes = (FASTMRI["widths"], FASTMRI["pairs"], FASTMRI["seeds"])
    for index, (width, (acceleration, fraction), seed) in zip(
        np.ndindex(stored.shape[:3]), itertools.product(*axes), strict=True
    ):
        number = int(seed) if seed.isdigit() else masks.seed_from_name(seed)
        mask = masks.make(str(kind), (16, int(width)), int(acceleration), float(fraction), number)
        expected = np.unpackbits(stored[index], count=width).astype(bool)
        np.testing.assert_array_equal(mask, expected, err_msg=f"{width} {acceleration} {fraction} {seed}")


@pytest.mark.parametrize(
    ("acceleration", "fraction", "lines", "first"),
    [
        (4, 0.08, 95, [3, 6, 11, 14, 22, 24, 30, 31, 32, 38, 41, 44]),
        (8, 0.04, 48, [3, 11, 14, 22, 61, 88]),
    ],
)
def test_random_mask_of_a_known_volume(acceleration, fraction, lines, first):
    columns = np.flatnonzero(masks.random(368, acceleration, fraction, VOLUME))
    assert len(columns) == lines
    np.testing.assert_array_equal(columns[: len(first)], first)


def test_the_file_name_extension_is_part_of_the_seed():
    seed = masks.seed_from_name("file1000769")
    assert [masks.random(368, *pair, seed).sum() for pair in ((4, 0.08), (8, 0.04))] == [87, 42]


@pytest.mark.parametrize(
    ("nx", "fraction", "lines", "start"),
    [
        (320, 0.08, 26, 147),
        (322, 0.07, 23, 150),
        (368, 0.08, 29, 170),
        (368, 0.04, 15, 177),
        (372, 0.08, 30, 171),
        (396, 0.04, 16, 190),
        (640, 0.08, 51, 295),
        (640, 0.07, 45, 298),
    ],
)
def test_position_of_the_centre(nx, fraction, lines, start):
    # The columns that all seeds share; at acceleration 8 no column outside the centre is in all of 50 masks.
    common = np.all([masks.random(nx, 8, fraction, seed) for seed in range(50)], axis=0)
    np.testing.assert_array_equal(np.flatnonzero(common), np.arange(start, start + lines))


@pytest.mark.parametrize(("acceleration", "fraction", "firsts"), [(4, 0.08, 5), (8, 0.04, 11)])
def test_first_column_of_the_equispaced_fraction_mask(acceleration, fraction, firsts):
    drawn = [masks.equispaced_fraction(368, acceleration, fraction, seed) for seed in range(100)]
    assert {int(np.argmax(mask)) for mask in drawn} == set(range(firsts))


# ---- properties of all masks ---------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(masks.MASKS))
def test_a_seed_fixes_the_mask(name):
    np.random.seed(0)
    state = np.random.get_state()[1].copy()
    one, same, other = (masks.make(name, (48, 60), 4, 0.1, seed) for seed in (VOLUME, VOLUME, (7, 8)))
    assert one.dtype == bool
    assert one.shape == ((48, 60) if name == "poisson" else (60,))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # the global generator is not touched


@pytest.mark.parametrize("name", sorted(masks.MASKS))
@pytest.mark.parametrize("shape", [(48, 60), (49, 61), (33, 20)])
def test_the_centre_is_sampled(name, shape):
    mask = np.broadcast_to(masks.make(name, shape, 4, 0.1, 3), shape)
    rows, columns = (round(0.1 * n) for n in shape)
    block = np.zeros(shape, bool)
    block[centre_slice(shape[0], rows), centre_slice(shape[1], columns)] = True
    if shape[1] % 2 and not columns % 2 and name not in ("gaussian", "poisson"):
        block = np.roll(block, 1, axis=1)  # the centre of fastMRI then lies one column further right
    assert mask[block].all()


@pytest.mark.parametrize("acceleration", [2, 3.5, 4, 8])
@pytest.mark.parametrize("nx", [320, 367])
def test_gaussian_has_exactly_the_lines_asked_for(nx, acceleration):
    assert masks.gaussian(nx, acceleration, 0.04, 0).sum() == round(nx / acceleration)


@pytest.mark.parametrize("acceleration", [4, 8])
@pytest.mark.parametrize(("name", "tolerance"), [("random", 0.02), ("equispaced_fraction", 0.01)])
def test_mean_acceleration(name, tolerance, acceleration):
    drawn = [masks.make(name, (1, 368), acceleration, 0.04, seed).sum() for seed in range(400)]
    assert 368 / np.mean(drawn) == pytest.approx(acceleration, rel=tolerance)


# ---- variable density ----------------------------------------------------------------------------


def test_gaussian_density():
    # Drawing without replacement in proportion to w takes the largest values of log w + Gumbel noise.
    nx, acceleration, draws = 200, 4, 600
    lines = np.arange(92, 108)
    weight = np.exp(-((np.arange(nx) - 100) ** 2) / (2 * 20**2)) + 1 / 8
    weight[lines] = np.inf
    noise = np.random.default_rng(0).gumbel(size=(4000, nx))
    largest = np.argsort(-(np.log(weight) + noise), axis=1)[:, : nx // acceleration]
    expected = np.bincount(largest.ravel(), minlength=nx) / len(noise)
    actual = np.mean([masks.gaussian(nx, acceleration, 0.08, seed) for seed in range(draws)], axis=0)
    expected, actual = (share.reshape(10, 20).mean(axis=1) for share in (expected, actual))
    np.testing.assert_allclose(actual, expected, atol=0.015)
    assert expected[4] > 4 * expected[0]


@pytest.mark.parametrize("shape", [(128, 128), (96, 75), (64, 160)])
@pytest.mark.parametrize("acceleration", [1.5, 4, 8, 15])
def test_poisson_has_exactly_the_samples_asked_for(shape, acceleration):
    mask = masks.poisson(shape, acceleration, 0.06, 1)
    assert mask.sum() == round(mask.size / acceleration)


def test_poisson_keeps_the_distance_and_thins_out():
    mask = masks.poisson((192, 160), 8, 0.05, 2)
    mask[centre_slice(192, 10), centre_slice(160, 8)] = False
    points = np.argwhere(mask)
    rho = np.linalg.norm((points - (96, 80)) / (96, 80), axis=1)
    pairs = cKDTree(points).query_pairs(12.0, output_type="ndarray")
    distance = np.linalg.norm(points[pairs[:, 0]] - points[pairs[:, 1]], axis=1)
    # The slope is about 1.8, with which r is at least the r of slope 1.5 everywhere.
    assert (distance >= 1 + 1.5 * rho[pairs].min(axis=1)).all()

    y, x = np.mgrid[:192, :160]
    rho = np.hypot((y - 96) / 96, (x - 80) / 80)
    rings = [(rho >= inner) & (rho < inner + 0.2) for inner in np.arange(0.2, 1.4, 0.2)]
    density = [mask[ring].mean() for ring in rings]
    assert all(np.diff(density) < 0)
    assert density[0] > 3 * density[-1]
    # No large holes: every cell has a sample within its r, up to the rise of r over that distance.
    gap = cKDTree(points).query(np.argwhere(rho > 0.2))[0]
    assert (gap <= 1 + 3 * rho[rho > 0.2]).all()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("table", [1, 2_000, 400_000])
def test_darts_equal_one_after_the_other(seed, table, monkeypatch):
    monkeypatch.setattr("jaxcs.masks.variable_density._TABLE", table)
    rng = np.random.default_rng(seed)
    ny, nx = 23, 18
    radius = rng.uniform(0.5, 5, (ny, nx))
    order = rng.permutation(ny * nx)[: ny * nx - 30]
    y, x = np.mgrid[:ny, :nx]
    taken, covered = [], np.zeros((ny, nx), bool)
    for cell in order:
        row, column = divmod(cell, nx)
        if not covered[row, column]:
            taken.append(cell)
            covered |= np.hypot(y - row, x - column) < radius[row, column]
    assert 5 < len(taken) < 150
    np.testing.assert_array_equal(_throw_darts(radius, order), taken)


# ---- report --------------------------------------------------------------------------------------


def test_acs_width_of_columns_is_the_largest_centred_run():
    rng = np.random.default_rng(0)
    for _ in range(300):
        mask = rng.uniform(size=rng.integers(1, 14)) < 0.8
        n = len(mask)
        fits = [width for width in range(1, n + 1) if mask[centre_slice(n, width)].all()]
        assert masks.acs_width(mask) == max(fits, default=0)


def test_acs_width_of_a_block_is_the_largest_centred_one():
    rng = np.random.default_rng(1)
    for _ in range(100):
        mask = rng.uniform(size=rng.integers(1, 8, 2)) < 0.9
        ny, nx = mask.shape
        fits = [
            (rows * columns, min(rows, columns))
            for rows, columns in itertools.product(range(1, ny + 1), range(1, nx + 1))
            if mask[centre_slice(ny, rows), centre_slice(nx, columns)].all()
        ]
        rows, columns = masks.acs_width(mask)
        assert (rows * columns, min(rows, columns)) == max(fits, default=(0, 0))
        assert not rows or mask[centre_slice(ny, rows), centre_slice(nx, columns)].all()


def test_acs_width_of_fastmri_masks():
    # Lines next to the centre may be drawn, so the minimum over all seeds is the centre itself.
    assert min(masks.acs_width(masks.equispaced(368, 8, 0.08, seed)) for seed in range(40)) == 29
    # Odd width, even number of lines (26): the block sits one column off centre and contains a block of 25.
    assert min(masks.acs_width(masks.equispaced(321, 8, 0.08, seed)) for seed in range(40)) == 25


def test_describe_counts_within_the_padding():
    mask = masks.random(368, 4, 0.08, VOLUME)
    assert masks.describe(mask) == (95, 368 / 95, masks.acs_width(mask))
    left, right = 24, 344
    kept = int(mask[left:right].sum())
    report = masks.describe(mask, (left, right))
    assert kept < 95
    assert (report.samples, report.acceleration) == (kept, 320 / kept)
    # Columns outside the padding are not measured, even if they are part of the centre.
    assert masks.describe(np.ones(10, bool), (4, 8)) == (4, 1.0, 3)


def test_describe_of_two_dimensional_masks():
    mask = masks.poisson((64, 48), 4, 0.1, 0)
    assert masks.describe(mask) == (768, 4.0, masks.acs_width(mask))
    report = masks.describe(mask, (8, 40))
    assert report.acceleration == 64 * 32 / mask[:, 8:40].sum()


# ---- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(masks.MASKS))
@pytest.mark.parametrize(
    ("acceleration", "fraction", "message"),
    [
        (0.5, 0.08, "acceleration must be at least 1"),
        (float("nan"), 0.08, "acceleration must be at least 1"),
        (4, 0.0, "center_fraction must lie in"),
        (4, 1.2, "center_fraction must lie in"),
        (4, float("nan"), "center_fraction must lie in"),
        (4, 0.001, "rounds to none"),
    ],
)
def test_requests_without_sense(name, acceleration, fraction, message):
    with pytest.raises(ValueError, match=rf"{name}: .*{message}") as error:
        masks.make(name, (320, 320), acceleration, fraction, 0)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["random", "equispaced_fraction", "magic_fraction", "gaussian", "poisson"])
@pytest.mark.parametrize(("acceleration", "fraction"), [(4, 0.25), (8, 0.4), (1, 1.0)])
def test_centre_that_takes_all_samples(name, acceleration, fraction):
    # For the fraction masks: facebookresearch/fastMRI issue 344.  A centre block has fraction^2 of all samples.
    fraction = fraction**0.5 if name == "poisson" else fraction
    with pytest.raises(ValueError, match=f"{name}: the centre alone takes"):
        masks.make(name, (320, 320), acceleration, fraction, 0)


@pytest.mark.parametrize("name", ["equispaced", "magic"])
def test_spacing_must_be_whole(name):
    with pytest.raises(ValueError, match=f"{name}: acceleration must be a whole number, got 3.5"):
        masks.make(name, (320, 320), 3.5, 0.08, 0)
    with pytest.raises(ValueError, match="whole number, got inf"):
        masks.make(name, (320, 320), float("inf"), 0.08, 0)
    assert masks.make(name, (320, 320), 4.0, 0.08, 0).any()


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"unknown mask 'spiral'; known are equispaced, .*, poisson, random"):
        masks.make("spiral", (320, 320), 4, 0.08, 0)


def test_describe_refuses_what_is_no_mask():
    with pytest.raises(ValueError, match="measures nothing in columns 0 to 7"):
        masks.describe(np.zeros(8, bool))
    with pytest.raises(ValueError, match="measures nothing in columns 2 to 3"):
        masks.describe(np.arange(8) < 2, (2, 4))
    for padding in ((-1, 4), (4, 4), (0, 9)):
        with pytest.raises(ValueError, match=r"padding .* is no range of the 8 columns"):
            masks.describe(np.ones(8, bool), padding)
    with pytest.raises(ValueError, match=r"a mask is bool .* got float64 \(8,\)"):
        masks.describe(np.ones(8))
    with pytest.raises(ValueError, match=r"a mask is bool .* got bool \(1, 1, 8\)"):
        masks.acs_width(np.ones((1, 1, 8), bool))
