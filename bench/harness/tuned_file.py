"""The file that bench.tune keeps its scores and choice in, and bench.shift takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench.harness.errors import InputFileError

SCHEMA_VERSION = 1
_MOST_BYTES = 10_000_000


def read_tuned(path: Path) -> dict[str, Any]:
    """Its content, of which the names that are relied on are there.  Raises InputFileError where it is no such file."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError("over 10 MB")
        found = json.loads(path.read_text(encoding="utf-8"))
        for name in ("method", "data", "phantom", "mask", "acceleration", "center_fraction", "images", "training"):
            found[name]
        found["versions"].items()
        texts = [found["set"], found["best"], *(one["settings"] for one in found["candidates"])]
        if not all(isinstance(value, str) for settings in texts for value in settings.values()):
            raise ValueError("a setting is no text")
        [float(one[name]) for one in found["candidates"] for name in ("ssim", "psnr")]
        if found["schema_version"] != SCHEMA_VERSION:
            raise ValueError(f"schema version {found['schema_version']}, not {SCHEMA_VERSION}")
    except OSError as error:
        raise InputFileError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise InputFileError(f"{path}: is damaged or no file of bench.tune ({reason})") from error
    return found
