"""The file that bench.tune keeps its scores and choice in, and bench.shift takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.harness.errors import InputFileError
from bench.harness.forms import list_of, mapping, number, optional, table, text, whole
from bench.harness.reading import read_json

SCHEMA_VERSION = 1
_SETTINGS = mapping(text)
_FILE = table(
    {
        "schema_version": whole(), "method": text, "set": _SETTINGS, "best": _SETTINGS,
        "data": optional(text), "phantom": text, "mask": text, "acceleration": number, "center_fraction": number,
        "images": whole(), "training": text, "versions": mapping(text),
        "candidates": list_of(table({"settings": _SETTINGS, "ssim": number, "psnr": number})),
    }
)  # fmt: skip


def read_tuned(path: Path) -> dict[str, Any]:
    """Its content.  Raises InputFileError where it is no such file."""
    found: dict[str, Any] = read_json(path, _FILE, "bench.tune")
    if found["schema_version"] != SCHEMA_VERSION:
        raise InputFileError(f"{path}: has schema version {found['schema_version']}, not {SCHEMA_VERSION}")
    return found
