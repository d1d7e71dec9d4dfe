"""bench.claims: each published claim with records that hold it, deny it or do neither; and mistakes in one line."""

import json
import subprocess
import sys

import numpy as np
import pytest

from bench import claims
from bench.findings.published import CLAIMS
from bench.studies.claims import notions
from tests.helpers.claim_records import (
    attack_run,
    defended,
    feature_run,
    hard_list,
    hidden,
    kept,
    perturbed,
    points,
    read,
    sampled,
    sampler,
    shift_study,
    stability_run,
    trained_study,
)
from tests.helpers.places import ROOT

X = np.linspace(0.5, 0.9, 7)
FLAT, PARALLEL = 0.5 + 0.2 * X, X - 0.1
SCATTER = 0.02 * np.array([1, -1, 1, -1, 1, -1, 1])


def run(capsys, *arguments):
    """Run the command; returns exit code, lines of stdout, and lines of stderr."""
    code = claims.main([*map(str, arguments)])
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return code, captured.out.splitlines(), captured.err.splitlines()


def rows(capsys, *records):
    """Judge records; returns the rows by the claim's name."""
    code, out, err = run(capsys, *records, "--json")
    assert code == 0, err
    return {row["claim"]: row for row in json.loads(out[0])}


def shift(**compared):
    return lambda path: [shift_study(path / "shift", {axis: points(X, then) for axis, then in compared.items()})]


def attacks(own, noise=0.5, images=6):
    """Make a run in which methods a and b lose `own` dB to their own attacks, and 3 dB to the other's attack."""
    lost = {("a", "b"): 3.0, ("b", "a"): 3.0, ("a", "a"): own[0], ("b", "b"): own[1]}
    return lambda path: [attack_run(path / "run", lost, noise, images)]


def hard(share=(-0.2, -0.1), **others):
    return lambda path: [hard_list(path / "hard.json", share, others or {"l1": (-0.2, -0.1)})]


def trained(**closed):
    return lambda path: [trained_study(path / "ttt", {"self": (-0.1, 0.1), "sup": (-0.1, 0.1)} | closed)]


def dark(**by_method):
    """Six maps of one image each."""
    mse = {name: lambda x, sign=sign: 20 + sign * x for name, sign in by_method.items()}
    return lambda path: [feature_run(path / f"dark-{image}", "map", mse, [image]) for image in range(6)]


def flat(x):
    return 20 + np.array([1, -1] * 6)


def sizes(mse, ssim=None):
    by_method = {name: lambda x, level=level: np.full(12, float(level)) for name, level in mse.items()}
    return lambda path: [feature_run(path / "sizes", "sizes", by_method, range(6), ssim=ssim)]


def boxes(ssim):
    mse = {f"m{i}": lambda x, level=i: np.full(12, 1.0 + level) for i in range(7)}
    return lambda path: [feature_run(path / "boxes", "boxes", mse, range(6), ssim=ssim)]


def optimisers(smooth, descent):
    mse = {"adam": lambda x: x.copy(), "smooth_adam": smooth, "rising_descent": descent, "adam, again": nearly}
    return lambda path: [feature_run(path / f"optimisers-{i}", "optimisers", mse, [i]) for i in range(6)]


def stability(world, rows):
    return lambda path: [stability_run(path / "stability", world, rows)]


def around(middle, spread=0.1):
    """Six numbers, one for each image."""
    return [middle + spread * step for step in (-1, 1, -0.5, 0.5, -0.8, 0.8)]


def nearly(x):
    """Put values slightly out of order."""
    return x[[1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10]]


UP = {f"m{i}": 1.0 + i for i in range(7)}
DOWN = {name: 8 - level for name, level in UP.items()}
NONE = dict(zip(UP, (4.0, 7.0, 2.0, 3.0, 6.0, 1.0, 5.0), strict=True))

