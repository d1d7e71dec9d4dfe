"""One run folder out of several that hold parts of a run, such as those of machines without a common disk."""

from __future__ import annotations

import shlex
import shutil
import time
from dataclasses import replace
from pathlib import Path

from bench.plan.errors import InputFileError
from bench.record.reading import content_of, understanding
from bench.record.record import Record
from bench.record.records import RunFolder
from bench.record.run_record import RunRecord
from bench.record.store import FOLDER, Store, files_of, refuse_older
from bench.record.stored import Stored, also_on, difference, stored
from bench.run.finish import finish

# The largest file of an image [bytes], far above any.
_MOST_BYTES = 10**11


def merge(paths: list[Path], output: Path) -> Record:
    """Copy the images of several folders into a new one in `output`, and finish the run.

    An image that several folders hold is the same in all of them.

    Args:
        paths: folders of one run, which together hold all its images.
        output: the run gets a folder in here.

    Raises:
        InputFileError: they are not of one run, or do not hold all its images.
    """
    begun = time.monotonic()
    runs = [stored(path) for path in paths]
    found: dict[int, Path] = {}
    for run in runs:
        refuse_older(run.path)
        reason = _of_another_run(runs[0], run)
        if reason is not None:
            raise InputFileError(f"{run.path}: is not of the run that {paths[0]} is of: {reason}")
        found = files_of(run.path) | found
    missing = sorted(set(range(runs[0].record.images)) - found.keys())
    if missing:
        how = f"python -m bench.attack --resume {shlex.quote(str(paths[0]))}"
        raise InputFileError(
            f"{len(missing)} of {runs[0].record.images} images are in none of these folders, the first of them image "
            f"{missing[0]}; name the folders of all parts, or let {how} compute them"
        )
    config = runs[0].plan.config
    folder = RunFolder.create(output, config.folder_name, config.fingerprint())
    try:
        return _merged(folder, found, _joined([run.record for run in runs], paths), begun)
    except BaseException:
        shutil.rmtree(folder.path, ignore_errors=True)
        raise


def _of_another_run(first: Stored, run: Stored) -> str | None:
    """Why two folders are not of one run, or None if they are."""
    one, other = first.plan.config.to_dict(), run.plan.config.to_dict()
    names = ", ".join(name for name in one if one[name] != other[name])
    if names:
        return f"the configuration is not the same ({names})"
    return difference(first.record.content(), run.record.content())


def _merged(folder: RunFolder, found: dict[int, Path], record: RunRecord, begun: float) -> Record:
    store = Store(folder, begun)
    try:
        with store.whole_run():
            folder.write_json("run.json", record.content())
            for path in found.values():
                with understanding(path):
                    content = content_of(path, _MOST_BYTES)
                folder.write(f"{FOLDER}/{path.name}", content)
            return finish(store, record)
    finally:
        store.close()


def _joined(records: list[RunRecord], paths: list[Path]) -> RunRecord:
    """run.json of the whole, but for what is made of its images."""
    first = records[0]
    notes = [note for record in records for note in record.notes]
    notes += [note for record in records for note in also_on(first.content(), record.content())]
    return replace(
        first,
        status="running",
        started=min(record.started for record in records),
        notes=[*dict.fromkeys(notes), f"merged from {len(paths)} folders"],
        parts=[str(path) for path in paths],
    )
