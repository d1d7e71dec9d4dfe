"""Comparison of a run's scores with the card of its weights, and cases in which the two cannot be compared."""

from dataclasses import replace

import numpy as np
import pytest

from bench.findings.card_check import below_card
from tests.helpers.rows import record, row

CONFIG = {"mask": "random", "acceleration": 4.0, "center_fraction": 0.08, "data": None, "phantom": "knee", "shift": {}}
CONFIG |= {"only": None, "region": None, "method": "unet"}


def run(validation, trained=None, method="unet", **changes):
    card = {"method": "unet", "training": CONFIG | (trained or {}), "validation": validation}
    described = {"method": method, "weights": {"sha256": "0", "card": card}}
    return record(config=CONFIG | changes, methods={method: described, "l1": {"method": "l1", "weights": None}})


def rows(values, victim="unet"):
    return [
        row(case=f"{index}", volume=f"{index}", source=victim, metric=metric, eps=eps, clean=value * scale)
        for index, value in enumerate(values)
        for metric, scale in (("ssim", 1.0), ("psnr", 30.0))
        for eps in (0.02, 0.05)
    ]


SPREAD = {"ssim": 0.8, "ssim_spread": 0.05, "psnr": 24.0, "psnr_spread": 1.5, "images": 20}


def test_with_the_spread_of_the_card_one_image_tells():
    # Differences of two means are allowed up to 2.86 standard deviations: 0.147 for one image, 0.078 for four.
    assert below_card(rows([0.66]), run(SPREAD)) == {}
    told = below_card(rows([0.64]), run(SPREAD))
    assert told["unet"] == (
        "unet has SSIM 0.640 on clean data, and by the card of its weights SSIM 0.800; of 1 volume chance explains "
        "0.147"
    )
    assert below_card(rows([0.73, 0.74, 0.72, 0.73]), run(SPREAD)) == {}
    assert "unet" in below_card(rows([0.71, 0.72, 0.70, 0.71]), run(SPREAD))
    # Scores above the card are not a fault.
    assert below_card(rows([0.99] * 9), run(SPREAD)) == {}


def test_without_it_the_run_s_own_spread_stands_in_and_few_volumes_cannot_tell():
    stated = {"ssim": 0.8, "psnr": 24.0}
    assert below_card(rows([0.1] * 4), run(stated)) == {}
    values = 0.7 + np.array([-0.02, -0.01, 0.0, 0.01, 0.02])
    assert "unet" in below_card(rows(values), run(stated))
    assert below_card(rows(values + 0.06), run(stated)) == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"acceleration": 8.0},
        {"mask": "equispaced"},
        {"phantom": "brain"},
        {"data": "other.h5"},
        {"shift": {"noise": 4.0}},
        {"only": "hard.csv"},
        {"region": [0, 0, 8, 8]},
    ],
)
def test_a_card_of_other_data_says_nothing(changes):
    assert below_card(rows([0.1] * 9), run(SPREAD)) != {}
    assert below_card(rows([0.1] * 9), run(SPREAD, **changes)) == {}


@pytest.mark.parametrize(("views", "phantom", "told"), [(12, "ellipses", 1), (24, "ellipses", 0), (12, "thorax", 0)])
def test_cards_of_sinograms_are_compared_by_their_views(views, phantom, told):
    """Flags of a mask mean nothing there, and differ between attack and training."""
    one = run(SPREAD, {"phantom": "ellipses"}, "fbpconvnet", phantom=phantom, mask="of the file", acceleration=None)
    one = replace(one, config=one.config | {"method": "fbpconvnet"})
    one.methods["fbpconvnet"]["weights"]["card"] |= {"method": "fbpconvnet", "shapes": [[1, 183, 12]]}
    measured = replace(one, sampling={f"{index}": {"samples": views} for index in range(4)})
    assert len(below_card(rows([0.1] * 4, "fbpconvnet"), measured)) == told
    one.methods["fbpconvnet"]["weights"]["card"]["shapes"] = [3]
    assert below_card(rows([0.1] * 4, "fbpconvnet"), measured) == {}


def test_files_are_the_same_by_name_and_other_methods_are_not_the_card_s():
    here, there = {"data": "/here/brain.h5"}, {"data": "brain.h5", "validation": None}
    assert below_card(rows([0.1] * 9), run(SPREAD, there, **here)) != {}
    # A fit that starts from the weights is another method.
    assert below_card(rows([0.1] * 9, "ttt_unet"), run(SPREAD, method="ttt_unet")) == {}


@pytest.mark.parametrize("card", [None, {}, {"method": "unet"}, {"method": "unet", "training": [], "validation": 3}])
def test_a_card_that_says_little_is_no_reason_to_stop(card):
    told = record(config=CONFIG, methods={"unet": {"method": "unet", "weights": {"sha256": "0", "card": card}}})
    assert below_card(rows([0.1] * 9), told) == {}
    assert below_card(rows([0.1] * 9), record(config=CONFIG)) == {}
