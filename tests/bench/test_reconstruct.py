"""bench.reconstruct: images of all slices in files, clean, with noise and with the perturbations of a run."""

import json

import h5py
import numpy as np
import pytest

import jaxcs
from bench import attack, reconstruct
from bench.figures import overview
from bench.run import batch_size, finish
from data_prep.image_formats import FORMATS
from jaxcs.fourier import image_crop
from tests.helpers import cheap_run, fastmri_like

FLAGS = ["--method", "zero_filled", "--center-fraction", "0.25", "--acceleration", "2.5"]


def run(capsys, *arguments):
    """Run the command; returns exit code, stdout, and the lines of stderr."""
    code = reconstruct.main([*map(str, arguments)])
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return code, captured.out, captured.err.splitlines()


def images(path):
    with h5py.File(path) as file:
        return file["reconstruction"][()]


def record(folder):
    return json.loads((folder / "reconstruction.json").read_text())


def mask_of(name, shape):
    mask = jaxcs.masks.make("random", shape, 2.5, 0.25, jaxcs.masks.seed_from_name(name))
    return np.array(mask)


def test_a_slice_that_fails_keeps_its_place_and_loses_no_other(tmp_path, capsys):
    volume, output = cheap_run.write_volume(tmp_path / "file1.h5"), tmp_path / "images"
    code, out, err = run(capsys, *FLAGS, "--data", volume, "--output", output, "--format", "h5", "cfl")
    assert code == 1
    assert err[-1].startswith("failed: ")
    assert "slice 1 holds NaN" in err[-1]
    assert out.splitlines()[-1].startswith("| clean | ")
    assert out.splitlines()[-1].endswith(" | 2 |")
    assert sorted(path.name for path in output.rglob("*")) == [
        "clean", "file1.cfl", "file1.h5", "file1.hdr", "reconstruction.json",
    ]  # fmt: skip
    found = images(output / "clean" / "file1.h5")
    assert found.dtype == np.float32
    assert np.isnan(found[1]).all()
    assert np.isfinite(found[[0, 2]]).all()
    done = record(output)
    assert (done["status"], list(done["failed"])) == ("done", ["file1.h5:1"])
    assert done["volumes"] == {"file1.h5": {"first_slice": 0, "slices": 3, "voxel_mm": None}}
    assert done["methods"]["zero_filled"] == {
        "method": "zero_filled", "config": {}, "maps": "fixed", "weights": None,
    }  # fmt: skip
    with h5py.File(volume) as file:
        kspace, maps = file["kspace"][()], file["maps"][()]
    for index in (0, 2):
        mask = mask_of("file1.h5", kspace.shape[-2:])
        theirs = np.asarray(jaxcs.reconstruct("zero_filled", kspace[index], mask, maps[index]))
        np.testing.assert_allclose(found[index], theirs, rtol=1e-5, atol=1e-6 * theirs.max())


