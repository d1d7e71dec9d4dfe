"""python -m data_prep fastmri, check and maps: files of fastMRI's layout keep their layout and get boxes."""

import xml.etree.ElementTree as ElementTree

import h5py
import numpy as np
import pytest

from data_prep.__main__ import main
from data_prep.cases import Box
from data_prep.fastmri import volumes
from data_prep.files import list_cases
from data_prep.layout import Volume, write_volume
from tests.helpers.asserts import complex_normal, relative_error

RNG = np.random.default_rng(3)
KSPACE = np.asarray(complex_normal(RNG, (2, 3, 24, 16))) * np.float32(1e-6)


def fastmri_like_reader(path, index):
    """Read a file as the fastmri package's `SliceDataset` does: values, and metadata of the header."""
    with h5py.File(path) as file:
        header = ElementTree.fromstring(file["ismrmrd_header"][()])

        def number(place):
            return int(header.findtext("/".join("{http://www.ismrm.org/ISMRMRD}" + tag for tag in place.split("/"))))

        left = number("encoding/encodedSpace/matrixSize/y") // 2 - number(
            "encoding/encodingLimits/kspace_encoding_step_1/center"
        )
        metadata = {
            "padding_left": left,
            "padding_right": left + number("encoding/encodingLimits/kspace_encoding_step_1/maximum") + 1,
            "encoding_size": tuple(number(f"encoding/encodedSpace/matrixSize/{axis}") for axis in "xyz"),
            "recon_size": tuple(number(f"encoding/reconSpace/matrixSize/{axis}") for axis in "xyz"),
        }
        mask = np.asarray(file["mask"]) if "mask" in file else None
        target = file["reconstruction_rss"][index] if "reconstruction_rss" in file else None
        return file["kspace"][index], mask, target, dict(file.attrs) | metadata


@pytest.mark.parametrize("padding", [None, (2, 13)])
def test_what_is_written_has_what_the_fastmri_package_reads(tmp_path, padding):
    path = write_volume(tmp_path, Volume("knee", KSPACE, crop=(12, 16), padding=padding, acquisition="CORPD_FBK"))
    kspace, mask, target, attributes = fastmri_like_reader(path, 1)
    np.testing.assert_array_equal(kspace, KSPACE[1])
    assert mask is None
    assert target.shape == (12, 16)
    assert attributes["encoding_size"] == (24, 16, 1)
    assert attributes["recon_size"] == (12, 16, 1)
    assert (attributes["padding_left"], attributes["padding_right"]) == (padding or (0, 16))
    assert attributes["max"] >= target.max() > 0
    assert attributes["acquisition"] == "CORPD_FBK"


def test_a_volume_comes_out_as_it_went_in(tmp_path):
    written = Volume("brain", KSPACE, crop=(16, 16), padding=(1, 15), maps=KSPACE * 2, acquisition="AXT2")
    write_volume(tmp_path / "raw", written)
    # The file's own target is kept, although k-space gives another.
    with h5py.File(tmp_path / "raw" / "brain.h5", "r+") as file:
        file["reconstruction_rss"][0] *= 0.5
    assert main(["fastmri", str(tmp_path / "raw"), str(tmp_path / "out")]) == 0
    with h5py.File(tmp_path / "raw" / "brain.h5") as before, h5py.File(tmp_path / "out" / "brain.h5") as after:
        assert set(before) == set(after)
        for name in set(before) - {"ismrmrd_header"}:
            np.testing.assert_array_equal(before[name], after[name])
        assert before["ismrmrd_header"][()] == after["ismrmrd_header"][()]
        assert after.attrs["acquisition"] == "AXT2"
        assert (after.attrs["padding_left"], after.attrs["padding_right"]) == (1, 15)


def test_a_test_file_with_a_mask_and_no_target_keeps_its_mask(tmp_path):
    mask = np.arange(16) % 2 == 0
    (tmp_path / "raw").mkdir()
    with h5py.File(tmp_path / "raw" / "test.h5", "w") as file:
        file["kspace"] = np.where(mask, KSPACE, 0)
        file["mask"] = mask.astype(np.float32)
    assert main(["fastmri", str(tmp_path / "raw"), str(tmp_path / "out")]) == 0
    (volume,) = volumes(tmp_path / "out")
    np.testing.assert_array_equal(volume.mask, mask)
    np.testing.assert_array_equal(volume.kspace, np.where(mask, KSPACE, 0))
    assert volume.targets is None


def test_a_single_coil_becomes_an_array_of_one(tmp_path):
    with h5py.File(tmp_path / "single.h5", "w") as file:
        file["kspace"] = KSPACE[:, 0]
        file["reconstruction_esc"] = np.ones((2, 10, 10), np.float32)
    assert main(["fastmri", str(tmp_path / "single.h5"), str(tmp_path / "out")]) == 0
    found = list_cases(tmp_path / "out", validation=True)
    case = found.read(found.slices[1])
    np.testing.assert_array_equal(case.kspace, KSPACE[1, :1])
    np.testing.assert_array_equal(case.target, np.ones((10, 10)))


