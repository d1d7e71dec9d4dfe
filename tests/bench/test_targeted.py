"""Attacks beside each other in a sentence of bench.compare: region and whole image, rotation and noise."""

import json
from pathlib import Path

import pytest

from bench.compare import main
from bench.findings import rotations
from bench.findings.targeted import sentences
from bench.record.record import Record
from tests.helpers.rows import record, row
from tests.helpers.run_folder import write_run

CONFIG = {"method": "unet", "region": "boxes", "eps": [0.02, 0.05], "seed": 0}


def run(aim, lost, **config):
    """A run whose images lose so much SSIM at each epsilon, by image."""
    rows = [
        row(case=case, volume=case, source="unet", metric="ssim", eps=eps, clean=0.9, attacked=0.9 - share * value)
        for case, value in lost.items()
        for eps, share in ((0.02, 0.5), (0.05, 1.0))
    ]
    return Record(Path(aim), record(config=CONFIG | {"aim": aim} | config), rows, [])


def images(*values):
    return {f"{index}.h5:0": value for index, value in enumerate(values)}


def test_aiming_does_more():
    aimed = run("region", images(0.30, 0.32, 0.34, 0.36, 0.38))
    whole = run("image", images(0.20, 0.24, 0.22, 0.26, 0.28) | {"other.h5:0": 0.9})
    (said,) = sentences([whole, aimed])
    assert said.startswith("unet: of the SSIM in the boxes of each image, an attack of epsilon 0.05 that aims at them")
    assert "takes 0.340, and one that aims at the whole image 0.240: aiming does +0.100 ± 0.018 more." in said


@pytest.mark.parametrize(
    ("aim", "config"), [("region", {}), ("image", {"seed": 1}), ("image", {"region": [0, 0, 9, 9]})]
)
def test_runs_that_differ_in_more_are_not_compared(aim, config):
    assert sentences([run("region", images(0.3, 0.4)), run(aim, images(0.2, 0.3), **config)]) == []


def test_a_box_of_the_flag_is_named_the_region_and_runs_of_other_images_say_nothing():
    box = {"region": [0, 0, 9, 9]}
    (said,) = sentences([run("region", images(0.3), **box), run("image", images(0.2), **box)])
    assert "SSIM in the region" in said
    assert sentences([run("region", images(0.3)), run("image", {"other.h5:0": 0.2})]) == []


def test_findings_beside_their_controls():
    findings = run("region", images(0.30, 0.32, 0.34, 0.36, 0.38))
    control = run("region", images(0.20, 0.24, 0.22, 0.26, 0.28), region="beside")
    (said,) = sentences([control, findings])
    assert said == (
        "unet: an attack of epsilon 0.05 on the boxes of each image takes 0.340 of their SSIM, and one on boxes of the "
        "same sizes beside them 0.240: the findings lose +0.100 ± 0.018 more."
    )
    assert sentences([run("image", images(0.2), region="beside"), findings]) == []


@pytest.mark.parametrize(("turned", "words"), [(0.2, "milder, by -0.500"), (0.9, "NOT milder, by +0.200")])
def test_the_worst_rotation_beside_noise(turned, words):
    def of(threat, lost):
        rows = [
            row(case=case, volume=case, source="unet", metric="ssim", eps=eps, clean=0.9, attacked=0.9 - lost)
            for case, eps in (("a", 1.0), ("a", 4.0), ("b", 4.0))
        ]
        return Record(Path(threat), record(config={"method": "unet", "threat": threat}), rows, [])

    (said,) = rotations.sentences([of("noise", 0.7), of("rotation", turned)])
    assert f"unet: the worst rotation of up to 4 degrees takes {turned:.3f} of the SSIM" in said
    assert words in said
    assert rotations.sentences([of("noise", 0.7), of("noise", 0.2)]) == []


def test_runs_of_several_threats_have_a_table_each(tmp_path, capsys):
    for threat in ("noise", "rotation"):
        write_run(tmp_path / threat)
        content = json.loads((tmp_path / threat / "run.json").read_text())
        content["config"]["threat"] = threat
        (tmp_path / threat / "run.json").write_text(json.dumps(content))
    given = [str(tmp_path / "noise"), str(tmp_path / "rotation")]
    assert main(given) == 0
    told = capsys.readouterr().out
    assert told.startswith("--threat noise. Means over")
    assert "--threat rotation. Means over" in told
    assert "the worst rotation of up to" in told
    assert main([*given, "--csv", str(tmp_path / "means.csv")]) == 2
    assert "--csv: is for runs of one threat, not of noise and rotation" in capsys.readouterr().err
