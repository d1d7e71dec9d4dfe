"""bench.features: tiny studies from the command line to the record, killed and resumed studies, and mistakes."""

import json
import subprocess
import sys

import h5py
import jax.numpy as jnp
import numpy as np
import pytest

from bench import features
from bench.slices.prepare import prepare
from bench.studies.features import findings, places, units
from bench.studies.features.boxes import box_scores
from bench.studies.features.functions import build
from bench.studies.features.one_slice import prepare_slice
from bench.studies.features.study import subjects_of
from data_prep import phantom
from data_prep.boxes import clipped
from data_prep.cases import Box
from jaxcs.complex import magnitude
from jaxcs.features import insert
from jaxcs.features.shapes import SHAPES
from jaxcs.fourier import ifft2c
from jaxcs.metrics import ssim
from jaxcs.recon import sense
from jaxcs.types import Measurement

SHAPE = (40, 32)
SAMPLING = ["--center-fraction", "0.25", "--acceleration", "2.5"]


def coil_maps(kspace):
    """Divide coil images by their root sum of squares: exact maps, except for noise."""
    images = np.asarray(ifft2c(jnp.asarray(kspace)))
    return images / np.sqrt(np.sum(np.abs(images) ** 2, axis=0))


@pytest.fixture
def data(tmp_path):
    """Two small slices with their own coil maps."""
    kspace = np.stack([phantom.case("knee", "train", index, SHAPE).kspace for index in range(2)])
    path = tmp_path / "small.h5"
    with h5py.File(path, "w") as file:
        file["kspace"] = kspace
        file["maps"] = np.stack([coil_maps(one) for one in kspace])
    return path


def run(*arguments):
    return features.main([*map(str, arguments)])


def started(data, output, *more):
    common = ["--data", data, *SAMPLING, "--output", output, "--method", "zero_filled"]
    code = run(*common, *more)
    return code, next(output.iterdir(), None) if output.is_dir() else None


def rows_of(folder, kind):
    """Read the recorded rows of a kind: "feature", "box" or "search"."""
    rows = map(json.loads, (folder / "images.jsonl").read_text().splitlines())
    return [row for row in rows if row["kind"] == kind]


def test_names_are_those_of_the_registries():
    assert set(SHAPES) == set(features.SHAPES)
    assert set(insert.PRESETS) == set(features.PRESETS)


def test_a_linear_method_s_map_follows_from_linearity(data):
    config = features.configuration(
        features.parser().parse_args(["--data", str(data), *SAMPLING, "--method", "sense", "--draws", "0"])
    )
    (subject,) = subjects_of(config)
    case = phantom.case("knee", "train", 0, SHAPE)
    prepared = prepare(case._replace(maps=coil_maps(case.kspace)), config.base)
    one = prepare_slice(config, {}, subject, prepared)
    functions, slice_data = build(subject, subject.method_config, config.insertion), prepared.data

    def image(kspace):
        measurement = Measurement(jnp.where(slice_data.mask, kspace, 0), slice_data.mask, slice_data.maps)
        return sense.solve(subject.method_config, measurement).image

    clean = image(slice_data.kspace)
    for place in places.places(config, prepared)[::40]:
        centre = jnp.asarray(place.centre(SHAPE, SHAPE))
        shape = insert.profile(config.insertion, one.back, centre, jnp.asarray(place.size))
        added = insert.coil_images(config.insertion, one.back, shape)
        change = image(insert.inserted(one.back, added) - slice_data.kspace)
        expected = magnitude(clean + change) - magnitude(clean)
        found, _, _ = functions.difference(
            one.staged, one.back, one.without.image, centre, jnp.asarray(place.size), one.key
        )
        # Equal as far as 40 iterations of conjugate gradients are linear.
        np.testing.assert_allclose(found, expected, atol=2e-3 * float(jnp.max(jnp.abs(expected))))


def test_a_map_that_was_stopped_goes_on_to_the_same_record(data, tmp_path, monkeypatch, capsys):
    flags = ["--stride", "6", "--draws", "2"]
    code, whole = started(data, tmp_path / "whole", *flags)
    assert code == 0
    record = units._record
    calls = iter(range(100))

    def stopping(*arguments):
        if next(calls) == 2:
            raise KeyboardInterrupt
        return record(*arguments)

    monkeypatch.setattr(units, "_record", stopping)
    code, part = started(data, tmp_path / "part", *flags)
    assert code == 130
    assert f"--resume {part}" in capsys.readouterr().err
    monkeypatch.setattr(units, "_record", record)
    assert run("--resume", part) == 0
    for name in ("summary.csv", "images.jsonl"):
        assert (part / name).read_bytes() == (whole / name).read_bytes()
    stored = json.loads((part / "run.json").read_text())
    assert (stored["status"], stored["resumed"]) == ("done", 1)
    assert (part / "figure.png").read_bytes().startswith(b"\x89PNG")
    rows = rows_of(whole, "feature")
    assert len(rows) == 7 * 5
    assert all(0 < row["kept"] < 1.5 and row["detectability_whole"] > 0 for row in rows)


