"""bench.attack --region boxes: each slice is attacked and scored in the boxes that were drawn in it."""

import json

import h5py
import numpy as np
import pytest

from bench import attack
from bench.figures import region_cropped
from bench.plan.config import RunConfig
from bench.run import executor
from bench.slices.beside import controls
from bench.slices.sources import open_source
from data_prep import phantom
from data_prep.fourier import inverse
from tests.helpers.run_folder import write_run

SHAPE = (40, 32)
original = executor.build
FLAGS = ["--method", "sense", "--eps", "0.05", "--attack", "pgd", "--steps", "8", "--center-fraction", "0.25"]
FLAGS += ["--acceleration", "2.5", "--limit", "3"]


def write(path, boxes, labels="tear\nflat\nedge"):
    """Write four slices with boxes: slice, row, column, rows, columns."""
    kspace = np.stack([phantom.case("knee", "train", index, SHAPE).kspace for index in range(4)])
    with h5py.File(path, "w") as file:
        file["kspace"] = kspace
        images = inverse(kspace)
        file["maps"] = images / np.linalg.norm(images, axis=1, keepdims=True)
        if boxes:
            file["boxes"] = np.asarray(boxes)
            file["box_labels"] = np.bytes_(labels.encode())
    return path


def started(path, output, *more):
    code = attack.main([*FLAGS, "--data", str(path), "--output", str(output), *map(str, more)])
    return code, next(output.iterdir(), None) if output.is_dir() else None


def scores(folder):
    rows = [json.loads(line) for line in (folder / "images.jsonl").read_text().splitlines()]
    return {(row["case"], row["metric"]): row for row in rows if "failed" not in row}


@pytest.fixture
def volume(tmp_path):
    """Slice 0 has no box, slice 1 a small one and one at the edge, slice 2 a large one, slice 3 none."""
    return write(tmp_path / "v.h5", [(1, 10, 8, 3, 12), (2, 12, 6, 14, 16), (1, 36, 28, 9, 9)])


def test_each_slice_has_its_own_boxes_in_one_program(tmp_path, volume, capsys, monkeypatch):
    built = []
    monkeypatch.setattr(executor, "build", lambda *given: built.append(given) or original(*given))
    code, folder = started(volume, tmp_path / "boxes", "--region", "boxes", "--batch", "2")
    told = capsys.readouterr()
    assert code == 0, told.err
    assert "2 of 4 slices have no box, and are left out" in told.err
    assert len(built) == 2  # the method and the zero-filled image, once for both slices
    record = json.loads((folder / "run.json").read_text())
    assert record["config"]["region"] == "boxes"
    assert "the boxes that were drawn in each image; the attack looks at them alone" in record["threat_model"]["region"]
    kept = {name: one["boxes"] for name, one in record["sampling"].items()}
    assert kept == {
        "v.h5:1": [{"box": [8, 8, 7, 12], "label": "tear"}, {"box": [33, 25, 7, 7], "label": "edge"}],
        "v.h5:2": [{"box": [12, 6, 14, 16], "label": "flat"}],
    }
    # Of a single box the scores are those of the box that the flag names.
    (tmp_path / "only.csv").write_text("case\nv.h5:2\n")
    alone = ("--region", "12", "6", "14", "16", "--only", tmp_path / "only.csv")
    _, named = started(volume, tmp_path / "named", *alone)
    for metric in ("psnr", "ssim", "nmse"):
        one, other = scores(folder)["v.h5:2", metric], scores(named)["v.h5:2", metric]
        assert one["clean"] == pytest.approx(other["clean"], rel=1e-5)
        assert one["attacked"] == pytest.approx(other["attacked"], rel=1e-3)
    # The attack on the whole image does less to the boxes.
    _, whole = started(volume, tmp_path / "whole", "--region", "boxes", "--aim", "image")
    for case in kept:
        assert scores(folder)[case, "nmse"]["attacked"] > 1.2 * scores(whole)[case, "nmse"]["attacked"]
        assert scores(folder)[case, "nmse"]["clean"] == pytest.approx(scores(whole)[case, "nmse"]["clean"], rel=1e-5)


