"""Images out of packages of Debian and Python, which the user's own tools find by name and download.

A package is unpacked by its tool and never installed or run.  Only the wanted files are kept.  Each is known by the
hash of what it holds, uncompressed, because a new release of a package packs the same images anew.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from data_prep.safe_hdf5 import check_regular, refusal
from data_prep.whole import remove_left, whole_file

# Images of a head of 1 mm take 7 MB, uncompressed and in bytes, and 57 MB in float64.
_LARGEST = 2**27
_SECONDS = 300

Hashes = Mapping[str, str]


def of_debian(folder: Path, package: str, hashes: Hashes) -> list[Path]:
    """Give files of a Debian package, fetched by `apt-get download` and `dpkg-deb` if they are not in the folder.

    Args:
        folder: folder of the files; only they are written.
        package: name of the package.
        hashes: for each file's name, the last part of its path in the package, the SHA-256 of its content
            uncompressed.

    Returns:
        The paths of the files, in the order of `hashes`.

    Raises:
        InputError: If a file cannot be fetched, or holds something else.
        OSError: If the folder cannot be written to.
    """

    def fetch(work: Path) -> Callable[[str], bytes | None]:
        _call(folder, package, hashes, ["apt-get", "download", package], work)
        (archive,) = work.glob("*.deb")
        unpacked = work / "data.tar"
        _call(folder, package, hashes, ["dpkg-deb", "--fsys-tarfile", archive.name], work, unpacked)
        return lambda name: _of_tar(unpacked, name)

    return _files(folder, package, hashes, fetch)


def of_python(folder: Path, package: str, hashes: Hashes) -> list[Path]:
    """Give files of a Python package, fetched by `pip download` as a wheel if they are not in the folder.

    Args:
        folder: folder of the files; only they are written.
        package: name of the package, with its version.
        hashes: as for `of_debian`, and so are result and errors.
    """

    def fetch(work: Path) -> Callable[[str], bytes | None]:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", package]
        _call(folder, package, hashes, command, work)
        (wheel,) = work.glob("*.whl")
        return lambda name: _of_zip(wheel, name)

    return _files(folder, package, hashes, fetch)


def _files(
    folder: Path, package: str, hashes: Hashes, fetch: Callable[[Path], Callable[[str], bytes | None]]
) -> list[Path]:
    paths = [folder / name for name in hashes]
    if not all(path.exists() for path in paths):
        remove_left(folder)
        print(f"note: fetching the package {package} for {folder}", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory() as work:
            member = fetch(Path(work))
            for path in paths:
                content = member(path.name)
                if content is None:
                    raise refusal(path, f"the package {package} holds no such file", "put the file there yourself")
                _check(path, content, hashes[path.name], "put the published file there yourself")
                with whole_file(path) as part:
                    part.write_bytes(content)
        return paths
    for path in paths:
        check_regular(path)
        with path.open("rb") as file:
            _check(path, file.read(_LARGEST), hashes[path.name], "delete it to have it fetched again")
    return paths


def _check(path: Path, content: bytes, expected: str, remedy: str) -> None:
    try:
        with gzip.open(io.BytesIO(content)) as file:
            held = file.read(_LARGEST)
    except (OSError, EOFError) as error:
        raise refusal(path, f"cannot be read ({error})", remedy) from error
    if hashlib.sha256(held).hexdigest() != expected:
        raise refusal(path, "its SHA-256 is not that of the published images", remedy)


def _call(
    folder: Path, package: str, hashes: Hashes, command: Sequence[str], work: Path, output: Path | None = None
) -> None:
    """Run a tool in a folder; it says in one line if that does not help."""
    name = next((word for word in ("apt-get", "dpkg-deb") if word == command[0]), "pip")
    remedy = f"check the network, or put {' and '.join(hashes)} there yourself"
    if name != "pip" and shutil.which(name) is None:
        raise refusal(folder, f"{name}, which fetches the Debian package {package}, is not on this machine", remedy)
    try:
        done = subprocess.run(
            command,
            cwd=work,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_SECONDS,
            check=False,
        )
    except (subprocess.SubprocessError, OSError) as error:
        raise refusal(folder, f"{name} did not answer", remedy) from error
    if done.returncode:
        raise refusal(folder, f"{name} cannot fetch the package {package}", remedy)
    if output is not None:
        output.write_bytes(done.stdout)


def _of_tar(path: Path, name: str) -> bytes | None:
    with tarfile.open(path) as archive:
        for member in archive:
            if member.isfile() and PurePosixPath(member.name).name == name and member.size < _LARGEST:
                content = archive.extractfile(member)
                return None if content is None else content.read()
    return None


def _of_zip(path: Path, name: str) -> bytes | None:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if PurePosixPath(member.filename).name == name and member.file_size < _LARGEST:
                return archive.read(member)
    return None
