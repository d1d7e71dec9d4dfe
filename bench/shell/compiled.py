"""Compiled functions are kept from one run to the next, by JAX's own persistent cache, so that runs start at once.

They are in the user's cache, jaxcs/compiled; JAX_ENABLE_COMPILATION_CACHE=0 keeps none, JAX_COMPILATION_CACHE_DIR names
another folder, which is then the user's to look after.  bench.speed keeps none, because it times compilation.
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

# Of all that is kept [bytes]; the main command's functions take 1.2 MB.  JAX bounds its cache only where `filelock` is
# installed.
_LIMIT = 1_000_000_000
# Its date is that of the last look for entries that are not whole.
_LOOKED = ".looked"
# Lines of /proc/cpuinfo that say for what processor the compiler makes code.
_PROCESSOR = ("vendor_id", "cpu family", "model", "flags", "CPU implementer", "CPU part", "CPU variant", "Features")
_PIECE = 1 << 20


def keep_compiled() -> None:
    """Have JAX keep what it compiles; it hears of that only where it is not yet imported.

    Where nothing can be kept the run is slower to start, and otherwise the same.
    """
    if "jax" in sys.modules:  # whoever imported it decides
        return
    # JAX goes on without an entry that cannot be read or written, and says so for each; as errors, these would end it.
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
    # Of small functions there are many.
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    # XLA's caches beside JAX's own: a full disk would be an error of theirs, and their path part of every entry's name.
    os.environ.setdefault("JAX_PERSISTENT_CACHE_ENABLE_XLA_CACHES", "none")


def _folder() -> Path:
    """Folder for this kind of processor.  Raises OSError if it can be neither read nor made, or is another user's."""
    folder = user_cache("compiled") / _processor()
    make_own(folder)
    return folder


def _processor() -> str:
    """Code for one processor may end a run on another, and homes are shared between machines.

    JAX's names of entries have its features too, but not in all of the versions that we take.
    """
    try:
        first = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").partition("\n\n")[0]
        words = [line for line in first.splitlines() if line.partition(":")[0].strip() in _PROCESSOR]
    except OSError:
        words = [platform.processor()]
    digest = hashlib.sha256("\n".join(words).encode()).hexdigest()
    return f"{platform.system()}-{platform.machine()}-{digest[:12]}".lower()


def _drop_broken(folder: Path) -> None:
    """Remove entries that are not whole: a run was killed, or the disk full, when it wrote them.

    JAX would keep them for ever, and compile anew in each run.  Only what was written since the last look is read.
    """
    looked = folder / _LOOKED
    try:
        since = looked.stat().st_mtime_ns
    except FileNotFoundError:
        since = 0
    try:
        looked.touch()
        for path in folder.glob("*-cache"):
            # That another run is writing may go too: it loses an entry, and no more.
            if path.stat().st_mtime_ns >= since and not _whole(path):
                path.unlink()
    except OSError:  # of a disk that is full or only read, or because another process was first
        return


def _whole(path: Path) -> bool:
    """Whether zlib's stream has its end, in which JAX writes where Python has no zstd; others are taken for whole."""
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
    """Remove the oldest entries of all processors where there are too many, a quarter more than need be."""
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
