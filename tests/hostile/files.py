"""Hand-made hostile files, by name: `FILES[name].make(folder)` writes a file and returns its path."""

from __future__ import annotations

from tests.hostile.hdf5_files import DATA
from tests.hostile.other_files import NO_FILES, PAIRS, TABLES
from tests.hostile.raw_files import SCANS
from tests.hostile.registry import Hostile
from tests.hostile.weights_files import WEIGHTS

FILES: dict[str, Hostile] = DATA | SCANS | PAIRS | TABLES | WEIGHTS | NO_FILES
