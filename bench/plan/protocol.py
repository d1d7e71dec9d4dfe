"""The protocol of a run: the settings that say what its scores mean, and under which threat they were taken."""

from __future__ import annotations

from typing import Any

from bench.plan.config import RunConfig

# To be raised when equal settings come to give other scores: other phantoms, masks, coil maps, threat sets or metrics.
VERSION = 1
# The method, its attack and the data are no part of a protocol.
_FIELDS = (
    "like", "threat", "eps", "norm", "target", "loss", "region", "aim", "maps", "method_seed", "shift", "mask",
    "acceleration", "center_fraction",
)  # fmt: skip
# Fields that a protocol has only if they are given.
_IF_GIVEN = ("stealth",)


def protocol_of(config: RunConfig, version: int) -> dict[str, Any]:
    """Return the protocol of a run as JSON can hold it.

    Args:
        config: settings of the run.
        version: version of the protocol by which it was computed.
    """
    content = config.to_dict()
    fields = [*_FIELDS, *(name for name in _IF_GIVEN if name in content)]
    return {"version": version} | {
        name: list(value) if isinstance(value := content[name], tuple) else value for name in fields
    }
