"""The store of a run: one file for each image that is done, written as a whole.  An image is done if its file exists.

Any number of processes may work at one folder.  Each claims an image before it computes it, by a lock that the system
releases when the process ends.  If the file system has no locks, two processes may compute the same image; their files
are equal, and the later one replaces the earlier one.
"""

from __future__ import annotations

import io
import json
import os
import time
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from bench.plan.errors import InputFileError
from bench.plan.names import member_of
from bench.record.archives import damaged, opened
from bench.record.forms import Form
from bench.record.reading import parsed
from bench.record.record_forms import IMAGE
from bench.record.records import PART, RunFolder, as_lines, finite, writing
from data_prep import locks

FOLDER = "images"
PICTURES, PERTURBATIONS = "pictures", "perturbations"
LINES = ("images.jsonl", "searches.jsonl")
# Pixels of all pictures together that a run keeps: as many as make a page of some 10 MB.
PICTURE_PIXELS = 5_000_000
_HEAD = "image.json"
# The byte of the lock that stands for the whole run; those below stand for the images.
_RUN = 2**40

Line = dict[str, Any]


@dataclass(frozen=True)
class Image:
    """An image that is done, without its lines and arrays.

    Attributes:
        position: position among the images of the whole run.
        case: name of the image.
        failed: reason of a failure, or None.
        sampling: what its mask measured, and its scale; None if it was not attacked.
        thermal: epsilon of the scan's thermal noise [-]; None if not known.
        gradients: number of gradient evaluations of its attacks.
        pixels: pixels of all its pictures, which are kept only if they are among the first `PICTURE_PIXELS`.
        notes: notes on the work, for run.json.
        seconds: time since its process had written the image before [s].
    """

    position: int
    case: str
    failed: str | None = None
    sampling: dict[str, Any] | None = None
    thermal: float | None = None
    gradients: int = 0
    pixels: int = 0
    notes: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True)
class Content:
    """All images of a run, in the order of the data.

    Attributes:
        images: the images.
        arrays: the file of each image, and the names of the arrays in it.
        raw: bytes of images.jsonl and of searches.jsonl, by name.
        lines: content of these files, by name.
    """

    images: list[Image]
    arrays: list[tuple[Path, list[str]]]
    raw: dict[str, bytes]
    lines: dict[str, list[Line]]


