"""Evidence from records: the kind of a folder or file, and the published claims that its record bears on."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bench.findings import defences, diffusion, matrix, unseen
from bench.findings.judged import Judged
from bench.plan.errors import InputFileError, UsageError
from bench.record.forms import Form, plain
from bench.record.reading import read_json, reason_of, understanding
from bench.record.record import Record, read
from bench.studies.claims import feature_runs, stability_runs
from bench.studies.claims.record_forms import BOUNDS, DEFENCES, HARDEST, SHIFT, TEST_TIME
from bench.studies.defend import analysis
from bench.studies.defend.names import RECORD as DEFEND_RECORD
from bench.studies.shift import claims as shift_claims
from bench.studies.shift.study import NAME as SHIFT_RECORD
from bench.studies.test_time import gap
from bench.studies.test_time.names import RECORD as TEST_TIME_RECORD

_RUN = "run.json"
_COMMANDS = (
    "bench.attack, bench.defend, bench.shift, bench.ttt, bench.features or bench.stability, or the .json of "
    "bench.hardest or bench.conformal"
)


class Evidence(NamedTuple):
    """Records that belong together.

    Attributes:
        paths: the folders or files of the records.
        commands: the commands that made them.
        judged: the published claims that they bear on, judged.
    """

    paths: Sequence[Path]
    commands: Sequence[str]
    judged: Sequence[Judged]


def evidence(paths: Sequence[Path]) -> list[Evidence]:
    """Read the evidence of records; runs of bench.features that differ only in the image are taken together.

    Args:
        paths: folders and files of the records.

    Raises:
        UsageError: a record is named twice.
        InputFileError: a record cannot be used.
    """
    for path in paths:
        if sum(_same(path, other) for other in paths) > 1:
            raise UsageError(f"{path}: is named twice; name each record once")
    of_features = [path for path in paths if _is_of(feature_runs.COMMAND, path)]
    found = [_of(path) for path in paths if path not in of_features]
    for runs in feature_runs.together([feature_runs.read(path) for path in of_features]):
        commands = [_command("bench.features", run.argv) for run in runs]
        found.append(Evidence([run.path for run in runs], commands, feature_runs.judged(runs)))
    return found


def _same(path: Path, other: Path) -> bool:
    return path.absolute() == other.absolute()


def _is_of(command: str, path: Path) -> bool:
    """Whether a folder is a run of this command, of those whose run.json names it."""
    file = path / _RUN
    if not path.is_dir() or any((path / name).exists() for name in _STUDIES) or not file.exists():
        return False
    content = read_json(file, plain)
    return isinstance(content, dict) and content.get("command") == command


def kind_of(path: Path) -> str:
    """Name the command that made a folder: bench.attack, bench.shift, bench.features, or "" for others."""
    if (path / SHIFT_RECORD).exists():
        return "bench.shift"
    if _is_of(feature_runs.COMMAND, path):
        return feature_runs.COMMAND
    others = any((path / name).exists() for name in _STUDIES) or _is_of(stability_runs.COMMAND, path)
    return "bench.attack" if (path / _RUN).exists() and not others else ""


def _of(path: Path) -> Evidence:
    if path.is_dir():
        for name, study in _STUDIES.items():
            if (path / name).exists():
                return study(path / name)
        if _is_of(stability_runs.COMMAND, path):
            run = stability_runs.read(path)
            return Evidence([path], [_command(stability_runs.COMMAND, run.argv)], run.judged)
        if (path / _RUN).exists():
            return _of_attacks(path)
    elif path.suffix.lower() == ".json":
        return _of_bounds(path) if _is_of_bounds(path) else _of_hard_images(path)
    raise InputFileError(f"{path}: holds no record; name a folder of {_COMMANDS}")


def _of_attacks(path: Path) -> Evidence:
    record = read(path)
    config = record.run.config
    # The claims are about attacks on the measured data.
    bears = config.get("threat", "noise") == "noise" and config.get("attack") != "noise"
    with understanding(path / "images.jsonl"):
        judged = _of_rows(record) if bears else []
    return Evidence([path], [_command("bench.attack", record.run.argv)], judged)


def _of_rows(record: Record) -> list[Judged]:
    config = record.run.config
    # An attack that aims at what PSNR does not see says nothing about the loss of PSNR.
    if config.get("loss") == "hallucination" or config.get("stealth") is not None:
        return unseen.judged(record.rows)
    methods, volumes = defences.of_record(record)
    return [*matrix.judged(record.rows), *defences.judged(methods, volumes), *diffusion.judged(record.rows)]


def _of_shifts(file: Path) -> Evidence:
    redraw = f"python -m bench.shift --redraw {shlex.quote(str(file.parent))} writes it anew"
    return _of_file(file, SHIFT, "bench.shift", redraw, lambda content: shift_claims.judged(content["comparisons"]))


def _of_test_time(file: Path) -> Evidence:
    again = "the command that made the study writes it anew, and runs nothing that is done"
    return _of_file(file, TEST_TIME, "bench.ttt", again, gap.judged)


def _of_hard_images(file: Path) -> Evidence:
    from bench.studies.hardest import hard_for_others, spectra  # these import JAX, which no other record needs

    def judged(content: dict[str, Any]) -> list[Judged]:
        return [*spectra.judged(content), *hard_for_others.judged(content["others"], content["metric"])]

    return _of_file(file, HARDEST, "bench.hardest", "the command that made the list writes it anew", judged)


def _is_of_bounds(path: Path) -> bool:
    """Whether a file is of bench.conformal."""
    content = read_json(path, plain)
    return isinstance(content, dict) and "coverage" in content


def _of_bounds(file: Path) -> Evidence:
    from bench.findings import conformal  # imports JAX

    return _of_file(file, BOUNDS, "bench.conformal", "the command that made it writes it anew", conformal.judged)


def _of_defences(file: Path) -> Evidence:
    again = "the command that made the study writes it anew, and runs nothing that is done"
    return _of_file(file, DEFENCES, "bench.defend", again, analysis.judged)


_STUDIES = {SHIFT_RECORD: _of_shifts, TEST_TIME_RECORD: _of_test_time, DEFEND_RECORD: _of_defences}


def _of_file(
    file: Path, form: Form, made_by: str, remedy: str, judged: Callable[[dict[str, Any]], list[Judged]]
) -> Evidence:
    content = read_json(file, plain, made_by)
    try:
        form(content)
    except ValueError as error:
        raise InputFileError(
            f"{file}: is of an older version, or no file of {made_by} ({reason_of(error)}); {remedy}"
        ) from error
    with understanding(file, made_by):
        return Evidence([file], [_command(made_by, content["argv"])], judged(content))


def _command(name: str, argv: list[str]) -> str:
    return shlex.join(["python", "-m", name, *argv])
