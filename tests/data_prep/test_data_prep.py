"""Sources become files of fastMRI's layout, which the readers read back; mistakes are one line."""

import os
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pytest

from data_prep import bart, phantom
from data_prep.__main__ import main, parser
from data_prep.cases import Box, InputError
from data_prep.files import list_cases
from data_prep.layout import Volume, write_volume
from data_prep.stanford import FIXES
from tests.helpers.asserts import refused, relative_error

RNG = np.random.default_rng(0)
KSPACE = (RNG.normal(size=(2, 3, 12, 10, 2)) @ [1, 1j]).astype(np.complex64)


def write_pair(path, sizes, values):
    """Write a pair as BART's writecfl does: the first dimension varies fastest."""
    path.with_suffix(".hdr").write_text("# Dimensions\n" + " ".join(map(str, sizes)) + "\n# Command\nnone\n")
    path.with_suffix(".cfl").write_bytes(values.astype("<c8").tobytes(order="F"))
    return path


def read_back(path):
    found = list_cases(path, validation=True)
    return [found.read(info) for info in found.slices]


def test_a_volume_is_read_back_as_it_was_written(tmp_path):
    boxes = (
        Box("scan", 1, 1, 2, 3, 4, "tear, medial"),
        Box("scan", 0, 2, 2, 1, 1),
        Box("scan", 1, 0, 0, 8, 10, "Ödem"),
    )
    volume = Volume("scan", KSPACE, crop=(8, 10), maps=0.5 * KSPACE, padding=(1, 9), boxes=boxes)
    path = write_volume(tmp_path / "new", volume)
    cases = read_back(path)
    assert [case.name for case in cases] == ["scan.h5:0", "scan.h5:1"]
    for case, kspace in zip(cases, KSPACE, strict=True):
        np.testing.assert_array_equal(case.kspace, kspace)
        np.testing.assert_array_equal(case.maps, 0.5 * kspace)
        image = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(kspace, axes=(-2, -1)), norm="ortho"), axes=(-2, -1))
        assert relative_error(case.target, np.sqrt(np.sum(np.abs(image) ** 2, axis=0))[2:10]) < 1e-6
        assert case.padding == (1, 9)
    assert [case.boxes for case in cases] == [boxes[1:2], boxes[::2]]
    with h5py.File(path) as file:
        targets = file["reconstruction_rss"][()]
        assert file.attrs["max"] == pytest.approx(targets.max())
        assert file.attrs["norm"] == pytest.approx(np.linalg.norm(targets))
    assert [file.name for file in path.parent.iterdir()] == ["scan.h5"]


def test_a_volume_that_cannot_be_used_leaves_nothing(tmp_path):
    for bad, problem in ((KSPACE * np.nan, "NaN or infinity"), (KSPACE * 0, "all zero")):
        with pytest.raises(InputError, match=problem):
            write_volume(tmp_path / "new", Volume("bad", bad, crop=(12, 10)))
    assert not (tmp_path / "new").exists()


def test_slices_of_bart(tmp_path, capsys):
    sizes = [12, 10, 1, 3, *[1] * 9, 2, 1, 1]
    write_pair(tmp_path / "raw", sizes, KSPACE.transpose(2, 3, 1, 0).reshape(sizes, order="A"))
    assert main(["bart", str(tmp_path / "raw.cfl"), str(tmp_path / "out")]) == 0
    assert "2 slices of 3 coils, 12 x 10" in capsys.readouterr().out
    for case, kspace in zip(read_back(tmp_path / "out"), KSPACE, strict=True):
        np.testing.assert_array_equal(case.kspace, kspace)


@pytest.mark.skipif(shutil.which("bart") is None, reason="BART is not installed")
def test_the_target_is_the_image_of_bart_itself(tmp_path):
    for command in ("phantom -k -s 3 -x 32 raw", "fft -iu 3 raw image", "rss 8 image combined"):
        subprocess.run(["bart", *command.split()], cwd=tmp_path, check=True, capture_output=True)
    assert main(["bart", str(tmp_path / "raw"), str(tmp_path / "out")]) == 0
    combined = np.fromfile(tmp_path / "combined.cfl", "<c8").reshape(32, 32).T
    (case,) = read_back(tmp_path / "out")
    assert relative_error(case.target, np.abs(combined)) < 1e-5


def test_a_scan_of_three_dimensions_is_cut_along_its_readout(tmp_path):
    """The image of each slice equals the slice of the whole transform."""
    scan = (RNG.normal(size=(6, 12, 10, 3, 2)) @ [1, 1j]).astype(np.complex64)
    (volume,) = bart.volumes(write_pair(tmp_path / "raw", scan.shape, scan))
    assert volume.kspace.shape == (6, 3, 12, 10)
    axes = (0, 1, 2)
    whole = np.fft.fftshift(np.fft.ifftn(np.fft.ifftshift(scan, axes=axes), axes=axes, norm="ortho"), axes=axes)
    axes = (-2, -1)
    slices = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(volume.kspace, axes=axes), norm="ortho"), axes=axes)
    assert relative_error(slices, whole.transpose(0, 3, 1, 2)) < 1e-5


