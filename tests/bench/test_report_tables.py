"""The numbers of a page: one rounding, tables that can be saved, and the origin of all."""

import base64
import csv
import json
import re

import pytest

from bench.page.cells import Cell, Table
from bench.page.comparison import comparison
from bench.page.page import page_of
from tests.helpers.page import Page
from tests.helpers.run_folder import write_run


@pytest.fixture
def ordinary(tmp_path):
    return write_run(tmp_path / "ordinary")


@pytest.fixture
def matrix(tmp_path):
    return write_run(tmp_path / "matrix", ("l1", "unet"))


def downloads(page):
    """Give the rows of each table that a page offers, by the name of its file."""
    found = {}
    for tag, attributes in page.tags:
        if tag == "a" and "download" in attributes:
            head, content = attributes["href"].split(",")
            assert head == "data:text/csv;charset=utf-8;base64"
            found[attributes["download"]] = list(csv.DictReader(base64.b64decode(content).decode().splitlines()))
    return found


def test_every_table_can_be_saved_with_all_its_digits(matrix, tmp_path):
    path = matrix / "images.jsonl"
    path.write_text(path.read_text().replace('"attacked": 25.0', '"attacked": 25.00123'))
    page = Page(page_of(matrix))
    found = downloads(page)
    assert page.count("table") == len(found) == 2
    means = found["means-over-images.csv"]
    (one,) = [
        row
        for row in means
        if (row["metric"], row["epsilon"], row["made for"], row["scored on"]) == ("PSNR [dB]", "0.05", "l1", "l1")
    ]
    assert float(one["attacked"]) == pytest.approx((25.00123 + 26) / 2, abs=1e-12)
    assert (float(one["attacked low"]), float(one["attacked high"])) == (25.00123, 26.0)
    assert one["zero-filled"] == "20.5"
    (losses,) = (rows for name, rows in found.items() if name.startswith("psnr-lost-db-at-epsilon-0.05"))
    assert [row[""] for row in losses] == ["made for l1", "made for unet", "noise of the same norm"]
    assert float(losses[0]["scored on l1"]) == pytest.approx(30.5 - (25.00123 + 26) / 2, abs=1e-12)


def test_a_spreadsheet_computes_no_text_of_a_table():
    made = Table(["=1+1", "b"], [[Cell("@x"), Cell("-1.50", value=-1.5)], [Cell("–"), Cell("a,b")]], "A: b/c")
    assert made.values().decode() == "'=1+1,b\n'@x,-1.5\n,\"a,b\"\n"
    assert made.file == "a-b-c.csv"


def test_hashes_and_fingerprint_are_on_the_page_and_on_a_comparison(tmp_path):
    weights = {"sha256": "f11e", "card": {"sha256": "7e4504"}}
    methods = {
        "l1": {"method": "l1", "config": {}, "weights": None},
        "unet": {"method": "unet", "config": {}, "weights": weights},
    }
    given = {"fingerprint": "ca247f5e", "methods": methods}
    folders = [write_run(tmp_path / name, ("l1", "unet"), **given) for name in ("one", "other")]
    (folders[1] / "run.json").write_text(
        (folders[1] / "run.json").read_text().replace('"victims"', '"networks": [["unet", "my/u3.pt"]], "victims"')
    )
    for text, name in (
        (Page(page_of(folders[0])).text, "shipped with the program"),
        (Page(page_of(folders[1])).text, "u3.pt"),
        (Page(comparison(folders)).text, "u3.pt"),
    ):
        assert f"unet: {name}, SHA-256 of the file f11e, of the tensors 7e4504" in text
        assert "ca247f5e" in text
        assert "a.h5 00ff" in text


def test_the_page_and_the_explorer_round_alike(ordinary):
    """0.308537 is 0.309, and not 0.308 by way of 0.3085."""
    path = ordinary / "images.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        if (line["metric"], line["eps"]) == ("ssim", 0.05):
            line["attacked"] = 0.308537
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    page = Page(page_of(ordinary))
    assert json.loads(page.scripts[1])["cases"][0]["scores"]["l1|l1|0.05"]["ssim"] == ["0.900", "0.890", "0.309"]
    assert page.text.count("0.309") >= 2
    assert not re.search(r"0\.308\b|0\.3085", page.text)


def test_a_page_outlines_the_boxes_of_each_image(tmp_path):
    folder = write_run(tmp_path / "boxes")
    run = json.loads((folder / "run.json").read_text())
    run["config"]["region"] = "boxes"
    first, second = run["sampling"]
    run["sampling"][first]["boxes"] = [{"box": [1, 2, 7, 8], "label": "cyst"}, {"box": [3, 4, 9, 7], "label": ""}]
    (folder / "run.json").write_text(json.dumps(run))
    cases = json.loads(Page(page_of(folder)).scripts[1])["cases"]
    assert {one["name"]: one["boxes"] for one in cases} == {first: [[1, 2, 7, 8], [3, 4, 9, 7]], second: []}


def test_a_page_names_the_views_of_sinograms(tmp_path):
    folder = write_run(tmp_path / "ct")
    run = json.loads((folder / "run.json").read_text())
    run["config"] |= {"method": "fbp", "views": 12}
    (folder / "run.json").write_text(json.dumps(run))
    assert re.search(r"Sinograms of \d+ views\. Method", Page(page_of(folder)).text)
