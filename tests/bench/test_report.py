"""The report page: it shows the record and nothing else, and every mistake is one line."""

import base64
import json
import re
import subprocess
import sys
import zipfile
import zlib

import numpy as np
import pytest

from bench import report
from bench.page import pictures
from bench.page.curves import Line, Mark, Point, chart
from bench.page.page import page_of
from bench.plan.errors import InputFileError
from bench.record.record import read
from tests.helpers.page import Page
from tests.helpers.places import ROOT
from tests.helpers.run_folder import HOSTILE, write_run


@pytest.fixture
def ordinary(tmp_path):
    return write_run(tmp_path / "ordinary")


@pytest.fixture
def matrix(tmp_path):
    return write_run(tmp_path / "matrix", ("l1", "unet"))


def run(capsys, *arguments):
    code = report.main([*map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_page_of_a_run_says_what_was_found_and_how_far_to_believe_it(ordinary):
    page = Page(page_of(ordinary))
    for words in (
        "A perturbation of 0.05 of the data takes l1 from 30.50 dB to 25.50 dB PSNR; noise of the same norm, to 30.00",
        "Mask: random, 4.10 times accelerated, 31 lines",
        "Not converged, in 2 of 4 results (50 %): ",
        "Whether other starts find worse was not tried; --restarts does.",
        "With twice the steps the attack reaches 1.100 of its loss (median of 4 searches).",
        "Search on l1: best loss so far / final loss",
        "epsilon of 0.012 (median over images)",
        "python -m bench.attack --method l1 --data 'my scans/<b>'",
        "a note of the run",
        "a.h5 00ff",
    ):
        assert words in page.text, words
    assert page.count("svg") == 3
    assert all(attributes["aria-label"] for tag, attributes in page.tags if tag == "svg")
    assert all(attributes["alt"] for tag, attributes in page.tags if tag == "img")
    assert "Every method under every perturbation" not in page.text


def test_the_interval_of_a_curve_is_that_of_the_images(ordinary):
    page = page_of(ordinary).decode()
    assert "attacked, 0.05: 25.50 (25.00 to 26.00, range of 2 volumes)" in page
    assert "±" not in page
    assert "fewer than 5 have no 95 % interval" in page
    volumes = tuple(f"{name}.h5:{index}" for name in "abcde" for index in range(2))
    page = page_of(write_run(ordinary.parent / "more", cases=volumes)).decode()
    # Five volumes, whose means are 2 dB apart; Student's t with 4 degrees of freedom.
    half = 2.776445 * np.std([25.5, 27.5, 29.5, 31.5, 33.5], ddof=1) / np.sqrt(5)
    assert f"attacked, 0.05: 29.50 ± {half:.2f}" in page
    assert "Student's t of 5 volumes" in Page(page.encode()).text


def test_zero_filled_stands_beside_the_method_and_its_absence_costs_the_tick(ordinary):
    page = Page(page_of(ordinary))
    assert re.search(r"zero-filled\s*clean\s*noise\s*attacked\s*range of volumes", page.text)
    assert "Zero-filled, from clean data: 20.50 dB, SSIM 0.500" in page.text
    path = ordinary / "images.jsonl"
    sound = [json.loads(line) | {"flags": []} for line in path.read_text().splitlines()]

    def classes(lines):
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        page = Page(page_of(ordinary))
        return [values["class"] for tag, values in page.tags if tag == "ul" and "class" in values], page.text

    assert "fine" in classes(sound)[0]
    found, text = classes([line | {"flags": ["worse than zero-filled"]} for line in sound])
    assert ("fine" in found, "flags" in found) == (False, True)
    assert text.index("Worse than zero-filled") < text.index("Data: 2 files")
    assert "Worse than zero-filled, in 2 of 2 images of l1 (100 %): " in text
    assert "weights, scale or crop?" in text
    # A record of an older version, which has no such scores.
    old = [{key: value for key, value in line.items() if key != "zero_filled"} for line in sound]
    found, text = classes(old)
    assert "fine" not in found
    assert "This old record does not tell whether the clean images are better" in text
    assert "Zero-filled, from clean data" not in text


def test_a_network_below_its_card_gets_no_tick(tmp_path):
    cases = tuple(f"v{index}.h5:0" for index in range(6))
    config = {"method": "unet", "settings": {}, "threat": "noise", "mask": "random", "acceleration": 4.0}
    config |= {"center_fraction": 0.08, "data": None, "phantom": "knee", "seed": 0, "region": None, "shift": {}}
    card = {"method": "unet", "training": config, "validation": {"psnr": 60.0, "ssim": 0.9}}
    methods = {"unet": {"method": "unet", "config": {}, "weights": {"sha256": "0", "card": card}}}
    folder = write_run(tmp_path / "run", ("unet",), cases, config=config, methods=methods)
    text = Page(page_of(folder)).text
    assert "Below its card: unet has PSNR 32.50 dB on clean data, and by the card of its weights PSNR 60.00 dB" in text


def test_a_matrix_shows_who_hurts_whom(matrix):
    page = Page(page_of(matrix))
    assert (
        "A perturbation of 0.05 of the data made for each method costs l1 5.00 dB and unet 5.00 dB of PSNR" in page.text
    )
    # The page uses the rows, not the record's findings, which an older version may have written.
    assert "l1 is not known to be hurt most by its own attack: at epsilon 0.05 it loses 5.00 dB to it, and" in page.text
    assert "a sentence that was found" not in page.text
    assert "Not converged, in 4 of 8 attacks on its own method (50 %)" in page.text
    losses = [
        attributes["class"] for tag, attributes in page.tags if tag == "td" and "loss" in attributes.get("class", "")
    ]
    assert losses == ["loss diagonal", "loss", "loss", "loss diagonal", "loss", "loss"]
    assert re.search(r"made for l1.*5\.0.*own attack.*1\.5", page.text, re.DOTALL)
    assert page.count("svg") == 2 + 2 * 2 + 2
    for title in ("PSNR [dB] of all methods", "SSIM of all methods", "PSNR [dB] of unet"):
        assert title in page.text


def test_the_page_asks_the_network_for_nothing(ordinary, matrix):
    for folder in (ordinary, matrix):
        content = page_of(folder).decode()
        assert not re.findall(r"https?://|<link|<script src|@import|eval\(|new Function", content)
        policy = next(a["content"] for tag, a in Page(content.encode()).tags if a.get("http-equiv"))
        assert policy.startswith("default-src 'none'")
        assert "unsafe-eval" not in policy
        for _, attributes in Page(content.encode()).tags:
            assert not {"onclick", "onload", "onerror"} & set(attributes)
            assert attributes.get("src", "data:").startswith("data:")


def test_hostile_names_stay_text(tmp_path):
    folder = write_run(tmp_path / "run", cases=(HOSTILE, "other"), failed={"<i>bad": "<script>alert(2)"}, data="<u>")
    page = Page(page_of(folder))
    assert page.count("script") == 3
    # The page's own <b> tags are around the three numbers.
    assert (page.count("b"), page.count("i"), page.count("u")) == (3, 0, 0)
    assert "alert(1)" not in page.text + page.scripts[0] + page.scripts[2]
    assert json.loads(page.scripts[1])["cases"][0]["name"] == HOSTILE
    assert "<i>bad failed: <script>alert(2)." in page.text


def test_pictures_are_on_the_page_bit_for_bit(ordinary):
    data = json.loads(Page(page_of(ordinary)).scripts[1])
    assert [case["name"] for case in data["cases"]] == ["a.h5:0", "b.h5:0"]
    with np.load(ordinary / "pictures.npz") as file:
        for case in data["cases"]:
            assert len(case["pictures"]) == 10
            assert "l1|perturbed truth|0.05" in case["pictures"]
            for key, text in case["pictures"].items():
                planes = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8).reshape(2, -1)
                found = (planes[0] | planes[1].astype(np.uint16) << 8).view(np.float16)
                np.testing.assert_array_equal(found.reshape(24, 20), file[f"{case['name']}|{key}"])
    assert data["cases"][0]["scores"]["l1|l1|0.05"]["psnr"] == ["30.00", "29.50", "25.00"]


def test_what_does_not_fit_is_left_out_and_the_page_says_so(matrix, monkeypatch):
    record = read(matrix)
    whole = pictures.collect(record)
    sizes = [sum(map(len, case["pictures"].values())) for case in whole["cases"]]
    assert len(pictures.collect(record, sizes[0] + 1)["cases"]) == 1
    assert set(pictures.collect(record, sizes[0] - 1)["cases"][0]["pictures"]).isdisjoint(
        {"l1|unet|0.05", "unet|l1|0.02"}
    )
    least = pictures.collect(record, 1)["cases"]
    assert [key for key in least[0]["pictures"] if "0.02" in key] == []
    assert "l1|l1|0.05" in least[0]["pictures"]
    monkeypatch.setattr(pictures.collect, "__defaults__", (sizes[0] + 1,))
    assert "1 of 2 images can be looked at here" in Page(page_of(matrix)).text


def test_the_page_says_what_epsilon_is_of_the_columns_outside_the_centre(ordinary):
    said = (
        "centre holds 98.4% of the measured energy: on the other columns alone an epsilon of 0.05 is 40% of the signal"
    )
    assert said in Page(page_of(ordinary)).text


def test_ten_images_of_320_are_a_page_of_10_megabytes(tmp_path):
    folder = write_run(tmp_path / "run", cases=tuple(f"v{index}.h5:0" for index in range(10)), shape=(320, 320))
    assert len(page_of(folder)) < 10_500_000


def test_a_change_of_the_scan_is_called_by_its_name(ordinary):
    record = json.loads((ordinary / "run.json").read_text())
    record["config"]["threat"] = "rotation"
    record["threat_model"]["epsilon"] = "degrees"
    (ordinary / "run.json").write_text(json.dumps(record))
    text = Page(page_of(ordinary)).text
    assert "A rotation of 0.05 (degrees) takes l1 from" in text
    assert "a random rotation of the same size, to" in text
    assert "on the other columns" not in text


def test_an_old_run_still_has_a_page(ordinary):
    """The run has no searches, no pictures, and no fields of later versions."""
    record = json.loads((ordinary / "run.json").read_text())
    for key in ("methods", "shown_eps", "thermal", "not_checked", "findings"):
        del record[key]
    del record["config"]["threat"]
    (ordinary / "run.json").write_text(json.dumps(record | {"method_config": {"lam": 1}}))
    for name in ("searches.jsonl", "pictures.npz", "figure.png"):
        (ordinary / name).unlink()
    page = Page(page_of(ordinary))
    assert "The run kept no pictures" in page.text
    assert page.count("script") == 0
    assert page.count("svg") == 2


def test_one_image_has_no_interval(tmp_path):
    page = page_of(write_run(tmp_path / "run", cases=("a.h5:0",))).decode()
    assert "<h1>One image, an example and no finding: l1 has 30.00 dB PSNR on clean data, 29.50 dB with noise" in page
    assert "All images are of one volume, so that the certainty of the means is not known." in page
    assert "±" not in page
    assert "range" not in Page(page.encode()).text


def test_the_command_renews_pages_and_compares(capsys, tmp_path, ordinary, matrix, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, ordinary, matrix)
    assert (code, err) == (0, "")
    assert out.split() == [str(ordinary / "report.html"), str(matrix / "report.html"), "comparison.html"]
    page = Page((tmp_path / "comparison.html").read_bytes())
    for words in (
        "keeps the highest PSNR (25.50 dB)",
        "of 3.",
        "l1 (ordinary)",
        "l1 (matrix) − unet",
        "+0.00 (+0.00 to +0.00)",
        "zero-filled",
    ):
        assert words in page.text, words
    assert "Means over the 2 images that all runs share" in page.text
    assert re.search(r"victims\s*none\s*l1 unet", page.text)
    assert page.count("svg") == 2
    # The images that the runs share are on the page.
    (shown,) = (json.loads(script) for script in page.scripts if script.startswith("{"))
    assert shown["victims"] == ["l1 (ordinary)", "l1 (matrix)", "unet"]
    assert [one["name"] for one in shown["cases"]] == ["a.h5:0", "b.h5:0"]
    assert len(shown["cases"][0]["pictures"]) == 1 + 3 * (1 + 2 * 4)
    assert shown["perturbed"]


def test_a_record_without_perturbed_truths_offers_none(ordinary):
    assert json.loads(Page(page_of(ordinary)).scripts[1])["perturbed"]
    with np.load(ordinary / "pictures.npz") as file:
        older = {key: file[key] for key in file.files if "perturbed truth" not in key}
    np.savez(ordinary / "pictures.npz", **older)
    assert not json.loads(Page(page_of(ordinary)).scripts[1])["perturbed"]


def test_the_page_links_to_the_other_figures_of_its_folder(ordinary):
    def links():
        return [
            values["href"] for tag, values in Page(page_of(ordinary)).tags if tag == "a" and "download" not in values
        ]

    assert links() == ["figure.png"]
    (ordinary / "angle.png").write_bytes((ordinary / "figure.png").read_bytes())
    assert links() == ["figure.png", "angle.png"]


def test_runs_on_different_images_are_not_paired(capsys, tmp_path, ordinary):
    other = write_run(tmp_path / "other", ("unet",), cases=(HOSTILE,))
    code, _, err = run(capsys, ordinary, other, "--output", tmp_path / "page.html")
    assert (code, err) == (0, "")
    page = Page((tmp_path / "page.html").read_bytes())
    assert "The runs share no image" in page.text
    assert page.count("script") == 0


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: (path / "run.json").unlink(), "run.json: is missing"),
        (lambda path: (path / "run.json").write_text("{"), "run.json: is damaged"),
        (lambda path: (path / "run.json").write_text("[1]"), "run.json: is damaged"),
        (lambda path: (path / "run.json").write_bytes(b"\xff"), "run.json: is damaged"),
        (lambda path: change(path, status="running"), "has not finished (running)"),
        (lambda path: change(path, git=None), "run.json: is damaged"),
        (lambda path: change(path, sampling={}), "run.json: is damaged"),
        (lambda path: rows(path, '{"case": "a"}'), "images.jsonl: is damaged"),
        (lambda path: nan(path), "images.jsonl: is damaged"),
        (lambda path: rows(path, '{"case": "a", "failed": "b"}'), "every image of the run failed"),
        (lambda path: (path / "searches.jsonl").write_text("[]\n"), "is damaged"),
        (lambda path: (path / "pictures.npz").write_bytes(b"PK"), "pictures.npz: is damaged"),
        (lambda path: cut(path / "pictures.npz"), "pictures.npz: is damaged"),
        (lambda path: picture(path, np.zeros((3, 3, 3), np.float16)), "as no run writes it"),
        (lambda path: picture(path, np.zeros((3, 3), np.float16)), "and not of (24, 20)"),
        (lambda path: picture(path, np.array([{}])), "pictures.npz: is damaged"),
        (lambda path: bomb(path), "as no run writes it"),
    ],
)  # fmt: skip
def test_a_record_that_cannot_be_used_is_one_line_and_exit_3(capsys, ordinary, spoil, words):
    spoil(ordinary)
    code, out, err = run(capsys, ordinary)
    assert (code, out) == (3, ""), err
    assert err.startswith("bench.report: error: ")
    assert err.count("\n") == 1
    assert words in err
    assert not (ordinary / "report.html").exists()


