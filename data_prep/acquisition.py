"""The attribute `acquisition` of a file that a stranger wrote, read where a damaged file does no harm.

A string of variable length makes the HDF5 library loop for ever, or allocate gigabytes, where a file is damaged (see
`safe_hdf5.read_text`), and the library offers no place of an attribute's bytes to read them without it.  So a process
of its own reads it, with a limit on time and memory.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from data_prep.safe_hdf5 import printable
from data_prep.text import decoded

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
    """The contrast that a file names, one printable line, or "unknown" where it names none that can be read."""
    command = [sys.executable, "-I", "-c", _PROGRAM, str(path.absolute())]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS, check=True)
    except (subprocess.SubprocessError, OSError):
        return "unknown"
    return printable(decoded(done.stdout)).strip()[:_LONGEST] or "unknown"
