"""Arrays of a run: a file for each image while it runs, each written as a whole, and one .npz file at its end.

An archive that grows has its table of contents at its end, and is lost when the process is killed meanwhile.
"""

from __future__ import annotations

import copy
import io
import shutil
import zipfile
from bisect import bisect_left
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from bench.plan.names import key_of, member_of
from bench.record.archives import damaged, opened
from bench.record.records import RunFolder, writing

PICTURES, PERTURBATIONS = "pictures", "perturbations"
KINDS = (PICTURES, PERTURBATIONS)
# What a folder is called whose content has been packed, until it is gone.
_PACKED = ".packed"
_COPIED_AT_ONCE = 2**20
# Files that are open at once: a run of thousands of images must not need as many.
_OPEN = 16


def write(folder: RunFolder, kind: str, position: int, arrays: dict[str, np.ndarray]) -> None:
    """Keep the arrays of one image."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for key, array in arrays.items():
            with archive.open(member_of(key), "w") as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    folder.make(kind)
    folder.write(_name(kind, position), content.getvalue())


class Kept:
    """Which images have their arrays in a folder, as far as its archives' tables of contents tell.

    Raises InputFileError where the packed archive is damaged; a damaged file of a single image counts as missing.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._files = {kind: files_of(folder, kind) for kind in KINDS}
        self._names: dict[str, list[str]] = {kind: [] for kind in KINDS}
        for kind in KINDS:
            path = folder.path / f"{kind}.npz"
            if path.exists():
                with opened(path) as archive, damaged(path):
                    self._names[kind] = sorted(map(key_of, archive.namelist()))

    def holds(self, kind: str, position: int, case: str) -> bool:
        """Whether arrays of this image are there, in a file of its own or packed."""
        path = self._files[kind].get(position)
        if path is not None and path.is_file() and zipfile.is_zipfile(path):
            return True
        names = self._names[kind]
        # A key is the name itself, or goes on after one of these marks.
        for begin in (case, f"{case}|", f"{case} "):
            at = bisect_left(names, begin)
            if at < len(names) and (names[at] == case or (begin != case and names[at].startswith(begin))):
                return True
        return False


def pack(folder: RunFolder, kind: str, archives: Iterable[Path], order: dict[str, int]) -> None:
    """Add what these hold to the one archive, which then is in the `order` of its images.

    Of what is there twice the last counts.  Where there is nothing to add, nothing is written.
    Raises InputFileError where an archive is damaged.
    """
    found = [path for path in archives if path.exists()]
    if not found:
        return
    members: dict[str, tuple[Path, zipfile.ZipInfo]] = {}
    for path in filter(Path.exists, [folder.path / f"{kind}.npz", *found]):
        with opened(path) as archive:
            members |= {member.filename: (path, member) for member in archive.infolist()}
    with ExitStack() as stack:
        readers: dict[Path, zipfile.ZipFile] = {}
        with folder.replacing(f"{kind}.npz") as target, zipfile.ZipFile(target, "w") as whole:
            for name in sorted(members, key=lambda name: _place(name, order)):
                path, member = members[name]
                if path not in readers:
                    if len(readers) == _OPEN:
                        readers.pop(next(iter(readers))).close()
                    readers[path] = stack.enter_context(opened(path))
                with damaged(path), readers[path].open(member) as source, whole.open(copy.copy(member), "w") as place:
                    shutil.copyfileobj(source, place, _COPIED_AT_ONCE)


def _place(member: str, order: dict[str, int]) -> int:
    """Position of an array's image, whose name may contain the separator of the array's name."""
    case = key_of(member)
    while case not in order and "|" in case:
        case = case.rpartition("|")[0]
    return order.get(case, 0)


def files_of(folder: RunFolder, kind: str) -> dict[int, Path]:
    """The files of single images, by position, in order."""
    paths = sorted((folder.path / kind).glob("*.npz"))
    return {int(path.stem): path for path in paths if path.stem.isdecimal() and path.stem.isascii()}


def pixels(folder: RunFolder) -> int:
    """Number of pixels of all pictures that are kept."""
    found = 0
    for path in (folder.path / f"{PICTURES}.npz", *files_of(folder, PICTURES).values()):
        if path.exists():
            with opened(path) as archive:
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