CASES = [
    # A claimed value is never confirmed by "yes": an interval that holds a value does not say that it is the value.
    ("anatomy", shift(anatomy=PARALLEL + SCATTER), "not excluded"),
    ("anatomy", shift(anatomy=FLAT), "no"),
    ("dataset", shift(**{"dataset-2021": PARALLEL + SCATTER}), "not excluded"),
    ("dataset", shift(**{"dataset-2021": FLAT}), "no"),
    ("dataset", shift(**{"dataset-2021": FLAT, "noise": PARALLEL + SCATTER}), "in part"),
    ("sampling", shift(acceleration=PARALLEL + SCATTER, mask=PARALLEL - SCATTER), "not excluded"),
    ("sampling", shift(mask=FLAT), "no"),
    ("sampling", shift(acceleration=PARALLEL + SCATTER, mask=FLAT), "in part"),
    ("order kept", shift(anatomy=PARALLEL), "yes"),
    ("order kept", shift(anatomy=1 - X), "no"),
    ("order kept", shift(anatomy=X[[3, 6, 1, 2, 5, 0, 4]]), "not excluded"),
    ("order kept", shift(anatomy=PARALLEL, noise=X[[3, 6, 1, 2, 5, 0, 4]]), "in part"),
    ("hard for all", shift(hard=PARALLEL), "yes"),
    ("hard for all", shift(hard=X + 0.1), "no"),
    ("hard for all", shift(hard=X), "not excluded"),
    # Two of seven methods do not move.
    ("hard for all", shift(hard=X - 0.1 * (np.arange(7) < 5)), "in part"),
    ("hard for all", hard(l1=(-0.2, -0.1), tv=(-0.1, -0.01)), "yes"),
    ("hard for all", hard(l1=(0.1, 0.2)), "no"),
    ("hard for all", hard(l1=(-0.1, 0.2)), "not excluded"),
    ("low frequency", hard((-0.02, -0.01)), "yes"),
    ("low frequency", hard((0.001, 0.015)), "no"),
    ("low frequency", hard((-0.002, 0.012)), "not excluded"),
    ("dark", dark(l1=-1, varnet=-1), "yes"),
    ("dark", dark(l1=1, varnet=1), "no"),
    ("dark", dark(l1=1, varnet=-1), "in part"),
    ("by features", sizes(UP, UP), "yes"),
    ("by features", sizes(UP, DOWN), "no"),
    ("by features", sizes(UP, NONE), "not excluded"),
    ("by findings", boxes(DOWN), "yes"),
    ("by findings", boxes(UP), "no"),
    ("by findings", boxes(NONE), "not excluded"),
    ("convdecoder best", sizes({"convdecoder": 1, "l1": 2, "unet": 3}), "yes"),
    ("convdecoder best", sizes({"convdecoder": 3, "l1": 2, "unet": 1}), "no"),
    ("convdecoder best", sizes({"convdecoder": 2, "l1": 1, "unet": 3}), "in part"),
    ("optimiser", optimisers(lambda x: x[::-1].copy(), lambda x: x[::-1].copy()), "yes"),
    ("optimiser", optimisers(lambda x: x.copy(), lambda x: x.copy()), "no"),
    ("optimiser", optimisers(nearly, nearly), "not excluded"),
    ("optimiser", optimisers(nearly, lambda x: x[::-1].copy()), "in part"),
    ("closed jointly", trained(self=(-0.1, 0.1)), "not excluded"),
    ("closed jointly", trained(self=(-0.3, -0.1)), "no"),
    ("closed supervised", trained(sup=(-0.1, 0.1)), "not excluded"),
    ("closed supervised", trained(sup=(0.1, 0.9)), "no"),
    ("closed supervised", trained(sup=None), "cannot tell"),
    ("sensitive", attacks((9, 9)), "yes"),
    ("sensitive", attacks((1, 2), noise=4), "no"),
    ("sensitive", attacks((1, 9), noise=1), "in part"),
    ("own attack", attacks((9, 9)), "yes"),
    ("own attack", attacks((1, 2)), "no"),
    ("own attack", attacks((3, 3)), "not excluded"),
    ("own attack", attacks((3, 9)), "in part"),
    ("unstable", stability("mri_vn", perturbed("mri_vn", [(gain, 1.0) for gain in around(3)])), "yes"),
    ("unstable", stability("mri_vn", perturbed("mri_vn", [(gain, 1.0) for gain in around(0.5)])), "no"),
    ("unstable", stability("mri_vn", perturbed("mri_vn", [(gain, 1.0) for gain in around(1)])), "not excluded"),
    ("not affected", stability("mri_vn", perturbed("mri_vn", [(3.0, gain) for gain in around(1)])), "yes"),
    ("not affected", stability("mri_vn", perturbed("mri_vn", [(3.0, gain) for gain in around(4)])), "no"),
    ("not affected", stability("mri_vn", perturbed("mri_vn", [(3.0, gain) for gain in around(3)])), "not excluded"),
    ("symbols lost", stability("dagan", read("dagan", [(4, 12), (5, 13)] * 3)), "yes"),
    ("symbols lost", stability("dagan", read("dagan", [(13, 12), (13, 11)] * 3)), "no"),
    ("symbols lost", stability("dagan", read("dagan", [(13, 12), (11, 12)] * 3)), "not excluded"),
    ("samples improve", stability("deepmri", sampled("deepmri", around(3))), "yes"),
    ("samples improve", stability("deepmri", sampled("deepmri", around(-3))), "no"),
    ("samples improve", stability("deepmri", sampled("deepmri", around(0))), "not excluded"),
    ("samples stagnate", stability("mri_vn", sampled("mri_vn", around(0))), "not excluded"),
    ("samples stagnate", stability("mri_vn", sampled("mri_vn", around(3))), "no"),
    ("samples worsen", stability("dagan", sampled("dagan", around(-3))), "yes"),
    ("samples worsen", stability("dagan", sampled("dagan", around(3))), "no"),
    ("samples worsen", stability("dagan", sampled("dagan", around(0))), "not excluded"),
    ("smoothing inside", defended("smug", "smoothed modl", 2.0), "yes"),
    ("smoothing inside", defended("smug", "smoothed modl", -2.0), "no"),
    ("smoothing inside", defended("smug", "smoothed modl", 0.0), "not excluded"),
    ("jitter equals", defended("unet jitter", "unet adversarial", 0.0), "not excluded"),
    ("jitter equals", defended("unet jitter", "unet adversarial", -2.0), "no"),
    ("cyclic survives", defended("cyclic", "modl", 2.0), "yes"),
    ("cyclic survives", defended("cyclic", "modl", -2.0), "no"),
    ("cyclic survives", defended("cyclic", "modl", 0.0), "not excluded"),
    ("diffusion transfer", sampler(9.0, 4.0), "yes"),
    ("diffusion transfer", sampler(9.0, 0.5, noise=4.0), "no"),
    ("diffusion transfer", sampler(9.0, 4.0, noise=4.0), "not excluded"),
    ("diffusion own", sampler(2.0, 4.0), "yes"),
    ("diffusion own", sampler(9.0, 4.0), "no"),
    ("diffusion own", sampler(4.0, 4.0), "not excluded"),
    ("unseen", hidden(0.1), "not excluded"),
    ("unseen", hidden(20.0), "no"),
    ("coverage", kept(clean=40), "yes"),
    ("coverage", kept(attacked=3), "no"),
    ("coverage", kept(clean=36), "not excluded"),
    ("coverage", kept(clean=36, attacked=3), "in part"),
    # Fewer than 5 volumes, and one image.
    ("own attack", attacks((9, 9), images=4), "cannot tell"),
    ("sensitive", attacks((9, 9), images=1), "cannot tell"),
    ("anatomy", lambda path: [shift_study(path, {"anatomy": points(X, FLAT, images=4)})], "cannot tell"),
    ("order kept", lambda path: [shift_study(path, {"anatomy": points(X, PARALLEL, images=4)})], "cannot tell"),
    # An order of few methods means nothing.
    ("order kept", lambda path: [shift_study(path, {"anatomy": points(X[:4], PARALLEL[:4])})], "cannot tell"),
    ("by features", sizes(dict(list(UP.items())[:4]), UP), "cannot tell"),
    ("dark", lambda path: dark(l1=-1)(path)[:1], "cannot tell"),
]


