"""Hostile ISMRMRD raw files: each is a sound scan except for its stated reason."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import h5py
import numpy as np

from tests.hostile.registry import Hostile
from tests.hostile.seeds import HEAD, HEADER, LINE, hdf5, lines
from tests.hostile.watch import CANARY_NAME


def _scan(reason: str, change: Callable[[h5py.File], Any], kind: str = "ismrmrd") -> Hostile:
    def fill(file: h5py.File) -> None:
        lines(file, noise=True)
        change(file)

    return Hostile(kind, reason, ".h5", lambda: hdf5(fill))


def _header(reason: str, old: str, new: str) -> Hostile:
    def change(file: h5py.File) -> None:
        del file["dataset/xml"]
        file["dataset/xml"] = HEADER.format(z=1).replace(old, new)

    return _scan(reason, change)


def _heads(reason: str, name: str, value: int, which: slice | int = 5, kind: str = "ismrmrd") -> Hostile:
    """A number in the lines' heads is changed."""

    def change(file: h5py.File) -> None:
        dataset = file["dataset/data"]
        rows = dataset[()]
        (rows["head"]["idx"] if name in HEAD["idx"].names else rows["head"])[name][which] = value
        dataset[...] = rows

    return _scan(reason, change, kind)


def _reference(reason: str, offset: int, value: int, width: int) -> Hostile:
    """The length (at 0), the heap (4) or the object (12) of line 5's samples is changed on disk."""

    def content() -> bytes:
        sound = hdf5(lines)
        with h5py.File(io.BytesIO(sound)) as file:
            dataset = file["dataset/data"]
            start = dataset.id.get_chunk_info_by_coord((4,)).byte_offset + dataset.dtype.itemsize
            start += dataset.dtype.fields["data"][1] + offset
        return sound[:start] + value.to_bytes(width, "little") + sound[start + width :]

    return Hostile("ismrmrd", reason, ".h5", content)


def _many_coils(file: h5py.File) -> None:
    """One sample of each of 60 000 coils: their covariance would take 28 GB."""
    file["dataset/xml"] = HEADER.format(z=1).replace(">16<", ">1<").replace(">12<", ">1<").replace(">6<", ">0<")
    rows = np.zeros(2, LINE)
    rows["head"]["number_of_samples"], rows["head"]["active_channels"] = 1, 60_000
    rows["head"]["flags"][0] = 1 << 18
    for row in range(2):
        rows["data"][row], rows["traj"][row] = np.ones(120_000, np.float32), np.zeros(0, np.float32)
    file.create_dataset("dataset/data", data=rows, chunks=(2,))


def _compressed(file: h5py.File) -> None:
    rows = file["dataset/data"][()]
    del file["dataset/data"]
    file.create_dataset("dataset/data", data=rows, chunks=(4,), compression="gzip")


def _elsewhere(file: h5py.File) -> None:
    del file["dataset/data"]
    file["dataset/data"] = h5py.ExternalLink(CANARY_NAME, "/dataset/data")


def _wide(name: str) -> Callable[[h5py.File], None]:
    """Numbers of 64 bits in the heads.  One number is larger by 2^62, which a product with 4 or 8 hides."""

    def change(file: h5py.File) -> None:
        rows, counters = file["dataset/data"][()], HEAD["idx"].names or ()
        kinds = [(field, "<u8") for field in HEAD.names or () if field != "idx"]
        head = np.dtype([*kinds, ("idx", [(counter, "<u8") for counter in counters])])
        wide = np.zeros(len(rows), [("head", head), ("traj", LINE["traj"]), ("data", LINE["data"])])
        wide["head"], wide["traj"], wide["data"] = rows["head"].astype(head), rows["traj"], rows["data"]
        (wide["head"]["idx"] if name in counters else wide["head"])[name][5] += np.uint64(2**62)
        del file["dataset/data"]
        file.create_dataset("dataset/data", data=wide, chunks=(4,))

    return change


