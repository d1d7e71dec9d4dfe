"""Content of the files of a run folder, as tables of names and forms.

`RUN` asks for the least that a page needs, so that runs of older versions have one; `BEGUN` for what a run goes on by.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.plan.config import BESIDE, BOXES, OF_THE_FILE
from bench.plan.criteria import parse
from bench.record.forms import Form, list_of, mapping, number, one_of, optional, plain, shown, table, text, truth, whole

# Far more images than a run has.
_MOST_IMAGES = 10_000_000
_COUNT = whole(0, 10**15)
_SETTINGS = mapping(plain)


def _label(value: Any) -> None:
    """A name of ours, which is printed."""
    text(value)
    if not value.isprintable():
        raise ValueError(f"{shown(value)} is no name")


def _run_name(value: Any) -> None:
    """A name of a run, which its folder is named by."""
    _label(value)
    if "/" in value:
        raise ValueError(f"{shown(value)} has a slash")


def _criterion(value: Any) -> None:
    """A criterion of the user."""
    text(value)
    parse(value)


def _network(value: Any) -> None:
    """A name and the weights of a network."""
    list_of(text, 2)(value)
    _label(value[0])


def _region(value: Any) -> None:
    """A box, or the word for boxes of each slice."""
    if value not in (BOXES, BESIDE):
        list_of(whole(), 4)(value)


CONFIG: dict[str, Form] = {
    "method": _label, "preset": optional(text), "settings": mapping(text), "victims": list_of(text),
    "weights": optional(text), "attack": text, "attack_preset": optional(text), "steps": optional(whole(1)),
    "step_size": optional(number), "restarts": optional(whole(1)), "like": optional(text), "method_seed": text,
    "threat": text, "eps": list_of(number), "norm": text, "target": text, "region": optional(_region),
    "aim": text, "maps": text, "check": truth, "data": optional(text), "phantom": text, "only": optional(text),
    "shift": mapping(number), "mask": text, "acceleration": optional(number), "center_fraction": optional(number),
    "limit": optional(whole(1)), "seed": whole(0, 2**64),
}  # fmt: skip
# Fields that a run has only if they were given.
CONFIG_IF_GIVEN: dict[str, Form] = {
    "beside": list_of(_label), "networks": list_of(_network), "acquisition": list_of(_label),
    "views": optional(whole(1)), "stealth": number,
}  # fmt: skip
_CEILING = table(dict.fromkeys(("psnr", "ssim"), optional(number)))
_SAMPLING = table(
    {"samples": whole(), "acceleration": number},
    {"centre": plain, "scale": number, "maps_leave_out": optional(number), "ceiling": optional(_CEILING)}
    | {"outside_centre": number, "boxes": list_of(table({"box": list_of(whole(), 4), "label": text}))},
)
_RUNTIME = table({"batch": whole(), "save_perturbations": truth})
_MORE: dict[str, Form] = {
    "schema_version": whole(),
    "protocol_version": whole(1),
    "fingerprint": text,
    "name": _run_name,
    "accept": list_of(_criterion),
    "runtime": _RUNTIME,
    "methods": mapping(table({"method": text, "config": _SETTINGS}, {"weights": optional(table({"sha256": text}))})),
    "method_config": _SETTINGS,
    "versions": mapping(text),
    "git": table({"commit": optional(text), "dirty": optional(truth)}),
    "device": table(
        {"platform": text, "kind": text}, {"cores": optional(whole()), "precision": text, "repeats": optional(truth)}
    ),
    "data_sha256": mapping(text),
    "images": whole(1, _MOST_IMAGES),
    "started": text,
    "notes": list_of(text),
    "not_checked": list_of(text),
    "gradient_evaluations": _COUNT,
    "seconds": number,
    "resumed": _COUNT,
    "folder": text,
    "parts": list_of(text),
    "sampling": mapping(_SAMPLING),
    "thermal": mapping(optional(number)),
    "failed": mapping(text),
    "flags": mapping(whole()),
    "findings": list_of(text),
}
_LEAST: dict[str, Form] = {"status": text, "argv": list_of(text), "data": text}
_DECIDING = (
    "schema_version", "fingerprint", "methods", "versions", "git", "device", "data_sha256", "images", "notes", "started"
)  # fmt: skip
# Fields that decide whether a run goes on, and whether two folders are of one run.
GOING_ON: dict[str, Form] = _LEAST | {name: _MORE[name] for name in _DECIDING}


def _sampled(form: Form) -> Form:
    """A configuration of this form, whose acceleration and centre are null if its mask is the file's, and only then."""

    def check(value: Any) -> None:
        form(value)
        for name in ("acceleration", "center_fraction"):
            if {name, "mask"} <= set(value) and (value[name] is None) != (value["mask"] == OF_THE_FILE):
                raise ValueError(f"its {name} does not suit its mask")

    return check


_RUN_CONFIG = _sampled(table({"method": _label}, CONFIG | CONFIG_IF_GIVEN))
RUN = table(_LEAST | {"config": _RUN_CONFIG, "threat_model": mapping(text)}, _MORE)
BEGUN = table(
    GOING_ON | {"runtime": _RUNTIME, "config": _sampled(table(CONFIG, CONFIG_IF_GIVEN)), "threat_model": mapping(text)},
    _MORE,
)

_MEASURED: tuple[str, ...] = ("norm", "norm_kspace", "clamped", "clamped_clean", "widened", "zero_filled")
_MEASURED += ("certified", "certified_confidence")
_MEASURED += tuple(f"solver_error_{state}" for state in ("clean", "noise", "attacked"))
FAILED = table({"case": text, "failed": text})
_ROW = table(
    dict.fromkeys(("case", "volume"), text)
    | dict.fromkeys(("source", "victim", "attack", "metric"), _label)
    | dict.fromkeys(("eps", "clean", "noise", "attacked"), number)
    | {"flags": list_of(text)},
    dict.fromkeys(_MEASURED, optional(number)),
)
_LOSSES = list_of(optional(number))
_SEARCH = table(
    {"case": text, "source": _label, "attack": _label, "eps": number, "trace": _LOSSES},
    {"restarts": _LOSSES, "ssim": _LOSSES}
    | dict.fromkeys(("doubled", "restarted", "gradient_free", "noise"), optional(number)),
)


def _image(value: Any) -> None:
    (FAILED if type(value) is dict and "failed" in value else _ROW)(value)


# The form of a line of each file, by the file's name.
LINES: dict[str, Form] = {"images.jsonl": _image, "searches.jsonl": _SEARCH}


def of_kinds(kinds: Mapping[str, Form]) -> dict[str, Form]:
    """Make the form of a line of a study, by file name: that of its kind, unless it tells of a failure."""
    kind = table({"kind": one_of(tuple(kinds))})

    def check(value: Any) -> None:
        if type(value) is dict and "failed" in value:
            FAILED(value)
        else:
            kind(value)
            kinds[value["kind"]](value)

    return {"images.jsonl": check, "searches.jsonl": plain}  # a study has no searches


# The content of image.json in the file of an image, beside its lines and arrays.
IMAGE = table(
    {
        "position": whole(0, _MOST_IMAGES),
        "case": text,
        "failed": optional(text),
        "sampling": optional(_SAMPLING),
        "thermal": optional(number),
        "gradients": _COUNT,
        "pixels": _COUNT,
        "notes": list_of(text),
        "seconds": number,
    }
)
