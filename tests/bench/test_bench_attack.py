"""The command: its record, its exit codes, and one line for every mistake."""

import csv
import json
import os
import re
import signal
import subprocess
import sys

import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bench import attack
from bench.record.summary import COLUMNS
from bench.run import batch_size
from data_prep import phantom
from jaxcs.attacks import ATTACKS
from jaxcs.metrics import METRICS
from tests.helpers.places import ROOT

SHAPE = (40, 32)
SAMPLING = ["--center-fraction", "0.25", "--acceleration", "2.5"]
SMALL_L1 = ["--steps", "2", "--set", "tolerance=0.01", "levels=2", *SAMPLING]
# The method and attack that compile fastest, for tests of other things.
FAST = ["--method", "zero_filled", "--attack", "pgd", "--steps", "2", *SAMPLING]


@pytest.fixture(scope="module")
def scans():
    """Two small phantoms as raw k-space (slice, coil, ny, nx)."""
    return np.stack([phantom.case("knee", "train", index, SHAPE).kspace for index in range(2)])


@pytest.fixture
def volume(tmp_path, scans):
    return write(tmp_path / "volume.h5", scans)


def write(path, kspace):
    with h5py.File(path, "w") as file:
        file["kspace"] = kspace * np.complex64(1e-6)
    return path


def run(capsys, tmp_path, *arguments):
    """Run the command; returns exit code, stdout, stderr and the run's folder, or None if it left no folder."""
    output = tmp_path / "out"
    code = attack.main([*map(str, arguments), "--output", str(output)])
    captured = capsys.readouterr()
    folders = list(output.iterdir()) if output.is_dir() else []
    assert len(folders) <= 1
    return code, captured.out, captured.err, folders[0] if folders else None


