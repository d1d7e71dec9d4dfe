"""CT from the command line: a network is trained on sinograms, attacked, and tested for stability; and mistakes."""

import json

import h5py
import numpy as np
import pytest

from bench import attack, reconstruct, stability, train, tune
from bench.studies.stability.worlds import WORLDS
from data_prep.phantom import sinograms
from jaxcs.nets import convolution
from jaxcs.operators.parallel_beam import ParallelBeam
from jaxcs.recon import fbpconvnet
from tests.helpers.places import DATA

SIZE = 48


@pytest.fixture
def small(monkeypatch):
    """Small phantoms, and a network that is compiled in seconds."""
    monkeypatch.setattr(sinograms, "SIZE", SIZE)
    monkeypatch.setitem(fbpconvnet.PRESETS, "tiny", fbpconvnet.Config(2, 1))
    # XLA's convolution for any number of channels compiles faster; the other forms have tests of their own.
    monkeypatch.setattr(convolution, "_FEW_CHANNELS", 0)
    monkeypatch.setattr(convolution, "_FEW_FOR_KERNEL", 0)


def run(command, *arguments):
    return command.main([*map(str, arguments)])


def only(folder):
    (found,) = folder.iterdir()
    return found


def rows_of(folder):
    return [json.loads(line) for line in (folder / "images.jsonl").read_text().splitlines()]


def trained(tmp_path):
    flags = ["--variant", "tiny", "--images", 2, "--validation-images", 1, "--steps", 2, "--views", 6, "--every", 2]
    assert run(train, "--method", "fbpconvnet", *flags, "--output", tmp_path / "train") == 0
    return only(tmp_path / "train") / "weights.safetensors"


def test_a_network_of_sinograms_is_trained_attacked_and_tested(tmp_path, small, monkeypatch, capsys):
    weights = trained(tmp_path)
    assert "built-in phantom (ellipses), 2 training images, 6 views, noise simulated" in capsys.readouterr().err
    flags = ["--phantom", "thorax", "--views", 6, "--limit", 1, "--eps", 0.02, "--steps", 2]
    methods = ["--method", "fbpconvnet", "fbp", "--weights", f"fbpconvnet={weights}", "--attack", "apgd"]
    assert run(attack, *methods, *flags, "--norm", "measured", "--output", tmp_path / "attack") == 0
    out = capsys.readouterr()
    assert "\nsinogram of 6 views by 69 detectors\n" in out.err
    record = json.loads((only(tmp_path / "attack") / "run.json").read_text())
    assert (record["config"]["views"], record["config"]["phantom"]) == (6, "thorax")
    assert record["threat_model"]["domain"] == "the measured sinogram"
    psnr = {row["victim"]: row for row in rows_of(only(tmp_path / "attack")) if row["metric"] == "psnr"}
    assert all(row["attacked"] < min(row["noise"], row["clean"]) for row in psnr.values())
    # The linear start of a sinogram is filtered back-projection, and tables and page call it so.
    assert psnr["fbp"]["zero_filled"] == pytest.approx(psnr["fbp"]["clean"], abs=1e-3)
    page = (only(tmp_path / "attack") / "report.html").read_text()
    assert out.out.split("\n")[0].split()[:6] == ["method", "attack", "eps", "metric", "FBP", "clean"]
    assert "FBP: the weakest method" in page
    assert "zero-filled" not in (out.out + out.err + page).lower()
    world = WORLDS["med50"]._replace(comparator="fbp", settings=(), accelerations=(20.0, 4.0))
    monkeypatch.setitem(WORLDS, "med50", world)
    flags = ["--weights", f"med50={weights}", "--limit", 1, "--steps", 3, "--output", tmp_path / "stability"]
    assert run(stability, "--method", "med50", *flags) == 0
    rows = rows_of(only(tmp_path / "stability"))
    found = {
        name: [row for row in rows if row["kind"] == name] for name in ("clean", "perturbation", "structure", "samples")
    }
    attacks = {row["attack"] for row in found["perturbation"]}
    assert attacks == {"Algorithm 2", "projected gradients", "singular vector"}
    # The largest singular value bounds what a linear map does to any perturbation.
    (fbp,) = (row for row in found["clean"] if row["method"] == "fbp")
    gains = [row["gain"] for row in found["perturbation"] if row["method"] == "fbp"]
    own = next(row for row in found["perturbation"] if row["attack"] == "singular vector" and row["method"] == "fbp")
    assert 1 < fbp["singular_value"] <= 1.001 * own["gain"]
    assert own["gain"] == pytest.approx(max(gains))
    assert "gain, worst for fbp" in (only(tmp_path / "stability") / "tables.md").read_text()
    assert {row["gain"] for row in found["perturbation"] if row["method"] == "ignores data"} == {0}
    samples = {(row["method"], row["acceleration"]): row["psnr"] for row in found["samples"]}
    assert samples["fbp", 4.0] > samples["fbp", 20.0] + 3
    assert samples["ignores data", 4.0] == pytest.approx(samples["ignores data", 20.0], abs=1e-3)
    shown = {row["method"]: row["kept"] for row in found["structure"]}
    assert (shown["fully sampled"], shown["ignores data"]) == (pytest.approx(1), 0)
    for figure in ("perturbation", "structure", "samples"):
        assert (only(tmp_path / "stability") / f"{figure}.png").read_bytes().startswith(b"\x89PNG")


