"""A measured brain for everybody: one axial slice, 13 coils, 10 flip angles, from the PyPI package `pyqmri` 1.3.0.

Its source distribution (Maier et al., JOSS 5:2727, 2020; Apache-2.0) holds test data of a variable-flip-angle scan. pip
finds the archive by its name, with the user's settings.  The archive is checked by its hash, and one member is read.
Nothing of the archive is built or run, as pip itself would do.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from data_prep.cases import InputError
from data_prep.fourier import forward
from data_prep.layout import Volume
from data_prep.safe_hdf5 import find_dataset, open_file, read, refusal
from data_prep.whole import remove_left, whole_file

_VERSION = "1.3.0"
ARCHIVE = f"pyqmri-{_VERSION}.tar.gz"
_SHA256 = "36d015a999ca0f3f46e078444cbb928b8471049d2d2d8ae88afd122561f76642"
_SIZE = 86_466_487  # bytes
_MEMBER = f"pyqmri-{_VERSION}/test/VFA_cart_smalltest.h5"
_SECONDS = 120
_BLOCK = 2**20


def volumes(folder: Path) -> Iterator[Volume]:
    """Read the scan as one volume with a slice for each flip angle.

    Args:
        folder: folder of the archive, which is downloaded if it does not exist.

    Yields:
        The volume.

    Raises:
        InputError: If the archive cannot be downloaded, or is another archive.
        OSError: If the folder cannot be written to.
    """
    archive = folder / ARCHIVE
    if not archive.exists():
        _fetch(archive)
    _check_hash(archive, archive)
    with tempfile.NamedTemporaryFile(suffix=".h5") as member:
        with tarfile.open(archive) as packed:
            content = packed.extractfile(_MEMBER)
            assert content is not None  # because the hash is right
            member.write(content.read())
            member.flush()
        with open_file(member.name) as file:
            # The file holds the plain transform of an image whose first pixel is in its corner.
            images = np.fft.ifft2(_numbers(file, "real_dat") + 1j * _numbers(file, "imag_dat"), norm="ortho")
            angles = np.rad2deg(file.attrs["fa"])
    yield Volume(
        name="pyqmri-brain",
        kspace=forward(images).astype(np.complex64),
        crop=(images.shape[-2], images.shape[-1]),
        acquisition="variable flip angle T1",
        notes=(f"slices are flip angles of {', '.join(f'{angle:.0f}' for angle in angles)} degrees", f"from {ARCHIVE}"),
    )


def _numbers(file: h5py.File, name: str) -> np.ndarray:
    """(flip angle, coil, ny, nx) float32."""
    dataset = find_dataset(file, name, "f", (5,))
    assert dataset is not None
    return read(dataset)[:, :, 0]


def _fetch(archive: Path) -> None:
    """Download the archive, whole and correct or not at all."""
    address = _address(archive)
    remove_left(archive.parent)
    try:
        with whole_file(archive) as part:
            with urllib.request.urlopen(address, timeout=_SECONDS) as answer, part.open("wb") as file:
                left = _SIZE + 1  # one extra byte is enough to detect another file
                while left > 0 and (block := answer.read(min(_BLOCK, left))):
                    file.write(block)
                    left -= len(block)
            _check_hash(part, archive)
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise _not_fetched(archive, "the download failed") from error


def _address(archive: Path) -> str:
    """The archive's address from pip's log, because pip would build a source distribution to download it."""
    command = [sys.executable, "-m", "pip", "download", "-vv", "--no-deps", "--only-binary", ":all:", "--dest"]
    with tempfile.TemporaryDirectory() as folder:
        try:
            done = subprocess.run(
                [*command, folder, f"pyqmri=={_VERSION}"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=_SECONDS,
                check=False,
            )
        except (subprocess.SubprocessError, OSError) as error:
            raise _not_fetched(archive, "pip did not answer") from error
    found = re.search(rf"\b(https|file)://\S+/{re.escape(ARCHIVE)}(?=[\s#]|$)", done.stdout)
    if found is None:
        raise _not_fetched(archive, "pip does not find it, without network or index" if done.stdout else "no pip here")
    return found.group()


def _check_hash(path: Path, archive: Path) -> None:
    try:
        with path.open("rb") as file:
            right = hashlib.file_digest(file, "sha256").hexdigest() == _SHA256
    except OSError as error:
        raise refusal(archive, error.strerror or "cannot be read", "check the path and its permissions") from error
    if not right:
        raise refusal(archive, "its SHA-256 is not that of the published archive", "delete it to have it fetched again")


def _not_fetched(archive: Path, problem: str) -> InputError:
    return refusal(archive, problem, f"check the network, or put {ARCHIVE} there yourself")
