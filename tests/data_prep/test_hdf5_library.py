"""Abilities of the HDF5 library and h5py, and errors that are not a fault of the file."""

import json
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from data_prep import hdf5_chunks, ismrmrd, safe_hdf5
from data_prep.hdf5_chunks import can_list_chunks, check_chunks
from data_prep.safe_hdf5 import damaged, find_dataset, open_file, read
from tests.helpers.asserts import refused
from tests.hostile.seeds import lines


class Older:
    """An object of h5py without the functions that need a newer HDF5 library."""

    def __init__(self, found, *absent):
        self._found, self._absent = found, absent

    def __getattr__(self, name):
        if name in self._absent:
            raise AttributeError(name)
        return getattr(self._found, name)


def older(dataset, *absent):
    """Give the dataset as h5py with HDF5 1.10.5 to 1.10.9 does."""
    identity = Older(dataset.id, "chunk_iter", *absent)
    return SimpleNamespace(id=identity, chunks=dataset.chunks, shape=dataset.shape)


def write(path, rows=4, **options):
    with h5py.File(path, "w") as file:
        file.create_dataset("kspace", data=np.ones((rows, 3, 5), np.float32), chunks=(1, 2, 5), **options)


@pytest.mark.parametrize("compression", ["gzip", "lzf"])
def test_chunks_are_looked_at_whatever_the_library_can_list(tmp_path, compression):
    write(tmp_path / "v.h5", compression=compression)
    with h5py.File(tmp_path / "v.h5") as file:
        dataset = file["kspace"]
        assert hdf5_chunks.stored_chunks(older(dataset)) == hdf5_chunks.stored_chunks(dataset)
        check_chunks(older(dataset), 2)
        check_chunks(older(dataset), None)
    with h5py.File(tmp_path / "v.h5", "r+") as file:
        file["kspace"].id.write_direct_chunk((2, 2, 0), file["kspace"].id.read_direct_chunk((2, 2, 0))[1][:-2])
        check_chunks(older(file["kspace"]), 1)
        with pytest.raises((ValueError, IndexError)):
            check_chunks(older(file["kspace"]), 2)


def test_a_library_that_cannot_list_chunks_is_named(tmp_path, monkeypatch):
    write(tmp_path / "v.h5", compression="gzip")
    with h5py.File(tmp_path / "v.h5") as file:
        assert can_list_chunks(file["kspace"])
        assert can_list_chunks(older(file["kspace"]))
        assert not can_list_chunks(older(file["kspace"], "get_chunk_info"))
        monkeypatch.setattr(hdf5_chunks, "_MOST_ONE_AT_A_TIME", 7)
        assert not can_list_chunks(older(file["kspace"]))

    def find(path):
        with open_file(path) as file:
            find_dataset(file, "kspace", "f", (3,))
            return []

    monkeypatch.setattr(safe_hdf5, "can_list_chunks", lambda dataset: False)
    refused(find, tmp_path / "v.h5", f"the HDF5 library {h5py.version.hdf5_version} cannot list", "install an h5py")
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        lines(file)
    refused(ismrmrd.volumes, tmp_path / "scan.h5", "'dataset/data' is in chunks", "install an h5py")
    write(tmp_path / "plain.h5")
    assert find(tmp_path / "plain.h5") == []


def test_a_mistake_of_our_own_is_not_blamed_on_the_file(tmp_path, monkeypatch):
    write(tmp_path / "v.h5", compression="gzip")
    monkeypatch.setattr(hdf5_chunks, "math", object())
    with open_file(tmp_path / "v.h5") as file, pytest.raises(AttributeError, match="prod"):
        read(find_dataset(file, "kspace", "f", (3,)))


def test_what_a_library_raises_is_blamed_on_the_file(tmp_path):
    """h5py raises TypeError for types that NumPy does not have; here json raises it."""

    def reading(path):
        with damaged(path, "the file"):
            return json.loads(5)

    refused(reading, tmp_path / "v.h5", "the file cannot be read, the file is damaged")
