"""Criteria of a user: how they are read, what they judge, and the verdict in terminal, page, record and dossier."""

import json
import re

import pytest

from bench import attack, report
from bench.findings.acceptance import MET, NONE, NOT, verdicts
from bench.page.page import page_of
from bench.plan import scores
from bench.plan.conventions import CONVENTIONS
from bench.plan.criteria import parse
from bench.plan.errors import InputFileError
from bench.proof.facts import facts
from bench.record.record import read
from bench.record.stored import stored
from jaxcs.goal import OF_GOALS
from jaxcs.metrics import METRICS
from tests.helpers.cheap_run import FLAGS, cheapen, go_on, start, write_volume
from tests.helpers.run_folder import write_run


@pytest.fixture
def matrix(tmp_path):
    """Under its own attack each method loses 2 and 5 dB, under the other's 0.6 and 1.5."""
    return write_run(tmp_path / "matrix", ("l1", "unet"), shape=(8, 7))


def judged(folder, *criteria):
    return verdicts(read(folder), [parse(one) for one in criteria])


def test_every_metric_of_records_is_known_with_its_better_side():
    assert set(scores.ALWAYS) == set(METRICS)
    assert set(scores.OF_GOALS) == set(OF_GOALS)
    assert set(scores.OF_PAPERS) == {name for convention in CONVENTIONS.values() for name in convention}
    assert {name for name, one in scores.METRICS.items() if one.better} == {
        name for name in scores.METRICS if name.startswith(("psnr", "ssim", "haarpsi"))
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [("psnr_loss<3", 4.0), ("ssim >= 0.5", 26.0), ("nmse_loss<=1e-2", -4.0), ("max_error < 2.5", 26.0)],
)
def test_a_criterion_is_on_what_the_attack_costs_or_on_the_attacked_score(text, value):
    made = parse(text)
    assert made.value(clean=30.0, attacked=26.0) == value
    assert parse(made.text) == made


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("psnr", "'psnr' is no criterion; write metric, comparison and number in quotes, as in 'psnr_loss<3'"),
        ("psnr_loss=3", "is no criterion"),
        ("3<psnr_loss", "unknown metric '3'"),
        ("", "is no criterion"),
        ("pnsr_loss<3", "unknown metric 'pnsr_loss'; did you mean 'psnr_loss'?"),
        ("_loss<3", "unknown metric '_loss'"),
        ("psnr_loss<nan", "'nan' is no number"),
        ("psnr_loss<1e999", "'1e999' is no number"),
        ("psnr_loss<3dB", "'3dB' is no number"),
        ("psnr<30", "'psnr<30' asks for a poor score; write psnr>30"),
        ("nmse>=0.1", "asks for a large error; write nmse<=0.1"),
        ("ssim_loss>0.1", "asks for a large loss; write ssim_loss<0.1"),
    ],
)
def test_a_mistake_in_a_criterion_is_one_line(capsys, text, words):
    for command, flags in ((attack, FLAGS), (report, ["nowhere"])):
        assert command.main([*flags, f"--accept={text}"]) == 2
        err = capsys.readouterr().err
        assert err.count("\n") == 1
        assert "argument --accept: " in err
        assert words in err


def test_a_metric_of_a_paper_needs_its_protocol(capsys):
    assert attack.main([*FLAGS, "--accept", "psnr_rc2021>20"]) == 2
    assert "only --like rc2021 has psnr_rc2021" in capsys.readouterr().err


def test_each_image_epsilon_and_perturbation_is_judged_and_the_worst_is_named(matrix):
    loss, similar, exact, strict = judged(matrix, "psnr_loss<3", "ssim>0.6", "psnr_loss<=5", "psnr_loss<5")
    assert (loss.outcome, loss.missed, loss.total) == (NOT, 4, 16)
    assert loss.sentence == (
        "psnr_loss < 3: not met in 4 of 16 results; the worst is 5.00 dB, a.h5:0 at epsilon 0.05, l1 under its own "
        "attack; 4 of these results carry flags."
    )
    assert (similar.outcome, similar.value) == (MET, pytest.approx(0.65))
    assert similar.sentence.startswith("ssim > 0.6: met in all 16 results; the worst is 0.650, ")
    # A mean would have kept it.
    assert (exact.outcome, strict.outcome) == (MET, NOT)


def test_a_value_beside_the_bound_is_not_rounded_across_it(matrix):
    (one,) = judged(matrix, "psnr_loss<4.9999")
    assert "the worst is 5.00 dB" in one.sentence
    criterion = parse("psnr_loss<3")
    assert criterion.told(2.9996) == "2.9996 dB"
    assert criterion.told(3.0) == "3.00 dB"
    assert criterion.told(2.5) == "2.50 dB"


