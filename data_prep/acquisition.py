"""Read the attribute `acquisition` of untrusted files so that a damaged file does no harm; choose files by it.

A string of variable length in a damaged file makes the HDF5 library loop for ever or allocate gigabytes (see
`safe_hdf5.read_text`).  The library does not give the position of an attribute's bytes, so they cannot be read without
it.  A separate process therefore reads the attributes, with a limit on time and memory.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

from data_prep.safe_hdf5 import refusal
from data_prep.text import decoded
from jaxcs.names import printable

_SECONDS = 10  # and a second more for each further file
_FILES = 50  # that a process reads
_LONGEST = 100  # characters
UNKNOWN = "unknown"
_PROGRAM = """
import resource, sys, h5py
resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))
for path in sys.argv[1:]:
    try:
        with h5py.File(path, "r") as file:
            value = file.attrs["acquisition"]
    except Exception:
        value = b""
    value = value if isinstance(value, bytes) else str(value).encode(errors="surrogateescape")
    print(value[:1000].hex(), flush=True)
"""
# The plane before the name of a contrast and the sequence after it, as fastMRI writes them: COR PD _FBK, AX T2.
_AROUND = re.compile(r"^(AX|COR|SAG)(?=.)|_FBK$")


def acquisition_of(path: Path) -> str:
    """Read the contrast that a file names.

    Args:
        path: an HDF5 file.

    Returns:
        One printable line of at most 100 characters, or "unknown" if the file names no readable contrast.
    """
    return acquisitions_of([path])[0]


def acquisitions_of(paths: Sequence[Path]) -> list[str]:
    """Read the contrast that each file names, as `acquisition_of` does, in few processes."""
    found: list[str] = []
    while len(found) < len(paths):
        some = [str(path.absolute()) for path in paths[len(found) : len(found) + _FILES]]
        read = [printable(decoded(value)).strip()[:_LONGEST] or UNKNOWN for value in _read(some)]
        # The process ended at the file after these.
        found += read if len(read) == len(some) else [*read, UNKNOWN]
    return found


def _read(paths: list[str]) -> list[bytes]:
    """The attributes of the first files, up to one that cannot be read in time and memory."""
    command, limit = [sys.executable, "-I", "-c", _PROGRAM, *paths], _SECONDS + len(paths) - 1
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=limit, check=False)
        output = done.stdout
    except subprocess.TimeoutExpired as error:
        output = error.stdout or b""
    except OSError:
        output = b""
    *lines, _ = output.split(b"\n")  # what follows the last end of a line is no whole line
    return [bytes.fromhex(line.decode("ascii")) for line in lines]


def is_of(acquisition: str, wanted: Collection[str]) -> bool:
    """Tell whether an acquisition is among the wanted, named as in the file or without plane and sequence.

    Args:
        acquisition: the attribute of a file, such as "CORPDFS_FBK".
        wanted: names in any case, such as "CORPDFS_FBK" or "pdfs".
    """
    whole = acquisition.upper()
    return bool({whole, _AROUND.sub("", whole)} & {name.upper() for name in wanted})


def of_acquisitions(folder: Path, files: list[Path], wanted: Collection[str]) -> list[Path]:
    """Choose the files whose acquisition is among the wanted; all files if none are named.

    Args:
        folder: where the files are, for the message.
        files: HDF5 files.
        wanted: see `is_of`.

    Raises:
        InputError: there is no such file.
    """
    if not wanted:
        return files
    acquisitions = acquisitions_of(files)
    found = [file for file, name in zip(files, acquisitions, strict=True) if is_of(name, wanted)]
    if not found:
        there = ", ".join(f"{name} ({count})" for name, count in Counter(acquisitions).most_common(10))
        raise refusal(folder, f"no file is of {' or '.join(wanted)}", f"name other acquisitions; there are: {there}")
    return found
