"""An attack that aims at a region beside one on the whole image: the sentence of bench.compare."""

from pathlib import Path

import pytest

from bench.findings.targeted import sentences
from bench.record.record import Record
from tests.helpers.rows import record, row

CONFIG = {"method": "unet", "region": "boxes", "eps": [0.02, 0.05], "seed": 0}


def run(aim, lost, **config):
    """A run whose images lose so much SSIM at each epsilon, by image."""
    rows = [
        row(case=case, volume=case, source="unet", metric="ssim", eps=eps, clean=0.9, attacked=0.9 - share * value)
        for case, value in lost.items()
        for eps, share in ((0.02, 0.5), (0.05, 1.0))
    ]
    return Record(Path(aim), record(config=CONFIG | {"aim": aim} | config), rows, [])


def images(*values):
    return {f"{index}.h5:0": value for index, value in enumerate(values)}


def test_aiming_does_more():
    aimed = run("region", images(0.30, 0.32, 0.34, 0.36, 0.38))
    whole = run("image", images(0.20, 0.24, 0.22, 0.26, 0.28) | {"other.h5:0": 0.9})
    (said,) = sentences([whole, aimed])
    assert said.startswith("unet: of the SSIM in the boxes of each image, an attack of epsilon 0.05 that aims at them")
    assert "takes 0.340, and one that aims at the whole image 0.240: aiming does +0.100 ± 0.018 more." in said


@pytest.mark.parametrize(
    ("aim", "config"), [("region", {}), ("image", {"seed": 1}), ("image", {"region": [0, 0, 9, 9]})]
)
def test_runs_that_differ_in_more_are_not_compared(aim, config):
    assert sentences([run("region", images(0.3, 0.4)), run(aim, images(0.2, 0.3), **config)]) == []


def test_a_box_of_the_flag_is_named_the_region_and_runs_of_other_images_say_nothing():
    box = {"region": [0, 0, 9, 9]}
    (said,) = sentences([run("region", images(0.3), **box), run("image", images(0.2), **box)])
    assert "SSIM in the region" in said
    assert sentences([run("region", images(0.3)), run("image", {"other.h5:0": 0.2})]) == []
