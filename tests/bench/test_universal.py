"""bench.universal: a perturbation of some slices is scored on the others, and mistakes end in one line."""

import json

import numpy as np
import pytest

from bench import universal
from bench.plan.config import RunConfig
from bench.plan.errors import UsageError
from bench.studies.universal.study import carry_out
from tests.bench.test_train import SAMPLING, write_images


def test_a_perturbation_is_fitted_to_some_slices_and_scored_on_all(tmp_path, capsys):
    images, out = write_images(tmp_path / "images.h5"), tmp_path / "out"
    flags = ["--method", "sense", "--data", str(images), *SAMPLING, "--fit", "1", "--limit", "2", "--steps", "3"]
    assert universal.main([*flags, "--eps", "0.05", "--output", str(out)]) == 0, capsys.readouterr().err
    record = json.loads((out / "universal.json").read_text())
    assert [image["part"] for image in record["images"]] == ["fitted", "held out"]
    fitted = record["means"]["fitted"]["psnr"]
    assert fitted["attacked"]["mean"] < fitted["noise"]["mean"] < fitted["clean"]["mean"] + 0.1
    direction = np.load(out / "universal.npz")["direction"]
    assert direction.ndim == 3
    assert 0 < np.linalg.norm(direction) <= 1.001
    assert "| held out |" in capsys.readouterr().out
    # Another study in this folder would replace the record.
    before = (out / "universal.json").read_bytes()
    assert universal.main([*flags, "--eps", "0.1", "--output", str(out)]) == 4
    assert "name another with --output" in capsys.readouterr().err
    assert (out / "universal.json").read_bytes() == before


@pytest.mark.parametrize(
    ("flags", "code", "line"),
    [
        (["--fit", "2", "--limit", "2"], 2, "none is left to apply it to"),
        (["--fit", "1", "--data", "nowhere"], 3, "nowhere"),
    ],
)
def test_a_mistake_ends_in_one_line(tmp_path, capsys, flags, code, line):
    data = [] if "--data" in flags else ["--data", str(write_images(tmp_path / "images.h5")), *SAMPLING]
    assert universal.main(["--method", "sense", *data, *flags, "--output", str(tmp_path / "out")]) == code
    (told,) = [one for one in capsys.readouterr().err.splitlines() if "error:" in one]
    assert line in told


def test_scores_that_are_no_numbers_are_refused(tmp_path):
    """A norm beyond single precision, as a method that diverges has; the commands refuse such an epsilon."""
    data = str(write_images(tmp_path / "images.h5"))
    config = RunConfig(method="sense", data=data, eps=(1e30,), steps=2, limit=2, acceleration=2.5, center_fraction=0.25)
    with pytest.raises(UsageError, match=r"--eps 1e\+30: the error of the images is not finite"):
        carry_out(config, 1)