def test_a_run_with_failed_images_has_no_verdict_unless_another_misses(tmp_path):
    folder = write_run(tmp_path / "run", shape=(8, 7), failed={"c.h5:0": "c.h5:0: non-finite result"})
    kept, missed = judged(folder, "psnr_loss<6", "psnr_loss<3")
    assert (kept.outcome, missed.outcome) == (NONE, NOT)
    assert "no verdict, because 1 image failed, although the others keep it" in kept.sentence
    assert report.main([str(folder), "--accept", "psnr_loss<6"]) == 1


def test_the_report_says_it_and_ends_with_1_if_it_is_missed(matrix, capsys):
    assert report.main([str(matrix)]) == 0
    assert b'class="verdicts"' not in (matrix / "report.html").read_bytes()
    assert report.main([str(matrix), "--accept", "psnr_loss<6", "--accept", "ssim>0.5"]) == 0
    assert report.main([str(matrix), "--accept", "psnr_loss<6", "--accept", "psnr>28"]) == 1
    out = capsys.readouterr().out
    assert "psnr > 28: not met in 6 of 16 results; the worst is 25.00 dB" in out
    page = (matrix / "report.html").read_text()
    found = re.findall(r'<li class="(\w+)"><b>(.*?)</b>', page)
    assert [one for one in found if "psnr" in one[1]] == [
        ("met", "psnr_loss &lt; 6: met"),
        ("missed", "psnr &gt; 28: not met"),
    ]
    assert "A kept criterion holds for the perturbations that were found" in page


def test_a_metric_that_the_run_lacks_is_one_line(matrix, capsys):
    assert report.main([str(matrix), "--accept", "max_error<2"]) == 3
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "has no max_error, by which --accept max_error<2 judges; it has nmse, psnr, ssim" in err


def test_a_run_keeps_its_criteria(tmp_path, monkeypatch, capsys):
    """Record, exit code, resumption, report and dossier; the numbers and the fingerprint do not change."""
    cheapen(monkeypatch)
    volume = write_volume(tmp_path / "volume.h5", 3)
    _, plain = start(volume, tmp_path / "plain")
    code, folder = start(volume, tmp_path / "out", "--accept", "psnr_loss<100", "--accept", "psnr>1")
    assert code == 1  # a slice cannot be used
    out = capsys.readouterr().out
    assert "psnr_loss < 100: no verdict, because 1 image failed" in out
    records = [json.loads((one / "run.json").read_text()) for one in (plain, folder)]
    assert [record.get("accept") for record in records] == [None, ["psnr_loss<100", "psnr>1"]]
    assert records[0]["fingerprint"] == records[1]["fingerprint"]
    assert go_on(folder) == 1
    assert "psnr > 1: no verdict" in capsys.readouterr().out
    assert [one["verdict"] for one in facts(read(folder), stored(folder))["acceptance"]] == [NONE, NONE]
    assert b"psnr_loss &lt; 100: no verdict" in page_of(folder)
    # Standard output has one object.
    assert go_on(folder, "--json") == 1
    told = capsys.readouterr()
    assert json.loads(told.out)["accept"] == ["psnr_loss<100", "psnr>1"]
    assert "psnr > 1: no verdict" in told.err
    assert attack.main(["--resume", str(folder), "--accept", "psnr>2"]) == 2


def test_parts_of_a_run_have_the_same_criteria(tmp_path, monkeypatch, capsys):
    cheapen(monkeypatch)
    volume = write_volume(tmp_path / "volume.h5", 3)
    start(volume, tmp_path / "out", "--shard", "1/2", "--accept", "psnr>1")
    code, _ = start(volume, tmp_path / "out", "--shard", "2/2")
    assert code == 3
    assert "--accept is not the same" in capsys.readouterr().err


def test_a_met_criterion_is_exit_code_0(tmp_path, monkeypatch):
    cheapen(monkeypatch)
    volume = write_volume(tmp_path / "volume.h5", 2)
    for number, (criterion, code) in enumerate((("psnr>1", 0), ("psnr>100", 1))):
        assert start(volume, tmp_path / str(number), "--limit", "1", "--accept", criterion)[0] == code


@pytest.mark.parametrize("odd", [["psnr"], ["psnr_loss<3", 4], "psnr_loss<3", None])
def test_an_edited_criterion_is_one_line(tmp_path, odd):
    folder = write_run(tmp_path / "run", shape=(8, 7), accept=odd)
    with pytest.raises(InputFileError, match=r"run.json: is damaged"):
        page_of(folder)
