"""The HDF5 filters of a dataset, by number and by name.

The HDF Group registers the numbers:
https://github.com/HDFGroup/hdf5_plugins/blob/master/docs/RegisteredFilterPlugins.md
"""

from __future__ import annotations

import h5py

_NAMES = {
    1: "gzip",
    2: "shuffle",
    3: "Fletcher's checksum",
    4: "szip",
    5: "n-bit",
    6: "scale-offset",
    307: "bzip2",
    32000: "lzf",
    32001: "blosc",
    32004: "lz4",
    32008: "bitshuffle",
    32013: "zfp",
    32015: "zstd",
    32017: "sz",
    32026: "blosc2",
}


def filters(dataset: h5py.Dataset) -> list[int]:
    """List the numbers of the dataset's HDF5 filters, in order."""
    creation = dataset.id.get_create_plist()
    return [creation.get_filter(index)[0] for index in range(creation.get_nfilters())]


def filter_words(numbers: list[int]) -> str:
    """Name filters with their numbers, such as "the filters shuffle (2), blosc (32001)"."""
    named = ", ".join(f"{_NAMES.get(number, 'an unknown one')} ({number})" for number in numbers)
    return f"the filter{'s' if len(numbers) > 1 else ''} {named}"


def repacked(how: str) -> str:
    """Describe how to store a file with other filters by h5repack, a program of HDF5, which calls the filters `how`."""
    return f"store it anew: h5repack -f {how} FILE NEW.h5"