@pytest.mark.parametrize(("claim", "records", "word"), CASES, ids=lambda value: value if type(value) is str else "")
def test_the_verdict_follows_from_the_record(capsys, tmp_path, claim, records, word):
    row = rows(capsys, *records(tmp_path))[claim]
    assert row["agrees"] == word, row["parts"]


def test_every_claim_has_been_held_denied_and_neither():
    found = {claim.name: {word for name, _, word in CASES if name == claim.name} for claim in CLAIMS}
    for claim in CLAIMS:
        words = found[claim.name]
        assert "no" in words
        assert words & {"not excluded", "in part"}
        assert ("yes" in words) == (type(claim.expected) is str)


def test_the_table_has_a_row_for_each_claim_and_names_the_commands(capsys, tmp_path):
    records = [*hard()(tmp_path), *shift(hard=X - 0.1 * (np.arange(7) < 5))(tmp_path), *dark(l1=-1)(tmp_path)]
    code, out, err = run(capsys, *records)
    assert (code, err) == (0, [])
    assert out[:2] == ["| published | here | agrees | command |", "| --- | --- | --- | --- |"]
    cells = {line.split(" | ")[0]: line.split(" | ") for line in out[2:]}
    assert len(out) == 2 + 4
    alike = cells["| Images that are hard for one method are hard for all (ICML 2021, Fig. 6)"]
    assert alike[1].startswith("6 images; score lost on the hard images: l1 +0.150 ± 0.050 (SSIM); method 0 +0.1")
    assert alike[2] == (
        "in part: yes for l1, method 0, method 1, method 2, method 3, method 4; not excluded for method 5, method 6"
    )
    assert alike[3] == "`python -m bench.hardest runs/a`; `python -m bench.shift hard` |"
    lost = cells[
        "| A small feature is lost where the image is dark (ICML 2021, Fig. 7, whose feature replaces what is there)"
    ]
    assert lost[1].startswith("6 images; rank correlation of the feature's MSE and the brightness there: l1 -0.9")
    assert "(MSE in the darker half 1." in lost[1]
    assert lost[2:] == [
        "yes", "`python -m bench.features --study map --image 0` and 5 like it, of other images |"
    ]  # fmt: skip


