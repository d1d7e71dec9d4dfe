"""A run as its run.json has it, for a process that goes on with it, joins it or merges it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from bench.plan.config import Configuration, RunConfig
from bench.plan.errors import InputFileError
from bench.plan.shards import WHOLE, Shard
from bench.record.forms import Form, shown
from bench.record.reading import read_json, understanding
from bench.record.record_forms import BEGUN
from bench.record.run_record import RunRecord

# The most methods that a folder is named by.
_MOST_NAMED = 4
_VERSIONS, _METHODS, _FILES = "versions", "methods", "data_sha256"


_Config = TypeVar("_Config", bound=Configuration)


class Plan(NamedTuple):
    """Plan of a run: its configuration, and choices that decide no number.

    batch: slices at once, 0 for as many as fit, None if not given.  shard: the cases that this process does.
    name: the user's label of the run, or None.  accept: criteria of the user, as --accept takes them.
    """

    config: RunConfig
    batch: int | None
    save_perturbations: bool
    shard: Shard
    name: str | None = None
    accept: tuple[str, ...] = ()

    def runtime(self) -> dict[str, Any]:
        """Return the choices about memory and files, as run.json has it."""
        return {"batch": self.batch or 1, "save_perturbations": self.save_perturbations}

    def folder_name(self) -> str:
        """Return the part of a run folder's name that is for people: the label of the run, or its methods."""
        if self.name is not None:
            return self.name
        # A user's file without its folder.
        first, *others = (method.rpartition("/")[2].replace(":", "-") for method in self.config.attacked)
        return "-".join([first, *others]) if len(others) < _MOST_NAMED else f"{first}-and-{len(others)}-more"


class Stored(NamedTuple):
    """A run's folder, the content of its run.json, and its plan."""

    path: Path
    record: RunRecord
    plan: Plan


def stored(path: Path) -> Stored:
    """Read the run in this folder.  Raises InputFileError if there is none, or its configuration was changed."""
    content, config = begun_before(path / "run.json", BEGUN, RunConfig.from_dict)
    record = RunRecord.of(content)
    runtime = record.runtime
    plan = Plan(config, runtime["batch"], runtime["save_perturbations"], WHOLE, record.name, tuple(record.accept or ()))
    return Stored(path, record, plan)


def begun_before(
    file: Path, form: Form, config_of: Callable[[dict[str, Any]], _Config], made_by: str = "bench.attack"
) -> tuple[dict[str, Any], _Config]:
    """Read a run.json and its configuration.

    Raises InputFileError if there is none, or its configuration is not what it was.
    """
    record = read_json(file, form, made_by)
    with understanding(file, made_by):
        config = config_of(record["config"])
    given, now = record["fingerprint"], config.fingerprint()
    if given != now:
        raise InputFileError(
            f"{file}: its configuration was changed, from fingerprint {shown(given)} to {now}; put it back, or begin "
            "anew"
        )
    return record, config


def continued(path: Path, before: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """run.json of a run that goes on, or that another process joins.

    before: what it was.  now: what it would be if it began.  Raises InputFileError if what decides its numbers has
    changed.
    """
    now = json.loads(json.dumps(now))  # as it would be read again
    reason = difference(before, now)
    if reason is not None:
        raise InputFileError(f"{path}: cannot go on: {reason}; put that back, or begin anew")
    notes = [*before["notes"], *now["notes"], *also_on(before, now)]
    changed = {"status": "running", "notes": list(dict.fromkeys(notes)), "resumed": before.get("resumed", 0) + 1}
    return before | changed | ({"runtime": now["runtime"]} if "runtime" in now else {})


def difference(one: dict[str, Any], other: dict[str, Any]) -> str | None:
    """Return the difference between two records that changes numbers or files, in words, or None if there is none."""
    reason = difference_of_versions(one[_VERSIONS], other[_VERSIONS])
    if reason is not None:
        return reason
    for kind, words in ((_METHODS, "the method {}"), (_FILES, "the content of {}")):
        for name in sorted(set(one[kind]) | set(other[kind])):
            if one[kind].get(name) != other[kind].get(name):
                return f"{words.format(name)} is not the same"
    for name, words in (("schema_version", "the form of the record"), ("images", "the number of images")):
        if one[name] != other[name]:
            return f"{words} is not the same ({one[name]} and {other[name]})"
    if one.get("accept") != other.get("accept"):
        return "--accept is not the same"
    saved = [record.get("runtime", {}).get("save_perturbations") for record in (one, other)]
    return "--save-perturbations is not the same" if saved[0] != saved[1] else None


def difference_of_versions(was: dict[str, Any], now: dict[str, Any]) -> str | None:
    """Return why the numbers of two `provenance.versions` may differ, in words, or None if they are equal."""
    for name in sorted(set(was) | set(now)):
        if was.get(name) != now.get(name):
            # Settings have the names of their environment variables.
            what = "the setting" if name.isupper() else "the version of"
            one, other = (values.get(name, "not set") for values in (was, now))
            return f"{what} {name} is not the same ({one} and {other})"
    return None


def also_on(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Return sentences for differences that are no reason to refuse, but can change last digits."""
    notes = []
    if one["git"]["commit"] != other["git"]["commit"]:
        notes.append(f"a part was computed at commit {other['git']['commit']}")
    if one["device"] != other["device"]:
        device = other["device"]
        notes.append(f"a part was computed on another device: {device['platform']} ({device['kind']})")
    return notes
