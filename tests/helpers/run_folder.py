"""Run folders as bench.attack writes them, with made-up numbers: for pages, which read nothing else."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np

# A possible file name that would break a page without escaping.
HOSTILE = """<b>"x'&</b></script><script>alert(1)</script>.h5:0"""
# One white pixel.
_PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8/5+hHgAHggJ/PchI7wAAAABJRU5ErkJggg=="
)
_EPS = (0.02, 0.05)


def write_run(
    folder: Path,
    labels: tuple[str, ...] = ("l1",),
    cases: tuple[str, ...] = ("a.h5:0", "b.h5:0"),
    shape: tuple[int, int] = (24, 20),
    **changes: Any,
) -> Path:
    """Write a finished run of one method, or of several methods each under the attacks on all.

    Args:
        folder: folder of the run.
        labels: names of the methods.
        cases: names of the images.
        shape: (rows, columns) of the pictures.
        changes: changes of run.json.
    """
    folder.mkdir(parents=True)
    random = np.random.RandomState(0)
    rows: list[dict[str, Any]] = []
    searches: list[dict[str, Any]] = []
    pictures: dict[str, np.ndarray] = {}
    flags: dict[str, int] = {}
    for index, case in enumerate(cases):
        truth = random.uniform(0.2, 1, shape)
        pictures[f"{case}|truth"] = truth
        for victim in labels:
            pictures[f"{case}|{victim}|clean"] = truth + 0.01
        for source in labels:
            for eps in _EPS:
                pictures[f"{case}|{source}|perturbation|{eps:g}"] = np.full(shape, eps / 10)
                pictures[f"{case}|{source}|perturbed truth|{eps:g}"] = truth + eps
                climb = [eps * (1 - 0.5**step) for step in (1, 2, 3)]
                searches.append(
                    {"case": case, "source": source, "attack": "pgd", "eps": eps, "trace": climb}
                    | {"restarts": climb[-1:], "doubled": 1.1 * climb[-1], "noise": 0.1 * eps}
                )
                for victim in labels:
                    harm = 100 * eps if source == victim else 30 * eps
                    pictures[f"{case}|{victim}|noise|{eps:g}"] = truth + 0.02
                    pictures[f"{case}|{victim}|{source}|{eps:g}"] = truth + harm / 50
                    raised = ["not converged"] if eps == 0.05 and source == victim else []
                    for name in raised:
                        flags[name] = flags.get(name, 0) + 1
                    common: dict[str, Any] = {
                        "case": case,
                        "volume": case.rsplit(":", 1)[0],
                        "source": source,
                        "victim": victim,
                    }
                    common |= {"attack": "pgd", "eps": eps, "norm": eps, "norm_kspace": eps, "flags": raised}
                    clean = 30.0 + index
                    rows += [
                        common
                        | {
                            "metric": "nmse",
                            "zero_filled": 0.02,
                            "clean": 0.01,
                            "noise": 0.011,
                            "attacked": 0.01 * harm,
                        },
                        common
                        | {
                            "metric": "psnr",
                            "zero_filled": 20.0 + index,
                            "clean": clean,
                            "noise": clean - 0.5,
                            "attacked": clean - harm,
                        },
                        common
                        | {
                            "metric": "ssim",
                            "zero_filled": 0.5,
                            "clean": 0.9,
                            "noise": 0.89,
                            "attacked": 0.9 - harm / 20,
                        },
                    ]
    several = len(labels) > 1
    run = {
        "schema_version": 1,
        "config": {"method": "all" if several else labels[0], "settings": {}, "victims": list(labels) * several}
        | {"attack": "pgd", "threat": "noise", "norm": "measured", "region": None, "eps": list(_EPS)}
        | {"mask": "random", "acceleration": 4.0, "seed": 0},
        "methods": {label: {"method": label, "config": {"lam": 0.002}, "attack": "pgd"} for label in labels},
        "shown_eps": 0.05,
        "threat_model": {"domain": "the measured entries of k-space", "norm": "l2", "epsilon": "relative to the data"},
        "argv": ["--method", labels[0], "--data", "my scans/<b>"],
        "versions": {"jax": "0.10.2"},
        "git": {"commit": None, "dirty": None},
        "device": {"platform": "cpu", "kind": "cpu", "count": 1, "cores": 2, "precision": "float32"},
        "data": "2 files",
        "data_sha256": {"a.h5": "00ff"},
        "started": "2026-01-01T00:00:00+00:00",
        "status": "done",
        "notes": ["a note of the run"],
        "sampling": {
            case: {"samples": 31, "acceleration": 4.1, "centre": 10, "outside_centre": 0.125} for case in cases
        },
        "thermal": dict.fromkeys(cases, 0.012),
        "failed": {},
        "flags": flags,
        "not_checked": ["whether other starts find worse was not tried; --restarts does"],
        "findings": ["a sentence that was found"] * several,
        "gradient_evaluations": 12,
        "seconds": 3.2,
    } | changes
    (folder / "run.json").write_text(json.dumps(run), encoding="utf-8")
    for name, lines in {"images.jsonl": rows, "searches.jsonl": searches}.items():
        (folder / name).write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    (folder / "figure.png").write_bytes(_PNG)
    halves: dict[str, Any] = {key: value.astype(np.float16) for key, value in pictures.items()}
    np.savez(folder / "pictures.npz", **halves)
    return folder
