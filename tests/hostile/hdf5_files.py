"""Hostile files of fastMRI's layout, and of images: each is sound except for its stated reason."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import h5py
import numpy as np

from tests.hostile.registry import Hostile
from tests.hostile.seeds import HEADER, hdf5, knee, numbers
from tests.hostile.watch import CANARY_NAME

_Fill = Callable[[h5py.File], Any]
_XML = "ismrmrd_header"
_BOMB = "<!DOCTYPE a [<!ENTITY b 'bbbbbbbbbb'>" + "".join(
    f"<!ENTITY {name} '{f'&{before};' * 10}'>" for before, name in zip("bcdefgh", "cdefghi", strict=True)
)


def _file(reason: str, fill: _Fill) -> Hostile:
    """A file with nothing but the content that `fill` writes."""
    return Hostile("data", reason, ".h5", lambda: hdf5(fill))


def _knee(reason: str, change: _Fill) -> Hostile:
    """A knee with a change."""

    def fill(file: h5py.File) -> None:
        knee(file)
        change(file)

    return _file(reason, fill)


def _instead(name: str, reason: str, data: Any = None, **options: Any) -> Hostile:
    """A knee whose dataset `name` is replaced."""

    def change(file: h5py.File) -> None:
        del file[name]
        file.create_dataset(name, data=data, **options)

    return _knee(reason, change)


def _link(name: str, reason: str, link: Any) -> Hostile:
    def change(file: h5py.File) -> None:
        del file[name]
        file[name] = link

    return _knee(reason, change)


def _attributes(reason: str, **values: Any) -> Hostile:
    return _knee(reason, lambda file: file.attrs.update(values))


def _bytes(reason: str, change: Callable[[bytes], bytes]) -> Hostile:
    """A knee with changed bytes."""
    return Hostile("data", reason, ".h5", lambda: change(hdf5(knee)))


def _with(value: complex, name: str = "kspace") -> np.ndarray:
    values = numbers(2, 2, 16, 12) if name == "kspace" else np.abs(numbers(2, 8, 10))
    values[0].flat[5] = value
    return values


def _virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((2, 2, 16, 24), np.complex64)
    layout[:] = h5py.VirtualSource(CANARY_NAME, "kspace", (2, 2, 16, 24))
    file.create_virtual_dataset("kspace", layout)


def _twice(file: h5py.File) -> None:
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_chunk((1, 1, 8, 8))
    creation.set_deflate(9)
    file.create_dataset("kspace", (1, 1, 8, 8), "c8", chunks=(1, 1, 8, 8), compression="gzip", dcpl=creation)


def _expanding(file: h5py.File) -> None:
    """20 KB that unpack to 32 MB of zeros, in one chunk of a small dataset."""
    shape = (1, 1, 2048, 2048)
    dataset = file.create_dataset("kspace", (1, 1, 8, 8), "c8", chunks=shape, maxshape=shape, compression="gzip")
    dataset.id.write_direct_chunk((0, 0, 0, 0), zlib.compress(bytes(8 * 2048**2), 9)[:20000])


def _huge_image(file: h5py.File) -> None:
    options = {"chunks": (1, 512, 4096), "compression": "gzip"}
    file.create_dataset("image", data=np.ones((1, 4096, 4096), "f4"), **options)


def _chunk(stored: bytes, **options: Any) -> _Fill:
    """One chunk of 8 MB that is stored as these bytes."""

    def fill(file: h5py.File) -> None:
        shape = (1, 1, 1024, 1024)
        dataset = file.create_dataset("kspace", shape, "c8", chunks=shape, **options)
        dataset.id.write_direct_chunk((0, 0, 0, 0), stored)
        file["padding"] = np.ones(10_000)  # makes the file large enough to be credible

    return fill


def _small_buffer() -> bytes:
    """LZF's record of the chunk's size, the third number after its filter, says 64."""
    content = hdf5(_chunk(b"\x03abcd", compression="lzf"))
    place = content.index((0x105).to_bytes(4, "little") + (2**23).to_bytes(4, "little")) + 4
    return content[:place] + (64).to_bytes(4, "little") + content[place + 4 :]


def _cycle(file: h5py.File) -> None:
    file["kspace/a/b"] = numbers(1)
    file["kspace/a/b_again"], file["kspace/a/up"] = file["kspace/a/b"], file["/"]


def _unknown_filter(content: bytes) -> bytes:
    """The number of the first filter of the first pipeline, gzip's 1 after shuffle's 2, becomes 305."""
    place = content.index(b"deflate\0") - 8
    return content[:place] + (305).to_bytes(2, "little") + content[place + 2 :]


def _length(value: int) -> Callable[[bytes], bytes]:
    """The length of the header, a string of variable length, is changed in its dataset."""

    def change(content: bytes) -> bytes:
        entry = len(HEADER.format(z=1)).to_bytes(4, "little") + content.index(b"GCOL").to_bytes(8, "little")
        place = content.rindex(entry)
        return content[:place] + value.to_bytes(4, "little") + content[place + 4 :]

    return change


def _looping(content: bytes) -> bytes:
    """The heap's objects have no length, and the header's object is never found: HDF5 2.0 would loop for ever."""
    heap = content.index(b"GCOL")
    return content[: heap + 16] + bytes(len(HEADER)) + content[heap + 16 + len(HEADER) :]


def _driver(content: bytes) -> bytes:
    """A driver information block of 2 GiB replaces values: HDF5 2.0 would fill as much memory."""
    block = bytes(4) + (2**31).to_bytes(4, "little") + b"NCSAmult"
    place = content.index(numbers(2, 2, 16, 12).tobytes())  # the maps, which are not compressed
    content = content[:place] + block + content[place + len(block) :]
    return content[:48] + place.to_bytes(8, "little") + content[56:]


def _free_list(content: bytes) -> bytes:
    """The free list of the root group's names leads back to itself: HDF5 2.0 would follow it until memory runs out."""
    heap = content.index(b"HEAP")
    free, names = (int.from_bytes(content[heap + place : heap + place + 8], "little") for place in (16, 24))
    return content[: names + free] + content[heap + 16 : heap + 24] + content[names + free + 8 :]