def test_sizes_use_the_same_places_for_every_method_and_rank_them(data, tmp_path):
    flags = ["--study", "sizes", "--sizes", "2", "3", "--placements", "2", "--draws", "0", "--limit", "1"]
    code, folder = started(data, tmp_path / "out", "sense", *flags)
    assert code == 0
    rows = rows_of(folder, "feature")
    where = {
        name: [(row["row"], row["column"], row["size"]) for row in rows if row["method"] == name]
        for name in ("zero_filled", "sense")
    }
    assert where["zero_filled"] == where["sense"]
    assert len(where["sense"]) == 4
    assert "rank correlation" in json.loads((folder / "run.json").read_text())["findings"][-1]


def test_the_search_is_no_better_for_the_method_than_the_map(data, tmp_path):
    flags = ["--study", "worst", "--stride", "8", "--draws", "3", "--visibility", "0.5", "--contrast", "0.5"]
    code, folder = started(data, tmp_path / "out", *flags)
    assert code == 0
    (row,) = rows_of(folder, "search")
    assert row["kept_worst"] <= row["kept_place"] + 1e-5 <= row["kept_grid"] + 2e-5
    assert row["kept_worst"] < row["kept_random_least"]
    assert row["contrast_to_noise"]["worst"] >= 0.4


def optimiser_rows(smooth, images):
    """Rows of 12 places for each image; `smooth` maps the MSE by Adam to the MSE by a smoother Adam."""
    mse = np.arange(1, 13.0)
    by_method = {"adam": mse, "smooth_adam": smooth(mse), "rising_descent": mse, f"adam{findings.AGAIN}": mse}
    return [
        {"kind": "feature", "image": str(image), "volume": str(image), "method": name, "kept": 0.5, "mse": value}
        | {"background": place % 3}
        for image in range(images)
        for name, values in by_method.items()
        for place, value in enumerate(values)
    ]


def test_an_optimiser_changes_the_places_if_it_does_so_more_than_another_start():
    told = "the error is (ICML 2021, Fig. 16): "
    other, same = (
        findings.findings("optimisers", optimiser_rows(smooth, 5), "add") for smooth in (lambda x: x[::-1], list)
    )
    assert other[-1].endswith(f"{told}in part: yes for smooth_adam, not excluded for rising_descent")
    assert same[-1].endswith(f"{told}not excluded: not excluded for smooth_adam, not excluded for rising_descent")
    few = [row for row in optimiser_rows(list, 1) if row["mse"] < 4]
    assert findings.findings("optimisers", few, "add")[-1].startswith("3 places are too few to tell")


def test_one_image_is_no_finding():
    told = findings.findings("optimisers", optimiser_rows(lambda x: x[::-1], 1), "add")
    assert told[0] == "one image is an example and no finding"
    assert told[-1].endswith("cannot tell for smooth_adam, cannot tell for rising_descent")


def test_what_is_lost_in_the_dark_is_judged_over_images():
    def rows(images, sign):
        return [
            {"kind": "feature", "image": str(image), "volume": str(image), "method": "l1", "kept": 0.5}
            | {"mse": 10 - sign * place - 1.5 * (place == image), "background": place}
            for image in range(images)
            for place in range(9)
        ]

    paper = (
        "a small feature is lost where the image is dark (ICML 2021, Fig. 7, whose feature replaces what is there): "
    )
    assert findings.findings("map", rows(6, 1), "fill")[-1].endswith(paper + "yes")
    assert findings.findings("map", rows(6, -1), "fill")[-1].endswith(paper + "no")
    assert findings.findings("map", rows(3, 1), "fill")[-1].endswith(paper + "cannot tell")
    assert findings.findings("map", rows(1, 1), "fill")[-1].endswith(paper + "cannot tell")
    # Nothing is published about a feature that is added to the image.
    assert "published" not in findings.findings("map", rows(6, 1), "add")[-1]


@pytest.mark.parametrize(
    ("flags", "code", "problem"),
    [
        (["--study", "mapp"], 2, "did you mean 'map'"),
        (["--study", "boxes"], 3, "no slice has a box"),
        (["--image", "7"], 2, "has 2 images"),
        (["--limit", "2"], 2, "takes one image"),
        (["--study", "optimisers"], 2, "about convdecoder"),
        (["--study", "worst", "--draws", "1"], 2, "give at least 2"),
        (["--size", "50"], 3, "holds no feature of 50 pixels"),
        (["--set", "lam=1"], 2, "no such setting"),
    ],
)
def test_a_mistake_is_one_line(data, tmp_path, capsys, flags, code, problem):
    found, folder = started(data, tmp_path / "out", *flags)
    error = capsys.readouterr().err.splitlines()[-1]
    assert (found, folder) == (code, None)
    assert error.startswith("bench.features: error: ")
    assert problem in error


def test_what_goes_on_is_a_study_as_it_was(tmp_path, capsys):
    assert run("--resume", tmp_path, "--stride", "2") == 2
    assert "goes on as it was begun" in capsys.readouterr().err
    assert run("--resume", tmp_path / "nowhere") == 3


