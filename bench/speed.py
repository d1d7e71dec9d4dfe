"""Time the main work and its peers on the same data in one run: python -m bench.speed.

The peers are BART, SigPy, PyTorch, the `fastmri` package, scikit-image and ASTRA; missing peers are reported and left
out.  Each program runs in a separate process.  The programs take turns, and each figure is the median over the turns,
with the smallest and the largest.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import sys
import tempfile
from argparse import Namespace
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.plan.errors import DONE, SOME_FAILED, OutputError, UsageError
from bench.shell.arguments import HelpFormatter, Parser, integer, one_of
from bench.shell.command import execute
from bench.shell.flags import add_debug
from bench.timing.names import DEFAULT, NAMES, ON_THE_SLICE
from data_prep.process import as_process, at_stop

# Slices, examples or fits together on a GPU or TPU, each a row.  On the CPU more than one gain nothing.
_AT_ONCE = (1, 4, 16)
_TINY = (2, 32, 112)


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return execute(parser(), "bench.speed", "use a smaller --shape", _work, argv)


def parser() -> Parser:
    """Build the parser of the command line."""
    made = Parser(
        prog="python -m bench.speed",
        examples=("--set-up peers", "--peers peers --only l1 unet --json speed.json", "--check --json speed.json"),
        description=__doc__,
        formatter_class=HelpFormatter,
    )
    made.add_argument(
        "--shape", type=integer(4), nargs=3, default=[15, 640, 368], metavar="N", help="coils, rows, columns"
    )
    made.add_argument(
        "--only",
        type=one_of(NAMES),
        nargs="+",
        default=list(DEFAULT),
        metavar="NAME",
        help="work to time, of " + ", ".join(NAMES),
    )
    made.add_argument(
        "--iterations", type=integer(1), default=60, metavar="N", help="iterations of attack step and curves"
    )
    made.add_argument("--repetitions", type=integer(1), default=5, metavar="N", help="timed runs of each program")
    made.add_argument("--peers", type=Path, metavar="FOLDER", help="environment of the peers, which --set-up made")
    made.add_argument("--json", type=Path, metavar="FILE", help="file for all numbers")
    other = made.add_mutually_exclusive_group()
    other.add_argument(
        "--set-up", type=Path, metavar="FOLDER", help="only install PyTorch, fastmri and SigPy in this folder"
    )
    other.add_argument("--curves", action="store_true", help="time only how the cost of l1 grows")
    other.add_argument(
        "--check",
        type=one_of(("full", "tiny")),
        nargs="?",
        const="full",
        metavar="SIZE",
        help="check a GPU or TPU, and time the work on it: every method against the CPU, an attack by every method, "
        "two parts at once, trainings; tiny only shows that all of it runs, on a CPU too",
    )
    add_debug(made)
    return made


def _work(arguments: Namespace, argv: list[str]) -> int:
    if arguments.set_up:
        from bench.timing import peers

        _say_all(peers.set_up(arguments.set_up))
        return DONE
    _check(arguments)
    # The processes share a GPU, of which JAX would take three quarters at once.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    from bench.slices.sources import check_device  # imports JAX

    check_device("auto")
    found = _curves(arguments) if arguments.curves else _checked(arguments) if arguments.check else _rows(arguments)
    if arguments.json:
        _write(arguments.json, json.dumps(found, indent=2) + "\n")
    return SOME_FAILED if found.get("check", {}).get("failed") else DONE


def _check(arguments: Namespace) -> None:
    """Raise an error before the work begins, if a flag cannot be carried out."""
    if arguments.shape[1] < 32 or arguments.shape[2] < 100:
        raise UsageError(
            "--shape: needs 32 rows and 100 columns at least, so that a quarter of them holds 24 for calibration"
        )
    path: Path | None = arguments.json
    if path is not None and (path.is_dir() or not path.absolute().parent.is_dir()):
        raise OutputError(f"--json {path}: is not a file in a folder that exists; name another file")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"--json {path}: {error.strerror}; give a file that can be written to") from error


def _rows(arguments: Namespace) -> dict[str, Any]:
    import jax

    from bench.timing import ceilings, measure, peers, rows, table, work

    shape = tuple(arguments.shape)
    present = peers.find(arguments.peers)
    _say_all(present.absent)
    load = os.getloadavg()
    accelerator = jax.default_backend() != "cpu"
    limits = ceilings.measure(accelerator)
    records: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name, at_stop(lambda: shutil.rmtree(name, ignore_errors=True)):
        folder = Path(name)
        if any(row in arguments.only for row in ON_THE_SLICE):
            work.write(work.slice_of(shape), folder)
        for row_name, at_once in itertools.product(dict.fromkeys(arguments.only), _AT_ONCE if accelerator else (1,)):
            row = rows.build(row_name, shape, arguments.iterations, folder, present, at_once, accelerator)
            records += measure.measure(row, arguments.repetitions, folder, limits, _say)
            _say_all(row.notes)
    print(table.markdown(records), *table.solutions(records), sep="\n")
    print(f"Copying: {limits.bandwidth / 1e9:.1f} GB/s; matrix product: {limits.product / 1e9:.0f} GFLOP/s.")
    print(f"Load before and after: {load[0]:.1f} and {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.")
    return _machine(arguments) | {
        "load_before_and_after": [load[0], os.getloadavg()[0]],
        "ceilings": limits._asdict(),
        "peers": present.versions,
        "absent": present.absent,
        "rows": records,
    }


def _checked(arguments: Namespace) -> dict[str, Any]:
    """The check of the device, and then the rows."""
    from bench.timing import check

    if arguments.check == "tiny":
        arguments.shape, arguments.only, arguments.repetitions = list(_TINY), ["normal", "wavelet"], 1
    found = check.measure(check.SIZES[arguments.check], _say)
    rows = _rows(arguments)
    for line in found["failed"] or ["every part of the check is passed"]:
        print(line)
    return rows | {"check": found}


def _curves(arguments: Namespace) -> dict[str, Any]:
    from bench.timing import curves, table

    found = curves.measure(tuple(arguments.shape), arguments.iterations, arguments.repetitions, _say)
    print(table.curves(found))
    return _machine(arguments) | {"curves": found}


def _machine(arguments: Namespace) -> dict[str, Any]:
    from bench.record import provenance

    return {
        "date": datetime.now().astimezone().isoformat(timespec="seconds"),
        "shape": dict(zip(("coils", "rows", "columns"), arguments.shape, strict=True)),
        "repetitions": arguments.repetitions,
        "device": provenance.device(),
        "versions": provenance.versions(),
        "code": provenance.git_state(),
    }


def _say(line: str) -> None:
    print(f"bench.speed: {line}", file=sys.stderr)


def _say_all(lines: list[str]) -> None:
    for line in lines:
        _say(line)


if __name__ == "__main__":
    as_process(main)
