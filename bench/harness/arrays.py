"""Arrays of a run: a file for each image while it runs, each written as a whole, and one .npz file at its end.

An archive that grows has its table of contents at its end, and is lost when the process is killed meanwhile.
"""

from __future__ import annotations

import copy
import io
import shutil
import zipfile
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from bench.harness.records import RunFolder, writing

PICTURES, PERTURBATIONS = "pictures", "perturbations"
KINDS = (PICTURES, PERTURBATIONS)
# What a folder is called whose content has been packed, until it is gone.
_PACKED = ".packed"
_COPIED_AT_ONCE = 2**20


def write(folder: RunFolder, kind: str, position: int, arrays: dict[str, np.ndarray]) -> None:
    """Keep the arrays of one image."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for key, array in arrays.items():
            with archive.open(key + ".npy", "w") as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    folder.make(kind)
    folder.write(_name(kind, position), content.getvalue())


def kept(folder: RunFolder, kind: str, position: int) -> bool:
    """Whether arrays of this image are there, in a file of its own or packed."""
    return (folder.path / _name(kind, position)).exists() or (folder.path / f"{kind}.npz").exists()


def pack(folder: RunFolder, kind: str, archives: Iterable[Path], order: dict[str, int]) -> None:
    """Add what these hold to the one archive, which then is in the `order` of its images.

    Of what is there twice the last counts.  Where there is nothing to add, nothing is written.
    """
    found = [path for path in archives if path.exists()]
    if not found:
        return
    with ExitStack() as opened:
        members: dict[str, tuple[zipfile.ZipFile, zipfile.ZipInfo]] = {}
        for path in filter(Path.exists, [folder.path / f"{kind}.npz", *found]):
            archive = opened.enter_context(zipfile.ZipFile(path))
            members |= {member.filename: (archive, member) for member in archive.infolist()}
        with folder.replacing(f"{kind}.npz") as target, zipfile.ZipFile(target, "w") as whole:
            for name in sorted(members, key=lambda name: order.get(name.split("|")[0], 0)):
                archive, member = members[name]
                with archive.open(member) as source, whole.open(copy.copy(member), "w") as place:
                    shutil.copyfileobj(source, place, _COPIED_AT_ONCE)


def files_of(folder: RunFolder, kind: str) -> dict[int, Path]:
    """The files of single images, by position, in order."""
    return {int(path.stem): path for path in sorted((folder.path / kind).glob("*.npz"))}


def pixels(folder: RunFolder) -> int:
    """Of all pictures that are kept, together."""
    found = 0
    for path in (folder.path / f"{PICTURES}.npz", *files_of(folder, PICTURES).values()):
        if path.exists():
            with zipfile.ZipFile(path) as archive:
                # float16, behind a header of at least 128 bytes.
                found += sum((member.file_size - 128) // 2 for member in archive.infolist())
    return found


def remove(folder: RunFolder, kind: str) -> None:
    """Remove the files of single images, which have been packed: all at once, as far as a reader can tell."""
    path = folder.path / kind
    with writing(path):
        if path.exists():
            path.rename(path.with_name(kind + _PACKED))
    remove_left(folder)


def remove_left(folder: RunFolder) -> None:
    """Remove what a process that was stopped has left."""
    for kind in KINDS:
        shutil.rmtree(folder.path / (kind + _PACKED), ignore_errors=True)


def _name(kind: str, position: int) -> str:
    return f"{kind}/{position:08d}.npz"