def _rootless(content: bytes) -> bytes:
    """The superblock's address of the root group's header points past the end of the file."""
    return content[:64] + (2**40).to_bytes(8, "little") + content[72:]


DATA = {
    "no kspace": _file("nothing in it", lambda file: None),
    "external storage": _instead(
        "kspace", "values in another file", shape=(2, 2, 16, 12), dtype="c8", external=[(CANARY_NAME, 2048, 6144)]
    ),
    "target external storage": _instead(
        "reconstruction_rss",
        "target in another file",
        shape=(2, 8, 10),
        dtype="f4",
        external=[(CANARY_NAME, 2048, 640)],
    ),
    "mask external storage": _instead(
        "mask", "a mask out of /dev/zero", shape=(12,), dtype="u1", external=[("/dev/zero", 0, 12)]
    ),
    "external link": _link("kspace", "a link into another file", h5py.ExternalLink(CANARY_NAME, "/kspace")),
    "external link to a device": _link("maps", "a link to a device", h5py.ExternalLink("/dev/zero", "/kspace")),
    "image external link": _file(
        "a link into another file for images", lambda file: file.update(image=h5py.ExternalLink(CANARY_NAME, "/image"))
    ),
    "external link for both": _file(
        "k-space and image are both links",
        lambda file: file.update(
            image=h5py.ExternalLink(CANARY_NAME, "/image"), kspace=h5py.ExternalLink(CANARY_NAME, "/kspace")
        ),
    ),
    "soft link": _link("kspace", "a soft link", h5py.SoftLink("/maps")),
    "soft link to itself": _link("kspace", "a soft link that names itself", h5py.SoftLink("/kspace")),
    "virtual": _file("a virtual dataset over another file", _virtual),
    "references": _instead("kspace", "object references", shape=(2, 2, 16, 12), dtype=h5py.ref_dtype),
    "region references": _instead("mask", "region references", shape=(12,), dtype=h5py.regionref_dtype),
    "variable length": _instead("kspace", "lengths to trust", shape=(2, 2, 16, 12), dtype=h5py.vlen_dtype("c8")),
    "boxes beyond 64 bits": _instead("boxes", "a box at 2^63", np.full((1, 5), 2**63, np.uint64)),
    "unknown filter": _bytes("a filter that would load a plugin", _unknown_filter),
    "filter of bits": _instead("reconstruction_rss", "scale-offset filter", np.ones((2, 8, 10), "f4"), scaleoffset=3),
    "filter twice": _file("gzip twice, 1000 times 1000", _twice),
    "huge shape": _instead("kspace", "half a terabyte declared", shape=(4096, 8, 4096, 4096), dtype="c8", chunks=True),
    "8 GiB of gzip": _instead(
        "kspace", "8 GiB in a few KB", shape=(8, 32, 2048, 2048), dtype="c8", chunks=(1, 1, 64, 64), compression="gzip"
    ),
    "short chunk": _file(
        "gzip of 160 bytes where 8 MB are read", _chunk(zlib.compress(bytes(range(160))), compression="gzip")
    ),
    "long chunk": _file("gzip of 64 MB where 8 are read", _chunk(zlib.compress(bytes(2**26), 9), compression="gzip")),
    "empty chunk": _file("no bytes, not even its checksum", _chunk(b"ab", compression="gzip", fletcher32=True)),
    "short chunk of LZF": _file("LZF of 4 bytes where 8 MB are read", _chunk(b"\x03abcd", compression="lzf")),
    "small buffer": Hostile("data", "the same into a buffer of 64 bytes", ".h5", _small_buffer),
    "expansion": _file("a chunk that expands 1600-fold", _expanding),
    "six axes": _instead("kspace", "six axes", numbers(1, 1, 1, 1, 16, 12)),
    "long axis": _instead("kspace", "an axis of 4097", numbers(1, 1, 1, 4097)),
    "empty axis": _instead("kspace", "no slices", numbers(0, 2, 16, 12)),
    "null space": _instead("kspace", "no shape", h5py.Empty("c8")),
    "kspace NaN": _instead("kspace", "NaN", _with(np.nan)),
    "kspace infinite": _instead("kspace", "infinity", _with(1j * np.inf)),
    "kspace too large": _instead("kspace", "beyond complex64", numbers(2, 2, 16, 12).astype("c16") * 1e300),
    "kspace zero": _instead("kspace", "all zero", np.zeros((2, 2, 16, 12), "c8")),
    "kspace integers": _instead("kspace", "integers", np.ones((2, 2, 16, 12), int)),
    "kspace records": _instead("kspace", "records", shape=(2, 2, 16, 12), dtype=[("a", "f4"), ("b", "f4")]),
    "kspace text": _instead("kspace", "text", np.full((2, 2, 16, 12), b"text")),
    "kspace opaque": _instead("kspace", "opaque bytes", np.zeros((2, 2, 16, 12), "V8")),
    "kspace group": _file("a cycle of hard links", _cycle),
    "kspace root": _file("the root group itself", lambda file: file.update(kspace=file["/"])),
    "target NaN": _instead("reconstruction_rss", "NaN in the target", _with(np.nan, "target")),
    "target negative": _instead("reconstruction_rss", "a negative magnitude", _with(-1, "target")),
    "target slices": _instead("reconstruction_rss", "three targets of two slices", np.ones((3, 8, 10), "f4")),
    "target complex": _instead("reconstruction_rss", "a complex target", numbers(2, 8, 10)),
    "mask length": _instead("mask", "one column too many", np.ones(13)),
    "mask values": _instead("mask", "halves", np.full(12, 0.5)),
    "mask NaN": _instead("mask", "NaN", np.full(12, np.nan)),
    "mask zero": _instead("mask", "nothing measured", np.zeros(12)),
    "maps shape": _instead("maps", "maps of another matrix", numbers(2, 2, 12, 16)),
    "maps NaN": _instead("maps", "NaN in the maps", _with(np.nan)),
    "padding crossed": _attributes("left of nothing", padding_left=9, padding_right=3),
    "padding NaN": _attributes("NaN columns", padding_left=np.nan),
    "padding huge": _attributes("1e300 columns", padding_right=1e300),
    "padding array": _attributes("many numbers", padding_left=np.arange(1000)),
    "padding text": _attributes("text of variable length", padding_left="3"),
    "padding empty": _attributes("no number", padding_left=h5py.Empty("f4")),
    "max negative": _attributes("a negative peak", max=-1.0),
    "max NaN": _attributes("no peak", max=np.nan),
    "max zero": _attributes("a peak of zero", max=0.0),
    "max too small": _attributes("a peak that is zero as float32", max=1e-60),
    "max too large": _attributes("a peak that is infinite as float32", max=1e300),
    "header entities": _instead(_XML, "a billion laughs", f"{_BOMB}]><a>&i;</a>"),
    "header UTF-16": _instead(_XML, "entities hidden in UTF-16", np.bytes_(f"{_BOMB}]><a>&i;</a>".encode("utf-16"))),
    "header outside": _instead(
        _XML, "an entity that is a file", "<!DOCTYPE a [<!ENTITY b SYSTEM 'outside.h5'>]><a>&b;</a>"
    ),
    "header long": _instead(_XML, "2 MB", np.bytes_(b"<a>" + b" " * 2**21 + b"</a>")),
    "header deep": _instead(_XML, "100 000 elements in each other, unclosed", "<a>" * 100_000),
    "header no XML": _instead(_XML, "no XML", "\x01\x02"),
    "header numbers": _instead(_XML, "a size of 5000 digits", HEADER.format(z=1).replace(">8<", f">{'9' * 5000}<")),
    "header no size": _instead(_XML, "an image of no rows", HEADER.format(z=1).replace(">8<", ">0<")),
    "header length": _bytes("a string of 4 GB", _length(2**32 - 1)),
    "header heap": _bytes("a heap in which the library loops", _looping),
    "cut after signature": _bytes("cut short", lambda content: content[:8]),
    "cut in superblock": _bytes("cut short", lambda content: content[:60]),
    "cut in the middle": _bytes("cut short", lambda content: content[: len(content) // 2]),
    "cut at the end": _bytes("cut short", lambda content: content[:-1]),
    "user block": Hostile(
        "data", "16 KB before the signature", ".h5", lambda: hdf5(lambda file: None, userblock_size=16384)
    ),
    "rootless": _bytes("no root group", _rootless),
    "driver": _bytes("a driver information block of 2 GiB", _driver),
    "free list": _bytes("names of the root group in a heap with a cycle", _free_list),
    "zeros behind signature": _bytes("a signature and zeros", lambda content: content[:8] + bytes(4096)),
    "ones behind signature": _bytes("a signature and ones", lambda content: content[:8] + b"\xff" * 4096),
    "image zero": _file("no image in an image", lambda file: file.update(image=np.zeros((2, 8, 8)))),
    "image NaN": _file("NaN", lambda file: file.update(image=np.full((2, 8, 8), np.nan))),
    "image too large": _file("squares beyond float64", lambda file: file.update(image=np.full((2, 8, 8), 1e200))),
    "image too small": _file("squares below float64", lambda file: file.update(image=np.full((2, 8, 8), 1e-200))),
    "image huge": _file("4096 x 4096 pixels in 68 KB, eight times over in float64", _huge_image),
    "image labels": _file("one label of two", lambda file: file.update(image=np.ones((2, 8, 8)), validation=[1])),
    "image blocks": _file("text as labels", lambda file: file.update(image=np.ones((2, 8, 8)), block=[b"a", b"b"])),
}