def test_boxes_are_clipped_and_widened_for_ssim():
    assert clipped(Box("a", 0, -2, 30, 6, 9), (40, 32)) == (0, 30, 4, 2)
    assert clipped(Box("a", 0, -2, 30, 6, 9), (40, 32), 7) == (0, 25, 7, 7)
    assert clipped(Box("a", 0, 50, 3, 6, 9), (40, 32)) is None
    random = np.random.RandomState(0)
    image, target = jnp.asarray(random.uniform(size=(2, 40, 32)), jnp.float32)
    found = box_scores(Box("a", 0, 10, 5, 8, 9, "tear"), image, target, jnp.asarray(1.0))
    box = (slice(10, 18), slice(5, 14))
    assert found["box_nmse"] == pytest.approx(float(np.sum((image - target)[box] ** 2) / np.sum(target[box] ** 2)), rel=1e-4)  # noqa: E501  # fmt: skip
    assert found["box_ssim"] == pytest.approx(float(ssim(image[box], target[box], 1.0)), rel=1e-5)
    whole = float(np.sum((image - target)[box] ** 2) / np.sum(target**2))
    assert found["box_share"] == pytest.approx(whole, rel=1e-4)
    assert found["label"] == "tear"


def test_the_boxes_of_a_file_are_scored(data, tmp_path):
    with h5py.File(data, "a") as file:
        file["boxes"] = np.array([[1, 10, 5, 8, 9]])
        file["box_labels"] = np.bytes_(b"tear")
    code, folder = started(data, tmp_path / "out", "sense", "--study", "boxes")
    assert code == 0
    rows = rows_of(folder, "box")
    assert [(row["image"], row["method"], row["label"]) for row in rows] == [
        ("small.h5:1", name, "tear") for name in ("zero_filled", "sense")
    ]
    for row in rows:  # the same error, of the norm of the box and of the image
        assert 0 < row["box_share"] < row["box_nmse"]
    for figure in ("figure", "findings"):
        assert (folder / f"{figure}.png").read_bytes().startswith(b"\x89PNG")
    alone, said, norms = json.loads((folder / "run.json").read_text())["findings"]
    assert norms.startswith("squared error in the boxes of real findings, of the squared norm of the box, and of the")
    assert f"zero_filled {rows[0]['box_nmse']:.3g}, {rows[0]['box_share']:.2g}; sense " in norms
    assert alone == "one image is an example and no finding"
    assert said.startswith("ranking by MSE of real findings")
    assert said.endswith(
        "(too few to tell) of 2 methods; published, that the ranking by real findings is that by SSIM (ICML 2021, "
        "Fig. 8; and the relation is linear): cannot tell"
    )


def test_the_line_of_real_findings_is_through_every_image_and_method():
    random = np.random.default_rng(1)
    ssim, mse = random.uniform(0.5, 0.9, (2, 5)), random.uniform(0.01, 0.03, (2, 5, 2))
    rows = []
    for at, method in enumerate(("unet", "l1")):
        for index in range(5):
            common = {"image": f"{index}", "volume": f"{index}", "method": method}
            rows.append({"kind": "image", "ssim": ssim[at, index], **common})
            rows += [{"kind": "box", "mse": value, "ssim": 0.0, **common} for value in mse[at, index]]
    rows.append({"kind": "box", "mse": 9.0, "image": "failed", "volume": "failed", "method": "l1"})
    slope, intercept = np.polyfit(ssim.ravel(), mse.mean(axis=-1).ravel(), 1)
    r2 = np.corrcoef(ssim.ravel(), mse.mean(axis=-1).ravel())[0, 1] ** 2
    said, groups = findings.findings("boxes", rows, "add")[-2:]
    for at, method in enumerate(("unet", "l1")):
        assert f"{method} {np.polyfit(ssim[at], mse[at].mean(axis=-1), 1)[0]:.3f} ± " in groups
    assert "the MSE of drawn lesions is" in findings.findings("boxes", rows, "add", drawn=True)[-2]
    assert said.startswith(
        "through the 10 points of an image and a method each, the MSE of real findings is "
        f"{intercept:.3f} {slope:+.3f} "
    )
    assert f"R^2 {r2:.2f} (published: linear" in said


def test_the_lesions_of_the_phantom_brain_are_findings(tmp_path):
    flags = ["--study", "boxes", "--phantom", "brain", "--limit", "2", "--method", "zero_filled"]
    assert run(*flags, "--output", tmp_path / "out") == 0
    rows = rows_of(next((tmp_path / "out").iterdir()), "box")
    assert {row["label"] for row in rows} == {"Nonspecific white matter lesion"}
    assert len({row["image"] for row in rows}) == 2


def test_rank_correlation_shares_ranks():
    assert findings.rank_correlation([1, 2, 3], [10, 20, 30]) == pytest.approx(1)
    assert findings.rank_correlation([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)
    assert findings.rank_correlation([1, 1, 2, 3], [1, 2, 3, 4]) == pytest.approx(0.9486833)
    assert np.isnan(findings.rank_correlation([1, 1], [1, 2]))


def test_help_needs_no_jax():
    code = "import sys\nfrom bench import features\nfeatures.parser().format_help()\nassert 'jax' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