def test_one_image_is_said_to_be_no_finding(capsys, tmp_path):
    code, out, _ = run(capsys, *attacks((9, 9), images=1)(tmp_path))
    assert code == 0
    assert all("| one image, which is no finding; " in line for line in out[2:])


def test_records_of_one_claim_are_judged_together_and_told_apart(capsys, tmp_path):
    records = [*attacks((9, 9))(tmp_path / "one"), *attacks((1, 2))(tmp_path / "two")]
    row = rows(capsys, *records)["own attack"]
    assert row["agrees"] == "in part"
    assert [part["name"] for part in row["parts"]] == [
        f"{method} at epsilon 0.05 in {record}" for record in records for method in "ab"
    ]
    studies = [trained_study(tmp_path / name, {"self": (-0.1, 0.1), "sup": ends}, name) for name, ends in
               (("anatomy", (-0.1, 0.1)), ("dataset", (0.1, 0.2)))]  # fmt: skip
    row = rows(capsys, *studies)["closed supervised"]
    assert (row["agrees"], [part["agrees"] for part in row["parts"]]) == ("in part", ["not excluded", "no"])
    assert row["parts"][0]["more"] == "published 1"
    assert row["commands"] == [f"python -m bench.ttt --shift {name}" for name in ("anatomy", "dataset")]


def test_an_added_feature_and_attacks_that_are_none_bear_on_nothing(capsys, tmp_path):
    added = feature_run(tmp_path / "added", "map", {"l1": flat}, range(6), preset=None)
    code, _, err = run(capsys, added)
    assert (code, err) == (3, [f"bench.claims: error: {added}: bears on no published claim, nor do the other records; name others"])  # noqa: E501  # fmt: skip
    code, _, err = run(capsys, added, *attacks((9, 9))(tmp_path))
    assert (code, err) == (0, [f"note: {added}: bears on no published claim"])
    (other,) = attacks((9, 9))(tmp_path / "shift")
    record = json.loads((other / "run.json").read_text())
    for change in ({"threat": "rotation"}, {"attack": "noise"}):
        (other / "run.json").write_text(json.dumps(record | {"config": record["config"] | change}))
        assert run(capsys, other)[0] == 3


def without(file, *names):
    """Remove a name from the JSON of the file."""
    content = json.loads(file.read_text())
    place = content
    for name in names[:-1]:
        place = place[name]
    del place[names[-1]]
    file.write_text(json.dumps(content))


