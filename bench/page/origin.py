"""The origin of a run's numbers: what a reader needs to know that two pages are of the same computation."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from bench.record.record import Record

# More files are counted, and named by run.json.
_MOST_FILES = 50


def provenance(record: Record) -> dict[str, str]:
    """Return the origin of the numbers."""
    run = record.run
    commit, device = run.git["commit"], run.device
    changed = " with uncommitted changes" if run.git["dirty"] else ""
    return identity(record) | {
        "work": f"{run.seconds:.0f} s, {run.gradient_evaluations} gradient evaluations",
        "device": f"{device['platform']}, {device['kind']}, {device['cores']} cores, {device['precision']}",
        "commit": "not from a checkout" if commit is None else commit + changed,
        "versions": ", ".join(f"{name} {version}" for name, version in run.versions.items()),
        "seed": str(run.config["seed"]),
    }


def identity(record: Record) -> dict[str, str]:
    """Return the fingerprint of a run, and the hashes of its weights and data."""
    run = record.run
    weights = {label: found for label, one in record.methods.items() if (found := _weights(record, label, one))}
    files = [f"{name} {digest}" for name, digest in run.data_sha256.items()]
    more = len(files) - _MOST_FILES
    # Not its folder: a page is the same wherever the run lies.
    return {
        "started": run.started,
        "fingerprint of the settings": run.fingerprint or "not in this old record",
        "weights": "; ".join(f"{label}: {found}" for label, found in weights.items()) or "none",
        "data": run.data,
        "SHA-256 of the data": ", ".join(files[:_MOST_FILES]) + (f", and {more} more in run.json" if more > 0 else "")
        or "none, the phantom is made by the program",
    }


def _weights(record: Record, label: str, method: dict[str, Any]) -> str:
    """The file of a method's weights with its hash, and the hash of its tensors, which its card states; "" if none."""
    weights = method.get("weights")
    if weights is None:
        return ""
    config = record.run.config
    # If several methods take a network, its name stands after theirs.
    file = dict(config.get("networks", ())).get(label.rpartition(" ")[2]) or config.get("weights")
    card = weights.get("card")
    tensors = card.get("sha256") if isinstance(card, dict) else None
    name = "shipped with the program" if file is None else PurePath(file).name
    found = f"{name}, SHA-256 of the file {weights['sha256']}"
    return f"{found}, of the tensors {tensors}" if tensors else found
