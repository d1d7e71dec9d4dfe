"""Several methods in one run, checks, changes of the scan, regions, and a user's own method."""

import json
import logging
import re

import h5py
import jax
import numpy as np
import pytest

from bench import attack
from bench.compare import main as compare
from data_prep import phantom
from jaxcs.catalogue import CHANGES
from jaxcs.metrics import METRICS
from jaxcs.threats import CHANGES as REGISTRY

SHAPE = (40, 32)
SAMPLING = ["--center-fraction", "0.25", "--acceleration", "2.5"]
SMALL = ["--attack", "pgd", "--steps", "2", "--set", "l1.n_iters=8", "l1.levels=2", *SAMPLING]


@pytest.fixture(scope="module")
def volume(tmp_path_factory):
    """Two small phantoms as a file of raw k-space."""
    path = tmp_path_factory.mktemp("data") / "volume.h5"
    with h5py.File(path, "w") as file:
        file["kspace"] = np.stack([phantom.case("knee", "train", index, SHAPE).kspace for index in range(2)])
    return path


def run(capsys, tmp_path, *arguments):
    """Run the command, which must succeed; returns stdout and the run's folder."""
    code = attack.main([*map(str, arguments), "--output", str(tmp_path)])
    captured = capsys.readouterr()
    assert code == 0, captured.err
    (folder,) = tmp_path.iterdir()
    return captured.out, folder


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_parser_knows_every_change():
    assert set(CHANGES) == set(REGISTRY)


def test_everyone_under_everyones_perturbations(capsys, tmp_path, volume):
    out, folder = run(
        capsys, tmp_path, "--data", volume, "--victims", "zero_filled", "sense", "--eps", "0", "0.05", "0.1", *SMALL
    )
    rows = lines(folder / "images.jsonl")
    assert len(rows) == 2 * 3 * 3 * len(METRICS)  # images, victims, epsilons
    assert {(row["source"], row["victim"]) for row in rows} == {("l1", "l1"), ("l1", "zero_filled"), ("l1", "sense")}
    assert all(row["clean"] == row["noise"] == row["attacked"] for row in rows if row["eps"] == 0)
    own, other = (
        {(row["case"], row["eps"]): row for row in rows if row["metric"] == "psnr" and row["victim"] == victim}
        for victim in ("l1", "sense")
    )
    assert all(own[at]["attacked"] < own[at]["noise"] for at in own if at[1] > 0)
    assert any(own[at]["clean"] != other[at]["clean"] for at in own)
    least = {(row["case"], row["metric"]): row["clean"] for row in rows if row["victim"] == "zero_filled"}
    assert all(row["zero_filled"] == least[row["case"], row["metric"]] for row in rows)
    assert all(own[at]["norm"] == other[at]["norm"] for at in own)
    assert "pgd on l1" in out
    record = json.loads((folder / "run.json").read_text())
    assert list(record["methods"]) == ["l1", "zero_filled", "sense"]
    assert record["gradient_evaluations"] == 2 * 2 * 2
    assert (folder / "transfer.png").read_bytes().startswith(b"\x89PNG")
    searches = lines(folder / "searches.jsonl")
    assert [(one["eps"], len(one["trace"])) for one in searches] == [(0.0, 2), (0.05, 2), (0.1, 2)] * 2
    with np.load(folder / "pictures.npz") as pictures:
        assert f"{rows[0]['case']}|sense|l1|0.05" in pictures.files
    assert compare([str(folder), "--eps", "0.05"]) == 0
    table = capsys.readouterr().out
    assert table.count("| l1 ") == 1
    assert "sense" not in table


def test_bases_are_set_beside_each_other(capsys, tmp_path, volume):
    _, folder = run(capsys, tmp_path, "--data", volume, "--method", "basis", "--limit", "1", "--eps", "0.05", *SMALL)
    rows = lines(folder / "images.jsonl")
    assert [row["source"] for row in rows[:: len(METRICS)]] == ["l1 wavelet", "l1 fourier", "l1 dct"]
    assert all(row["source"] == row["victim"] for row in rows)
    assert len({row["attacked"] for row in rows if row["metric"] == "psnr"}) == 3


@pytest.mark.usefixtures("no_figures")
def test_checks_look_for_what_the_attack_missed(capsys, tmp_path, volume):
    flags = {}
    for check in ([], ["--check"]):
        folder = tmp_path / "-".join(["out", *check])
        _, folder = run(
            capsys, folder, "--data", volume, "--method", "sense", "--limit", "1", "--eps", "0.05", *check,
            "--steps", "1", "--step-size", "0.1", *SAMPLING,
        )  # fmt: skip
        record = json.loads((folder / "run.json").read_text())
        (search,) = lines(folder / "searches.jsonl")
        flags[bool(check)] = record["flags"]
        assert bool(check) == ("doubled" in search)
        assert len(record["not_checked"]) == (1 if check else 4)
    # One small step is not a converged attack; only a run of more steps reveals that.
    assert "not converged" not in flags[False]
    assert flags[True] == {"not converged": 1} or flags[True]["not converged"] == 1


@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize("change", REGISTRY)
def test_every_change_of_the_scan_can_be_searched(capsys, tmp_path, volume, change):
    eps = CHANGES[change].eps[-1]
    # With a centre of 0.25 every rotation is less harmful to this slice than none, and the attack finds none.
    _, folder = run(
        capsys, tmp_path, "--data", volume, "--method", "sense", "--threat", change, "--limit", "1", "--eps", eps,
        "--steps", "3", "--center-fraction", "0.3", "--acceleration", "2.5",
    )  # fmt: skip
    (row,) = (row for row in lines(folder / "images.jsonl") if row["metric"] == "nmse")
    assert row["norm"] <= eps * (1 + 1e-4)
    assert row["attacked"] > row["noise"] * 0.9
    assert row["norm_kspace"] > 0 or change == "maps"
    words = json.loads((folder / "run.json").read_text())["threat_model"]
    assert REGISTRY[change].unit in words["epsilon"]


