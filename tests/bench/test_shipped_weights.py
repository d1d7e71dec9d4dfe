"""The weights that come with the project, and untrusted weights, on the command line."""

import io
import pickle
import shutil
import tomllib
import zipfile
from fnmatch import fnmatch
from pathlib import Path

import pytest

import jaxcs
from bench import attack, cards
from data_prep.weights import read_weights, shipped
from jaxcs import catalogue
from jaxcs.catalogue import KSPACE
from jaxcs.weights import files
from tests.helpers import fastmri_like
from tests.helpers.places import PARITY, ROOT

STORED = PARITY / "torch_files"
NETWORKS = ("unet", "unet_complex", "varnet")
EXPECTED = {f"{method}-{data}" for method in NETWORKS for data in ("phantom-knee", "phantom-brain", "brain-t2")}
# This network chooses hard images, and is compared with nothing.
EXPECTED |= {"irim-phantom-knee"}
EXPECTED |= {"modl-phantom-knee", "modl-brain-drawn"}
EXPECTED |= {"diffusion-phantom-knee"}
# The networks of Antun et al. (2020), each for the sampling of its publication.
EXPECTED |= {f"{method}-phantom-knee" for method in ("deepmri", "dagan", "mri_vn", "automap")}
# Sinograms have a network of their own.
EXPECTED |= {"fbpconvnet-phantom-ellipses"}
# Weights for the phantom show test-time training; users train weights for measured images.
EXPECTED -= {"unet_complex-brain-t2"}
# bench.ttt compares these with the jointly trained weights.
EXPECTED |= {f"unet_complex-sup-phantom-{family}" for family in ("knee", "brain")}

from_a_clone = pytest.mark.skipif(
    bool(files.left_out()), reason="weights that packages leave out are not here: this is no clone of the repository"
)


@from_a_clone
def test_networks_have_weights_for_every_kind_of_data():
    assert set(shipped()) == EXPECTED
    assert sum(path.stat().st_size for path in shipped().values()) < 1e7


@from_a_clone
def test_the_model_cards_are_those_in_the_files():
    folder = Path(files.__file__).parent / "shipped"
    assert (folder / "README.md").read_text(encoding="utf-8") == cards.cards()
    assert {path.stem for path in folder.glob("*.png")} == EXPECTED
    for name in EXPECTED:
        card = read_weights(name).card
        assert {"method", "config", "training", "command", "data", "validation", "licence", "sha256"} <= card.keys()


@from_a_clone
def test_packages_leave_out_what_was_trained_on_images_without_a_licence():
    with (ROOT / "pyproject.toml").open("rb") as file:
        patterns = tomllib.load(file)["tool"]["hatch"]["build"]["exclude"]
    names = {name: f"/{path.relative_to(ROOT).as_posix()}" for name, path in shipped().items()}
    left_out = {name for name, path in names.items() if any(fnmatch(path, pattern) for pattern in patterns)}
    assert left_out == {name for name in names if "state no licence" in read_weights(name).card["licence"]}


@pytest.mark.parametrize(
    ("network", "phantom", "name"),
    [
        ("unet", None, "unet-brain-t2"),
        ("modl", None, "modl-brain-drawn"),
        ("modl", "knee", "modl-phantom-knee"),
        ("fbpconvnet", None, "fbpconvnet-phantom-ellipses"),
        ("a_plugin", None, "a_plugin-brain-t2"),
    ],
)
def test_the_weights_that_suit_data_are_named(network, phantom, name):
    assert catalogue.suited_weights(network, phantom) == name


@pytest.mark.parametrize("flags", [[], ["--weights", "unet-brain-t2"]])
def test_an_installation_without_them_says_why_and_what_to_do(flags, tmp_path, monkeypatch, capsys):
    kept = tmp_path / "shipped"
    kept.mkdir()
    shutil.copy(shipped()["unet-phantom-knee"], kept)
    monkeypatch.setattr(files, "_SHIPPED", kept)
    fastmri_like.write(tmp_path, "knee")
    assert attack.main(["--method", "unet", "--data", str(tmp_path / "knee.h5"), *flags, "--dry-run"]) in (2, 3)
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "unet-brain-t2 is in the project's repository but in no package, because its training images" in line
    assert "name a file of python -m bench.train" in line
    with pytest.raises(ValueError, match="in no package"):
        jaxcs.load_weights("unet-brain-t2")
    assert attack.main(["--method", "unet", "--dry-run"]) == 0


