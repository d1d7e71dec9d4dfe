"""The measured brain of an archive: found by pip's own rules, checked by its hash, one member read, nothing run."""

import hashlib
import io
import tarfile

import h5py
import numpy as np
import pytest

from data_prep import pyqmri
from data_prep.__main__ import main
from data_prep.files import list_cases
from tests.helpers.asserts import complex_normal, relative_error

IMAGES = np.asarray(complex_normal(np.random.default_rng(0), (2, 3, 9, 8)))


def scan():
    """A file like the package's: the plain transform of images whose first pixel is in the corner."""
    raw = np.fft.fft2(np.fft.ifftshift(IMAGES, axes=(-2, -1)), norm="ortho")[:, :, None]
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file["real_dat"], file["imag_dat"] = raw.real.astype(np.float32), raw.imag.astype(np.float32)
        file.attrs["fa"] = np.deg2rad([1.0, 3.0])
    return content.getvalue()


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A folder with such an archive, the only folder that pip searches."""
    (tmp_path / "shelf").mkdir()
    path = tmp_path / "shelf" / pyqmri.ARCHIVE
    with tarfile.open(path, "w:gz") as archive:
        for name, content in {"pyqmri-1.3.0/setup.py": b"raise SystemExit('was run')", pyqmri._MEMBER: scan()}.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    monkeypatch.setattr(pyqmri, "_SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    monkeypatch.setattr(pyqmri, "_SIZE", path.stat().st_size)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(path.parent))
    return path


def test_the_scan_is_fetched_by_name_and_read(shelf, tmp_path, capsys):
    raw, out = tmp_path / "raw", tmp_path / "out"
    assert main(["pyqmri", str(raw), str(out)]) == 0
    assert [path.name for path in raw.iterdir()] == [pyqmri.ARCHIVE]
    found = list_cases(out, validation=True)
    for info, images in zip(found.slices, np.fft.ifftshift(IMAGES, axes=(-2, -1)), strict=True):
        centred = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(images, axes=(-2, -1)), norm="ortho"), axes=(-2, -1))
        assert relative_error(found.read(info).kspace, centred) < 1e-6
    # From then on pip is not asked.
    shelf.unlink()
    assert main(["pyqmri", str(raw), str(out)]) == 0


def test_another_archive_is_refused_and_not_kept(shelf, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(pyqmri, "_SHA256", "0" * 64)
    for raw, kept in ((tmp_path / "raw", []), (shelf.parent, [shelf])):
        assert main(["pyqmri", str(raw), str(tmp_path / "out")]) == 3
        assert "its SHA-256 is not that of the published archive" in capsys.readouterr().err
        assert list(raw.iterdir()) == kept
    # Reading stops after the published size, so that an endless file does no harm.
    shelf.write_bytes(shelf.read_bytes() * 3)
    monkeypatch.setattr(pyqmri, "_BLOCK", 100)
    assert main(["pyqmri", str(tmp_path / "raw"), str(tmp_path / "out")]) == 3
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("python", ["", "/bin/false", "missing"])
def test_without_the_archive_the_way_out_is_one_line(shelf, tmp_path, capsys, monkeypatch, python):
    shelf.unlink()
    if python:
        monkeypatch.setattr("sys.executable", python)
    assert main(["pyqmri", str(tmp_path / "raw"), str(tmp_path / "out")]) == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert f"put {pyqmri.ARCHIVE} there yourself" in line
