"""One self-contained page about a run, made from its records only."""

from __future__ import annotations

import base64
import csv
import json
import shlex
from html import escape
from pathlib import Path
from typing import Any

from bench.harness.records import FLAGS

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --attacked: #c8382b; --noise: #2f7ebc; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; line-height: 1.25; } h2 { font-size: 1.1rem; margin-top: 2rem; }
img { width: 100%; height: auto; background: white; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
td, th { padding: .25rem .7rem; text-align: right; border-bottom: 1px solid var(--line); }
td:first-child, th:first-child { text-align: left; }
.attacked { color: var(--attacked); } .noise { color: var(--noise); }
dt { font-weight: 600; } dd { margin: 0 0 .4rem 1rem; }
pre { overflow-x: auto; padding: .7rem; border: 1px solid var(--line); }
"""
_DIGITS = {"psnr": 2, "ssim": 3, "nmse": 4}
_UNITS = {"psnr": "PSNR [dB]", "ssim": "SSIM", "nmse": "NMSE"}


def write_report(folder: Path) -> bytes:
    """The page of a run folder that holds run.json, summary.csv and figure.png."""
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    with (folder / "summary.csv").open(encoding="utf-8", newline="") as file:
        summary = list(csv.DictReader(file))
    picture = base64.b64encode((folder / "figure.png").read_bytes()).decode()
    finding = _finding(record, summary)
    body = f"""<h1>{escape(finding)}</h1>
<p>{escape(_setting(record))}</p>
<img alt="{escape(_alternative_text(finding))}" src="data:image/png;base64,{picture}">
<h2>Numbers</h2>
<div class="scroll">{_table(summary)}</div>
<p>Means over images. <span class="noise">Noise</span> is white Gaussian noise with the norm of the perturbation, in the
same threat set. The interval is 95 % (1.96 standard errors) of the attacked mean over images.</p>
<h2>Can it be believed?</h2>
<ul>{_warnings(record)}</ul>
<h2>Threat model</h2>
<dl>{"".join(f"<dt>{escape(key)}</dt><dd>{escape(text)}</dd>" for key, text in record["threat_model"].items())}</dl>
<h2>Repeat it</h2>
<pre>python -m bench.attack {escape(shlex.join(record["argv"]))}</pre>
<h2>Where it comes from</h2>
<dl>{_provenance(record)}</dl>"""
    page = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(record["config"]["method"])} under {escape(record["config"]["attack"])}</title>
<style>{_STYLE}</style></head>
<body>{body}</body></html>
"""
    return page.encode()


def _finding(record: dict[str, Any], summary: list[dict[str, str]]) -> str:
    """The result in one sentence, at the epsilon of the pictures."""
    rows = [row for row in summary if row["metric"] == "psnr"]
    row = min(rows, key=lambda row: abs(float(row["eps"]) - 0.05))
    clean, noise, attacked = (float(row[name]) for name in ("clean", "noise", "attacked"))
    images = "1 image" if row["n"] == "1" else f"{row['n']} images"
    return (
        f"A perturbation of {float(row['eps']):.3g} of the data takes {row['victim']} from {clean:.1f} to "
        f"{attacked:.1f} dB PSNR; noise of the same norm, to {noise:.1f} dB ({images})."
    )


def _setting(record: dict[str, Any]) -> str:
    config = record["config"]
    accelerations = [sampling["acceleration"] for sampling in record["sampling"].values()]
    low, high = min(accelerations), max(accelerations)
    span = f"{low:.2f}" if high - low < 0.005 else f"{low:.2f} to {high:.2f}"
    counts = sorted({sampling["samples"] for sampling in record["sampling"].values()})
    lines = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    settings = ", ".join(f"{key} {value}" for key, value in record["method_config"].items())
    return (
        f"Data: {record['data']}. Mask: {config['mask']}, {span} times accelerated, {lines} "
        f"{'samples' if config['mask'] == 'poisson' else 'lines'}. Method: {config['method']} ({settings})."
    )


def _alternative_text(finding: str) -> str:
    return (
        "Top row: the true image and the reconstructions from clean, noisy and attacked data. Bottom row: the "
        "perturbation and the errors of the three. Right: mean PSNR against epsilon, for noise and under attack. "
        + finding
    )


def _table(summary: list[dict[str, str]]) -> str:
    head = "".join(f"<th>{name}</th>" for name in ("metric", "epsilon", "clean", "noise", "attacked", "95 %", "images"))
    body = ""
    for row in sorted(summary, key=lambda row: (list(_UNITS).index(row["metric"]), float(row["eps"]))):
        digits = _DIGITS[row["metric"]]
        clean, noise, attacked = (f"{float(row[name]):.{digits}f}" for name in ("clean", "noise", "attacked"))
        interval = f"&plusmn;{float(row['ci95']):.{digits}f}" if row["ci95"] else "&ndash;"
        body += (
            f"<tr><td>{_UNITS[row['metric']]}</td><td>{float(row['eps']):g}</td><td>{clean}</td>"
            f'<td class="noise">{noise}</td><td class="attacked">{attacked}</td><td>{interval}</td>'
            f"<td>{row['n']}</td></tr>"
        )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _warnings(record: dict[str, Any]) -> str:
    found = [f"{count} results: {FLAGS[name]}." for name, count in record["flags"].items()]
    found += [f"{name} failed: {reason}." for name, reason in record["failed"].items()]
    found += record["notes"]
    if not record["flags"] and not record["failed"]:
        found.insert(0, "No check failed: every gradient was non-zero, and every attack was stronger than noise.")
    found.append("An attack bounds the worst case from one side only: a better one may exist.")
    return "".join(f"<li>{escape(text)}</li>" for text in found)


def _provenance(record: dict[str, Any]) -> str:
    commit = record["git"]["commit"]
    state = (
        "not from a checkout"
        if commit is None
        else commit + (" with uncommitted changes" if record["git"]["dirty"] else "")
    )
    device = record["device"]
    facts = {
        "started": record["started"],
        "work": f"{record['seconds']:.0f} s, {record['gradient_evaluations']} gradient evaluations",
        "device": f"{device['platform']}, {device['kind']}, {device['cores']} cores, {device['precision']}",
        "commit": state,
        "versions": ", ".join(f"{name} {version}" for name, version in record["versions"].items()),
        "seed": str(record["config"]["seed"]),
    }
    return "".join(f"<dt>{escape(key)}</dt><dd>{escape(text)}</dd>" for key, text in facts.items())
