"""Certificates in the records of a run: no attack passes them, and only methods that have one get one."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from bench import attack
from bench.evaluate.certified import certified
from bench.findings import certificate
from bench.plan.config import RunConfig
from bench.record.record import read
from bench.slices.prepare import prepare
from data_prep import phantom
from jaxcs.recon import METHODS, sense
from tests.helpers.cheap_run import write_volume

FLAGS = ["--steps", "10", "--acceleration", "2.5", "--center-fraction", "0.25", "--eps", "0.02", "0.1"]


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    volume = write_volume(folder / "volume.h5", maps=False)  # two usable slices of three
    methods = ["--method", "zero_filled", "sense", "--victims", "zero_filled", "sense"]
    assert attack.main([*methods, *FLAGS, "--data", str(volume), "--output", str(folder)]) == 1
    (run,) = (path.parent for path in folder.glob("*/run.json"))
    return read(run)


def test_no_perturbation_of_any_method_passes_a_certificate(record):
    rows = [row for row in record.rows if row.certified is not None]
    assert {(row.victim, row.metric) for row in rows} == {
        (victim, metric) for victim in ("zero_filled", "sense") for metric in ("psnr", "nmse")
    }
    assert len(rows) == 2 * 2 * 2 * 2 * 2
    for row in rows:
        sign = 1 if row.metric == "psnr" else -1
        assert all(sign * row.certified <= sign * score for score in (row.attacked, row.noise, row.clean))


def test_the_attack_on_sense_comes_near(record):
    rows = record.select(source="sense", victim="sense", eps=0.1, metric="psnr")
    assert max(row.attacked - row.certified for row in rows) < 3


def test_the_sentence_names_both_and_stands_on_the_page(record):
    said = certificate.sentence(record.rows)
    assert said.startswith("worst mean PSNR at epsilon 0.1 [dB]: zero_filled between ")
    assert "; sense between " in said
    assert said[1:] in (record.folder / "report.html").read_text()
    assert certificate.sentence([]) is None


def test_other_rows_have_no_such_field(record):
    lines = [json.loads(line) for line in (record.folder / "images.jsonl").read_text().splitlines()]
    assert {line["metric"] for line in lines if "certified" in line} == {"psnr", "nmse"}
    assert "ssim" in {line.get("metric") for line in lines}


def test_what_has_no_certificate():
    config = RunConfig(method="sense", acceleration=2.5, center_fraction=0.25, eps=(0.05,))
    prepared = prepare(phantom.case("knee", "train", 0, (40, 32)), config)

    def of(method_config, **changes):
        return certified(replace(config, **changes), prepared, SimpleNamespace(method_config=method_config))

    assert set(of(sense.Config())) == {0.05}
    assert of(sense.Config(), norm="per_coil") == of(sense.Config())
    assert of(METHODS["l1"].config()) == {}
    assert of(sense.Config(solver="cg")) == {}
    for changes in ({"norm": "image"}, {"maps": "reestimated"}, {"region": (0, 0, 9, 9)}, {"threat": "shift"}):
        assert of(sense.Config(), **changes) == {}