def test_phantoms_of_ct_and_images_of_a_file_are_reconstructed(tmp_path, small, capsys):
    flags = ["--method", "fbp", "--views", 9, "--limit", 1]
    assert run(reconstruct, *flags, "--phantom", "thorax", "--noise", 0.1, "--output", tmp_path / "drawn") == 0
    told = capsys.readouterr()
    assert "sinogram of 9 views by 69 detectors" in told.err
    clean, noisy = (read_image(tmp_path / "drawn" / name) for name in ("clean", "noise-0.1"))
    case = sinograms.case("thorax", "test", 0, SIZE, 9)
    beam = ParallelBeam(np.ones((1, SIZE, SIZE), np.float32), np.ones(case.kspace.shape[1:], bool))
    np.testing.assert_allclose(clean, beam.fbp(case.kspace), atol=1e-4 * np.abs(clean).max())
    assert clean.shape == noisy.shape == (SIZE, SIZE)
    assert np.abs(clean - noisy).max() > 0
    assert run(reconstruct, *flags, "--data", ct_file(tmp_path), "--output", tmp_path / "given") == 0
    assert "these are images: their sinograms and the noise are simulated" in capsys.readouterr().err
    record = json.loads((tmp_path / "given" / "reconstruction.json").read_text())
    assert any("simulated" in note for note in record["notes"])


def read_image(folder):
    (path,) = folder.iterdir()
    with h5py.File(path) as file:
        return file["reconstruction"][0]


def ct_file(folder):
    """Two images of 32 x 32 pixels."""
    image = np.zeros((2, 32, 32), np.float32)
    image[0, 8:20, 9:22], image[1, 10:15, 3:30] = 700, 1200
    with h5py.File(folder / "ct.h5", "w") as file:
        file["image"] = image
    return folder / "ct.h5"


def test_measured_thoraxes_are_projected(tmp_path, capsys):
    """Slices of a scanner, which span 0 to 2072."""
    path = DATA / "images" / "ct_thorax.h5"
    if not path.exists():
        pytest.skip(f"the slices of CT are not in {path}")
    flags = ["--data", path, "--method", "fbp", "--limit", 1, "--views", 50]
    assert run(reconstruct, *flags, "--output", tmp_path / "out") == 0
    assert "sinogram of 50 views by 727 detectors" in capsys.readouterr().err
    record = json.loads((tmp_path / "out" / "reconstruction.json").read_text())
    (scores,) = record["scores"]
    with h5py.File(path) as file:
        measured = file["image"][0]
    image = read_image(tmp_path / "out" / "clean")
    assert np.corrcoef(image.ravel(), measured.ravel())[0, 1] > 0.9
    assert 15 < scores["psnr"] < 40


