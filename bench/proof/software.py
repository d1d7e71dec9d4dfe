"""The software of a run as a bill of materials: CycloneDX 1.6 in JSON, without date and number, so that it repeats."""

from __future__ import annotations

import json
from importlib import metadata
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from bench.plan.errors import InputFileError
from bench.record.provenance import PACKAGES, versions
from bench.record.run_record import RunRecord

_PROJECT = "jaxcs"
# Extras whose packages compute nothing of a run.
_ASIDE = ("docs", "test")

# The names of the packages that a package needs, by its canonical name; all of them are installed.
_Needs = dict[str, set[str]]


def bill_of_materials(record: RunRecord) -> bytes:
    """Return the packages on which a run rests, with what each of them needs, and the weights of the run's methods.

    Args:
        record: a run that was computed with the packages that are installed here.

    Raises:
        InputFileError: other versions are installed here.
    """
    _check_versions(record)
    needs = _needs()
    references = {name: f"pkg:pypi/{name}@{metadata.version(name)}" for name in sorted(needs)}
    components = {
        name: {"bom-ref": reference, "name": name, "version": metadata.version(name), "purl": reference}
        for name, reference in references.items()
    }
    python = {"type": "platform", "bom-ref": "python", "name": "python", "version": record.versions["python"]}
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "application"} | components.pop(_PROJECT)},
        "components": [python, *({"type": "library"} | one for one in components.values()), *_weights(record)],
        "dependencies": [
            {"ref": reference, "dependsOn": sorted(references[need] for need in needs[name])}
            for name, reference in references.items()
        ],
    }
    return (json.dumps(bill, indent=2) + "\n").encode()


def _check_versions(record: RunRecord) -> None:
    here = versions()
    for name in ("python", *PACKAGES):
        was, now = record.versions.get(name), here[name]
        if was != now:
            raise InputFileError(
                f"the run used {name} {was}, but here it is {now}, so that its software cannot be listed; make the "
                "dossier where the run was computed"
            )


def _needs() -> _Needs:
    """The project and the installed packages that it needs, with those of its extras that are installed as a whole."""
    try:
        extras = metadata.metadata(_PROJECT).get_all("Provides-Extra") or []
    except metadata.PackageNotFoundError as error:
        raise InputFileError(
            f"{_PROJECT} is not installed as a package, so that its software cannot be listed; pip install ."
        ) from error
    found, _ = _closure("")
    for extra in extras:
        more, whole = _closure(extra)
        if whole and extra not in _ASIDE:
            for name, needed in more.items():
                found[name] = found.get(name, set()) | needed
    return found


def _closure(extra: str) -> tuple[_Needs, bool]:
    """The project with an extra ("" for none), and all that it needs; False if a part of it is not installed."""
    found: _Needs = {}
    whole = True
    seen: set[tuple[str, str]] = set()
    waiting = [(_PROJECT, "", extra)]
    while waiting:
        name, parent, wanted = waiting.pop()
        try:
            texts = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            whole = False
            continue
        found.setdefault(name, set())
        if parent:
            found[parent].add(name)
        if (name, wanted) in seen:
            continue
        seen.add((name, wanted))
        for need in map(Requirement, texts):
            if need.marker is None or need.marker.evaluate({"extra": wanted}):
                waiting += [(canonicalize_name(need.name), name, one) for one in ("", *need.extras)]
    return found, whole


def _weights(record: RunRecord) -> list[dict[str, Any]]:
    """The weights of the run's trained methods, as components."""
    hashes = {label: (one.get("weights") or {}).get("sha256") for label, one in record.methods.items()}
    return [
        {"type": "machine-learning-model", "bom-ref": f"weights of {label}", "name": f"weights of {label}"}
        | {"hashes": [{"alg": "SHA-256", "content": digest}]}
        for label, digest in hashes.items()
        if digest is not None
    ]