# By the networks, whose weights they are.
SHIPPED = {name: catalogue.METHODS[name].weights_of or name for name in catalogue.NETWORKS}
SHIPPED = {name: of for name, of in SHIPPED.items() if catalogue.METHODS[of].shipped}


@pytest.mark.parametrize("method", SHIPPED)
def test_a_network_is_attacked_with_no_more_than_its_name(method, capsys):
    assert attack.main(["--method", method, "--dry-run"]) == 0
    family = "knee" if KSPACE in catalogue.METHODS[method].takes else "ellipses"
    assert f"weights of {SHIPPED[method]} trained on: built-in phantom ({family})" in capsys.readouterr().err


OTHER = {name: "brain" if KSPACE in catalogue.METHODS[name].takes else "thorax" for name in catalogue.NETWORKS}
LACKING = [one for one in OTHER.items() if f"phantom-{one[1]}" not in catalogue.METHODS[one[0]].shipped]


@pytest.mark.parametrize(("method", "family"), LACKING)
def test_a_network_without_weights_says_how_to_train_it(method, family, capsys):
    assert attack.main(["--method", method, "--phantom", family, "--dry-run"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    lacking = f"{catalogue.METHODS[method].weights_of or method}-phantom-{family}"
    assert f"--weights: no {lacking} come with the project; name a file of python -m bench.train" in line


def test_a_size_that_was_not_trained_on_is_noted(capsys, tmp_path):
    import h5py
    import numpy as np

    path = tmp_path / "image.h5"
    with h5py.File(path, "w") as file:
        file["image"] = np.ones((1, 64, 96), np.complex64)
    assert attack.main(["--method", "unet", "--data", str(path), "--dry-run"]) == 0
    assert "the weights were not trained on images of 64 x 96" in capsys.readouterr().err


class Malicious:
    def __reduce__(self):
        import os

        return os.system, ("touch /tmp/jaxcs_was_here",)


def torch_file(content):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(content, protocol=2))
        archive.writestr("archive/version", "3")
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("bad.pt", torch_file({"a": Malicious()}), "posix"),
        ("short.pt", (STORED / "unet.pt").read_bytes()[:500], "short.pt"),
        ("other.pt", torch_file({"a": 1}), "other.pt"),
        ("bad.safetensors", b"{}", "is no safetensors file of this project"),
        ("bad.txt", b"", "is no file of weights"),
    ],
)
def test_weights_that_cannot_be_used_are_one_line(name, content, problem, tmp_path, capsys):
    path = tmp_path / name
    path.write_bytes(content)
    assert attack.main(["--method", "unet", "--weights", str(path), "--output", str(tmp_path / "runs")]) == 3
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("bench.attack: error: --weights")
    assert problem in lines[0]
    assert not Path("/tmp/jaxcs_was_here").exists()
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        (["--method", "l1", "--weights", "x.pt"], "--weights: l1 is not trained"),
        (["--method", "unet", "--set", "channels=16"], "--set: tensor bottom/first/kernel has shape"),
        (["--method", "unet", "--maps", "reestimated"], "--maps reestimated: unet takes no coil maps"),
        (["--method", "unet", "--preset", "rc2021"], "--preset: the weights of unet decide its configuration"),
        (["--method", "varnet", "--weights", str(STORED / "unet.pt")], "they are weights of unet; use --method unet"),
    ],
)
def test_flags_that_do_not_suit_a_network_are_one_line(flags, problem, tmp_path, capsys):
    assert attack.main([*flags, "--output", str(tmp_path / "runs")]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert problem in lines[0]


def test_a_checkpoint_of_fastmri_loads_in_one_line():
    found = read_weights(STORED / "varnet_lightning.ckpt")
    assert (found.method, found.config.cascades, found.config.channels) == ("varnet", 2, 2)
    assert read_weights(STORED / "unet_model.pt").config.pools == 2
