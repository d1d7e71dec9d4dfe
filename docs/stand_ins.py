"""Small made-up files in place of those that the commands of the documentation take from their user."""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import h5py
import numpy as np

from data_prep import ct, phantom
from data_prep.fourier import root_sum_of_squares
from tests.helpers import fastmri_like
from tests.hostile import seeds

ROOT = Path(__file__).resolve().parents[1]
_GEOMETRY = fastmri_like.Geometry((96, 80), (80, 80))
_SCORED = ("--data", "fastmri", "--limit", "2", "--eps", "0.02", "0.05", "--steps", "1", "--save-perturbations")


def bench(folder: Path, *words: str) -> None:
    """Run `python -m` in a folder; raises CalledProcessError if it fails."""
    subprocess.run([sys.executable, "-m", *words], cwd=folder, check=True, capture_output=True)


def fastmri(path: Path) -> None:
    """Write a folder with two files of two slices in fastMRI's layout, k-space larger than the target."""
    path.mkdir()
    for name, first in (("file1000001", 0), ("file1000002", 2)):
        cases = [phantom.case("knee", "train", first + index, _GEOMETRY.kspace).kspace for index in range(2)]
        kspace = np.stack(cases)
        images = np.stack([root_sum_of_squares(coils) for coils in kspace])
        target = fastmri_like.fastmri_crop(images, _GEOMETRY.target).astype(np.float32)
        fastmri_like.store(path / f"{name}.h5", _GEOMETRY, kspace, target)


def _run(method: str, path: Path) -> None:
    """Make a finished run of a method."""
    output = path.parent / f"{path.name}-made"
    bench(path.parent.parent, "bench.attack", "--method", method, *_SCORED, "--output", str(output))
    (made,) = output.iterdir()
    made.rename(path)
    output.rmdir()


def _part(part: str, path: Path) -> None:
    """Make a part of a run."""
    output = path.parent / f"{path.name}-made"
    flags = ("--method", "zero_filled", "--limit", "2", "--eps", "0.05", "--shard", part, "--output", str(output))
    bench(path.parent.parent, "bench.attack", *flags)
    (made,) = output.iterdir()
    made.rename(path)
    output.rmdir()


def _weights(method: str, path: Path) -> None:
    """Train for two steps; `path` is the folder of the training."""
    flags = ("--steps", "2", "--every", "1", "--images", "2", "--validation-images", "1", "--mask", "gaussian")
    output = path.parent / f"{path.name}-made"
    bench(path.parent.parent, "bench.train", "--method", method, *flags, "--output", str(output))
    (made,) = output.iterdir()
    made.rename(path)
    output.rmdir()


def _seed(name: str, path: Path) -> None:
    """Write a sound file of the tests of hostile files."""
    seeds.write(path, seeds.seeds()[name].content)


def _pair(path: Path) -> None:
    path.mkdir()
    _seed("bart", path / "scan.hdr")


def _boxes(path: Path) -> None:
    path.write_text("file,slice,study_level,x,y,width,height,label\nfile1000001,0,No,20,20,12,10,Cyst\n")


def _images(path: Path) -> None:
    """Write complex images of the size for which the network for T2 brains is."""
    with h5py.File(path, "w") as file:
        cases = (phantom.case("brain", "train", index, (256, 256)).kspace for index in range(3))
        file["image"] = np.stack([root_sum_of_squares(coils) for coils in cases]).astype(np.complex64)


def _slices_of_ct(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["image"] = np.stack([ct.phantoms("thorax", "train", 1, None)[0].read(None).target])


def _tissues(path: Path) -> None:
    """Write discrete models of BrainWeb's form, one for each split: balls of grey and white matter."""
    path.mkdir()
    z, y, x = np.ogrid[:362, :434, :362]
    distance = np.sqrt((z - 181.0) ** 2 + (y - 217.0) ** 2 + (x - 181.0) ** 2)
    labels = np.where(distance < 80, 3, np.where(distance < 130, 2, 0)).astype(np.uint8)
    packed = gzip.compress(labels.tobytes(), 1)
    for number in (1, 14, 16):
        (path / f"subject{number:02d}_crisp_v.rawb.gz").write_bytes(packed)


def _checkpoint(path: Path) -> None:
    shutil.copy(ROOT / "tests" / "parity" / "torch_files" / "unet.pt", path)


def _module(path: Path) -> None:
    """Write the attack of its example and the reconstruction of its page."""
    climb = re.search(r"^def climb.*?(?=^\S|\Z)", (ROOT / "docs/examples/own_attack.py").read_text(), re.S | re.M)
    assert climb is not None
    head = "import jax\nimport jax.numpy as jnp\nfrom jaxcs.attacks import AttackResult\n"
    head += (
        "from jaxcs.complex import l2_norm, root_sum_of_squares, value_and_ascent\nfrom jaxcs.fourier import ifft2c\n"
    )
    path.write_text(f"{head}\n\n{climb[0]}\n\n{_definition('def reconstruct')}")


def _network(path: Path) -> None:
    path.write_text(f"import torch\n\n\n{_definition('class Network')}")


def _definition(start: str) -> str:
    """A function or class of the page on one's own reconstruction."""
    text = (ROOT / "docs/how-to/own-reconstruction.md").read_text(encoding="utf-8")
    found = re.search(rf"^{start}.*?(?=^\S)", text, re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[0]


# What a page names, and what makes it in a folder in which `fastmri` is.
STAND_INS: dict[str, Callable[[Path], None]] = {
    "knee_leaderboard_state_dict.pt": _checkpoint,
    "u3.pt": _checkpoint,
    "u4.pt": _checkpoint,
    "my_module": lambda path: _module(path.with_suffix(".py")),
    "path/to/my_network.py": _network,
    **{f"runs/{name.upper()}": partial(_run, name) for name in ("unet", "varnet", "l1", "tv", "sense", "zero_filled")},
    "runs/RUN": partial(_part, "1/2"),
    "runs_1/RUN": partial(_part, "1/2"),
    "runs_2/RUN": partial(_part, "2/2"),
    "runs/DEEPMRI": partial(_weights, "deepmri"),
    "raw/": fastmri,
    "knee.csv": _boxes,
    "scan.h5": partial(_seed, "ismrmrd"),
    "knee.h5": partial(_seed, "ismrmrd 3-D"),
    "scans/": _pair,
    "brain.nii.gz": partial(_seed, "nifti packed"),
    "brain_t2_siat.h5": _images,
    "head_t1.h5": _images,
    "ct.h5": _slices_of_ct,
    "labels/": _tissues,
}