def change(path, **values):
    record = json.loads((path / "run.json").read_text())
    (path / "run.json").write_text(json.dumps(record | values))


def rows(path, line):
    (path / "images.jsonl").write_text(line + "\n")


def nan(path):
    text = (path / "images.jsonl").read_text()
    (path / "images.jsonl").write_text(text.replace('"attacked": 25.0', '"attacked": NaN'))


def cut(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def picture(path, array):
    """Put an array in the place of a picture."""
    with np.load(path / "pictures.npz") as file:
        arrays = dict(file)
    np.savez(path / "pictures.npz", **arrays | {"a.h5:0|l1|clean": array})


def bomb(path):
    """Write a header that declares half a terabyte."""
    with zipfile.ZipFile(path / "pictures.npz", "w") as archive, archive.open("a.h5:0|truth.npy", "w") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "<f2", "fortran_order": False, "shape": (1 << 19, 1 << 19)}
        )


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--output", "x.html"], 2, "--output: is for the comparison of several runs"),
        (["nowhere"], 3, "nowhere/run.json: is missing"),
        (["{again}", "--output", "{run}/no/x.html"], 4, "cannot write"),
        (["--otput", "x"], 2, "unrecognized arguments: --otput"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line(capsys, ordinary, arguments, code, words):
    given = [one.format(again=ordinary, run=ordinary) for one in arguments]
    found, _, err = run(capsys, ordinary, *given)
    assert found == code
    assert err.startswith("bench.report: error: ")
    assert err.count("\n") == 1
    assert words in err


def test_pages_are_made_without_jax(ordinary, matrix):
    program = (
        "import sys; from bench import report; code = report.main(sys.argv[1:]);"
        "assert not {'jax', 'matplotlib'} & set(sys.modules); sys.exit(code)"
    )
    command = [sys.executable, "-c", program, str(ordinary), str(matrix), "--output", str(ordinary / "both.html")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr


def test_a_chart_of_one_flat_line_and_a_far_mark():
    svg = chart("T", [Line("a", "clean", [Point(0, 2.0), Point(0.01, 2.0)])], "x", marks=[Mark(5.0, "far")])
    assert "far" not in svg
    # The name of a mark stands above the drawing.
    near = chart("T", [Line("a", "clean", [Point(0, 2.0), Point(0.01, 2.0)])], "x", marks=[Mark(0.008, "near")])
    top = min(float(y) for y in re.findall(r'class="grid" [^>]*y1="([\d.]+)"', near))
    assert float(re.search(r'y="([\d.]+)"[^>]*>near<', near)[1]) < top
    assert "nan" not in svg
    assert 'aria-label="T against x. a: from 2.0 at 0 to 2.0 at 0.01."' in svg


def test_pictures_outside_the_archive_are_never_opened(ordinary):
    (ordinary / "pictures.npz").unlink()
    (ordinary / "pictures.npz").mkdir()
    with pytest.raises(InputFileError, match="is damaged"):
        page_of(ordinary)
