"""Kernels and bytes of the main functions on an H100, counted in what XLA compiles for it: no GPU is needed.

python -m tests.accelerators.counted --write               renew the bounds of bounds.json, which the tests hold
python -m tests.accelerators.counted "attack on l1" --batch 1 --loops    print those of a single slice
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import jax

from tests.accelerators import compiler, hlo
from tests.accelerators.cases import CASES, SIZE
from tests.accelerators.network_cases import FULL
from tests.accelerators.scans import Scan

BOUNDS = Path(__file__).with_name("bounds.json")


def main() -> None:
    """Count the cases that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="CASE", help="cases; all that are compiled if none is named")
    parser.add_argument(
        "--scan", nargs=3, type=int, default=(SIZE.coils, SIZE.ny, SIZE.nx), metavar=("COILS", "NY", "NX")
    )
    parser.add_argument("--batch", type=int, default=SIZE.batch, help="slices in a batch")
    parser.add_argument("--loops", action="store_true", help="print kernels and bytes of one turn of each loop")
    parser.add_argument("--json", action="store_true", help="print only JSON")
    parser.add_argument("--write", action="store_true", help="renew the bounds of the named cases")
    parser.add_argument("--hlo", type=Path, metavar="FOLDER", help="write the compiled modules into FOLDER")
    given = parser.parse_args()
    if reason := compiler.missing():
        sys.exit(reason)
    scan, found = Scan(*given.scan, given.batch), {}
    for name in given.names or [name for name, case in CASES.items() if case.compiled]:
        begin = time.process_time()
        done = compiler.compiled(*(CASES | FULL)[name].job(scan))
        counts, memory = hlo.count(done.as_text()), done.memory_analysis().temp_size_in_bytes
        found[name] = {"kernels": counts.kernels, "bytes": counts.bytes}
        if given.hlo is not None:
            given.hlo.mkdir(parents=True, exist_ok=True)
            (given.hlo / f"{name.replace(' ', '_')}.hlo").write_text(done.as_text())
        if given.json:
            continue
        print(
            f"{name}: {counts.kernels} kernels, {counts.bytes / 1e6:.1f} MB, {memory / 1e6:.1f} MB of memory "
            f"(compiled in {time.process_time() - begin:.0f} CPU seconds)",
            flush=True,
        )
        if given.loops:
            for loop in counts.loops:
                turns = "?" if loop.turns is None else loop.turns
                print(f"  {'  ' * loop.depth}{turns} turns of {loop.kernels} kernels, {loop.bytes / 1e6:.2f} MB")
            for kind, moved in counts.bytes_by_kind.most_common(8):
                print(f"    {kind}: {counts.kinds[kind]} kernels, {moved / 1e6:.1f} MB")
    if given.json:
        json.dump(found, sys.stdout)
    if given.write:
        kept = json.loads(BOUNDS.read_text())["cases"] if given.names else {}
        content = {
            "jax": jax.__version__,
            "scan": [*given.scan, given.batch],
            "cases": dict(sorted((kept | found).items())),
        }
        BOUNDS.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
