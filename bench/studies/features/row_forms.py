"""Forms of the files of a study, as tables of names and forms."""

from __future__ import annotations

from bench.record.forms import Form, list_of, mapping, number, one_of, optional, plain, table, text, whole
from bench.record.record_forms import CONFIG, GOING_ON, of_kinds

# The form of a study's configuration; `base` is the configuration of a run of bench.attack.
_CONFIG = table(
    {
        "study": text, "base": table(CONFIG), "insertion": mapping(plain), "stride": whole(1), "image": whole(),
        "sizes": list_of(number), "placements": whole(1), "draws": whole(), "visibility": number,
    }
)  # fmt: skip
RUN = table(GOING_ON | {"config": _CONFIG, "command": one_of(("bench.features",))})

_NUMBER = optional(number)
_COMMON: dict[str, Form] = dict.fromkeys(("case", "image", "volume", "method"), text)
_SCORES = (
    "mse",
    "error",
    "kept",
    "detectability",
    "detectability_whole",
    "background",
    "box_nmse",
    "box_share",
    "box_ssim",
)
_KEPT = ("kept_mean", "kept_grid", "kept_place", "kept_random", "kept_random_least", "kept_worst")
_KINDS: dict[str, Form] = {
    "image": table(_COMMON | dict.fromkeys(("ssim", "psnr"), number)),
    "feature": table(
        _COMMON | {"row": whole(), "column": whole(), "size": number, "mse": _NUMBER, "kept": _NUMBER},
        dict.fromkeys(_SCORES, _NUMBER),
    ),
    "box": table(_COMMON | {"box": list_of(whole(), 4), "label": text}, dict.fromkeys(_SCORES, _NUMBER)),
    "search": table(
        _COMMON | {"pixels": whole(), "contrast_to_noise": mapping(_NUMBER)} | dict.fromkeys(_KEPT, _NUMBER)
    ),
}
LINES = of_kinds(_KINDS)
