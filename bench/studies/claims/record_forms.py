"""Forms of the records of studies: the names and values that the table of claims needs."""

from __future__ import annotations

from bench.findings.published import SSIM_OF_NOTEBOOKS
from bench.plan.intervals import RANGE, SURE
from bench.record.forms import list_of, mapping, number, one_of, optional, table, text, whole
from bench.record.rows import STATES
from bench.studies.test_time.gap import KINDS
from bench.studies.test_time.names import SHIFTS

_INTERVAL = optional(table({"low": number, "high": number, "kind": one_of((SURE, RANGE)), "volumes": whole()}))
_COUNT = whole(1)

_POINT = table({"label": text, "drop": number, "drop_interval": _INTERVAL})
_RESULTS = table(
    {
        "n_inside": _COUNT, "n_outside": _COUNT, "volumes": list_of(_COUNT, 2), "points": list_of(_POINT),
        "line": optional(table({"slope": number, "slope_half": number})),
        "ranks": optional(number), "ranks_interval": _INTERVAL,
    }
)  # fmt: skip
SHIFT = table(
    {
        "argv": list_of(text),
        "comparisons": list_of(table(dict.fromkeys(("name", "axis", "kind"), text) | {"results": _RESULTS})),
    }
)

_NETWORK = one_of({network for _, network in SSIM_OF_NOTEBOOKS})
_GAP = table({"closed": table({"fraction": optional(number), "interval": _INTERVAL})})
TEST_TIME = table(
    {
        "argv": list_of(text), "shift": one_of(SHIFTS), "network": _NETWORK, "cases": list_of(text),
        "gaps": table(dict.fromkeys(KINDS, _GAP)),
    }
)  # fmt: skip

_GROUP = table({"n": _COUNT, "volumes": _COUNT})
_OTHER = table({"method": text, "images": _COUNT, "difference": number, "interval": _INTERVAL})
HARDEST = table(
    {
        "argv": list_of(text), "method": text, "metric": text, "groups": mapping(_GROUP),
        "difference": optional(table({"mean": number, "interval": _INTERVAL})), "others": list_of(_OTHER),
    }
)  # fmt: skip

_SHARE = table(
    {"run": text, "method": text, "state": one_of(STATES), "eps": number, "kept": whole(), "volumes": _COUNT}
)
BOUNDS = table({"argv": list_of(text), "metric": text, "confidence": number, "coverage": list_of(_SHARE)})
_DEFENCE = table({"clean": mapping(number), "attacked": mapping(number)})
DEFENCES = table({"argv": list_of(text), "eps": number, "volumes": mapping(text), "defences": mapping(_DEFENCE)})
