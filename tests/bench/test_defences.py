"""Defences in the commands: their names, their certificate, what they refuse, and SMUG's own training."""

import json

import pytest

from bench import attack, train, tune
from bench.evaluate import methods, subjects
from bench.findings import certificate
from bench.plan.config import RunConfig
from bench.plan.errors import UsageError
from bench.record.record import read
from bench.run.describe import described
from jaxcs.recon import METHODS, smug
from tests.bench.test_train import SAMPLING, write_images
from tests.helpers.cheap_run import write_volume

SMALL = ["--acceleration", "2.5", "--center-fraction", "0.25", "--limit", "1"]


def run(folder, *flags):
    """A run on a small volume; its record."""
    volume = write_volume(folder / "volume.h5", images=2)
    assert attack.main([*flags, *SMALL, "--data", str(volume), "--output", str(folder)]) == 0
    (found,) = (path.parent for path in folder.glob("*/run.json"))
    return read(found)


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    """Two sizes: one that so many draws certify, and one that they do not."""
    settings = ["--set", "smoothing=1.5", "draws=3", "average=center", "certify=200"]
    flags = ["--method", "zero_filled", *settings, "--attack", "pgd", "--steps", "2", "--eps", "0.005", "0.5"]
    return run(tmp_path_factory.mktemp("runs"), *flags, "--method-seed", "fresh")


def test_a_record_names_the_smoothing_and_what_the_attack_does_not_know(record):
    label = "zero_filled, smoothed 1.5 by center"
    assert list(record.methods) == [label]
    config = record.methods[label]["config"]
    assert (config["smoothing"], config["draws"], config["average"], config["certify"]) == (1.5, 3, "center", 200)
    assert record.run.threat_model["knowledge"].endswith("but not the random seed of the noise of the smoothing")
    assert label in (record.folder / "report.html").read_text()


def test_a_smoothed_method_has_a_certificate_with_its_confidence_where_its_draws_reach(record):
    rows = [row for row in record.rows if row.certified is not None]
    assert {(row.metric, row.eps) for row in rows} == {("psnr", 0.005), ("nmse", 0.005)}
    for row in rows:
        assert row.certified_confidence == 0.95
        sign = 1 if row.metric == "psnr" else -1
        assert all(sign * row.certified <= sign * score for score in (row.attacked, row.noise, row.clean))
    said = certificate.sentence(record.rows)
    assert "(certificate, 95% confidence for each image)" in said
    lines = [json.loads(line) for line in (record.folder / "images.jsonl").read_text().splitlines()]
    assert all(("certified" in line) == ("certified_confidence" in line) for line in lines)


def config(method, *settings, **changes):
    return RunConfig(method=method, settings=tuple(one.split("=") for one in settings), **changes)


def test_each_method_of_several_has_its_own_defence():
    found = subjects.sources(
        config("unet", "unet.smoothing=0.02", "l1.cyclic=2", "l1.cyclic_gradient=blind", beside=("l1",))
    )
    assert [one.label for one in found] == ["unet, smoothed 0.02", "l1, cyclic 2 attacked blindly"]
    assert (
        described(found[0])["config"]["channels"]
        == described(subjects.sources(config("unet"))[0])["config"]["channels"]
    )
    assert found[1].method.surrogate(found[1].method_config) is not None


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (config("sense", "smoothing=0"), "--set: smoothing is 0; it must be above 0"),
        (config("sense", "smothing=0.1"), "--set smothing: sense has no such setting; did you mean 'smoothing'"),
        (config("sense", "smoothing=0.1", "cyclic=2"), "--set smoothing and cyclic: a method has one defence"),
        (config("sense", "cyclic=2"), "set cyclic_gradient=blind"),
        (config("pnp", "cyclic=2"), "set cyclic_gradient=blind"),
        (config("sense", "certify=9"), "--set certify: is a setting of smoothing; give --set smoothing=VALUE too"),
        (config("sense", "cyclic_radius=9"), "--set cyclic_radius: is a setting of cyclic"),
        (config("fbp", "cyclic=2"), "--set cyclic: measures k-space again"),
        (config("sense", method_seed="fresh"), "--method-seed fresh: sense draws nothing at random"),
    ],
)
def test_what_makes_no_sense_is_one_line(given, problem):
    with pytest.raises(UsageError, match=problem) as raised:
        subjects.sources(given)
    assert len(str(raised.value).splitlines()) == 1


def test_a_command_without_defences_refuses_them(capsys):
    assert tune.main(["--method", "l1", "--try", "lam=0.01", "--set", "smoothing=0.1"]) == 2
    assert "takes no defence" in capsys.readouterr().err


def test_smug_takes_the_weights_of_modl_and_its_own():
    given = config("smug", "draws=2")
    trained = methods.weights(given)
    assert trained.method == "modl"
    found = methods.configuration(given, trained)
    assert (found.draws, found.noise, found.channels) == (2, 0.01, trained.config.channels)


@pytest.mark.parametrize(("initial", "code"), [("modl-phantom-knee", 0), ("unet-phantom-knee", 2)])
def test_a_training_of_smug_begins_with_the_weights_of_modl(tmp_path, capsys, initial, code):
    flags = ["--method", "smug", "--data", str(write_images(tmp_path / "images.h5")), *SAMPLING]
    steps = ["--steps", "1", "--every", "1", "--batch", "1", "--initial", initial, "--output", str(tmp_path)]
    assert train.main([*flags, *steps]) == code
    assert ("give weights of the network to train" in capsys.readouterr().err) == (code == 2)


def test_a_training_with_the_noise_inside_is_attacked(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(METHODS["smug"].presets, "small", smug.Config(1, 2, 2, draws=2, noise=0.02))
    images = write_images(tmp_path / "images.h5")
    flags = ["--method", "smug", "--variant", "small", "--steps", "2", "--every", "2", "--batch", "1", *SAMPLING]
    assert train.main([*flags, "--data", str(images), "--output", str(tmp_path)]) == 0, capsys.readouterr().err
    (weights,) = tmp_path.glob("*/weights.safetensors")
    attacked = ["--method", "smug", "--weights", str(weights), "--data", str(images), "--limit", "1", *SAMPLING]
    capsys.readouterr()
    code = attack.main([*attacked, "--eps", "0.05", "--steps", "1", "--json", "--output", str(tmp_path / "runs")])
    told = capsys.readouterr()
    assert code == 0, told.err
    method = json.loads(told.out)["methods"]["smug"]
    assert method["weights"]["card"]["training"]["method"] == "smug"
    assert method["config"]["noise"] == 0.02
