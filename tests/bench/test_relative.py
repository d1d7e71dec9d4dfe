"""The loss in a region relative to clean data, in sentences of bench.compare."""

from pathlib import Path

import pytest

from bench.findings.paired import told_apart
from bench.findings.relative import sentences
from bench.record.record import Record
from tests.helpers.rows import record, row

EPS = [0.0, 0.01, 0.02]


def run(method, slopes, clean, **config):
    """A run in which each image loses `slope` of its clean SSIM for each 0.01 of epsilon."""
    rows = [
        row(case=case, volume=case, source=method, metric="ssim", eps=eps, clean=clean, attacked=attacked)
        for case, slope in slopes.items()
        for eps in EPS
        for attacked in [clean * (1 - slope * eps / 0.01)]
    ]
    config = {"method": method, "region": "boxes", "aim": "region", "threat": "noise"} | config
    return Record(Path(method), record(config=config), rows, [])


def images(*slopes):
    return {f"{index}.h5:0": slope for index, slope in enumerate(slopes)}


def said(*records):
    return sentences(list(records), told_apart(list(records)), EPS)


@pytest.mark.parametrize(
    ("slopes", "told"),
    [
        # Half of the clean SSIM is lost of each, so that equal slopes have unequal losses in SSIM.
        ((0.2, 0.22, 0.24, 0.26, 0.28), "+0.0 ± 0.0 % for each 0.01: equal slopes are not excluded"),
        ((0.1, 0.12, 0.14, 0.16, 0.18), "-10.0 ± 0.0 % for each 0.01: they differ"),
        ((0.1, 0.3), "cannot tell"),
    ],
)
def test_slopes_are_compared_on_the_relative_scale(slopes, told):
    found = said(run("varnet", images(*slopes), 0.9), run("unet", images(0.2, 0.22, 0.24, 0.26, 0.28), 0.45))
    mean = sum(slopes) / len(slopes)
    losses = f"attacks take {mean:.0%} at 0.01, {2 * mean:.0%} at 0.02"
    assert found[0].startswith(f"varnet: of its SSIM in the region on clean data, 0.900, {losses}")
    assert f"that is {100 * mean:.1f} % for each 0.01 of epsilon" in found[0]
    assert "unet: of its SSIM in the region on clean data, 0.450, attacks take" in found[1]
    assert found[2].startswith("Relative slopes of varnet minus unet: ")
    assert told in found[2]


def test_other_regions_and_a_single_method_say_nothing():
    one = run("unet", images(0.2, 0.3), 0.5)
    for other in ({"region": "beside"}, {"region": None}, {"aim": "image"}):
        assert said(one, run("varnet", images(0.2, 0.3), 0.5, **other)) == []
    assert said(one) == []
    # An image whose SSIM is not above zero has no relative loss.
    assert said(one, run("varnet", images(0.2, 0.3), -0.1)) == []