def test_the_worst_angle_of_a_grid(capsys, tmp_path, volume):
    _, folder = run(
        capsys, tmp_path, "--data", volume, "--method", "zero_filled", "--attack", "rotation", "--limit", "1",
        "--eps", "4", "--save-perturbations", *SAMPLING,
    )  # fmt: skip
    (search,) = lines(folder / "searches.jsonl")
    assert len(search["trace"]) == 100
    with np.load(folder / "perturbations.npz") as file:
        (angle,) = (file[name] for name in file.files)
    # An angle has no scale.
    assert np.abs(angle).max() == pytest.approx(lines(folder / "images.jsonl")[0]["norm"], rel=1e-5)
    assert search["restarts"] == pytest.approx([max(search["trace"])], rel=1e-5)
    # The SSIM is kept at the same angles, and the one that was chosen is scored again by the run.
    worst = int(np.argmax(search["trace"]))
    assert np.linspace(-4, 4, 100)[worst] == pytest.approx(angle.item(), abs=1e-4)
    (scored,) = (row["attacked"] for row in lines(folder / "images.jsonl") if row["metric"] == "ssim")
    assert search["ssim"][worst] == pytest.approx(scored, abs=1e-4)
    assert len(search["ssim"]) == 100
    assert (folder / "angle.png").read_bytes().startswith(b"\x89PNG")


def test_a_region_is_scored_and_attacked(capsys, tmp_path, volume):
    found = {}
    for aim in ("region", "image"):
        _, folder = run(
            capsys, tmp_path / aim, "--data", volume, "--method", "sense", "--limit", "1", "--eps", "0.05",
            "--region", "10", "12", "8", "9", "--aim", aim, "--like", "morshuis2022", "--attack", "pgd", *SAMPLING,
        )  # fmt: skip
        found[aim] = {row["metric"]: row for row in lines(folder / "images.jsonl")}
    assert found["region"]["nmse"]["attacked"] > 1.5 * found["image"]["nmse"]["attacked"]
    assert found["region"]["nmse"]["clean"] == found["image"]["nmse"]["clean"]
    assert "ssim_morshuis2022" in found["region"]


@pytest.mark.usefixtures("no_figures")
def test_whitened_perturbations_keep_their_size(capsys, tmp_path, volume):
    _, folder = run(
        capsys, tmp_path, "--data", volume, "--method", "zero_filled", "--norm", "whitened", "--limit", "1",
        "--eps", "0.1", "--steps", "2", *SAMPLING,
    )  # fmt: skip
    row = lines(folder / "images.jsonl")[0]
    assert row["norm"] == pytest.approx(0.1, rel=1e-4)
    assert 0.01 < row["norm_kspace"] < 1
    record = json.loads((folder / "run.json").read_text())
    assert 0 < record["thermal"][row["case"]] < 0.5


@pytest.mark.usefixtures("no_figures")
def test_ones_own_function_is_a_method(capsys, tmp_path, volume, monkeypatch):
    (tmp_path / "mine.py").write_text(
        "import jax.numpy as jnp\n"
        "from jaxcs.fourier import ifft2c\n"
        "from jaxcs.complex import root_sum_of_squares\n"
        "def reconstruct(kspace, mask, maps):\n"
        "    return root_sum_of_squares(ifft2c(kspace))\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    _, folder = run(
        capsys, tmp_path / "out", "--data", volume, "--method", "mine:reconstruct", "--victims", "zero_filled",
        "--limit", "1", "--eps", "0.05", "--steps", "2", *SAMPLING,
    )  # fmt: skip
    rows = {row["victim"]: row for row in lines(folder / "images.jsonl") if row["metric"] == "psnr"}
    assert rows["mine:reconstruct"]["attacked"] < rows["mine:reconstruct"]["noise"]
    code = attack.main(["--method", "mine:nothing", "--output", str(tmp_path / "none")])
    assert code == 2
    assert "mine:nothing" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.usefixtures("no_figures")
def test_functions_are_compiled_once_for_each_method_and_shape(capsys, tmp_path, volume, caplog):
    """Images compile nothing again.  Several epsilons together compile the evaluation of each victim once more."""

    def compilations(*arguments):
        caplog.clear()
        # Set for all threads; `jax.log_compiles` is not.
        jax.config.update("jax_log_compiles", True)
        try:
            with caplog.at_level(logging.WARNING):
                run(capsys, tmp_path / str(len(arguments)), "--data", volume, "--victims", "sense", *arguments, *SMALL)
        finally:
            jax.config.update("jax_log_compiles", False)
        names = [re.search(r"Finished XLA compilation of jit\((\w+)\)", r.getMessage()) for r in caplog.records]
        return sorted(name[1] for name in names if name and name[1] in ("run", "evaluate"))

    one = compilations("--limit", "1", "--eps", "0.05")
    # The third evaluation is for the zero-filled image, with which every method is compared.
    assert one == ["evaluate", "evaluate", "evaluate", "run"]
    assert compilations("--limit", "2", "--eps", "0.02", "0.05", "0.1") == sorted([*one, "evaluate", "evaluate"])
