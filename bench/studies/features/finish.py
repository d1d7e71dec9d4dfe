"""From the rows of a study to its summary, sentences and figures."""

from __future__ import annotations

import json
import shlex
from typing import Any

import numpy as np

from bench.figures.drawing import draw_into
from bench.record.reading import understanding
from bench.record.store import Store
from bench.record.summary import csv_of, interval_columns
from bench.studies.ended import Done, end, gathered
from bench.studies.features.findings import findings
from bench.studies.features.row_forms import LINES

# Scores of features, of boxes and of whole images, in the order of the table.
SCORES = (
    "mse", "error", "kept", "detectability", "detectability_whole", "box_nmse", "box_share", "box_ssim", "ssim", "psnr",
)  # fmt: skip
COLUMNS = ("method", "size", "score", "mean", "ci95", "low", "high", "interval", "least", "largest", "n")


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
    with understanding(folder.path / "images.jsonl", "bench.features"):
        record = (
            record
            | entries
            | {
                "summary": summarise(rows),
                "findings": findings(
                    record["config"]["study"],
                    rows,
                    record["config"]["insertion"]["how"],
                    drawn=record["config"]["base"]["data"] is None,
                ),
            }
        )
    folder.write("summary.csv", csv_of(COLUMNS, record["summary"]))
    folder.write_json("run.json", record)
    if rows:
        figures = {"sizes": "feature_methods", "boxes": "feature_methods", "worst": "feature_search"}
        figure = figures.get(record["config"]["study"], "feature_map")
        again = f"python -m bench.features --resume {shlex.quote(str(folder.path))}"
        with understanding(folder.path / "images.jsonl", "bench.features"):
            draw_into(folder, "figure.png", figure, folder.path, again=again)
            if any(row["kind"] == "box" for row in rows):
                draw_into(folder, "findings.png", "findings_cropped", folder.path, again=again)
    return record


def summarise(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Compute the mean of each method, size and score, with its interval over volumes, the least and the largest."""
    groups: dict[tuple[str, float | None, str], list[tuple[float, str]]] = {}
    for row in rows:
        for score in SCORES:
            if row.get(score) is not None:
                groups.setdefault((row["method"], row.get("size"), score), []).append((row[score], row["volume"]))
    summary = []
    for (method, size, score), found in groups.items():
        values = [value for value, _ in found]
        summary.append(
            {"method": method, "size": size, "score": score, "mean": float(np.mean(values))}
            | interval_columns(values, [volume for _, volume in found])
            | {"least": min(values), "largest": max(values), "n": len(values)}
        )
    return summary


def tell(done: Done, as_json: bool) -> int:
    """Print the table and the sentences, or the JSON object; returns the exit code."""
    record = done.run
    if as_json:
        print(json.dumps(record))
    else:
        print(f"{'method':15} {'size':>5} {'score':20} {'mean':>9} {'least':>9} {'largest':>9} {'n':>6}")
        for row in record["summary"]:
            size = "" if row["size"] is None else f"{row['size']:g}"
            numbers = " ".join(f"{row[name]:9.4g}" for name in ("mean", "least", "largest"))
            print(f"{row['method']:15} {size:>5} {row['score']:20} {numbers} {row['n']:6}")
        print(*record["findings"], sep="\n")
    return end(done, "figure")
