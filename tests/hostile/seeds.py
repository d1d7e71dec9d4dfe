"""Small sound files of every format that is read, from which `tests.hostile.mutate` makes its mutations."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import jax
import nibabel
import numpy as np

from jaxcs.recon import METHODS
from jaxcs.weights import archive
from tests.hostile.watch import CANARY_NAME

PARITY = Path(__file__).resolve().parents[1] / "parity" / "torch_files"
# Stands between the two files of a BART pair, which are mutated as one.
PAIR = b"\n=== .cfl ===\n"

HEADER = """<?xml version="1.0" encoding="utf-8"?>
<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD">
<subjectInformation><patientID>P7</patientID></subjectInformation>
<acquisitionSystemInformation><systemVendor>GE</systemVendor></acquisitionSystemInformation><encoding>
<encodedSpace><matrixSize><x>16</x><y>12</y><z>{z}</z></matrixSize>
<fieldOfView_mm><x>32</x><y>18</y><z>5</z></fieldOfView_mm></encodedSpace>
<reconSpace><matrixSize><x>8</x><y>10</y><z>{z}</z></matrixSize></reconSpace>
<encodingLimits><kspace_encoding_step_1><minimum>0</minimum><maximum>10</maximum><center>6</center>
</kspace_encoding_step_1></encodingLimits><trajectory>cartesian</trajectory></encoding></ismrmrdHeader>"""

_COUNTERS = ("kspace_encode_step_1", "kspace_encode_step_2", "slice", "contrast", "phase", "repetition", "set")
_SHORT = ("number_of_samples", "active_channels", "discard_pre", "discard_post", "center_sample", "encoding_space_ref")
_VECTORS = ("position", "read_dir", "phase_dir", "slice_dir")
HEAD = np.dtype(
    [
        ("flags", "<u8"),
        *((name, "<u2") for name in _SHORT),
        *((name, "<f4", (3,)) for name in _VECTORS),
        ("idx", [(name, "<u2") for name in _COUNTERS]),
    ]
)
LINE = np.dtype([("head", HEAD), ("traj", h5py.vlen_dtype(np.float32)), ("data", h5py.vlen_dtype(np.float32))])


class Seed(NamedTuple):
    """A sound file.

    Attributes:
        kind: its reader in `tests.hostile.reading`.
        suffix: ending of its name.
        content: its bytes.
    """

    kind: str
    suffix: str
    content: bytes


def numbers(*shape: int) -> np.ndarray:
    """Draw complex standard normal numbers, complex64."""
    return (np.random.default_rng(7).normal(size=(*shape, 2)) @ [1, 1j]).astype(np.complex64)


def hdf5(fill: Callable[[h5py.File], Any], **options: Any) -> bytes:
    """Give the bytes of an HDF5 file that `fill` has filled."""
    memory = io.BytesIO()
    with h5py.File(memory, "w", **options) as file:
        fill(file)
    return memory.getvalue()


def knee(file: h5py.File) -> None:
    """Write two slices of two coils with all that fastMRI's layout may hold, compressed."""
    file.create_dataset("kspace", data=numbers(2, 2, 16, 12), chunks=(1, 2, 16, 12), compression="gzip", shuffle=True)
    file.create_dataset("reconstruction_rss", data=np.abs(numbers(2, 8, 10)), compression="lzf", fletcher32=True)
    file["mask"] = np.arange(12) % 3 == 0
    file["ismrmrd_header"] = HEADER.format(z=1)
    file["maps"] = numbers(2, 2, 16, 12)
    file["boxes"] = np.array([[0, 1, 2, 3, 4]])
    file.attrs.update({"max": 4.0, "norm": 1.0, "acquisition": "AXT2", "padding_left": 0, "padding_right": 12})


def _single(file: h5py.File) -> None:
    file["kspace"], file["reconstruction_esc"] = numbers(2, 16, 12), np.abs(numbers(2, 8, 10))
    file["ismrmrd_header"] = np.bytes_(HEADER.format(z=1))


def _without_target(file: h5py.File) -> None:
    file["kspace"] = numbers(2, 2, 16, 12)


def _pointing(file: h5py.File) -> None:
    """A sound file with links to a file outside that no reader needs to follow.

    One wrong byte may make a reader follow them.
    """
    file["kspace"] = numbers(1, 2, 16, 12)
    options = {"shape": (1, 16, 24), "dtype": "<f4"}
    file.create_dataset("reconstruction_rsT", external=[(CANARY_NAME, 2048, 1536)], **options)
    file["masK"], file["mapS"] = h5py.ExternalLink(CANARY_NAME, "/kspace"), h5py.SoftLink("/kspace")


def _images(file: h5py.File) -> None:
    file.create_dataset("image", data=numbers(2, 16, 12), chunks=(1, 16, 12), compression="gzip")
    file["validation"], file["block"] = [1, 1], [0, 3]


