"""Families of masks: nested, with the samples asked for, and drawn as single masks are."""

import numpy as np
import pytest

from jaxcs import masks
from jaxcs.masks.nested import NESTED, family
from jaxcs.masks.variable_density import column_weights

SHAPE, ACCELERATIONS = (48, 60), (14, 8, 5, 3, 2.5, 2, 1.25)


@pytest.mark.parametrize("name", sorted(NESTED))
@pytest.mark.parametrize("shape", [SHAPE, (31, 45)])
def test_each_mask_contains_those_of_fewer_samples(name, shape):
    found = family(name, shape, ACCELERATIONS, 0.05, (3, 4))
    assert list(found) == sorted(ACCELERATIONS, reverse=True)
    for fewer, more in zip(found.values(), list(found.values())[1:], strict=False):
        assert not np.any(fewer & ~more)
        assert more.sum() > fewer.sum()
    if name != "random":
        for acceleration, mask in found.items():
            assert mask.sum() == round(mask.size / acceleration)
    np.testing.assert_array_equal(found[14], masks.make(name, shape, 14, 0.05, (3, 4)))


def test_masks_drawn_alone_are_not_nested():
    """The families are not nested by chance."""
    for name in ("gaussian", "poisson"):
        few, many = (masks.make(name, SHAPE, value, 0.05, 0) for value in (5, 3))
        assert np.any(few & ~many)


def test_a_nested_gaussian_mask_has_the_density_of_a_single_one():
    """Columns of the densest of three masks, over many seeds."""
    drawn = np.mean([family("gaussian", (1, 60), (6, 4, 3), 0.05, seed)[3] for seed in range(600)], axis=0)
    alone = np.mean([masks.gaussian(60, 3, 0.05, seed) for seed in range(600)], axis=0)
    assert np.abs(drawn - alone).max() < 5 * np.sqrt(2 * 0.25 / 600)
    assert np.corrcoef(drawn, alone)[0, 1] > 0.99
    assert column_weights(60, 3)[30] == pytest.approx(1 + 1 / 6)


def test_a_nested_poisson_mask_keeps_distances():
    """No two samples outside the centre touch at 8, as at 8 alone, although the darts of 14 came first."""
    nested, alone = family("poisson", SHAPE, (14, 8), 0.05, 0)[8], masks.poisson(SHAPE, 8, 0.05, 0)

    def neighbours(mask):
        mask = mask.copy()
        mask[16:32, 20:40] = False
        return np.sum(mask[1:] & mask[:-1]) + np.sum(mask[:, 1:] & mask[:, :-1])

    assert neighbours(nested) == neighbours(alone) == 0


def test_the_other_masks_share_seed_and_centre():
    found = family("equispaced", SHAPE, (4, 2), 0.1, 3)
    for acceleration, mask in found.items():
        np.testing.assert_array_equal(mask, masks.equispaced(60, acceleration, 0.1, 3))
    assert found[4][27:33].all()


def test_a_request_that_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="unknown mask 'spiral'"):
        family("spiral", SHAPE, (4,), 0.1, 0)
    with pytest.raises(ValueError, match="at least one acceleration"):
        family("random", SHAPE, (), 0.1, 0)
    with pytest.raises(ValueError, match="gaussian: the centre alone takes 15"):
        family("gaussian", SHAPE, (2, 8), 0.25, 0)