def test_columns_that_bart_left_empty_are_not_measured(tmp_path):
    kspace = KSPACE[0].copy()
    kspace[:, :, [3, 7]] = 0
    (volume,) = bart.volumes(write_pair(tmp_path / "raw", [12, 10, 1, 3], kspace.transpose(1, 2, 0)))
    np.testing.assert_array_equal(np.flatnonzero(~volume.mask), [3, 7])
    with h5py.File(write_volume(tmp_path, volume)) as file:
        np.testing.assert_array_equal(file["mask"], volume.mask)
        assert "reconstruction_rss" not in file


def test_the_phantom_is_written_as_it_is_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr("data_prep.__main__._PHANTOMS", 1)
    assert main(["phantom", "brain", str(tmp_path)]) == 0
    (case,) = read_back(tmp_path)
    drawn = phantom.case("brain", "test", 0)
    np.testing.assert_array_equal(case.kspace, drawn.kspace)
    assert relative_error(case.target, drawn.target) < 1e-6
    assert case.data_range == pytest.approx(drawn.data_range)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
def test_the_command_line_in_a_header_of_bart_may_be_in_any_encoding(tmp_path, encoding):
    path = write_pair(tmp_path / "raw", [12, 10, 1, 3], KSPACE[0].transpose(1, 2, 0))
    path.with_suffix(".hdr").write_text('# Dimensions\n12 10 1 3\n# Command\nfft "Données été/k"\n', encoding)
    (volume,) = bart.volumes(path)
    np.testing.assert_array_equal(volume.kspace, KSPACE[:1])


def test_a_pair_that_is_too_large_is_refused_before_it_is_read(tmp_path, monkeypatch):
    path = write_pair(tmp_path / "raw", [4096, 4096, 1, 128], np.zeros(0))
    os.truncate(path.with_suffix(".cfl"), 2**34)  # sparse, no byte on the disk
    monkeypatch.setattr(np, "fromfile", None)
    refused(bart.volumes, path.with_suffix(".hdr"), "declares 16.0 GiB", "at most 8 GiB", "BART's slice or extract")


@pytest.mark.parametrize(
    ("header", "values", "problem"),
    [
        (None, b"", "No such file"),
        ("# Dimensions\n12 10\n", None, "does not exist"),
        ("# Dimensions\n12 10\n", bytes(7), "has 7 bytes, its header says 960"),
        ("# Dimensions\n12 -10\n", bytes(8), "is not followed by up to 16 sizes"),
        ("# Dimensions\n9999999 1\n", bytes(8), "is not followed by up to 16 sizes"),
        ("# Dimensions", bytes(8), "is not followed by up to 16 sizes"),
        ("\xff\xfe", bytes(8), "is not followed by up to 16 sizes"),
        ("# Dimensions\n1 1 1 1 2\n", bytes(16), "have more than one entry"),
    ],
)
def test_pairs_that_are_none_are_refused_in_one_line(tmp_path, capsys, header, values, problem):
    if header is not None:
        (tmp_path / "raw.hdr").write_text(header)
    if values is not None:
        (tmp_path / "raw.cfl").write_bytes(values)
    assert main(["bart", str(tmp_path / "raw"), str(tmp_path / "out")]) == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("data_prep: error: ")
    assert problem in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        (["nifti", "a", "b"], 2, "invalid choice: 'nifti'"),
        (["bart", "a"], 2, "the following arguments are required: OUT"),
        (["phantom", "elbow", "out"], 3, "unknown family 'elbow'"),
        (["bart", ".", "out"], 3, "no .hdr file in this folder"),
        (["phantom", "knee", "/proc/nothing"], 4, "give a folder that can be written to"),
    ],
)
def test_mistakes_are_one_line(arguments, code, problem, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert problem in line


def test_a_full_disk_is_of_the_cache_if_nothing_else_is_written(capsys, monkeypatch):
    def fill(*_):
        raise OSError("163840 requested and 51184 written")  # NumPy's message

    monkeypatch.setattr("data_prep.maps.fill", fill)
    assert main(["maps", "somewhere"]) == 4
    where = "the cache, $XDG_CACHE_HOME or ~/.cache: 163840 requested and 51184 written"
    assert capsys.readouterr().err == f"data_prep: error: {where}; give a folder that can be written to\n"


def test_what_nobody_thought_of_is_one_line_too(capsys, monkeypatch):
    def fill(*_):
        raise ZeroDivisionError("by zero\nand so on")

    monkeypatch.setattr("data_prep.maps.fill", fill)
    assert main(["maps", "somewhere"]) == 1
    line = "data_prep: error: unexpected ZeroDivisionError: by zero; --debug shows where\n"
    assert capsys.readouterr().err == line
    assert main(["maps", "somewhere", "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_the_command_offers_the_fixes_that_there_are():
    for name in FIXES:
        assert parser().parse_args(["stanford", "raw", "out", "--fix", name]).fix == name
    assert main(["stanford", "raw", "out", "--fix", "another"]) == 2


def test_help_does_not_wait_for_jax():
    program = "import sys, data_prep.__main__ as command; command.parser(); sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