def lines(file: h5py.File, partitions: int = 1, noise: bool = False) -> None:
    """Write an ISMRMRD file: two coils of 16 x 12, columns 1 to 11 measured."""
    group = file.create_group("dataset")
    group["xml"] = np.array([HEADER.format(z=partitions).encode()], h5py.string_dtype())
    places = [(step, column) for step in range(partitions) for column in range(1, 12)]
    rows = np.zeros(len(places) + noise, LINE)
    rows["head"]["number_of_samples"], rows["head"]["active_channels"], rows["head"]["center_sample"] = 16, 2, 8
    rows["head"]["idx"]["kspace_encode_step_1"][noise:] = [column for _, column in places]
    rows["head"]["idx"]["kspace_encode_step_2"][noise:] = [step for step, _ in places]
    rows["head"]["flags"][:noise] = 1 << 18
    rows["head"]["position"] = (1, 2, 3)
    for name, axis in zip(_VECTORS[1:], np.eye(3), strict=True):
        rows["head"][name] = axis
    for index, samples in enumerate(numbers(len(rows), 32)):
        rows["data"][index], rows["traj"][index] = samples.view(np.float32), np.zeros(0, np.float32)
    group.create_dataset("data", data=rows, chunks=(4,), maxshape=(None,))


def _bart(second: int, slices: int) -> bytes:
    sizes = [12, 10, second, 3, *[1] * 9, slices, 1, 1]
    return f"# Dimensions\n{' '.join(map(str, sizes))}\n# Command\nnone\n".encode() + PAIR + numbers(720).tobytes()


def _coils(file: h5py.File) -> None:
    """Coil maps for the images of `_images`."""
    file["maps"], file["noise_covariance"] = numbers(3, 16, 12), np.diag([1.0, 2.0, 3.0])


def _nifti() -> bytes:
    image = nibabel.Nifti1Image(np.abs(numbers(8, 7, 3, 2)), np.diag([2.0, 2.0, 5.0, 1.0]))
    return bytes(image.to_bytes())


def _tissues(file: h5py.File) -> None:
    """Tissue maps of two subjects, one of another split."""
    for name in ("subject03", "subject16"):
        maps = np.zeros((1, 480, 480, 3), np.uint8)
        maps[0, 100:300, 150:330, 1], maps[0, 150:250, 200:280, 2] = 1, 1
        file.create_dataset(name, data=maps, compression="gzip")


_TABLE = """file,slice,study_level,x,y,width,height,label
file1000001,14,No,5,3,7,4,Meniscus Tear
file1000001.h5,0,Yes,,,,,artifact
file1000002,2,No,0,0,24,32,"edema, deep"
file1000002,3,No,30,9,0,6,
"""


@lru_cache(maxsize=1)
def network() -> bytes:
    """Give the project's weights of a small U-Net."""
    config = METHODS["unet"].config(channels=1, pools=1)
    shapes = jax.eval_shape(METHODS["unet"].build(config).init, jax.random.key(0))
    random = np.random.RandomState(0)  # what is compiled to draw them would be compiled in each process of the tests
    params = jax.tree.map(lambda leaf: random.normal(size=leaf.shape).astype(leaf.dtype), shapes)
    return archive.encode(params, {"method": "unet", "config": {"channels": 1, "pools": 1, "crop": [8, 8]}})


def state_of(settings: dict[str, Any]) -> bytes:
    """Give the same weights with another card."""
    params, card = archive.decode(network())
    return archive.encode(params, card | settings)


@lru_cache(maxsize=1)
def seeds() -> dict[str, Seed]:
    """Make all sound files, by name."""
    return {
        "knee": Seed("data", ".h5", hdf5(knee)),
        "knee latest": Seed("data", ".h5", hdf5(knee, libver="latest")),
        "single coil": Seed("data", ".h5", hdf5(_single)),
        "no target": Seed("data", ".h5", hdf5(_without_target)),
        "pointing": Seed("data", ".h5", hdf5(_pointing)),
        "real images": Seed("data", ".h5", hdf5(lambda file: file.update(image=np.abs(numbers(2, 16, 12)).real))),
        "images": Seed("data", ".h5", hdf5(_images)),
        "datasets": Seed("images", ".h5", hdf5(lambda file: file.update(heart=numbers(16, 12), head=numbers(2, 9, 8)))),
        "nifti": Seed("images", ".nii", _nifti()),
        "nifti packed": Seed("images", ".nii.gz", gzip.compress(_nifti(), mtime=0)),
        "tissues": Seed("brainweb", ".h5", hdf5(_tissues)),
        "coils": Seed("coils", ".h5", hdf5(_coils)),
        "ismrmrd": Seed("ismrmrd", ".h5", hdf5(lines)),
        "ismrmrd noise": Seed("ismrmrd", ".h5", hdf5(lambda file: lines(file, noise=True))),
        "ismrmrd 3-D": Seed("stanford", ".h5", hdf5(lambda file: lines(file, partitions=2))),
        "bart": Seed("bart", ".hdr", _bart(1, 2)),
        "bart 3-D": Seed("bart", ".hdr", _bart(2, 1)),
        "boxes of a spreadsheet": Seed("boxes", ".csv", _TABLE.replace(",", ";").encode("utf-16")),
        "boxes": Seed("boxes", ".csv", _TABLE.encode()),
        "safetensors": Seed("weights", ".safetensors", network()),
        "torch": Seed("weights", ".pt", (PARITY / "unet.pt").read_bytes()),
        "lightning": Seed("weights", ".ckpt", (PARITY / "varnet_lightning.ckpt").read_bytes()),
    }


def write(path: Path, content: bytes) -> Path:
    """Write the content of a seed, mutated or not, as its file, or as two files if it is a BART pair."""
    if path.suffix == ".hdr":
        content, _, values = content.partition(PAIR)
        path.with_suffix(".cfl").write_bytes(values)
    path.write_bytes(content)
    return path