@pytest.fixture(scope="module")
def attacked(tmp_path_factory):
    """A run with stored perturbations, of a volume of fastMRI's geometry."""
    folder = tmp_path_factory.mktemp("attacked")
    volume = fastmri_like.write(folder, "knee")
    flags = [*FLAGS, "--data", str(volume), "--eps", "0.05", "--attack", "noise"]
    flags += ["--seed", "3", "--save-perturbations", "--output", str(folder / "runs")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(overview, "draw", lambda run: b"figure")
        patch.setattr(finish, "page_of", lambda run: b"report")
        assert attack.main(flags) == 0
    return next((folder / "runs").iterdir())


def test_images_are_those_of_an_attack(attacked, tmp_path, capsys):
    output = tmp_path / "images"
    code, out, err = run(capsys, "--perturbations", attacked, "--noise", "0.05", "--output", output)
    assert code == 0
    versions = ["clean", "noise-0.05", "attacked-0.05"]
    assert [line.split(" | ")[0][2:] for line in out.splitlines()[2:]] == versions
    assert "note: the perturbations" not in "\n".join(err)
    rows = [json.loads(line) for line in (attacked / "images.jsonl").read_text().splitlines()]
    with np.load(attacked / "pictures.npz") as pictures:
        kept = {name: pictures[name] for name in pictures.files}
    done = record(output)
    for row in rows:
        for version, state in (("clean", "clean"), ("noise-0.05", "noise"), ("attacked-0.05", "attacked")):
            mine = next(one for one in done["scores"] if (one["case"], one["version"]) == (row["case"], version))
            assert mine[row["metric"]] == pytest.approx(row[state], rel=1e-5), (state, row["metric"])
    for case, sampled in done["sampling"].items():
        index = int(case[-1])
        for version, key in (("clean", "zero_filled|clean"), ("attacked-0.05", "zero_filled|zero_filled|0.05")):
            found = images(output / version / "knee.h5")
            assert found.shape == (2, 32, 32)
            np.testing.assert_allclose(found[index] / sampled["scale"], kept[f"{case}|{key}"], atol=2e-3)
    assert not np.allclose(
        images(output / "clean" / "knee.h5"), images(output / "attacked-0.05" / "knee.h5"), rtol=1e-3
    )


def test_a_batch_gives_the_images_of_its_slices(attacked, tmp_path, capsys, monkeypatch):
    flags = ["--perturbations", attacked, "--noise", "0.05"]
    assert run(capsys, *flags, "--output", tmp_path / "one")[0] == 0
    # The volume has two slices; the first fills up a batch of three.
    assert run(capsys, *flags, "--batch", "3", "--output", tmp_path / "many")[0] == 0
    monkeypatch.setattr(batch_size, "automatic", lambda: batch_size.AUTO)
    monkeypatch.setattr(batch_size, "_room", lambda device: 1e9)
    code, _, err = run(capsys, *flags, "--output", tmp_path / "auto")
    assert code == 0
    assert any(line.startswith("batch 2: a slice needs ") for line in err)
    assert [record(tmp_path / name)["runtime"] for name in ("one", "many", "auto")] == [{"batch": n} for n in (1, 3, 2)]
    for other in ("many", "auto"):
        for version in ("clean", "noise-0.05", "attacked-0.05"):
            mine, theirs = (images(tmp_path / name / version / "knee.h5") for name in ("one", other))
            np.testing.assert_allclose(theirs, mine, rtol=1e-5, atol=1e-6 * mine.max())


def test_another_method_takes_the_perturbations_with_a_note(attacked, tmp_path, capsys):
    flags = ["--perturbations", attacked, "--method", "sense", "--json", "--output", tmp_path / "images"]
    code, out, err = run(capsys, *flags)
    assert code == 0
    assert f"note: the perturbations of {attacked} were made for zero_filled" in err
    assert json.loads(out) == record(tmp_path / "images")
    assert set(json.loads(out)["methods"]) == {"sense"}


def test_files_without_truth_are_reconstructed_and_not_scored(tmp_path, capsys):
    path = fastmri_like.write(tmp_path, "knee")
    with h5py.File(path, "r+") as file:
        mask = mask_of("knee.h5", (64, 36))
        file["mask"] = mask.astype(np.float32)
        file["kspace"][...] *= mask
        kspace = file["kspace"][()]
        del file["reconstruction_rss"]
    code, out, _ = run(capsys, "--method", "zero_filled", "--data", path, "--output", tmp_path / "submission")
    assert (code, out) == (0, "")
    found = images(tmp_path / "submission" / "clean" / "knee.h5")
    for index in (0, 1):
        theirs = np.asarray(image_crop(jaxcs.reconstruct("zero_filled", kspace[index], mask), (32, 32)))
        np.testing.assert_allclose(found[index], theirs, rtol=1e-4, atol=1e-5 * theirs.max())
    # The attack still needs the truth.
    assert attack.main(["--method", "zero_filled", "--data", str(path), "--output", str(tmp_path / "runs")]) == 3


def not_finite(kspace, mask, maps):
    """Return no image that can be written."""
    return np.inf * abs(kspace).sum(0)


def test_an_image_that_is_not_finite_is_a_failed_image(tmp_path, capsys):
    volume = cheap_run.write_volume(tmp_path / "file1.h5")
    flags = [*FLAGS, "--method", f"{__name__}:not_finite", "--limit", "1", "--data", volume]
    code, out, err = run(capsys, *flags, "--output", tmp_path / "images")
    assert (code, out) == (1, "")
    assert "the image is not finite" in err[-1]
    assert not (tmp_path / "images" / "clean").exists()


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (["--format", "niftii"], 2, "unknown name 'niftii'; did you mean 'nifti'?"),
        (["--format", "dicom"], 2, "--format dicom: no_such_package is not installed; pip install 'jaxcs[dicom]'"),
        (["--perturbations", "RUN", "--limit", "2"], 2, "--limit: the run RUN decides it; leave the flag out"),
        (["--perturbations", "missing"], 3, "run.json: is missing; name what bench.attack made"),
        (["--perturbations", "RUN", "--set", "lam=1"], 2, "name the method too, by --method"),
        (["--method", "all"], 2, "unknown name 'all'"),
        (["--method", "unet", "--weights", "missing"], 3, "--weights missing"),
        (["--data", "missing.h5"], 3, "--data missing.h5"),
    ],
)
def test_mistakes_are_a_line_and_leave_nothing(attacked, tmp_path, capsys, monkeypatch, flags, code, words):
    monkeypatch.setitem(FORMATS, "dicom", FORMATS["dicom"]._replace(package="no_such_package"))
    flags = [str(attacked) if flag == "RUN" else flag for flag in flags]
    found, out, err = run(capsys, *flags, "--output", tmp_path / "images")
    assert (found, out) == (code, "")
    assert words.replace("RUN", str(attacked)) in err[-1]
    assert not (tmp_path / "images").exists()


def test_a_folder_that_exists_is_not_touched(tmp_path, capsys):
    (tmp_path / "images").mkdir()
    code, _, err = run(capsys, *FLAGS, "--limit", "1", "--output", tmp_path / "images")
    assert code == 4
    assert err[-1].endswith("images: File exists; choose another folder with --output")
    assert not list((tmp_path / "images").iterdir())


def test_perturbations_of_other_data_or_without_arrays_are_refused(attacked, tmp_path, capsys):
    path = attacked / "perturbations.npz"
    kept = path.read_bytes()
    try:
        for content, words in ((kept[: len(kept) // 2], "is damaged"), (None, "is missing; bench.attack --resume")):
            path.unlink()
            if content is not None:
                path.write_bytes(content)
            code, _, err = run(capsys, "--perturbations", attacked, "--output", tmp_path / "images")
            assert code == 3
            assert words in err[-1]
            path.write_bytes(kept)
    finally:
        path.write_bytes(kept)
    volume = attacked.parents[1] / "knee.h5"
    original = volume.read_bytes()
    with h5py.File(volume, "r+") as file:
        file.attrs["acquisition"] = "another"
    code, _, err = run(capsys, "--perturbations", attacked, "--output", tmp_path / "images")
    volume.write_bytes(original)
    assert code == 3
    assert "its data are no longer those of its perturbations" in err[-1]
