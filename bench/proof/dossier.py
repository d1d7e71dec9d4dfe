"""The dossier of a finished run."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

from bench.page.page import page_of
from bench.plan.errors import InputFileError
from bench.proof.archive import FACTS, MANIFEST, OF_THE_RUN, PAGE, SOFTWARE, manifest, pack
from bench.proof.consistent import contradictions
from bench.proof.facts import facts
from bench.proof.software import bill_of_materials
from bench.record.perturbations import Perturbations
from bench.record.reading import size_of, understanding
from bench.record.record import read
from bench.record.records import RunFolder, finite
from bench.record.stored import stored


def write(folder: Path, output: Path) -> None:
    """Write the dossier of a run.

    Args:
        folder: folder of the run.
        output: the archive; an older one is replaced.

    Raises:
        InputFileError: the run has not finished, is damaged, or was computed with other software than is here.
        OutputError: the archive cannot be written.
    """
    record, begun = read(folder), stored(folder)
    wrong = contradictions(record)
    again = f"python -m bench.attack --resume {shlex.quote(str(folder))}"
    if wrong:
        raise InputFileError(f"{folder}: {wrong[0]}; {again} makes them again")
    names: dict[str, bytes | None] = {}
    for name in OF_THE_RUN:
        if (folder / name).exists():
            with understanding(folder / name):
                size_of(folder / name, None)
            names[name] = None
    if begun.plan.save_perturbations:
        with Perturbations(folder):  # they are there, and can be read
            pass
    found = finite(facts(record, begun))
    names |= {PAGE: page_of(folder), FACTS: (json.dumps(found, indent=2) + "\n").encode()}
    names[SOFTWARE] = bill_of_materials(record.run)
    with understanding(folder):
        names[MANIFEST] = manifest(folder, names)
    with RunFolder(output.parent).replacing(output.name) as file:
        pack(file, folder, names)