def test_controls_are_the_nearest_boxes_in_the_object():
    image = np.ones((30, 40))
    image[:, :12] = 0.1  # air
    boxes = [(10, 14, 8, 9), (10, 24, 8, 9)]
    found = controls(boxes, image)
    # Above and below are nine pixels away; the left is air, and the right is the other box.
    assert found == [(1, 14, 8, 9), (1, 24, 8, 9)]
    covered = np.zeros(image.shape, int)
    for row, column, rows, columns in [*boxes, *found]:
        covered[row : row + rows, column : column + columns] += 1
    assert covered.max() == 1
    assert controls([(0, 12, 30, 28)], image) == [None]
    # The truth decides: in the dark no box is a control of a bright box.
    image[:9] = image[19:] = 0
    assert controls([(10, 14, 8, 25)], image) == [None]


def test_a_control_is_scored_beside_each_box(tmp_path, volume, capsys):
    code, folder = started(volume, tmp_path / "beside", "--region", "beside")
    record = json.loads((folder / "run.json").read_text())
    assert "boxes of the same sizes beside those that were drawn" in record["threat_model"]["region"]
    (first, second) = (one["box"] for one in record["sampling"]["v.h5:1"]["boxes"])
    assert (first[2:], second[2:]) == ([7, 12], [7, 7])
    assert first[:2] != [8, 8]
    # The box of the other slice is as large as the object beside it.
    assert (code, list(record["failed"])) == (1, ["v.h5:2"])
    assert "--region beside: v.h5:2 has no room beside its boxes; leave it out" in capsys.readouterr().err
    assert (folder / "region.png").read_bytes().startswith(b"\x89PNG")


def test_the_crops_have_a_row_for_each_image_and_method(tmp_path, monkeypatch):
    folder = write_run(tmp_path / "run", ("l1", "unet"))
    content = json.loads((folder / "run.json").read_text())
    content["config"]["region"] = "beside"
    for found in content["sampling"].values():
        found["boxes"] = [{"box": [1, 1, 2, 2], "label": ""}, {"box": [10, 8, 7, 9], "label": ""}]
    (folder / "run.json").write_text(json.dumps(content))
    shown = []
    monkeypatch.setattr(region_cropped, "show", lambda axes, image, white, title, *rest: shown.append((title, image)))
    region_cropped.draw(folder)
    titles = [title for title, _ in shown]
    assert titles[:5] == ["truth", "truth + perturbation", "clean data, 0.900", "with noise, 0.890", "attacked, 0.650"]
    assert len(titles) == 5 * 4
    assert shown[0][1].shape == (24, 20)


@pytest.mark.parametrize(
    ("boxes", "code", "words"),
    [
        ([], 3, "--region boxes: no slice of {path} has a box; join those of a table by python -m data_prep fastmri"),
        ([(1, 90, 8, 3, 12)], 2, "--region boxes: v.h5:1 has no box within its 40 x 32 pixels; leave it out"),
    ],
)
def test_without_a_box_there_is_one_line(tmp_path, capsys, boxes, code, words):
    path = write(tmp_path / "v.h5", boxes, "far")
    found, folder = started(path, tmp_path / "out", "--region", "boxes")
    assert found == code
    assert words.format(path=path) in capsys.readouterr().err.splitlines()[-1]
    assert folder is None


def test_of_the_phantom_brains_those_with_lesions_are_attacked():
    source = open_source(RunConfig(method="zero_filled", phantom="brain", region="boxes", limit=11))
    numbers = [int(name[-6:-2]) for name in source.names]
    assert numbers == [index for index in range(12) if index != 10]
    (case,) = source.read([10])
    assert case.name == source.names[10]
    assert case.boxes
