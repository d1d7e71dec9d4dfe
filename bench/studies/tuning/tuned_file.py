"""The file in which bench.tune keeps its scores and choice; bench.shift reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.plan.errors import InputFileError
from bench.plan.intervals import RANGE, SURE
from bench.record.forms import list_of, mapping, number, one_of, optional, table, text, whole
from bench.record.reading import read_json

SCHEMA_VERSION = 2
# Version 1 has no worst case, and is the same otherwise.
_READ = (1, SCHEMA_VERSION)
_SETTINGS = mapping(text)
_INTERVAL = optional(table({"low": number, "high": number, "kind": one_of((SURE, RANGE)), "volumes": whole(2)}))
_WORST_CASE = table(
    {
        "eps": number, "attack": text, "steps": whole(1), "ssim": number, "psnr": number,
        "ssim_interval": _INTERVAL, "psnr_interval": _INTERVAL,
    }
)  # fmt: skip
_CANDIDATE = table(
    {"settings": _SETTINGS}, {"ssim": number, "psnr": number, "held_out": number, "worst_case": list_of(_WORST_CASE)}
)
_FILE = table(
    {
        "schema_version": whole(), "method": text, "set": _SETTINGS, "best": _SETTINGS,
        "data": optional(text), "phantom": text, "mask": text, "acceleration": optional(number),
        "center_fraction": optional(number), "images": whole(), "training": text, "versions": mapping(text),
        "candidates": list_of(_CANDIDATE),
    },
    {"acquisition": list_of(text), "held_out": whole(2)},
)  # fmt: skip


def read_tuned(path: Path) -> dict[str, Any]:
    """Read the content of a file, in the form of the current version.

    Raises:
        InputFileError: the file cannot be read, or bench.tune did not write it.
    """
    found: dict[str, Any] = read_json(path, _FILE, "bench.tune")
    if found["schema_version"] not in _READ:
        raise InputFileError(f"{path}: has schema version {found['schema_version']}, not {SCHEMA_VERSION}")
    return found | {"schema_version": SCHEMA_VERSION}
