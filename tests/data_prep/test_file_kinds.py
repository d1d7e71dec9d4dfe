"""Files of other formats than HDF5 of k-space are recognised by every command, with the way to k-space."""

import gzip
import io
import tarfile

import h5py
import numpy as np
import pytest

from data_prep import bart, image_source, ismrmrd
from data_prep.fastmri import list_slices
from data_prep.files import list_cases
from data_prep.hdf5_filters import filter_words
from tests.helpers.asserts import refused


def matlab(version):
    return f"MATLAB {version} MAT-file, Platform: GLNXA64".encode().ljust(512)


def saved(write):
    file = io.BytesIO()
    write(file)
    return file.getvalue()


def packed(file):
    with tarfile.open(fileobj=file, mode="w") as out:
        out.addfile(tarfile.TarInfo("a.h5"))


KINDS = {
    "raw.mat": (matlab("5.0"), "a MATLAB file older than version 7.3", "scipy.io.loadmat('FILE.mat')"),
    "meas.dat": (b"", "by its name a raw file of a Siemens scanner", "siemens_to_ismrmrd, then by python -m data_prep"),
    "P12800.7": (b"", "a raw file of a GE scanner", "ge_to_ismrmrd"),
    "scan.LAB": (b"", "a raw file of a Philips scanner", "philips_to_ismrmrd"),
    "scan.raw": (b"", "a raw file of a Philips scanner", "philips_to_ismrmrd"),
    "IM0001": (bytes(128) + b"DICM", "a DICOM image, which holds no k-space", "dcm2niix"),
    "k.npy": (saved(lambda file: np.save(file, np.ones(3))), "a file of NumPy arrays", "numpy.load('FILE')"),
    "k.npz": (saved(lambda file: np.savez(file, k=np.ones(3))), "a file of NumPy arrays", "load('FILE')['NAME']"),
    "t1.nii": (bytes(344) + b"n+1\0", "a file of NIfTI images", "python -m data_prep images"),
    "t1.nii.gz": (gzip.compress(b"x"), "a file of NIfTI images", "python -m data_prep images"),
    "t1": (bytes(344) + b"n+1\0", "a file of NIfTI images", "python -m data_prep images"),
    "scan.h5": (gzip.compress(b"x"), "a packed file", "unpack it"),
    "knees.zip": (b"PK\x03\x04", "a packed file", "unpack it"),
    "knees.tar": (saved(packed), "a packed file", "unpack it"),
    "unet.pt": (b"PK\x03\x04", "a file of a network's weights", "--weights"),
    "raw.cfl": (bytes(8), "a file of BART", "python -m data_prep bart"),
    "a.h5": (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS", "git lfs pull"),
    "b.h5": (b"<!DOCTYPE html><html>", "a web page", "download the file itself"),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_file_of_another_format_is_named_with_the_way_to_kspace(tmp_path, name):
    content, *words = KINDS[name]
    path = tmp_path / name
    path.write_bytes(content)
    for read in (lambda path: list_cases(path, validation=True).slices, ismrmrd.volumes):
        refused(read, path, "not an HDF5 file, but ", *words)
    if not name.endswith((".h5", ".cfl")):
        refused(list_slices, tmp_path, f"no .h5 file in this folder, but {name}, ", *words)
        refused(bart.volumes, path, "no pair of BART, but ", *words)
    if "NIfTI" not in words[0] and not name.endswith(".h5"):
        refused(lambda path: image_source.volumes(path, None, None), path, "not a NIfTI file, but ", *words)


def test_what_is_not_known_is_not_guessed(tmp_path):
    (tmp_path / "notes.txt").write_text("notes")
    refused(list_slices, tmp_path, "no .h5 file in this folder: give a folder of fastMRI files")
    refused(list_slices, tmp_path / "notes.txt", "not an HDF5 file: check that it was downloaded whole")


def test_a_matlab_file_in_hdf5_comes_with_the_line_that_converts_it(tmp_path):
    """The line in the message converts the file."""
    kspace = (np.random.default_rng(0).normal(size=(2, 3, 8, 6, 2)) @ [1, 1j]).astype(np.complex64)
    path, new = tmp_path / "raw.mat", tmp_path / "new.h5"
    with h5py.File(path, "w", userblock_size=512) as file:
        file.create_dataset("raw", data=kspace.swapaxes(-2, -1).view([("real", "<f4"), ("imag", "<f4")]))
    path.write_bytes(matlab("7.3") + path.read_bytes()[512:])
    refused(list_slices, path, "no dataset 'kspace', it is a MATLAB file of version 7.3", "h5py")
    with pytest.raises(Exception, match="a MATLAB file") as caught:
        list_slices(path)
    code = str(caught.value).partition("by import h5py; ")[2].partition(", if MATLAB's")[0]
    code = code.replace("FILE.mat", str(path)).replace("NAME", "raw").replace("NEW.h5", str(new))
    exec(code, {"h5py": h5py})
    with h5py.File(new) as file:
        np.testing.assert_array_equal(file["kspace"], kspace)
    with h5py.File(new, "w") as file:
        file["kspace"] = kspace.view([("real", "<f4"), ("imag", "<f4")])
    refused(list_slices, new, "'kspace' has type", "store complex numbers, which are k['real'] + 1j * k['imag']")


def test_raw_lines_given_as_data_are_to_be_converted(tmp_path):
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file["dataset/data"] = 1
    refused(list_slices, tmp_path / "scan.h5", "no dataset 'kspace'", "convert it by python -m data_prep ismrmrd")


def test_filters_have_names():
    words = "the filters shuffle (2), blosc (32001), bitshuffle (32008), zstd (32015), szip (4), an unknown one (999)"
    assert filter_words([2, 32001, 32008, 32015, 4, 999]) == words