class Store:
    """The images of one run, and this process's claims on them.

    Args:
        folder: folder of the run; the store in it is made if it is missing.
        begun: time when this process began, on the monotonic clock [s].

    Raises:
        InputFileError: the store is a link, or the run is of an older version.
        OutputError: the store cannot be made.
    """

    def __init__(self, folder: RunFolder, begun: float) -> None:
        refuse_older(folder.path)
        self.folder, self._path = folder, folder.path / FOLDER
        self._last, self._notes = begun, list[str]()
        # Pixels of the images whose pictures this process has kept, and the first image whose pictures it has not.
        self._shown: dict[int, int] = {}
        self._full = _RUN
        if self._path.is_symlink():
            raise InputFileError(f"{self._path}: is a link; put what it leads to in its place")
        folder.make(FOLDER)
        with writing(self._path / "lock"):
            self._lock = os.open(self._path / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)

    def close(self) -> None:
        """Release all claims; no more can be made."""
        os.close(self._lock)
        self._lock = -1

    def path(self, position: int) -> Path:
        """Return the file of an image; the image is done if the file exists."""
        return self._path / _name(position)

    def done(self) -> set[int]:
        """Return the positions of the images that are done."""
        return set(files_of(self.folder.path))

    def claim(self, position: int) -> bool:
        """Claim an image; False if it is done or if another process is computing it."""
        if self.path(position).exists():
            return False
        try:
            locks.lock_byte(self._lock, position)
        except BlockingIOError:
            return False
        except OSError:
            return True  # a file system without locks is no reason not to run
        if self.path(position).exists():  # done between the two
            locks.unlock_byte(self._lock, position)
            return False
        return True

    def wait_for(self, position: int) -> None:
        """Wait until no other process is computing this image."""
        with suppress(OSError):
            locks.lock_byte(self._lock, position, wait=True)
            locks.unlock_byte(self._lock, position)

    @contextmanager
    def whole_run(self, wait: bool = True) -> Iterator[None]:
        """Lock run.json and the files that are made at the end.

        Args:
            wait: whether to wait for another process.

        Raises:
            BlockingIOError: another process holds the lock, and `wait` is False.
        """
        try:
            locks.lock_byte(self._lock, _RUN, wait)
        except BlockingIOError:
            raise
        except OSError:
            pass  # a file system without locks
        try:
            yield
        finally:
            locks.unlock_byte(self._lock, _RUN)

    def note(self, text: str) -> None:
        """Keep a sentence for run.json, with the next image."""
        self._notes.append(text)

    def elapsed(self) -> float:
        """Return the time since this process wrote its last image, or since it began [s]."""
        return time.monotonic() - self._last

    def write(
        self,
        image: Image,
        rows: Iterable[Line],
        searches: Iterable[Line] = (),
        pictures: Mapping[str, np.ndarray] | None = None,
        perturbations: Mapping[str, np.ndarray] | None = None,
        all_pictures: bool = False,
    ) -> None:
        """Write an image; it is done then.

        Args:
            image: the image; its pixels, notes and seconds are filled in here.
            rows: lines of images.jsonl.
            searches: lines of searches.jsonl.
            pictures: pictures by name.
            perturbations: perturbations by name.
            all_pictures: whether pictures are kept even if they are not among the first `PICTURE_PIXELS`.
        """
        pixels = sum(picture.size for picture in (pictures or {}).values())
        head = asdict(image) | {"pixels": pixels, "notes": self._notes, "seconds": self.elapsed()}
        shown = pictures if all_pictures or self._shows(image.position, pixels) else None
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            _put(archive, _HEAD, json.dumps(finite(head)).encode())
            _put(archive, LINES[0], as_lines(rows))
            _put(archive, LINES[1], as_lines(searches))
            for kind, arrays in ((PICTURES, shown), (PERTURBATIONS, perturbations)):
                for key, array in (arrays or {}).items():
                    buffer = io.BytesIO()
                    np.lib.format.write_array(buffer, array, allow_pickle=False)
                    _put(archive, f"{kind}/{member_of(key)}", buffer.getbuffer())
        self.folder.write(f"{FOLDER}/{_name(image.position)}", content.getvalue())
        locks.unlock_byte(self._lock, image.position)
        self._last, self._notes = time.monotonic(), []

    def _shows(self, position: int, pixels: int) -> bool:
        """Return whether the pictures of an image may be kept, as far as this process knows."""
        if position > self._full:
            return False
        before = sum(size for other, size in self._shown.items() if other < position)
        if before and before + pixels > PICTURE_PIXELS:
            self._full = position
            return False
        self._shown[position] = pixels
        return True

    def read(self, forms: Mapping[str, Form], names: Mapping[int, str] | None = None) -> Content:
        """Read all images of the run.

        Args:
            forms: forms of the lines of each file of `LINES`.
            names: names of the images by position; if given, images of other names are errors.

        Raises:
            InputFileError: a file is damaged, or of another image than its name says.
        """
        content = Content([], [], dict.fromkeys(LINES, b""), {name: [] for name in LINES})
        raw: dict[str, list[bytes]] = {name: [] for name in LINES}
        cases: set[str] = set()
        for position, path in sorted(files_of(self.folder.path).items()):
            with opened(path) as archive, damaged(path):
                head = parsed(archive.read(_HEAD).decode())
                IMAGE(head)
                known = {field.name: head[field.name] for field in fields(Image)}
                image = Image(**known | {"notes": tuple(head["notes"])})
                if image.position != position or (names is not None and names.get(position) != image.case):
                    raise ValueError(f"it is of another image, {image.case!r} at {image.position}")
                if image.case in cases:
                    raise ValueError(f"{image.case!r} is done already")
                for name in LINES:
                    lines = archive.read(name)
                    raw[name].append(lines)
                    for line in lines.decode().splitlines():
                        content.lines[name].append(parsed(line))
                        forms[name](content.lines[name][-1])
                arrays = [name for name in archive.namelist() if name not in (_HEAD, *LINES)]
            cases.add(image.case)
            content.images.append(image)
            content.arrays.append((path, arrays))
        content.raw.update({name: b"".join(found) for name, found in raw.items()})
        return content

    def collect(self, content: Content, all_pictures: bool = False) -> None:
        """Write the files that are made of all images together, byte for byte the same whatever process made which."""
        for name, lines in content.raw.items():
            if lines:
                self.folder.write(name, lines)
        shown = len(content.images) if all_pictures else _shown(content.images)
        for kind, arrays in ((PICTURES, content.arrays[:shown]), (PERTURBATIONS, content.arrays)):
            members = ((path, [name for name in names if name.startswith(f"{kind}/")]) for path, names in arrays)
            self._pack(kind, [(path, names) for path, names in members if names])
        for path in self.folder.path.rglob("*" + PART):  # of processes that were killed
            path.unlink(missing_ok=True)

    def _pack(self, kind: str, members: list[tuple[Path, list[str]]]) -> None:
        """Write the arrays of one kind into one archive, if there are any."""
        if not members:
            return
        with self.folder.replacing(f"{kind}.npz") as target, zipfile.ZipFile(target, "w") as whole:
            for path, names in members:
                with opened(path) as archive, damaged(path):
                    for name in names:
                        _put(whole, name.removeprefix(f"{kind}/"), archive.read(name))


def refuse_older(path: Path) -> None:
    """Raise InputFileError if a run was begun by an older version, which had no store."""
    if (path / "journal.jsonl").exists():
        raise InputFileError(f"{path}: an older version began it, and this one can only read it; begin anew")


def files_of(path: Path) -> dict[int, Path]:
    """Return the files of the images of a run that are done, by position."""
    try:
        with os.scandir(path / FOLDER) as entries:
            names = [entry.name for entry in entries]
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise InputFileError(f"{path / FOLDER}: cannot be read: {error.strerror or error}") from error
    stems = (name.removesuffix(".npz") for name in names if name.endswith(".npz"))
    return {int(stem): path / FOLDER / f"{stem}.npz" for stem in stems if stem.isdecimal() and stem.isascii()}


def _shown(images: list[Image]) -> int:
    """Count the first images whose pictures have at most `PICTURE_PIXELS` together; at least one image counts."""
    pixels = 0
    for count, image in enumerate(images):
        if pixels and pixels + image.pixels > PICTURE_PIXELS:
            return count
        pixels += image.pixels
    return len(images)


def _name(position: int) -> str:
    return f"{position:08d}.npz"


def _put(archive: zipfile.ZipFile, name: str, content: Any) -> None:
    """Add a member without a date, so that equal contents are equal archives."""
    with archive.open(zipfile.ZipInfo(name), "w") as member:
        member.write(content)
