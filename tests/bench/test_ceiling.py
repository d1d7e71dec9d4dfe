"""The best result that coil maps allow: its scores in the record, in the output and on the page."""

import json

import numpy as np
import pytest

from bench.findings.ceiling import sentence
from bench.page.page import page_of
from bench.plan.config import RunConfig
from bench.slices.prepare import prepare
from data_prep import phantom
from jaxcs.complex import root_sum_of_squares
from jaxcs.fourier import ifft2c
from jaxcs.metrics import ssim
from tests.helpers.cheap_run import SHAPE, cheapen, start, write_volume
from tests.helpers.rows import record
from tests.helpers.run_folder import write_run

REGION = (4, 8, 20, 16)


@pytest.fixture(scope="module")
def half():
    """A slice whose maps are the directions of its noisy coil images, and 0 on the right: half of the target."""
    case = phantom.case("knee", "train", 0, SHAPE)
    images = np.asarray(ifft2c(case.kspace))
    maps = images / np.asarray(root_sum_of_squares(images))
    return case._replace(maps=np.where(np.arange(SHAPE[1]) < 16, maps, 0).astype(np.complex64))


@pytest.mark.parametrize("region", [None, REGION])
def test_it_scores_the_fully_sampled_data_combined_by_the_maps(half, region):
    found = prepare(half, RunConfig(acceleration=2.5, center_fraction=0.3, region=region)).ceiling
    best = np.where(np.arange(SHAPE[1]) < 16, half.target, 0)
    row, column, rows, columns = region or (0, 0, *SHAPE)
    best, target = (image[row : row + rows, column : column + columns] for image in (best, half.target))
    assert found["psnr"] == pytest.approx(10 * np.log10(half.data_range**2 / np.mean((best - target) ** 2)), abs=1e-3)
    assert found["ssim"] == pytest.approx(float(ssim(best, target, half.data_range)), abs=1e-4)
    assert found["psnr"] < 30


def test_data_under_sampled_by_their_own_mask_have_none(half):
    mask = np.abs(np.arange(SHAPE[1]) - 15.5) < 9
    own = half._replace(mask=mask, kspace=np.where(mask, half.kspace, 0))
    assert prepare(own, RunConfig()).ceiling is None


def test_a_run_records_it_for_each_image_and_says_its_mean(tmp_path, monkeypatch, capsys):
    cheapen(monkeypatch)
    _, folder = start(write_volume(tmp_path / "v.h5"), tmp_path / "out")
    content = json.loads((folder / "run.json").read_text())
    found = [one["ceiling"] for one in content["sampling"].values()]
    assert len(found) == 2
    assert all(5 < one["psnr"] < 30 and 0 < one["ssim"] < 1 for one in found)
    mean = np.mean([one["psnr"] for one in found])
    assert f"the best that these maps allow: {mean:.2f} dB PSNR, SSIM" in capsys.readouterr().out
    assert content["methods"]["zero_filled"]["maps"] == "fixed"


def run(ceilings, maps="fixed", failed=()):
    return record(
        methods={"a": {"maps": "not used"}, "b": {"maps": maps}},
        sampling={str(index): {"ceiling": one} for index, one in enumerate(ceilings)},
        failed=dict.fromkeys(failed, "why"),
    )


def test_the_mean_is_of_what_is_known():
    one, other = {"psnr": 30.0, "ssim": 0.8}, {"psnr": 40.0, "ssim": 0.9}
    assert "35.00 dB PSNR, SSIM 0.850" in sentence(run([one, other]))
    assert "35.00 dB PSNR, SSIM 0.850" in sentence(run([one, None, other, {"psnr": 1.0, "ssim": 0.0}], failed=["3"]))
    assert "30.00 dB PSNR, SSIM 0.850" in sentence(run([one, {"psnr": None, "ssim": 0.9}], "reestimated"))
    assert sentence(run([None, None])) is None
    assert sentence(run([one], maps="not used")) is None
    assert sentence(record(sampling={"0": {}})) is None


def test_the_page_has_it_beside_the_clean_scores(tmp_path):
    case = {"samples": 31, "acceleration": 4.1, "centre": 10, "ceiling": {"psnr": 36.5, "ssim": 0.95}}
    methods = {"l1": {"method": "l1", "config": {}, "attack": "pgd", "maps": "fixed"}}
    folder = write_run(tmp_path / "run", cases=("a.h5:0",), sampling={"a.h5:0": case}, methods=methods)
    assert b"the best that these maps allow: 36.50 dB PSNR, SSIM 0.950" in page_of(folder)
    assert b"the best that these maps allow" not in page_of(write_run(tmp_path / "without"))
