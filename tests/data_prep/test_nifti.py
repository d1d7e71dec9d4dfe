"""NIfTI images, written by nibabel: correct values, correct orientation, and no harm from an untrusted header."""

import gzip
import os
import struct

import nibabel
import numpy as np
import pytest

from data_prep.nifti import read_nifti
from tests.helpers.asserts import refused

# Axes right, anterior, superior: a value encodes its place in the patient.
BODY = np.arange(6 * 5 * 4, dtype=np.float32).reshape(6, 5, 4)
ZOOMS = (2.0, 3.0, 5.0)


def read(path):
    read_nifti(path)
    return []


def save(path, array=BODY, affine=None, kind=nibabel.Nifti1Image, **header):
    image = kind(array, np.diag([*ZOOMS, 1]) if affine is None else affine)
    for name, value in header.items():
        image.header[name] = value
    nibabel.save(image, path)
    return path


def axial(body=BODY):
    """(slice, row, column): rows towards anterior, columns towards the left."""
    return body[::-1].transpose(2, 1, 0)


@pytest.mark.parametrize("name", ["one.nii", "one.nii.gz"])
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64, np.complex64])
def test_values_come_as_nibabel_wrote_them(tmp_path, name, kind, dtype):
    found = read_nifti(save(tmp_path / name, BODY.astype(dtype), kind=kind))
    np.testing.assert_array_equal(found.images, axial()[None].astype(dtype))
    assert found.extent == (5 * 3.0, 6 * 2.0)


@pytest.mark.parametrize("axes", [(0, 1, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)])
@pytest.mark.parametrize("flips", [(), (0,), (1, 2), (0, 1, 2)])
def test_however_it_is_stored_the_patient_lies_the_same_way(tmp_path, axes, flips):
    stored = np.flip(BODY, flips).transpose(axes)
    affine = np.zeros((4, 4))
    for axis, place in enumerate(axes):
        affine[place, axis] = -ZOOMS[place] if place in flips else ZOOMS[place]
    affine[3, 3] = 1
    # Turned by a few degrees, as scans are.
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(0.1), -np.sin(0.1)], [np.sin(0.1), np.cos(0.1)]]
    found = read_nifti(save(tmp_path / "one.nii", stored, turn @ affine))
    np.testing.assert_array_equal(found.images[0], axial())
    assert found.extent == pytest.approx((5 * 3.0, 6 * 2.0))
    canonical = nibabel.as_closest_canonical(nibabel.load(tmp_path / "one.nii")).get_fdata()
    np.testing.assert_array_equal(found.images[0], axial(canonical))


def test_scaled_values_and_a_fourth_axis(tmp_path):
    path = save(tmp_path / "one.nii", np.stack([BODY, 2 * BODY], axis=-1).astype(np.int16))
    content = bytearray(path.read_bytes())
    content[112:120] = struct.pack("<ff", 0.5, 3.0)
    path.write_bytes(content)
    found = read_nifti(path)
    np.testing.assert_allclose(found.images, [0.5 * axial() + 3, axial() + 3])
    assert read_nifti(save(tmp_path / "flat.nii", BODY[:, :, 0])).images.shape == (1, 1, 5, 6)


def test_big_endian_files(tmp_path):
    header = nibabel.Nifti1Header(endianness=">")
    header.set_data_dtype(">i2")
    image = nibabel.Nifti1Image(BODY.astype(">i2"), np.diag([*ZOOMS, 1]), header)
    nibabel.save(image, tmp_path / "one.nii")
    np.testing.assert_array_equal(read_nifti(tmp_path / "one.nii").images[0], axial())


def patched(offset, content):
    def change(whole):
        return whole[:offset] + content + whole[offset + len(content) :]

    return change


NOT_A_NUMBER = struct.pack("<f", np.nan)
HOSTILE = {
    "empty": (lambda whole: b"", "not a NIfTI file"),
    "text": (lambda whole: b"x" * 1000, "not a NIfTI file"),
    "half a header": (lambda whole: whole[:300], "not a NIfTI file"),
    "half its voxels": (lambda whole: whole[:-100], "cut short"),
    "a pair's header": (patched(344, b"ni1\0"), "a single .nii file"),
    "no magic": (patched(344, b"\0\0\0\0"), "a single .nii file"),
    "colours": (patched(70, struct.pack("<hh", 128, 24)), "store integer, real or complex"),
    "bits": (patched(70, struct.pack("<hh", 1, 1)), "store integer, real or complex"),
    "an unknown type": (patched(70, struct.pack("<hh", 777, 16)), "damaged"),
    "a huge shape": (patched(40, struct.pack("<8h", 3, 4000, 4000, 4000, 1, 1, 1, 1)), "cannot hold"),
    "an axis too long": (patched(40, struct.pack("<8h", 3, 5000, 1, 1, 1, 1, 1, 1)), "at most 4096"),
    "a negative axis": (patched(40, struct.pack("<8h", 3, -6, 5, 4, 1, 1, 1, 1)), "shape"),
    "an axis of 0": (patched(40, struct.pack("<8h", 3, 0, 5, 4, 1, 1, 1, 1)), "shape"),
    "no axes": (patched(40, struct.pack("<8h", 0, 6, 5, 4, 1, 1, 1, 1)), "shape"),
    "nine axes": (patched(40, struct.pack("<8h", 9, 6, 5, 4, 1, 1, 1, 1)), ""),
    "five axes": (patched(40, struct.pack("<8h", 5, 3, 2, 2, 1, 10, 1, 1)), "two to four axes"),
    "an offset far away": (patched(108, struct.pack("<f", 1e30)), "begin at byte"),
    "an offset below": (patched(108, struct.pack("<f", -8.0)), "begin at byte"),
    "no offset": (patched(108, NOT_A_NUMBER), "damaged"),
    "a broken scale": (patched(112, struct.pack("<ff", 2.0, np.inf)), ""),
    "a broken affine": (patched(280, NOT_A_NUMBER * 12), "affine"),
    "a flat affine": (patched(280, bytes(48)), "affine"),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_in_one_line(tmp_path, name, packed):
    change, words = HOSTILE[name]
    content = change(save(tmp_path / "whole.nii").read_bytes())
    path = tmp_path / ("bad.nii.gz" if packed else "bad.nii")
    path.write_bytes(gzip.compress(content) if packed else content)
    refused(read, path, *([words] if words else []))


def test_packed_zeros_are_not_unpacked_beyond_what_is_declared(tmp_path):
    whole = save(tmp_path / "whole.nii").read_bytes()
    bomb = patched(40, struct.pack("<8h", 3, 4000, 4000, 40, 1, 1, 1, 1))(whole) + bytes(2**22)
    path = tmp_path / "bomb.nii.gz"
    path.write_bytes(gzip.compress(bomb))
    refused(read, path, "cannot hold")
    path.write_bytes(gzip.compress(whole)[:-40])
    refused(read, path, "damaged")


def test_what_is_no_file_is_never_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.nii")
    refused(read, tmp_path / "pipe.nii", "not a regular file")
    refused(read, tmp_path / "missing.nii", "No such file")
    refused(read, tmp_path, "not a regular file")


def test_without_nibabel_the_way_out_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "nibabel", None)
    refused(read, tmp_path / "one.nii", "pip install 'jaxcs[nifti]'")