def older_study(path):
    (study,) = shift(anatomy=FLAT)(path)
    without(study / "study.json", "comparisons", 0, "results", "ranks_interval")
    return [study], f"'ranks_interval' is missing); python -m bench.shift --redraw {study} writes it anew"


def older_test_time(path):
    (study,) = trained()(path)
    without(study / "ttt.json", "argv")
    return [study], "'argv' is missing); the command that made the study writes it anew, and runs nothing that is done"


def older_list(path):
    (file,) = hard()(path)
    without(file, "difference", "interval")
    return [file], "'interval' is missing); the command that made the list writes it anew"


def unfinished(path):
    folder, *_ = dark(l1=-1)(path)
    record = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(record | {"status": "interrupted"}))
    return [folder], f"(interrupted); python -m bench.features --resume {folder} goes on with it"


def cut_short(path):
    folder, *_ = dark(l1=-1)(path)
    with (folder / "images.jsonl").open("a") as file:
        file.write('{"case"')
    return [folder], f"--resume {folder} computes what is missing"


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (older_study, 3),
        (older_test_time, 3),
        (older_list, 3),
        (unfinished, 3),
        (cut_short, 3),
        (lambda path: ([path], "holds no record; name a folder of bench.attack"), 3),
        (lambda path: ([path / "nowhere.json"], "is missing"), 3),
        (lambda path: (2 * shift(anatomy=FLAT)(path), "is named twice; name each record once"), 2),
        (
            lambda path: (dark(l1=-1)(path / "a")[:1] + dark(l1=-1)(path / "b")[:2], "is of 0, as"),
            2,
        ),
    ],
)
def test_a_record_that_cannot_be_used_is_one_line(capsys, tmp_path, make, code):
    records, problem = make(tmp_path)
    found, out, err = run(capsys, *records)
    assert (found, out, len(err)) == (code, [], 1), err
    assert err[0].startswith("bench.claims: error: ")
    assert problem in err[0]


def test_a_table_needs_no_jax_and_help_no_numpy(tmp_path):
    (study,) = shift(anatomy=FLAT)(tmp_path)
    code = (
        "import sys; from bench import claims; assert 'RUN_OR_STUDY' in claims.parser().format_help(); "
        f"assert 'numpy' not in sys.modules; assert claims.main([{str(study)!r}]) == 0; assert 'jax' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_one_method_is_drawn_under_three_notions_of_robustness(tmp_path, capsys):
    compared = [one._replace(variant="unet") for one in points([0.8], [0.6])]
    paths = [
        attack_run(
            tmp_path / "attack", {("unet", "unet"): 3.0, ("l1", "l1"): 5.0, ("unet", "l1"): 1.0, ("l1", "unet"): 1.0}
        ),
        shift_study(tmp_path / "shift", {"noise": compared, "anatomy": compared}),
        feature_run(tmp_path / "features", "map", {"unet": lambda place: place}, range(2)),
    ]
    found = notions.notions(paths, "unet")
    assert [row["eps"] for row in found["attacks"]] == [0.02, 0.05]
    lost = [row["clean"] - row["attacked"] for row in found["attacks"]]
    assert lost == pytest.approx([3.0, 3.0], abs=0.03)
    assert [(row["name"], round(row["inside"], 2), round(row["outside"], 2)) for row in found["shifts"]] == [
        ("noise, knee", 0.8, 0.6), ("anatomy, knee", 0.8, 0.6)
    ]  # fmt: skip
    assert found["features"] == {"kept": [0.5] * 24}
    given = [str(path) for path in paths]
    assert claims.main([*given, "--figure", str(tmp_path / "unet.png")]) == 0
    assert (tmp_path / "unet.png").read_bytes().startswith(b"\x89PNG")
    assert claims.main([*given[:2], "--figure", str(tmp_path / "two.png")]) == 2
    assert "--figure: no record of bench.features is of unet" in capsys.readouterr().err
    assert claims.main([*given, "--figure", str(tmp_path / "l1.png"), "--method", "l1"]) == 2
    assert "no record of bench.shift and bench.features is of l1" in capsys.readouterr().err
