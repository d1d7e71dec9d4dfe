"""Folders that tests read: the project's, the stored references, and data beside the repository."""

from pathlib import Path

import h5py
import pytest

ROOT = Path(__file__).resolve().parents[2]
PARITY = ROOT / "tests" / "parity"
# Real data, which are no part of the project; tests that need them skip without them.
DATA = ROOT.parent / "shared" / "data"
MEASURED = DATA / "multicoil"


def measured_scans():
    """Yield the name and the last slice's k-space (coil, ny, nx) of each measured scan; skip the test without them."""
    files = sorted(MEASURED.glob("*.h5"))
    if not files:
        pytest.skip(f"the measured scans are not in {MEASURED}")
    for path in files:
        with h5py.File(path) as file:
            kspace = file["kspace"][-1]
        yield path.name, kspace