def _groups(file: h5py.File) -> None:
    file.move("dataset", "scan0")
    for number in range(1, 2000):
        file[f"scan{number}"] = file["scan0"]


def _other_records(file: h5py.File) -> None:
    del file["dataset/data"]
    file["dataset/data"] = np.zeros(12, [("head", "u2"), ("data", "f4")])


def _free_list() -> bytes:
    content = hdf5(lines)
    heap = content.index(b"HEAP", content.index(b"HEAP") + 4)  # the first is the root group's
    free, names = (int.from_bytes(content[heap + place : heap + place + 8], "little") for place in (16, 24))
    return content[: names + free] + content[heap + 16 : heap + 24] + content[names + free + 8 :]


def _infinite(file: h5py.File) -> None:
    rows = file["dataset/data"][()]
    rows["data"][5] = np.full(64, np.inf, np.float32)
    file["dataset/data"][...] = rows


SCANS = {
    "raw no header": _scan("no header", lambda file: file.pop("dataset/xml")),
    "raw no lines": _scan("no lines", lambda file: file.pop("dataset/data")),
    "raw elsewhere": _scan("lines in another file", _elsewhere),
    "raw compressed": _scan("references behind a filter", _compressed),
    "raw other records": _scan("plain numbers as lines", _other_records),
    "raw free list": Hostile("ismrmrd", "names of the group 'dataset' in a heap with a cycle", ".h5", _free_list),
    "raw length": _reference("a line of 16 GB", 0, 2**32 - 2, 4),
    "raw heap outside": _reference("a heap past the end", 4, 2**62, 8),
    "raw heap nowhere": _reference("a heap that is the superblock", 4, 0, 8),
    "raw object": _reference("an object that the heap lacks", 12, 60_000, 4),
    "raw samples": _heads("more samples than the line has", "number_of_samples", 60_000),
    "raw all samples": _heads("more samples than the file has", "active_channels", 60_000, slice(None)),
    "raw wide samples": _scan("2^62 + 16 samples", _wide("number_of_samples")),
    "raw wide coils": _scan("2^62 + 2 coils", _wide("active_channels")),
    "raw wide centre": _scan("a centre at 2^62 + 8", _wide("center_sample")),
    "raw wide counter": _scan("column 2^62 + 5", _wide("kspace_encode_step_1")),
    "raw wide in Stanford's": _scan("2^62 + 16 samples", _wide("number_of_samples"), "stanford"),
    "raw groups": _scan("the scan by 2000 names", _groups),
    "raw no samples": _heads("no samples", "number_of_samples", 0),
    "raw outside": _heads("a line beyond the matrix", "kspace_encode_step_1", 4000),
    "raw centre": _heads("samples beyond the matrix", "center_sample", 60_000),
    "raw discarded": _heads("all samples to be discarded", "discard_pre", 60_000),
    "raw slices": _heads("a slice with one line", "slice", 65535),
    "raw noise alone": _heads("noise scans only", "flags", 1 << 18, slice(None)),
    "raw many coils": Hostile("ismrmrd", "a covariance of 28 GB", ".h5", lambda: hdf5(_many_coils)),
    "raw infinite": _scan("infinity", _infinite),
    "raw radial": _header("not Cartesian", "cartesian", "radial"),
    "raw huge matrix": _header("a matrix of 99999 columns", "<y>12</y>", "<y>99999</y>"),
    "raw empty matrix": _header("a matrix of 4000 columns, 3989 without a line", "<y>12</y>", "<y>4000</y>"),
    "raw huge centre": _header("a centre of 30 digits", ">6<", f">{'9' * 30}<"),
    "raw entities": _header("entities", "?>", "?><!DOCTYPE a [<!ENTITY b 'c'>]>"),
    "stanford gaps": _heads(
        "an under-sampled scan to be given another field of view", "kspace_encode_step_1", 7, 5, "stanford"
    ),
}
