"""From the rows of a study to its summary, tables, sentences and figures."""

from __future__ import annotations

import json
import shlex
from typing import Any

from bench.figures.drawing import draw_into
from bench.record.reading import understanding
from bench.record.store import Store
from bench.record.summary import csv_of, interval_columns
from bench.studies.ended import Done, end, gathered
from bench.studies.stability.findings import findings
from bench.studies.stability.row_forms import LINES
from bench.studies.stability.tables import KINDS, constants, tables

_CONSTANTS = ("step_factor", "penalty_factor", "decay")
_KEYS = ("kind", "world", "attack", "source", "steps", "acceleration", "method", *_CONSTANTS)
_SCORES = (
    "singular_value", "norm", "norm_data", "change", "gain", "gain_noise", "gain_both", "psnr", "psnr_noise", "ssim",
    "ssim_perturbed", "share", "glyphs", "read", "read_alone", "kept", "error",
)  # fmt: skip
COLUMNS = (*_KEYS, "score", "mean", "ci95", "low", "high", "interval", "n")
TABLES = "tables.md"


def finish(store: Store, record: dict[str, Any], unusable: dict[str, str]) -> dict[str, Any]:
    """Write the results that need all rows.

    Args:
        store: of the study, which holds all units.
        record: content of run.json so far.
        unusable: by name, why slices cannot be used at all.

    Returns:
        The completed content of run.json.
    """
    folder = store.folder
    rows, entries = gathered(store, LINES, unusable)
    with understanding(folder.path / "images.jsonl", "bench.stability"):
        record = record | entries | {"summary": summarise(rows), "findings": findings(rows)}
        written = tables(rows)
        if "perturbation" in record["config"]["studies"]:
            written += f"\n\n{constants(record['methods'])}"
    folder.write("summary.csv", csv_of(COLUMNS, record["summary"]))
    folder.write(TABLES, f"{written}\n".encode())
    folder.write_json("run.json", record)
    again = f"python -m bench.stability --resume {shlex.quote(str(folder.path))}"
    with understanding(folder.path / "images.jsonl", "bench.stability"):
        for study in KINDS:
            if any(row["kind"] == study for row in rows):
                figure = ("sweep", folder.path) if study == "sweep" else ("stability", folder.path, study)
                draw_into(folder, f"{study}.png", *figure, again=again)
    return record


def summarise(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Compute the mean over images of each score, with its interval over volumes."""
    groups: dict[tuple[Any, ...], list[tuple[float, str]]] = {}
    for row in rows:
        for score in _SCORES:
            if row.get(score) is not None:
                key = (*(row.get(name) for name in _KEYS), score)
                groups.setdefault(key, []).append((row[score], row["volume"]))
    summary = []
    for key, found in groups.items():
        values = [value for value, _ in found]
        named = dict(zip((*_KEYS, "score"), key, strict=True)) | {"mean": sum(values) / len(values)}
        summary.append(named | interval_columns(values, [volume for _, volume in found]) | {"n": len(values)})
    return summary


def tell(done: Done, as_json: bool) -> int:
    """Print the tables and the sentences, or the JSON object; returns the exit code."""
    record = done.run
    if as_json:
        print(json.dumps(record))
    else:
        print((done.folder / TABLES).read_text(encoding="utf-8"))
        print(*record["findings"], *(f"left out: {reason}" for reason in record["missing"]), sep="\n")
    return end(done, "figures")
