"""Read the attribute `acquisition` of an untrusted file so that a damaged file does no harm.

A string of variable length in a damaged file makes the HDF5 library loop for ever or allocate gigabytes (see
`safe_hdf5.read_text`).  The library does not give the position of an attribute's bytes, so they cannot be read without
it.  A separate process therefore reads the attribute, with a limit on time and memory.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from data_prep.text import decoded
from jaxcs.names import printable

_SECONDS = 10
_LONGEST = 100  # characters
_PROGRAM = """
import resource, sys, h5py
resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))
with h5py.File(sys.argv[1], "r") as file:
    value = file.attrs["acquisition"]
value = value if isinstance(value, bytes) else str(value).encode(errors="surrogateescape")
sys.stdout.buffer.write(value[:1000])
"""


def acquisition_of(path: Path) -> str:
    """Read the contrast that a file names.

    Args:
        path: an HDF5 file.

    Returns:
        One printable line of at most 100 characters, or "unknown" if the file names no readable contrast.
    """
    command = [sys.executable, "-I", "-c", _PROGRAM, str(path.absolute())]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS, check=True)
    except (subprocess.SubprocessError, OSError):
        return "unknown"
    return printable(decoded(done.stdout)).strip()[:_LONGEST] or "unknown"
