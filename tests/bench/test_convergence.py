"""bench.convergence: more iterations do not save the minimiser."""

import json

import h5py

from bench import convergence
from data_prep import phantom
from tests.helpers.cheap_run import write_volume


def test_a_converged_attack_stays_as_bad_and_columns_become_equal(tmp_path, capsys):
    data = tmp_path / "volume.h5"
    with h5py.File(data, "w") as file:
        file["kspace"] = phantom.case("knee", "train", 0, (48, 40)).kspace[None]
    flags = ["--data", str(data), "--acceleration", "2.5", "--center-fraction", "0.25", "--set", "levels=2"]
    assert convergence.main([*flags, "--iterations", "500", "10", "1000", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["iterations"] == [10, 500, 1000]
    none, attacked = found["psnr"]["none"], found["psnr"]["l1, converged"]
    assert abs(attacked[1] - attacked[2]) < 0.01
    assert abs(attacked[0] - attacked[1]) > 0.01
    assert attacked[2] < none[2] - 1


def test_an_image_that_is_not_there_is_a_mistake(tmp_path, capsys):
    data = write_volume(tmp_path / "volume.h5", images=2)
    assert convergence.main(["--data", str(data), "--image", "7"]) == 2
    assert "--image 7: the data have 2 images, the first is 0" in capsys.readouterr().err
