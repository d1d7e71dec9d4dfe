"""bench.shift end to end on two phantoms: runs, resuming, drawing again without JAX, and mistakes in one line."""

import json
import shlex
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import h5py
import numpy as np
import pytest

from bench import shift
from bench.record.record import read
from bench.run import series
from bench.slices import case_list
from bench.studies.shift import begin
from bench.studies.shift.named import AXES, DATA_AXES, PHANTOM_AXES
from bench.studies.shift.plan import Base, Model, plan
from bench.studies.shift.study import stored
from bench.studies.tuning.tuned_file import read_tuned
from data_prep import phantom
from jaxcs.coils.simulate import loop_sensitivities
from jaxcs.nets import count_parameters
from jaxcs.nets.unet import unet
from tests.helpers.places import ROOT


def run(capsys, *arguments):
    """Run the command; returns exit code, lines of stdout, and lines of stderr."""
    code = shift.main([*map(str, arguments)])
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return code, captured.out.splitlines(), captured.err.splitlines()


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study of zero-filling and SENSE with two images, noise and hard images, and the command's output."""
    folder = tmp_path_factory.mktemp("shift") / "study"
    data = folder.parent / "knee"
    data.mkdir()
    for index in range(2):
        scan = phantom.case("knee", "train", index, (40, 32))
        with h5py.File(data / f"{index}.h5", "w") as file:
            file["kspace"] = scan.kspace[None]
            # The file has maps, so that none are estimated.
            file["maps"] = loop_sensitivities((40, 32), (40.0, 32.0), 8, 40.0, 15.0)[None].astype(np.complex64)
    argv = ["noise", "--methods", "zero_filled", "sense", "--data", str(data), "--center-fraction", "0.25"]
    argv += ["--acceleration", "2.5", "--output", str(folder)]
    assert shift.main(argv) == 0
    return folder, argv


def test_a_study_leaves_its_runs_record_and_figures(study):
    folder, argv = study
    content = json.loads((folder / "study.json").read_text())
    assert content["argv"] == argv
    assert [one["label"] for one in content["models"] if one["home"] == "knee"] == [
        "zero_filled (knee)",
        "sense (knee)",
    ]
    assert len(content["runs"]) == 4
    (comparison,) = content["comparisons"]
    assert (comparison["inside"], comparison["outside"]) == ("knee", "knee + noise")
    points = comparison["results"]["points"]
    assert all(point["drop"] > 0 for point in points)
    # Each point is the mean of its run, as the run states it.
    for point in points:
        for side in ("inside", "outside"):
            (path,) = (
                one["run"]
                for one in content["runs"]
                if (one["model"], one["test"]) == (point["label"], comparison[side])
            )
            summary = json.loads((folder / path / "run.json").read_text())["summary"]
            (row,) = (row for row in summary if row["metric"] == "ssim")
            assert point[side] == pytest.approx(row["clean"])
    for name in ("figure.png", "examples.png"):
        assert (folder / name).read_bytes().startswith(b"\x89PNG")
    assert content["findings"][-1] == (
        "numbers that were fitted to data: zero_filled (knee) 0 tuned settings; sense (knee) 0 tuned settings"
    )


def test_what_is_done_is_not_computed_again(study, capsys, monkeypatch):
    folder, argv = study
    before = json.loads((folder / "study.json").read_text())

    def never(*arguments, **more):
        raise AssertionError("computed again")

    monkeypatch.setattr(series, "run", never)
    code, out, _ = run(capsys, *argv)
    assert code == 0
    assert out[0].startswith("noise, knee (four times the noise; 2 and 2 images)")
    assert json.loads((folder / "study.json").read_text()) == before


