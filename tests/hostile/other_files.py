"""Hostile pairs of BART, hostile tables, and paths that are not files."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from tests.hostile.registry import Hostile, device, pipe
from tests.hostile.seeds import PAIR, hdf5, numbers

# ---- BART.


def _pair(reason: str, header: bytes, values: bytes = b"") -> Hostile:
    return Hostile("bart", reason, ".hdr", lambda: header + PAIR + values)


def _without_values(path: Path) -> None:
    path.write_text("# Dimensions\n4 4\n")


def _sparse(path: Path) -> None:
    path.write_text("# Dimensions\n4096 4096 1 128\n")
    path.with_suffix(".cfl").touch()
    os.truncate(path.with_suffix(".cfl"), 2**34)


PAIRS = {
    "bart sparse": Hostile("bart", "16 GiB that take no byte on the disk", ".hdr", place=_sparse),
    "bart lies": _pair("more values than there are", b"# Dimensions\n64 64 1 8\n", bytes(64)),
    "bart too long": _pair("fewer values than there are", b"# Dimensions\n2 2\n", bytes(64)),
    "bart no values": Hostile("bart", "no .cfl", ".hdr", place=_without_values),
    "bart header a pipe": Hostile("bart", "a pipe in the header's place", ".hdr", place=pipe),
    "bart header a device": Hostile("bart", "/dev/zero", ".hdr", place=device),
    "bart 17 sizes": _pair("17 dimensions", b"# Dimensions\n" + b"1 " * 17 + b"\n", bytes(8)),
    "bart negative": _pair("negative sizes whose product is right", b"# Dimensions\n-2 -4\n", bytes(64)),
    "bart huge": _pair("16 huge sizes", b"# Dimensions\n" + b"4096 " * 16 + b"\n", bytes(64)),
    "bart digits": _pair("a size of 60 000 digits", b"# Dimensions\n" + b"9" * 60_000 + b"\n"),
    "bart not ASCII": _pair("digits of another script", "# Dimensions\n٤ ٤\n".encode(), bytes(128)),
    "bart no sizes": _pair("no sizes", b"# Dimensions\n"),
    "bart NaN": _pair("NaN", b"# Dimensions\n2 2 1 2\n", np.full(8, np.nan, "c8").tobytes()),
    "bart signalling NaN": _pair("NaN that traps", b"# Dimensions\n2 2\n", b"\x01\x00\xa0\x7f" * 8),
    "bart overflow": _pair("sums beyond float32", b"# Dimensions\n4 2 2\n", np.full(16, 3e38, "c8").tobytes()),
    "bart time": _pair("a series in time", b"# Dimensions\n2 2 1 1 1 1 1 1 1 1 2\n", bytes(64)),
}


# ---- Tables of boxes.

_COLUMNS = b"file,slice,study_level,x,y,width,height,label\n"


def _table(reason: str, content: bytes) -> Hostile:
    return Hostile("boxes", reason, ".csv", lambda: content)


TABLES = {
    "table empty": _table("nothing", b""),
    "table endless line": _table("a line of 1 MB", _COLUMNS + b"a" * 2**20),
    "table endless quote": _table("a quote that never ends", _COLUMNS + b'a,0,No,1,1,1,1,"' + b"\na" * 1000),
    "table UTF-16": _table("UTF-16 without its mark", _COLUMNS.decode().encode("utf-16-le")),
    "table endless quote of lines": _table(
        "a quoted field of 200 000 lines", _COLUMNS.replace(b",", b";") + b'a;0;No;1;1;1;1;"\n' + b'""\n' * 200_000
    ),
    "table NUL": _table("NUL bytes in the first line", b"file,slice,\0x,y,width,height\n"),
    "table bytes": _table("no text", bytes(range(256)) * 16),
    "table column": _table("a missing column", b"file,slice,x,y,width\na,0,1,1,1\n"),
    "table column twice": _table("a column with two names", b"file,filename,slice,x,y,width,height\n"),
    "table many columns": _table(
        "5000 columns and 20 000 rows in 64 KB: minutes",
        b"file,slice,x,y,width,height," + ",".join(map(hex, range(2300))).encode()[:16_000] + b"\n" + b"1\n" * 20_000,
    ),
    "table a pipe": Hostile("boxes", "a pipe", ".csv", place=pipe),
    "table a device": Hostile("boxes", "/dev/zero", ".csv", place=device),
}


# ---- Not files.


def _locked(path: Path) -> None:
    path.write_bytes(hdf5(lambda file: file.update(kspace=numbers(1, 1, 8, 8))))
    path.chmod(0)


NO_FILES = {
    "missing": Hostile("data", "nothing there", ".h5", place=lambda path: None),
    "pipe": Hostile("data", "a pipe", ".h5", place=pipe),
    "device": Hostile("data", "/dev/zero", ".h5", place=device),
    "link to itself": Hostile(
        "data", "a symbolic link to itself", ".h5", place=lambda path: path.symlink_to(path.name)
    ),
    "folder": Hostile("ismrmrd", "a folder", ".h5", place=lambda path: path.mkdir()),
    "empty folder": Hostile("data", "a folder without files", ".h5", place=lambda path: path.mkdir()),
    "text": Hostile("data", "text", ".h5", lambda: b"version https://git-lfs.github.com/spec/v1\n"),
    "empty": Hostile("data", "no bytes", ".h5"),
}
if os.geteuid() != 0:  # nothing is locked for root
    NO_FILES["locked"] = Hostile("data", "a file that may not be read", ".h5", place=_locked)
