"""An entry of a leaderboard: one file for a method with its weights, data and protocol."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from bench.plan.config import fingerprint_of
from bench.plan.errors import InputFileError
from bench.plan.scores import METRICS
from bench.record.forms import Form, list_of, mapping, number, optional, plain, shown, table, text, whole
from bench.record.reading import read_json
from bench.record.summary import Summary

VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A method under its own attack, from a finished run.

    Attributes:
        version: version of this form.
        label: name of the method in the run.
        method: name, settings and SHA-256 of the weights.
        attack: name and settings.
        data: SHA-256 of each file and of the names of the images that did not fail.
        protocol: see `bench.plan.protocol`.
        scores: means with their intervals and numbers of images and volumes, for each epsilon and metric.
        flags: names of the flags of the run's results.
        described: the data in words.
        failed: number of images that failed.
        not_checked: evidence that was not gathered, a sentence each.
        versions: of the software.
        started: date of the run.
        run: path of the run or its dossier, from the folder of the board.
        record: SHA-256 of images.jsonl.
    """

    version: int = VERSION
    label: str
    method: dict[str, Any]
    attack: dict[str, Any]
    data: dict[str, Any]
    protocol: dict[str, Any]
    scores: tuple[Summary, ...]
    flags: tuple[str, ...]
    described: str
    failed: int
    not_checked: tuple[str, ...]
    versions: dict[str, str]
    started: str
    run: str
    record: str

    @property
    def name(self) -> str:
        """Name of the entry's file: one for each method with its weights, data and protocol."""
        word = re.sub(r"[^A-Za-z0-9_.]+", "-", self.label)[:40].strip("-.") or "method"
        return "-".join([word, *map(fingerprint_of, (self.method, self.data, self.protocol))]) + ".json"

    @property
    def eps(self) -> list[float]:
        """Epsilons above 0, ascending."""
        return [value for value in self.protocol["eps"] if value > 0]

    def score(self, eps: float, metric: str) -> Summary:
        """Return the means of a metric at an epsilon."""
        return next(one for one in self.scores if one.eps == eps and one.metric == metric)

    def content(self) -> dict[str, Any]:
        """Return the content of the entry's file."""
        return asdict(self)


_SUMMARY = table(
    dict.fromkeys(("source", "victim", "attack", "metric"), text)
    | dict.fromkeys(("eps", "clean", "noise", "attacked"), number)
    | dict.fromkeys(("zero_filled", "ci95", "low", "high"), optional(number))
    | {"interval": optional(text), "volumes": whole(1), "n": whole(1)}
)
_FORM: Form = table(
    dict.fromkeys(("label", "described", "started", "run", "record"), text)
    | {
        "version": whole(1),
        "method": table({"name": text, "config": mapping(plain), "weights": optional(text)}),
        "attack": table({"name": text, "config": mapping(plain)}),
        "data": table({"sha256": mapping(text), "images": text}),
        "protocol": table({"version": whole(1), "eps": list_of(number), "loss": text, "threat": text, "norm": text}),
        "scores": list_of(_SUMMARY),
        "flags": list_of(text),
        "failed": whole(),
        "not_checked": list_of(text),
        "versions": mapping(text),
    }
)


def ranking_metric(protocol: dict[str, Any]) -> str:
    """Return the metric by which methods are ranked: that which the attack drove up or down."""
    return "psnr" if protocol["loss"] == "nmse" else str(protocol["loss"])


def harm(entry: Entry) -> float:
    """Return how much the attack of an entry harmed at the largest epsilon: the larger, the more."""
    metric = ranking_metric(entry.protocol)
    attacked = entry.score(entry.eps[-1], metric).attacked
    return -attacked if METRICS[metric].better else attacked


def read_entry(path: Path) -> Entry:
    """Read an entry.

    Raises:
        InputFileError: the file is damaged, or is not the entry that its name says.
    """
    content = read_json(path, _FORM, "bench.leaderboard")
    if content["version"] != VERSION:
        raise InputFileError(f"{path}: is of version {content['version']}, and this program knows version {VERSION}")
    known = {one.name: content[one.name] for one in fields(Entry)}
    names = [one.name for one in fields(Summary)]
    known["scores"] = tuple(Summary(**{name: one[name] for name in names}) for one in content["scores"])
    found = Entry(**known | {name: tuple(content[name]) for name in ("flags", "not_checked")})
    wanted = {(value, metric) for value in found.eps for metric in ("psnr", "ssim", ranking_metric(found.protocol))}
    lost = wanted - {(one.eps, one.metric) for one in found.scores}
    if lost or not found.eps:
        raise InputFileError(f"{path}: lacks a score ({shown(str(min(lost))) if lost else 'no epsilon above 0'})")
    if found.name != path.name:
        raise InputFileError(f"{path}: was changed or renamed: it would be {found.name}; add the run again")
    return found