def test_a_run_that_was_stopped_goes_on(study, capsys, monkeypatch):
    folder, argv = study
    path = folder / json.loads((folder / "study.json").read_text())["runs"][1]["run"]
    record = json.loads((path / "run.json").read_text())
    (path / "run.json").write_text(json.dumps(record | {"status": "interrupted"}))
    continued = []

    def go_on(config, *, output, device, resume):
        continued.append(resume.path)
        (path / "run.json").write_text(json.dumps(record))
        return read(path)

    monkeypatch.setattr(series, "run", go_on)
    assert run(capsys, *argv)[0] == 0
    assert continued == [path]


def test_who_stops_a_study_is_told_how_to_go_on(study, capsys, monkeypatch):
    _, argv = study

    def stop(*arguments, **more):
        raise KeyboardInterrupt

    monkeypatch.setattr(series, "run", stop)
    code, _, err = run(capsys, *argv[:-1], "elsewhere")
    assert code == 130
    assert err[-1] == shlex.join(["python", "-m", "bench.shift", *argv[:-1], "elsewhere"])


def test_a_study_of_other_weights_is_refused(study, capsys):
    folder, argv = study
    path = folder / json.loads((folder / "study.json").read_text())["runs"][0]["run"] / "run.json"
    text = path.read_text()
    record = json.loads(text)
    record["methods"]["zero_filled"]["weights"] = {"sha256": "0"}
    path.write_text(json.dumps(record))
    code, _, err = run(capsys, *argv)
    path.write_text(text)
    assert code == 3
    assert err[-1].endswith("its methods are not those of today; choose another --output")


