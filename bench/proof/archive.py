"""The archive of a dossier: equal contents are equal bytes, so that any changed byte can be found."""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from bench.plan.errors import InputFileError, OutputError
from bench.record.archives import damaged, opened
from bench.record.forms import Form, mapping, shown, table, text, whole
from bench.record.reading import content_of, parsed
from bench.slices.source import sha256_of
from data_prep.process import at_stop

PERTURBATIONS = "perturbations.npz"
MANIFEST, FACTS, SOFTWARE, PAGE = "manifest.json", "dossier.json", "software.cdx.json", "report.html"
# Files of a run folder that a dossier holds if they are there.
OF_THE_RUN = (
    "run.json", "images.jsonl", "searches.jsonl", "summary.csv", "figure.png", "angle.png", "region.png",
    "transfer.png", "pictures.npz", PERTURBATIONS,
)  # fmt: skip
# A member of another name is refused, so that no name in an archive decides where something is written.
_ORDER = (MANIFEST, FACTS, SOFTWARE, PAGE, *OF_THE_RUN)
_VERSION = 1
_FORM: Form = table({"dossier": whole(1), "members": mapping(table({"sha256": text, "bytes": whole(0, 10**15)}))})
_REMEDY = "ask for it again, or name a file of bench.dossier"
# Far more bytes than a manifest has.
_MOST_BYTES = 1_000_000
_PIECE = 1 << 20
# Type and permissions of every member, as Unix has them.
_PLAIN = 0o644


def pack(target: BinaryIO, folder: Path, names: Mapping[str, bytes | None]) -> None:
    """Write an archive without compression and dates, in a fixed order.

    Args:
        target: the file to write to.
        folder: folder of the members that are files.
        names: by name, the content of a member, or None for the file of this name.
    """
    with zipfile.ZipFile(target, "w") as archive:
        for name in sorted(names, key=_ORDER.index):
            content, path = names[name], folder / name
            info = zipfile.ZipInfo(name)
            info.create_system, info.external_attr = 3, _PLAIN << 16
            info.file_size = path.stat().st_size if content is None else len(content)
            with archive.open(info, "w") as member:
                if content is not None:
                    member.write(content)
                    continue
                with path.open("rb") as file:
                    shutil.copyfileobj(file, member, _PIECE)


def manifest(folder: Path, names: Mapping[str, bytes | None]) -> bytes:
    """Return the manifest: length and SHA-256 of each member but the manifest itself; arguments as for `pack`."""
    members = {}
    for name in sorted(names.keys() - {MANIFEST}, key=_ORDER.index):
        content = names[name]
        size = (folder / name).stat().st_size if content is None else len(content)
        digest = sha256_of(folder / name) if content is None else hashlib.sha256(content).hexdigest()
        members[name] = {"sha256": digest, "bytes": size}
    return (json.dumps({"dossier": _VERSION, "members": members}, indent=2) + "\n").encode()


@contextmanager
def unpacked(path: Path) -> Iterator[tuple[Path, list[str]]]:
    """Unpack a dossier into a folder that is removed when the block ends.

    Yields:
        The folder, and a sentence for each change: of a member, by the manifest, or of the archive around them.

    Raises:
        InputFileError: it is no dossier; nothing has been unpacked.
        OutputError: there is no room for it.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix="jaxcs-dossier-"))
    except OSError as error:
        raise OutputError(f"cannot unpack {path}: {error.strerror}; name a folder with room by TMPDIR") from error
    try:
        with at_stop(lambda: shutil.rmtree(folder, ignore_errors=True)):
            with opened(path, _REMEDY) as archive:
                with damaged(path, _REMEDY):
                    names = _names(archive)
                try:
                    changes = _unpack(path, archive, names, folder) or _changes(path, names, folder)
                except OSError as error:
                    raise OutputError(
                        f"cannot unpack {path}: {error.strerror or error}; name a folder with room by TMPDIR"
                    ) from error
            try:
                yield folder, changes
            except InputFileError as error:
                # The user knows the archive, and not the folder.
                raise type(error)(str(error).replace(str(folder), str(path))) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _names(archive: zipfile.ZipFile) -> list[str]:
    """Names of the members.  Raises ValueError if they are not those of a dossier."""
    members = archive.infolist()
    names = [member.orig_filename for member in members]
    for member, name in zip(members, names, strict=True):
        if name not in _ORDER:
            raise ValueError(f"it holds {shown(name)}, which is no file of a dossier")
        mode = member.external_attr >> 16
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
            raise ValueError(f"its {name} is no file but a link or a device")
        if names.count(name) > 1:
            raise ValueError(f"it holds {name} twice")
    for name in (MANIFEST, "run.json", "images.jsonl"):
        if name not in names:
            raise ValueError(f"it lacks {name}")
    return names


def _unpack(path: Path, archive: zipfile.ZipFile, names: list[str], folder: Path) -> list[str]:
    """Write the members into the folder; returns a sentence for each that cannot be read."""
    changes = []
    for name in names:
        try:
            with damaged(path), archive.open(name) as member, (folder / name).open("xb") as file:
                shutil.copyfileobj(member, file, _PIECE)
        except InputFileError as error:
            changes.append(f"{name} was changed ({error.__cause__})")
        except OSError as error:
            # The archive says that the member begins before its first byte.
            if error.errno != errno.EINVAL:
                raise
            changes.append(f"{name} was changed (it has no place in the archive)")
    return changes


def _changes(path: Path, names: list[str], folder: Path) -> list[str]:
    """A sentence for each difference between a dossier and what its manifest says."""
    with damaged(path, _REMEDY):
        stated = parsed(content_of(folder / MANIFEST, _MOST_BYTES).decode("utf-8"))
        _FORM(stated)
        if stated["dossier"] != _VERSION:
            raise ValueError(f"it is of version {stated['dossier']}, and this program knows version {_VERSION}")
    members: dict[str, bytes | None] = dict.fromkeys(names)
    made = manifest(folder, members)
    there, told = json.loads(made)["members"], stated["members"]
    changes = [f"{shown(name)} is missing" for name in sorted(told.keys() - there.keys())]
    changes += [f"{name} is not in the manifest" for name in there if name not in told]
    changes += [f"{name} was changed" for name in there if name in told and there[name] != told[name]]
    if changes:
        return changes
    if made != (folder / MANIFEST).read_bytes():
        return [f"{MANIFEST} was changed"]
    again = folder / "again.zip"
    with again.open("xb") as file:
        pack(file, folder, members)
    if sha256_of(again) != sha256_of(path):
        changes.append("the archive was changed outside its members")
    again.unlink()
    return changes
