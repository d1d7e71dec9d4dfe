"""dossier.json: the facts about a run that a file on a device asks for, gathered from its record."""

from __future__ import annotations

from typing import Any

from bench.findings.acceptance import verdicts
from bench.page import words
from bench.plan.protocol import protocol_of
from bench.record.record import Record
from bench.record.stored import Stored
from jaxcs.evidence import FLAGS

_NEWER = "this record is newer than this program, which does not know it"


def facts(record: Record, stored: Stored) -> dict[str, Any]:
    """Return versions, hashes, the threat model, verdicts, flags and what was not checked, as JSON can hold them.

    Args:
        record: the run.
        stored: the same run with its configuration.
    """
    run = record.run
    return {
        "run": {
            "started": run.started,
            "fingerprint": run.fingerprint,
            "command": words.command(record),
            "images": len(record.names("case")),
            "volumes": len({row.volume for row in record.rows}),
            "failed": run.failed,
        },
        "protocol": protocol_of(stored.plan.config, run.protocol_version),
        "threat_model": run.threat_model,
        "acceptance": [one.content() for one in verdicts(record)],
        "methods": run.methods,
        "weights_sha256": {label: weights_of(one) for label, one in run.methods.items()},
        "data": {"description": run.data, "sha256": run.data_sha256},
        "flags": {name: {"results": count, "meaning": FLAGS.get(name, _NEWER)} for name, count in run.flags.items()},
        "below_card": run.below_card,
        "not_checked": words.not_checked(record),
        "notes": run.notes,
        "record_version": run.schema_version,
        "versions": run.versions,
        "git": run.git,
        "device": run.device,
    }


def weights_of(method: dict[str, Any]) -> str | None:
    """Return the SHA-256 of a method's weights, None if it has none.

    Args:
        method: an entry of the `methods` of a run.
    """
    weights = method.get("weights")
    return None if weights is None else weights["sha256"]