def test_it_is_drawn_again_without_jax(study):
    folder, _ = study
    for name in ("figure.png", "examples.png"):
        (folder / name).unlink()
    code = (
        "import sys; from bench import shift; "
        f"assert shift.main(['--redraw', {str(folder)!r}, '--json']) == 0; assert 'jax' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True, text=True)
    assert json.loads(done.stdout)["findings"] == stored(folder)["findings"]
    assert (folder / "examples.png").exists()


def test_help_does_not_wait_for_jax():
    code = (
        "import sys; from bench.shift import parser; assert 'anatomy = ' in parser().format_help(); "
        "assert 'jax' not in sys.modules and 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def models(*homes, method="l1"):
    return [Model(f"{method} ({home})", method, "sparsity", home, {"method": method}) for home in homes]


def bases():
    return [Base(family, begin.RunConfig(phantom=family, limit=3)) for family in ("knee", "brain")]


def test_each_axis_changes_what_it_names_and_nothing_else():
    knee, brain = bases()
    made = plan(list(AXES), knee, [brain], models("knee"), begin.Hard("list.csv", "sense"))
    for comparison in made.comparisons:
        axis = AXES[comparison.axis]
        changed = made.tests[comparison.outside].to_dict()
        expected = dict(axis.changes) | ({"phantom": "brain"} if axis.other else {})
        expected |= {"only": "list.csv"} if axis.hard else {}
        expected |= {"shift": dict(expected["shift"])} if "shift" in expected else {}
        # The number of central columns stays, with half as many columns in all.
        expected |= {"center_fraction": 0.16} if "resolution" in expected.get("shift", {}) else {}
        assert {name: value for name, value in changed.items() if value != knee.config.to_dict()[name]} == expected
    assert {comparison.axis for comparison in made.comparisons} == set(AXES)
    assert set(PHANTOM_AXES) | set(DATA_AXES) <= set(AXES)


def test_an_anatomy_is_compared_both_ways_where_both_were_trained_for():
    knee, brain = bases()
    made = plan(["anatomy"], knee, [brain], models("knee", "brain"), None)
    ways = [(one.kind, one.inside, one.outside) for one in made.comparisons]
    assert ways == [
        ("same model", "knee", "brain"),
        ("same model", "brain", "knee"),
        ("same images", "knee", "brain"),
        ("same images", "brain", "knee"),
    ]
    # Each cell appears once.
    assert len(made.cells()) == 4
    assert len(plan(["anatomy"], knee, [brain], models("knee"), None).comparisons) == 1


def test_the_method_that_chose_the_images_is_not_compared_on_them():
    knee, _ = bases()
    both = models("knee") + models("knee", method="sense")
    made = plan(["hard", "noise"], knee, [], both, begin.Hard("list.csv", "sense"))
    assert {(one.label, test) for one, test in made.cells()} == {
        ("l1 (knee)", "knee"),
        ("l1 (knee)", "knee + hard"),
        ("l1 (knee)", "knee + noise"),
        ("sense (knee)", "knee"),
        ("sense (knee)", "knee + noise"),
    }


def test_networks_of_the_phantom_are_those_trained_on_it():
    arguments = shift.parser().parse_args(["anatomy", "--methods", "unet", "l1"])
    made = begin.planned(shift.asked(arguments), Path("nowhere"), [])
    weights = {one.label: one.fields.get("weights") for one in made.models}
    assert weights == {
        "l1 (knee)": None,
        "unet (knee)": "unet-phantom-knee",
        "l1 (brain)": None,
        "unet (brain)": "unet-phantom-brain",
    }
    # How many numbers were fitted to data, as in the table of the paper's talk.
    count = count_parameters(unet(1, 1, 8, 4))
    assert {one.label: one.parameters for one in made.models} == {
        "l1 (knee)": "1 tuned setting (lam)",
        "unet (knee)": f"{count:,} weights",
        "l1 (brain)": "1 tuned setting (lam)",
        "unet (brain)": f"{count:,} weights",
    }


def test_networks_of_ones_own_stand_beside_shipped_ones_on_the_phantom():
    flags = ["--weights", "wide=unet-phantom-knee", "deep=varnet-phantom-knee"]
    flags += ["--other-weights", "wide=unet-phantom-brain"]
    arguments = shift.parser().parse_args(["anatomy", "--methods", "l1", "unet", *flags])
    made = begin.planned(shift.asked(arguments), Path("nowhere"), [])
    assert [(one.label, one.group) for one in made.models] == [
        ("l1 (knee)", "sparsity"),
        ("wide (knee)", "unet"),
        ("deep (knee)", "varnet"),
        ("l1 (brain)", "sparsity"),
        ("wide (brain)", "unet"),
    ]


def best(path):
    return json.loads(path.read_text())["best"]


def test_choices_that_come_with_the_project_are_the_best_of_what_was_tried():
    for path in begin._TUNED.glob("*.json"):
        found = read_tuned(path)
        scores = [one["ssim"] for one in found["candidates"]]
        place = scores.index(max(scores))
        assert found["candidates"][place]["settings"] == found["best"]
        # No best value lies at an end, beyond which there might be better values.
        assert 0 < place < len(scores) - 1


def tuned(path, **changes):
    content = {
        "schema_version": 1, "method": "l1", "set": {}, "data": None, "phantom": "knee", "mask": "random",
        "acceleration": 4.0, "center_fraction": 0.08, "images": 2, "training": "knees", "versions": {},
        "candidates": [{"settings": {"lam": "0.1"}, "ssim": 0.5, "psnr": 20.0}], "best": {"lam": "0.1"},
    }  # fmt: skip
    path.write_text(json.dumps(content | changes))
    return str(path)


def test_choices_of_bench_tune_are_taken_for_their_method_and_data(tmp_path):
    files = [
        tuned(tmp_path / "knee.json"),
        tuned(tmp_path / "dct.json", set={"basis": "dct"}, best={"lam": "0.3"}, phantom="brain"),
    ]
    arguments = shift.parser().parse_args(["anatomy", "--methods", "l1", "l1-dct", "--tuned", *files])
    made = begin.planned(shift.asked(arguments), Path("nowhere"), [])
    assert {one.label: dict(one.fields["settings"]) for one in made.models} == {
        "l1 (knee)": {"lam": "0.1"},
        "l1-dct (knee)": {"basis": "dct"} | best(begin._TUNED / "l1-dct-knee.json"),
        "l1 (brain)": best(begin._TUNED / "l1-brain.json"),
        "l1-dct (brain)": {"basis": "dct", "lam": "0.3"},
    }


def test_the_hard_images_of_the_phantom_are_those_of_lowest_score(tmp_path, monkeypatch):
    arguments = shift.parser().parse_args(["hard", "--methods", "l1", "--limit", "2"])
    scored = [Namespace(case=f"case {index}", volume="v", score=(index - 3) ** 2) for index in range(8)]
    asked = []
    monkeypatch.setattr(begin, "one_run", lambda config, study, argv: asked.append(config))
    monkeypatch.setattr(begin, "scored", lambda records, label, metric, middle: scored)
    made = begin.planned(shift.asked(arguments), tmp_path, [])
    assert (asked[0].method, asked[0].limit) == ("sense", 8)
    path = made.tests["knee + hard"].only
    assert case_list.listed(path, [one.case for one in scored], "") == {"case 2", "case 3"}


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        (["anatmy"], 2, "did you mean 'anatomy'?"),
        (["noise", "--methods", "l2"], 2, "unknown name 'l2'; did you mean 'l1'?"),
        (["noise", "--other-data", "x.h5"], 2, "--data: --other-data needs it; give both"),
        (["hard", "--data", "x.h5", "--hard", "x.csv", "--other-data", "y.h5"], 2, "--other-data: none of the shifts"),
        (["noise", "--tuned", "nowhere.json"], 3, "nowhere.json: is missing; name what bench.tune made"),
        (["thickness", "--methods", "sense", "--limit", "1"], 2, "--shift thickness: images of the phantom have no"),
        (["hard", "--data", "x.h5"], 2, "hard: needs --hard LIST.csv"),
        (["anatomy", "--data", "x.h5"], 2, "anatomy: needs another data set; give --other-data PATH"),
        (["noise", "--data", "x.h5", "--weights", "a=nowhere.pt"], 3, "--weights nowhere.pt"),
        (["--redraw", "nowhere"], 3, "nowhere/study.json: is missing"),
        (["--redraw", "nowhere", "--limit", "3"], 2, "--limit: the study in nowhere is drawn as it is; leave this out"),
        (["noise", "--redraw", "nowhere"], 2, "noise: the study in nowhere is drawn as it is; leave this out"),
    ],
)
def test_a_mistake_is_one_line(arguments, code, problem, capsys, tmp_path):
    output = [] if "--redraw" in arguments else ["--output", tmp_path]
    found, _, err = run(capsys, *arguments, *output)
    assert found == code
    (line,) = (one for one in err if one.startswith("bench.shift: error: "))
    assert problem in line


def test_tuned_files_that_cannot_be_used_are_one_line(capsys, tmp_path):
    common = ["noise", "--methods", "l1", "--output", tmp_path / "study", "--tuned"]
    for name, changes, code, problem in (
        ("a", {"phantom": "brain"}, 2, "is of no method and data of this study"),
        ("b", {"acceleration": 8.0}, 2, "is of no method and data of this study"),
        ("c", {"best": {}}, 3, "holds no choice yet"),
        ("d", {"best": {"lam": 1}}, 3, "'best': 'lam': 1 is no text"),
        ("e", {"schema_version": 9}, 3, "schema version 9"),
    ):
        found, _, err = run(capsys, *common, tuned(tmp_path / f"{name}.json", **changes))
        assert (found, problem in err[-1]) == (code, True), err


def test_where_no_method_is_left_it_is_said(tmp_path, capsys):
    (tmp_path / "list.csv").write_text("case\nx.h5:0\n")
    (tmp_path / "list.json").write_text('{"method": "sense"}')
    flags = ["--methods", "sense", "--data", "x.h5", "--hard", tmp_path / "list.csv", "--output", tmp_path / "study"]
    code, _, err = run(capsys, "hard", *flags)
    assert (code, "none is left to compare" in err[-1]) == (2, True)