def test_boxes_are_joined_by_file_and_slice(tmp_path, capsys):
    for name in ("one", "two"):
        write_volume(tmp_path / "raw", Volume(name, KSPACE, crop=(12, 16)))
    table = tmp_path / "boxes.csv"
    table.write_text(
        "file,slice,study_level,x,y,width,height,label\n"
        "one,1,No,2,1,4,3,tear\none.h5,0,No,0,0,16,12,all\ntwo,1,No,5,5,0,2,flat\nother,0,No,1,1,1,1,x\n"
    )
    command = ["fastmri", str(tmp_path / "raw"), str(tmp_path / "out"), "--boxes", str(table)]
    assert main(command) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith(f"{table}: 2 boxes; total 4, study level 0, padded 0, dropped 1")
    assert "unknown 1" in first
    found = list_cases(tmp_path / "out", validation=True)
    boxes = {info.name: found.read(info).boxes for info in found.slices}
    assert boxes == {
        "one.h5:0": (Box("one", 0, 0, 0, 12, 16, "all"),),
        "one.h5:1": (Box("one", 1, 8, 2, 3, 4, "tear"),),
        "two.h5:0": (),
        "two.h5:1": (),
    }
    assert main([*command, "--widen-boxes", "3"]) == 0
    (volume,) = (volume for volume in volumes(tmp_path / "out") if volume.name == "two")
    assert volume.boxes == (Box("two", 1, 4, 3, 3, 3, "flat"),)


def test_check_tells_problems_by_its_exit_code(tmp_path, capsys):
    write_volume(tmp_path, Volume("knee", KSPACE, crop=(12, 16)))
    assert main(["check", str(tmp_path)]) == 0
    assert "2 slices of 3 coils, 24 x 16" in capsys.readouterr().out
    (tmp_path / "half.h5").write_bytes((tmp_path / "knee.h5").read_bytes()[:3000])
    assert main(["check", str(tmp_path)]) == 1
    half, knee = capsys.readouterr().out.splitlines()
    assert half.startswith(f"problem: {tmp_path / 'half.h5'}: ")
    assert knee.startswith(str(tmp_path / "knee.h5"))


def test_maps_are_made_once(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_volume(tmp_path, Volume("knee", KSPACE, crop=(12, 16)))
    for words in ("2 new maps", "0 new maps"):
        assert main(["maps", str(tmp_path), "--center-fraction", "0.5"]) == 0
        assert capsys.readouterr().out.startswith(words)
    assert main(["maps", str(tmp_path), "--center-fraction", "0.1"]) == 1
    assert "problem: knee.h5:0: ESPIRiT needs a fully sampled centre" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        (["fastmri", "missing.h5", "out"], 3, "missing.h5: No such file"),
        (["fastmri", ".", "."], 2, "OUT holds RAW's own knee.h5"),
        (["fastmri", "knee.h5", "."], 2, "OUT holds RAW's own knee.h5"),
        (["fastmri", "knee.h5", "out", "--boxes", "missing.csv"], 3, "missing.csv: No such file"),
        (["fastmri", "knee.h5", "out", "--widen-boxes", "0"], 2, "must be at least 1"),
        (["check", "knee.csv"], 1, ""),
        (["maps", "knee.h5", "--center-fraction", "2"], 2, "must be over 0 and at most 1"),
        (["maps", "nothing"], 3, "nothing: No such file"),
    ],
)
def test_mistakes_are_one_line(tmp_path, capsys, monkeypatch, arguments, code, problem):
    monkeypatch.chdir(tmp_path)
    write_volume(tmp_path, Volume("knee", KSPACE, crop=(12, 16)))
    assert main(arguments) == code
    captured = capsys.readouterr()
    assert problem in captured.err
    assert len(captured.err.splitlines()) == (1 if problem else 0)
    assert not (tmp_path / "out").exists()


def test_the_target_that_is_computed_is_that_of_the_whole_scan(tmp_path):
    (tmp_path / "raw").mkdir()
    with h5py.File(tmp_path / "raw" / "scan.h5", "w") as file:
        file["kspace"] = KSPACE
    assert main(["fastmri", str(tmp_path / "raw"), str(tmp_path / "out")]) == 0
    images = np.fft.ifft2(np.fft.ifftshift(KSPACE.astype(complex), axes=(-2, -1)), norm="ortho")
    expected = np.fft.fftshift(np.sqrt(np.sum(np.abs(images) ** 2, axis=1)), axes=(-2, -1))
    with h5py.File(tmp_path / "out" / "scan.h5") as file:
        assert relative_error(file["reconstruction_rss"], expected) < 1e-6
