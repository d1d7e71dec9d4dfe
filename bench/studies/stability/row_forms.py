"""Forms of the files of a study, as tables of names and forms."""

from __future__ import annotations

from bench.record.forms import Form, list_of, mapping, number, one_of, optional, plain, table, text, truth, whole
from bench.record.record_forms import GOING_ON, of_kinds
from bench.studies.stability.worlds import AUTO, COMPARATORS, PROTOCOLS, RESIDUALS, STUDIES, WORLDS

_CONFIG = table(
    {
        "studies": list_of(one_of(STUDIES)), "methods": list_of(one_of(tuple(WORLDS))), "weights": mapping(text),
        "constants": one_of(("published", AUTO)), "steps": optional(whole(1)), "data": optional(text),
        "phantom": text, "limit": optional(whole(1)), "seed": whole(0, 2**64),
    },
    {
        "acquisition": list_of(text), "sweep": truth, "comparator": one_of(COMPARATORS), "like": one_of(PROTOCOLS),
        "residual": one_of(RESIDUALS), "shift": mapping(number),
    },
)  # fmt: skip
RUN = table(
    GOING_ON | {"config": _CONFIG, "command": one_of(("bench.stability",)), "methods": mapping(mapping(plain))},
    {"missing": list_of(text), "findings": list_of(text), "failed": mapping(text)},
)

_NUMBER = optional(number)
_COMMON: dict[str, Form] = dict.fromkeys(("case", "image", "volume", "world", "method", "role"), text)
_SCORES = dict.fromkeys(("psnr", "ssim"), _NUMBER)
_CHANGES = ("norm", "norm_data", "change", "gain", "gain_noise", "gain_both", "psnr_noise", "ssim_perturbed")
_KINDS: dict[str, Form] = {
    "clean": table(_COMMON | _SCORES, {"singular_value": _NUMBER}),
    "perturbation": table(
        _COMMON | _SCORES | dict.fromkeys(_CHANGES, _NUMBER) | {"attack": text, "source": text, "steps": whole(1)}
    ),
    "sweep": table(
        _COMMON
        | dict.fromkeys(("norm", "change", "gain"), _NUMBER)
        | {"step_factor": number, "penalty_factor": number, "decay": number, "steps": whole(1)}
    ),
    "structure": table(
        _COMMON
        | {"height": number, "glyphs": whole(1), "read": whole(), "read_alone": whole()}
        | dict.fromkeys(("kept", "error"), _NUMBER)
    ),
    "samples": table(_COMMON | _SCORES | {"acceleration": number, "share": number, "trained": truth}),
}
LINES = of_kinds(_KINDS)
