"""Colin27 and ICBM 152: fetched by the user's own tools, known by the hash of their content, scanned."""

import gzip
import hashlib
import io
import os
import sys
import tarfile
import zipfile

import nibabel
import numpy as np
import pytest

from data_prep import colin27, drawn_scan, icbm152
from data_prep.__main__ import main
from data_prep.files import list_cases
from data_prep.fourier import root_sum_of_squares

SHAPE = (110, 130, 3)  # right, front, up [mm]


def distance():
    """Distance of each voxel from the middle of its slice [mm]."""
    x, y = (np.arange(size) - size // 2 for size in SHAPE[:2])
    return np.broadcast_to(np.hypot(x[:, None], y[None])[..., None], SHAPE)


def nifti(voxels):
    """A file of bytes with 1 mm voxels, packed anew each time with another time stamp, as packages do."""
    image = nibabel.Nifti1Image(voxels.astype(np.uint8), np.eye(4))
    return gzip.compress(image.to_bytes(), mtime=os.getpid())


def head():
    """A round head with a bright scalp, a dark skull, and its front brighter than its back."""
    r = distance()
    voxels = np.select([r < 40, r < 46, r < 52], [120, 10, 250], 0)
    voxels[:, :50] //= 2
    return voxels


FILES = {
    **{name: nifti(head()) for name in colin27.HASHES},
    icbm152._GREY: nifti(np.where((distance() > 30) & (distance() < 45), 255, 0)),
    icbm152._WHITE: nifti(np.where((distance() > 12) & (distance() <= 30), 255, 0)),
}


def content_hash(packed):
    return hashlib.sha256(gzip.decompress(packed)).hexdigest()


@pytest.fixture
def hashes(monkeypatch):
    for module in (colin27, icbm152):
        monkeypatch.setattr(module, "HASHES", {name: content_hash(FILES[name]) for name in module.HASHES})


@pytest.fixture
def kept(hashes, tmp_path):
    """A folder with the files, put there by the user."""
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


@pytest.fixture
def debian(tmp_path, monkeypatch):
    """A machine whose apt-get and dpkg-deb give a package with the head, and count their calls."""
    tools = tmp_path / "tools"
    tools.mkdir()
    with tarfile.open(tools / "data.tar", "w") as archive:
        for name, content in (
            ("./usr/share/doc/readme", b"-"),
            ("./usr/share/mricron/ch2.nii.gz", FILES["ch2.nii.gz"]),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    scripts = {
        "apt-get": f'echo "$@" >> {tools}/calls; : > mricron-data_1_all.deb',
        "dpkg-deb": f"cat {tools}/data.tar",
    }
    for name, words in scripts.items():
        (tools / name).write_text(f"#!/bin/sh\n{words}\n")
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    return tools


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A folder with a wheel that holds the tissue maps, the only folder that pip searches."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    about = "nilearn-0.14.1.dist-info"
    with zipfile.ZipFile(folder / "nilearn-0.14.1-py3-none-any.whl", "w") as wheel:
        for name in icbm152.HASHES:
            wheel.writestr(f"nilearn/datasets/data/{name}", FILES[name])
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: nilearn\nVersion: 0.14.1\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def image_of(out, place=0):
    found = list_cases(out, validation=None)
    return root_sum_of_squares(found.read(found.slices[place]).kspace)


def test_colin27_is_fetched_once_and_keeps_its_contrast(hashes, debian, tmp_path):
    raw = tmp_path / "raw"
    for out in ("first", "again"):
        assert main(["colin27", str(raw), str(tmp_path / out), "--slices", "1"]) == 0
    assert (debian / "calls").read_text().split() == ["download", "mricron-data"]
    assert [path.name for path in raw.iterdir()] == ["ch2.nii.gz"]
    image = image_of(tmp_path / "first")
    assert image.shape == (240, 240)
    scalp, skull, front, back = (np.median(image[row, 118:123]) for row in (71, 77, 100, 140))
    # The front of the head is at the first row, as in BrainWeb.
    assert scalp > 1.5 * front > 2 * back > 4 * skull


def test_icbm152_is_fetched_and_scanned_in_each_contrast(hashes, shelf, tmp_path, capsys):
    raw, out = tmp_path / "raw", tmp_path / "out"
    assert main(["icbm152", str(raw), str(out), "--slices", "1", "--contrast", "t2", "t1"]) == 0
    assert "icbm152-t2.h5: 1 slice of 8 coils, 240 x 240" in capsys.readouterr().out
    assert sorted(path.name for path in raw.iterdir()) == sorted(icbm152.HASHES)
    fluid, white, grey = ([np.median(image_of(out, n)[120, at : at + 5]) for n in (0, 1)] for at in (118, 140, 158))
    assert white[0] > grey[0] > fluid[0]  # T1, which is first by name
    assert fluid[1] > grey[1] > white[1]


def test_shares_of_tissues_are_at_most_the_whole():
    r = np.hypot(*np.meshgrid(np.arange(480) - 240, np.arange(480) - 240)) * 0.5
    grey, white = np.clip(60 - r, 0, 1) * 0.7, np.clip(40 - r, 0, 1) * 0.6
    shares = icbm152._shares(grey, white, np.random.RandomState(0))
    total = sum(shares.values())
    assert min(share.min() for share in shares.values()) >= 0
    assert total.max() <= 1 + 1e-9
    np.testing.assert_allclose(total[r < 55], 1)
    assert shares["fluid"][r < 50].max() == pytest.approx(0.3)


@pytest.mark.parametrize("tools", ["missing", "/bin/false"])
@pytest.mark.parametrize("source", ["colin27", "icbm152"])
def test_without_network_or_tools_the_way_out_is_one_line(hashes, tmp_path, capsys, monkeypatch, source, tools):
    monkeypatch.setattr(sys, "executable", tools)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    if tools != "missing":
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin" / "apt-get").symlink_to(tools)
    assert main([source, str(tmp_path / "raw"), str(tmp_path / "out")]) == 3
    note, line = capsys.readouterr().err.splitlines()
    assert note.startswith("note: fetching the package ")
    assert "there yourself" in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "content", [gzip.compress(b"another image"), b"no gzip", FILES["ch2.nii.gz"][:-9]], ids=["other", "none", "cut"]
)
def test_other_images_are_refused(kept, capsys, content):
    (kept / "ch2.nii.gz").write_bytes(content)
    assert main(["colin27", str(kept), str(kept / "out")]) == 3
    assert "delete it to have it fetched again" in capsys.readouterr().err
    assert not (kept / "out").exists()


def test_a_package_with_another_image_leaves_nothing(debian, tmp_path, capsys):
    assert main(["colin27", str(tmp_path / "raw"), str(tmp_path / "out")]) == 3
    assert "its SHA-256 is not that of the published images" in capsys.readouterr().err
    assert not (tmp_path / "raw").exists()


# ---- Everything drawn.


def test_drawn_slices_differ_in_all_but_their_size(kept):
    for source in ("colin27", "icbm152"):
        assert main([source, str(kept), str(kept / "out"), "--draw", "--slices", "2"]) == 0
    found = list_cases(kept / "out", validation=None)
    assert [info.shape for info in found.slices] == [(4, 240, 240)] * 2 + [(8, 240, 240)] * 2
    first, second, third, _ = (image_of(kept / "out", n) for n in range(4))
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.99
    assert all(np.isfinite(image).all() and image.max() > 0 for image in (first, second, third))
    assert main(["colin27", str(kept), str(kept / "again"), "--draw", "--slices", "2"]) == 0
    np.testing.assert_array_equal(image_of(kept / "again", 1), second)


def test_a_contrast_beside_draw_is_a_mistake(kept, capsys):
    assert main(["icbm152", str(kept), str(kept / "out"), "--draw", "--contrast", "t1"]) == 2
    assert "leave --contrast out" in capsys.readouterr().err


@pytest.mark.parametrize("loops", [4, 11])
def test_drawn_receivers_see_the_object_with_a_mean_of_1(loops):
    y, x = np.ogrid[-240:240, -240:240]
    image = (np.hypot(y / 180.0, (x - 20) / 140.0) < 1) * 1.0
    maps = drawn_scan.receiver(np.random.RandomState(loops), image, loops)
    squares = np.sum(np.abs(maps) ** 2, axis=0)[image > 0]
    assert maps.shape == (loops, 480, 480)
    assert squares.mean() == pytest.approx(1, rel=0.02)
    # The loops are close to the object: its rim is brighter than its middle.
    rim = (image > 0) & (np.hypot(y / 180.0, (x - 20) / 140.0) > 0.9)
    assert (
        np.sum(np.abs(maps) ** 2, axis=0)[rim].mean() > 1.2 * np.sum(np.abs(maps) ** 2, axis=0)[235:245, 255:265].mean()
    )


@pytest.mark.parametrize("seed", [0, 4])  # the loops themselves, and virtual coils
def test_the_target_is_the_object_of_the_scan_without_its_noise(seed):
    y, x = np.ogrid[-240:240, -240:240]
    disc = (np.hypot(y, x) < 150) * 1.0
    drawn = drawn_scan.scan(np.random.RandomState(seed), disc, 4)
    seen = root_sum_of_squares(drawn.kspace)
    inside, corner = drawn.target > 0.5 * drawn.target.max(), np.s_[:20, :20]
    noise = np.sqrt(np.mean(seen[corner] ** 2))
    assert np.sqrt(np.mean(drawn.target[corner] ** 2)) < 0.1 * noise
    assert np.sqrt(np.mean((seen - drawn.target)[inside] ** 2)) < noise


def test_virtual_coils_keep_the_signal_and_have_white_noise():
    rng = np.random.RandomState(0)
    mixing = rng.normal(size=(6, 6)) + 1j * rng.normal(size=(6, 6))
    covariance = mixing @ mixing.conj().T
    level = np.trace(covariance).real / 6
    noise = mixing @ (rng.normal(size=(6, 40000)) + 1j * rng.normal(size=(6, 40000))) / np.sqrt(2)
    signal = np.outer(rng.normal(size=6), rng.normal(size=40000)) * 100
    noisy = signal + noise
    virtual = drawn_scan._virtual_coils(noisy.reshape(6, 200, 200), covariance, 3) @ noisy
    np.testing.assert_allclose(virtual[1:] @ virtual[1:].conj().T / 40000 / level, np.eye(2), atol=0.05)
    white = np.linalg.solve(np.linalg.cholesky(covariance / level), signal)
    assert np.linalg.norm(virtual[0]) == pytest.approx(np.linalg.norm(white), rel=0.02)