def test_images_of_a_file_are_projected(tmp_path, capsys):
    path = ct_file(tmp_path)
    flags = ["--eps", 0.02, "--steps", 1, "--output", tmp_path / "out"]
    assert run(attack, "--method", "fbp", "--data", path, "--views", 9, "--limit", 1, *flags) == 0
    assert "ct.h5, sinograms of 9 views" in capsys.readouterr().err
    record = json.loads((only(tmp_path / "out") / "run.json").read_text())
    assert list(record["data_sha256"]) == ["ct.h5"]


@pytest.mark.parametrize(
    ("command", "flags", "problem"),
    [
        (
            attack,
            ["--method", "unet", "--phantom", "ellipses"],
            "unet reconstructs k-space; use --phantom knee or brain",
        ),
        (
            attack,
            ["--method", "fbp", "--phantom", "knee"],
            "fbp reconstructs sinograms; use --phantom ellipses or thorax",
        ),
        (attack, ["--method", "fbp", "unet"], "--phantom ellipses: unet reconstructs k-space"),
        (attack, ["--method", "fbp", "--victims", "l1"], "--phantom ellipses: l1 reconstructs k-space"),
        (attack, ["--method", "unet", "--views", "9"], "--views: unet reconstructs k-space; leave the flag out"),
        (attack, ["--method", "tv", "--views", "9"], "--views: the phantom of a knee is k-space"),
        (attack, ["--method", "fbp", "--views", "0"], "0 must be at least 1"),
        (attack, ["--method", "fbp", "--acceleration", "3"], "sinograms are sampled by --views"),
        (attack, ["--method", "fbp", "--shift", "noise=2"], "--shift noise: a sinogram is not shifted"),
        (attack, ["--method", "fbp", "--threat", "bias"], "is a sinogram, use noise"),
        (attack, ["--method", "fbp", "--norm", "whitened"], "its whole data unknown; use measured"),
        (train, ["--method", "fbpconvnet", "--phantom", "brain"], "use --phantom ellipses or thorax"),
        (train, ["--method", "unet", "--phantom", "thorax"], "unet reconstructs k-space"),
        (reconstruct, ["--method", "fbp", "--phantom", "knee"], "use --phantom ellipses or thorax"),
        (
            reconstruct,
            ["--method", "l1", "--phantom", "thorax"],
            "l1 reconstructs k-space; use --phantom knee or brain",
        ),
        (reconstruct, ["--method", "fbp", "--views", "0"], "0 must be at least 1"),
        (tune, ["--method", "tv", "--phantom", "ellipses"], "unknown name 'ellipses'"),
    ],
)
def test_a_mistake_is_one_line(tmp_path, small, capsys, command, flags, problem):
    assert run(command, *flags, "--output", tmp_path / "out") == 2
    assert problem in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "out").exists()


def test_data_that_are_no_images_of_ct_are_one_line(tmp_path, capsys):
    path = tmp_path / "wide.h5"
    with h5py.File(path, "w") as file:
        file["image"] = np.ones((1, 32, 40), np.float32)
    assert run(attack, "--method", "fbp", "--data", path, "--output", tmp_path / "out") == 3
    assert "holds images of 32 x 40 pixels: crop or pad CT images to squares" in capsys.readouterr().err
    with h5py.File(tmp_path / "odd.h5", "w") as file:
        file["image"] = np.ones((1, 40, 40), np.float32)
    flags = ["--method", "fbpconvnet", "--data", tmp_path / "odd.h5", "--output", tmp_path / "out"]
    assert run(attack, *flags) == 2
    assert "a side of 40 pixels cannot be halved 4 times" in capsys.readouterr().err
    assert run(train, *flags, "--validation", tmp_path / "odd.h5") == 2
    assert "--method fbpconvnet: a side of 40 pixels cannot be halved 4 times" in capsys.readouterr().err
    with h5py.File(tmp_path / "kspace.h5", "w") as file:
        file["kspace"] = np.ones((1, 2, 32, 32), np.complex64)
    assert run(attack, "--method", "fbp", "--data", tmp_path / "kspace.h5", "--output", tmp_path / "out") == 3
    assert "holds k-space, and a method for CT reconstructs sinograms: give images of CT" in capsys.readouterr().err