def test_a_run_leaves_a_whole_record(capsys, tmp_path, volume):
    code, out, err, folder = run(
        capsys, tmp_path, "--data", volume, "--eps", "0.05", "0.02", "--save-perturbations", "--json", *SMALL_L1
    )
    assert code == 0, err
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "run.json", "images.jsonl", "searches.jsonl", "summary.csv", "pictures.npz", "figure.png", "report.html",
        "perturbations.npz", "images",
    }  # fmt: skip
    record = json.loads((folder / "run.json").read_text())
    assert record == json.loads(out)
    assert record["status"] == "done"
    assert record["failed"] == {}
    assert record["gradient_evaluations"] == 2 * 2 * 2
    assert record["threat_model"]["epsilon"].startswith("relative to the norm of the measured entries")
    assert len(record["data_sha256"]["volume.h5"]) == 64

    rows = [json.loads(line) for line in (folder / "images.jsonl").read_text().splitlines()]
    assert len(rows) == 2 * 2 * len(METRICS)
    assert {row["case"] for row in rows} == {"volume.h5:0", "volume.h5:1"}
    for row in rows:
        assert row["norm"] == pytest.approx(row["eps"], rel=1e-4)
        assert row["norm_kspace"] == pytest.approx(row["eps"], rel=1e-4)
    for row in (row for row in rows if row["metric"] == "psnr"):
        assert row["attacked"] < row["noise"] < row["clean"] + 0.5

    with (folder / "summary.csv").open() as file:
        summary = list(csv.DictReader(file))
    assert tuple(summary[0]) == COLUMNS
    assert [(row["eps"], row["metric"], row["n"]) for row in summary] == [
        (eps, metric, "2") for eps in ("0.02", "0.05") for metric in sorted(METRICS)
    ]
    psnr = [row["attacked"] for row in rows if (row["metric"], row["eps"]) == ("psnr", 0.05)]
    at_005 = next(row for row in summary if (row["metric"], row["eps"]) == ("psnr", "0.05"))
    assert float(at_005["attacked"]) == pytest.approx(np.mean(psnr))
    # Both slices belong to one volume.
    assert [at_005[name] for name in ("ci95", "low", "high", "interval", "volumes")] == ["", "", "", "", "1"]

    with np.load(folder / "perturbations.npz") as file:
        delta = file["volume.h5:1|0.05"]
    assert delta.shape == (8, *SHAPE)
    with h5py.File(volume) as file:
        measured = np.where(np.abs(delta).sum(axis=(0, 1)) > 0, file["kspace"][1], 0)
    assert np.linalg.norm(delta) == pytest.approx(0.05 * np.linalg.norm(measured), rel=1e-3)

    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "<img alt=" in page
    assert "data:image/png;base64," in page
    assert not re.findall(r"https?://|<script src|<link", page)
    assert (folder / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_the_built_in_phantom_needs_no_flags(capsys, tmp_path):
    code, out, err, folder = run(
        capsys, tmp_path, "--method", "zero_filled", "--limit", "1", "--eps", "0.05", "--steps", "2"
    )
    assert code == 0, err
    assert "--data PATH takes fastMRI files" in err
    assert "phantom" in err.splitlines()[0]
    assert (
        re.sub(" +", " ", out.splitlines()[0])
        == "method attack eps metric zero-filled clean noise attacked 95 % CI images"
    )
    assert folder is not None


@pytest.mark.usefixtures("no_figures")
def test_where_inverses_do_not_fit_another_solver_takes_their_place(capsys, tmp_path, volume, monkeypatch):
    monkeypatch.setattr(batch_size, "_OF_INVERSES", 0.0)
    # The attack is not the point of this test.
    flags = ["--data", volume, "--limit", "1", "--eps", "0.05", "--attack", "noise"]
    code, _, err, folder = run(capsys, tmp_path, *flags, "--set", "l1.tolerance=0.01", "l1.levels=2", *SAMPLING)
    assert code == 0, err
    record = json.loads((folder / "run.json").read_text())
    assert record["methods"]["l1"]["config"]["solver"] == "pogm"
    assert any("0.0 GB are for them; solver=pogm" in note for note in record["notes"])
    assert "solver=pogm" in err


def test_a_dry_run_says_what_it_would_do_and_leaves_nothing(capsys, tmp_path, volume):
    code, out, err, folder = run(capsys, tmp_path, "--data", volume, "--dry-run", *SAMPLING)
    assert (code, out, folder) == (0, "", None)
    assert re.match(
        r"cpu .* \| .*volume\.h5, 2 images \| l1 under scout, eps 0\.01 .* \| about [\d.]+ GB and \d+ s", err
    )
    assert re.search(r"^mask random: \d+ of 32 lines \(\d\.\d\d times accelerated\)", err, re.MULTILINE)


@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize("norm", ["kspace", "per_coil", "image"])
def test_every_threat_set_is_kept(capsys, tmp_path, volume, norm):
    code, _, err, folder = run(capsys, tmp_path, "--data", volume, "--norm", norm, "--eps", "0.1", *FAST)
    assert code == 0, err
    rows = [json.loads(line) for line in (folder / "images.jsonl").read_text().splitlines()]
    assert [row["norm"] for row in rows] == pytest.approx([0.1] * len(rows), rel=1e-4)
    if norm == "kspace":  # parts on unmeasured entries are lost
        assert all(row["norm_kspace"] <= 0.1 * 1.2 for row in rows)


@pytest.mark.usefixtures("no_figures")
def test_maps_can_be_reestimated_inside_the_attack(capsys, tmp_path, volume):
    common = ["--data", volume, "--limit", "1", "--eps", "0.05", "--json", *FAST]
    worst = {}
    for maps in ("fixed", "reestimated"):
        code, out, err, _ = run(capsys, tmp_path / maps, *common, "--maps", maps)
        assert code == 0, err
        psnr = next(row for row in json.loads(out)["summary"] if row["metric"] == "psnr")
        assert psnr["attacked"] < psnr["noise"]
        worst[maps] = psnr["attacked"]
    assert worst["fixed"] != worst["reestimated"]


@pytest.mark.usefixtures("no_figures")
def test_numbers_depend_on_the_seed_but_not_on_the_batch(capsys, tmp_path, volume):
    common = ["--data", volume, "--eps", "0.05", "--json", *FAST]
    summaries = []
    for index, extra in enumerate(([], ["--batch", "2"], ["--seed", "1"])):
        code, out, err, _ = run(capsys, tmp_path / str(index), *common, *extra)
        assert code == 0, err
        summaries.append([row["attacked"] for row in json.loads(out)["summary"]])
    np.testing.assert_allclose(summaries[0], summaries[1], rtol=1e-3)
    assert not np.allclose(summaries[0], summaries[2], rtol=1e-6)


def test_odd_and_prime_sizes_are_padded_and_the_run_says_so(capsys, tmp_path):
    kspace = phantom.case("brain", "train", 0, (37, 43)).kspace[None]
    code, _, err, _ = run(capsys, tmp_path, "--data", write(tmp_path / "odd.h5", kspace), "--eps", "0.05", *SMALL_L1)
    assert code == 0, err
    assert "note: 37 x 43 is padded to 40 x 44 for 2 wavelet levels" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--method", "l2"], ["'l2'", "did you mean 'l1'?", "zero_filled"]),
        (["--eps", "-0.1"], ["--eps", "-0.1 must be at least 0"]),
        (["--eps", "nan"], ["--eps", "nan is not a finite number"]),
        (["--eps", "1e30"], ["--eps", "1e30 must be at least 0 and at most 1e+06"]),
        (["--metod", "l1"], ["unrecognized arguments: --metod"]),
        (["--acceleration", "0.5"], ["--acceleration", "0.5 must be at least 1"]),
        (["--limit", "0"], ["--limit", "must be at least 1"]),
        (["--set", "lambda=1"], ["l1 has no such setting", "did you mean 'lam'?"]),
        (["--set", "lam=much"], ["--set lam=much", "float"]),
        (["--set", "lam=-1"], ["--set", "lam"]),
        (["--set", "basis=curvelet"], ["--set", "basis", "wavelet"]),
        (["--set", "wavelet=bior2.2"], ["--set", "bior2.2", "orthogonal"]),
        (["--set", "lam"], ["'lam' is not NAME=VALUE"]),
        (["--method", "tv", "--preset", "rc2021"], ["--preset rc2021", "tv"]),
        (["--acceleration", "40"], ["--acceleration", "--center-fraction"]),
        (["--center-fraction", "0.02"], ["ESPIRiT needs", "raise the centre fraction"]),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line_and_exit_2(capsys, tmp_path, arguments, words):
    code, out, err, folder = run(capsys, tmp_path, "--limit", "1", *arguments)
    line = err.splitlines()[-1]
    assert (code, out) == (2, "")
    assert line.startswith("bench.attack: error: ")
    assert all(word in line for word in words), line
    assert "Traceback" not in err
    assert folder is None


@pytest.mark.parametrize(("device", "extra"), [("gpu", "jaxcs[cuda12]"), ("tpu", "jaxcs[tpu]")])
def test_a_device_that_is_not_there_is_never_replaced_in_silence(tmp_path, device, extra):
    if jax.default_backend() == device:
        pytest.skip(f"this machine has a {device}")
    command = [sys.executable, "-m", "bench.attack", "--device", device, "--output", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    line = done.stderr.splitlines()[-1]
    assert (done.returncode, done.stdout) == (2, "")
    assert line.startswith(f"bench.attack: error: --device {device}: ")
    assert extra in line
    assert "Traceback" not in done.stderr


def test_what_nobody_foresaw_is_one_line_too(capsys, tmp_path, volume, monkeypatch):
    monkeypatch.setattr("bench.run.run.attack_all", lambda *_: 1 / 0)
    code, _, err, _ = run(capsys, tmp_path, "--data", volume, *FAST)
    assert code == 1
    assert (
        err.splitlines()[-2]
        == "bench.attack: error: unexpected ZeroDivisionError: division by zero; --debug shows where"
    )


def test_files_that_cannot_be_used_are_exit_3(capsys, tmp_path, volume, scans):
    whole = volume.read_bytes()
    (tmp_path / "cut.h5").write_bytes(whole[: len(whole) // 2])
    write(tmp_path / "real.h5", scans).write_bytes(b"text")
    bad = scans.copy()
    bad[:, 0, 0, 0] = np.nan
    write(tmp_path / "nan.h5", bad)
    write(tmp_path / "zero.h5", 0 * scans)
    (tmp_path / "empty").mkdir()
    for name in ("missing.h5", "cut.h5", "real.h5", "nan.h5", "zero.h5", "empty"):
        code, out, err, folder = run(capsys, tmp_path / name.replace(".", "-"), "--data", tmp_path / name, *FAST)
        line = err.splitlines()[-1]
        assert (code, out, folder) == (3, "", None), (name, err)
        assert line.startswith("bench.attack: error: ")
        assert name in line


def test_one_bad_slice_is_marked_and_the_run_goes_on(capsys, tmp_path, scans):
    bad = scans.copy()
    bad[0, 0, 0, 0] = np.nan
    code, _, err, folder = run(capsys, tmp_path, "--data", write(tmp_path / "some.h5", bad), "--eps", "0.05", *FAST)
    assert code == 1
    record = json.loads((folder / "run.json").read_text())
    assert list(record["failed"]) == ["some.h5:0"]
    assert record["summary"][0]["n"] == 1
    lines = [json.loads(line) for line in (folder / "images.jsonl").read_text().splitlines()]
    assert "NaN" in lines[0]["failed"]
    assert "failed: " in err
    assert "some.h5: 'kspace' of slice 0" in err


def test_an_attack_that_returns_nan_fails_its_images(capsys, tmp_path, volume, monkeypatch):
    """A perturbation of NaN has a norm of 0, and must not pass for a small perturbation."""
    pgd = ATTACKS["pgd"]

    def build(config):
        attack = pgd.build(config)
        return lambda *arguments: (found := attack(*arguments))._replace(delta=found.delta * jnp.nan)

    monkeypatch.setattr("jaxcs.attacks.pgd.ATTACK", pgd._replace(build=build))
    code, _, _, folder = run(capsys, tmp_path, "--data", volume, "--eps", "0.05", *FAST)
    assert code == 1
    failed = json.loads((folder / "run.json").read_text())["failed"]
    assert [reason.split(": ")[1] for reason in failed.values()] == ["non-finite result at epsilon 0.05"] * 2


def test_a_coil_of_zeros_is_no_reason_to_fail(capsys, tmp_path, scans):
    dead = scans[:1].copy()
    dead[:, 0] = 0
    code, out, err, _ = run(
        capsys, tmp_path, "--data", write(tmp_path / "dead.h5", dead), "--eps", "0.05", "--json", *FAST
    )
    assert code == 0, err
    assert all(np.isfinite([row["clean"], row["attacked"]]).all() for row in json.loads(out)["summary"])


def test_an_output_that_cannot_be_written_is_exit_4(capsys, tmp_path, volume):
    (tmp_path / "file").write_text("not a folder")
    code = attack.main(["--data", str(volume), "--output", str(tmp_path / "file"), *FAST])
    line = capsys.readouterr().err.splitlines()[-1]
    assert code == 4
    assert line.startswith("bench.attack: error: cannot write ")
    assert "--output" in line


@pytest.mark.parametrize(
    ("happen", "expected"),
    [(signal.SIGINT, 130), (MemoryError(), 5)],
    ids=["int", "memory"],
)
def test_interruptions_have_their_exit_codes(capsys, tmp_path, volume, monkeypatch, happen, expected):
    def attack_all(*_):
        if isinstance(happen, Exception):
            raise happen
        os.kill(os.getpid(), happen)

    monkeypatch.setattr("bench.run.run.attack_all", attack_all)
    # A shell starts its background jobs with SIGINT ignored, and Python keeps that.
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        code, _, err, folder = run(capsys, tmp_path, "--data", volume, *SAMPLING)
    finally:
        signal.signal(signal.SIGINT, previous)
    assert code == expected
    error, how = err.splitlines()[-2:]
    assert error.startswith("bench.attack: error: ")
    assert how == f"python -m bench.attack --resume {folder}"
    status = json.loads((folder / "run.json").read_text())["status"]
    assert status == ("failed" if expected == 5 else "interrupted")
