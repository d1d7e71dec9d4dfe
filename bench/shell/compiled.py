"""JAX's persistent cache keeps compiled functions from one run to the next, so that runs start quickly.

The cache is jaxcs/compiled in the user's cache.  JAX_ENABLE_COMPILATION_CACHE=0 turns it off.
JAX_COMPILATION_CACHE_DIR names another folder, which the user then looks after.  bench.speed keeps nothing, because it
times compilation.
"""

from __future__ import annotations

import hashlib
import os
import platform
import sys
import warnings
import zlib
from pathlib import Path

from data_prep.user_cache import make_own, user_cache

# Largest size of the cache [bytes]; the functions of bench.attack take 1.2 MB.  JAX limits its cache only if `filelock`
# is installed.
_LIMIT = 1_000_000_000
# The date of this file is the time of the last look for broken entries.
_LOOKED = ".looked"
# Lines of /proc/cpuinfo that tell the processor for which the compiler makes code.
_PROCESSOR = ("vendor_id", "cpu family", "model", "flags", "CPU implementer", "CPU part", "CPU variant", "Features")
_PIECE = 1 << 20


def keep_compiled() -> None:
    """Make JAX keep compiled functions; this has no effect if JAX is already imported.

    If nothing can be kept, the run starts more slowly and is otherwise the same.
    """
    if "jax" in sys.modules:  # the program that imported JAX decides
        return
    # JAX warns of each entry that it cannot read or write, and goes on; a warning that is an error would end the run.
    warnings.filterwarnings("ignore", "Error (reading|writing) persistent compilation cache entry")
    off = os.environ.get("JAX_ENABLE_COMPILATION_CACHE", "1").lower() in ("n", "no", "f", "false", "off", "0")
    if off or "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    try:
        folder = _folder()
        _drop_broken(folder)
        _bound(folder.parent)
    except OSError as error:
        print(f"note: compiled functions are not kept: {error}", file=sys.stderr)
        return
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(folder)
    # Keep small functions too: there are many.
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    # Turn XLA's caches off: a full disk would be an error in them, and their path a part of every entry's name.
    os.environ.setdefault("JAX_PERSISTENT_CACHE_ENABLE_XLA_CACHES", "none")


def _folder() -> Path:
    """The folder for this kind of processor.

    Raises OSError if it can be neither read nor made, or is another user's.
    """
    folder = user_cache("compiled") / _processor()
    make_own(folder)
    return folder


def _processor() -> str:
    """A name for this kind of processor: machines share homes, and code for one processor may crash another.

    JAX's names of entries include the processor's features too, but not in all versions that we accept.
    """
    try:
        first = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").partition("\n\n")[0]
        words = [line for line in first.splitlines() if line.partition(":")[0].strip() in _PROCESSOR]
    except OSError:
        words = [platform.processor()]
    digest = hashlib.sha256("\n".join(words).encode()).hexdigest()
    return f"{platform.system()}-{platform.machine()}-{digest[:12]}".lower()


def _drop_broken(folder: Path) -> None:
    """Remove entries that are not whole, because a run was killed or the disk was full.

    JAX would keep them for ever, and compile again in each run.  Only entries written since the last look are read.
    """
    looked = folder / _LOOKED
    try:
        since = looked.stat().st_mtime_ns
    except FileNotFoundError:
        since = 0
    try:
        looked.touch()
        for path in folder.glob("*-cache"):
            # This may also remove an entry that another run is writing; that run loses nothing else.
            if path.stat().st_mtime_ns >= since and not _whole(path):
                path.unlink()
    except OSError:  # the disk is full or read-only, or another process was first
        return


def _whole(path: Path) -> bool:
    """True if a zlib stream has its end; JAX writes zlib if Python has no zstd.  Other files are taken for whole."""
    stream = zlib.decompressobj()
    with path.open("rb") as file:
        piece = file.read(_PIECE)
        if piece[:1] != b"\x78":
            return bool(piece)
        try:
            while piece and not stream.eof:
                stream.decompress(piece)
                piece = file.read(_PIECE)
        except zlib.error:
            return False
    return stream.eof


def _bound(folder: Path) -> None:
    """If the entries exceed the limit, remove the oldest of all processors, down to three quarters of the limit."""
    found = []
    for path in folder.glob("*/*-cache"):
        try:
            of = path.stat()
        except OSError:  # another process was first
            continue
        found.append((of.st_mtime_ns, of.st_size, path))
    size = sum(one[1] for one in found)
    if size <= _LIMIT:
        return
    for _, of_one, path in sorted(found):
        if size <= _LIMIT * 3 / 4:
            return
        try:
            path.unlink(missing_ok=True)
        except OSError:
            return
        size -= of_one
