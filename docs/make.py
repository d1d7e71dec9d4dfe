"""Fill the tables of README.md and of the pages in docs/ from the records in docs/records/.

    python docs/make.py            writes every table anew
    python docs/make.py --check    changes nothing; exit code 1 and the names of the files that would change
    python docs/make.py --keep NAME RUN...    adds what the tables need of finished runs as docs/records/NAME/METHOD,
                                              and the record of a study of bench.defend as docs/records/NAME

A table stands between `<!-- table: WHAT ARGUMENTS -->` and `<!-- end -->`, and nobody types its numbers.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RECORDS = ROOT / "docs" / "records"
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from bench.findings import markdown, paired, threat_table, threats  # noqa: E402
from bench.plan.intervals import of_mean  # noqa: E402
from bench.record.record import Record, read  # noqa: E402
from bench.studies.defend import analysis as defence_study  # noqa: E402
from bench.studies.defend.names import RECORD as DEFENCES  # noqa: E402
from bench.studies.phantoms import told as phantoms  # noqa: E402
from jaxcs.catalogue import CHANGES  # noqa: E402

_TABLE = re.compile(r"(<!-- table: ([^>]*?) -->\n).*?(<!-- end -->)", re.DOTALL)
_KEPT = (
    "schema_version",
    "status",
    "methods",
    "versions",
    "device",
    "images",
    "started",
    "flags",
    "summary",
    "findings",
)
_STATES = ("zero_filled", "clean", "noise", "attacked")


def keep(name: str, runs: list[Path]) -> None:
    """Write the rows by image of finished runs, rounded to six digits, and what decided them."""
    for run in runs:
        if (run / DEFENCES).exists():
            # Not rounded: an interval is told by its half width if it is symmetric.
            study = json.loads((run / DEFENCES).read_text(encoding="utf-8"))
            (RECORDS / name).mkdir(parents=True, exist_ok=True)
            (RECORDS / name / DEFENCES).write_text(json.dumps(study | {"argv": []}, indent=1) + "\n", encoding="utf-8")
            continue
        record = read(run)
        content, config = record.run.content(), record.run.config
        folder = RECORDS / name / "-".join([config["method"], *_changed(config)])
        folder.mkdir(parents=True, exist_ok=True)
        data = config["data"] and Path(config["data"]).name
        told = {key: content[key] for key in _KEPT if key in content}
        told |= {"config": config | {"data": data}, "argv": [], "data": data or record.run.data, "threat_model": {}}
        (folder / "run.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        metrics = {"psnr", "ssim", config.get("loss", "nmse")} - {"nmse"}
        rows = (json.dumps(_rounded(row.line())) + "\n" for row in record.rows if row.metric in metrics)
        (folder / "images.jsonl").write_text("".join(rows), encoding="utf-8")


def _changed(config: dict[str, Any]) -> list[str]:
    settings = [f"{key}_{value}" for key, value in config.get("settings", {}).items()]
    usual = {"loss": "nmse", "threat": "noise"}
    return settings + [config[key] for key, value in usual.items() if config.get(key, value) != value]


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    least = {key: value for key, value in row.items() if not key.startswith("norm")}
    return {key: float(f"{value:.6g}") if isinstance(value, float) else value for key, value in least.items()}


def table(what: str) -> str:
    """The text of a table, by its kind and its arguments."""
    kind, *arguments = what.split()
    return TABLES[kind](*arguments)


def _record(name: str) -> Record:
    return read(RECORDS / name)


def _mean(record: Record, metric: str, state: str, **wanted: Any) -> float:
    return fmean(getattr(row, state) for row in record.select(metric=metric, **wanted))


def _by_epsilon(name: str) -> str:
    """The scores of a method at each epsilon, with the interval of its PSNR under attack."""
    record, rows = _record(name), []
    for eps in record.eps:
        psnr = record.select(metric="psnr", eps=eps)
        interval = of_mean([row.attacked for row in psnr], [row.volume for row in psnr])
        cells = [f"{eps:g}", *(f"{_mean(record, 'psnr', state, eps=eps):.2f}" for state in _STATES)]
        cells.append("" if interval is None else f"±{(interval.high - interval.low) / 2:.2f}")
        rows.append(cells + [f"{_mean(record, 'ssim', state, eps=eps):.3f}" for state in _STATES[1:]])
    head = [
        "epsilon",
        "zero-filled",
        "clean",
        "noise of equal norm",
        "attacked",
        "95 %",
        "SSIM clean",
        "noise",
        "attacked",
    ]
    return markdown.table(head, rows)


def _compare(folder: str, *methods: str) -> str:
    """The tables of `bench.compare`: means, and the differences between each method and the next."""
    runs = [run for method in methods for run in paired.runs_of(_record(f"{folder}/{method}"))]
    return paired.markdown(runs, [0.02, 0.05])


def _means(folder: str, *methods: str) -> str:
    """The first table of `bench.compare`, for data of too few volumes for intervals."""
    return _compare(folder, *methods).split("\n\nSSIM of each")[0]


def _losses(folder: str, squared: str, *methods: str) -> str:
    """Each error under the attack that drives it up, at epsilon 0.05, and clean in brackets.

    Args:
        folder: The records of attacks with the other losses.
        squared: The records of attacks with squared errors, of which the images of `folder` count.
        methods: In order.
    """
    kinds = {"nmse": ("psnr", "{:.2f}"), "ssim": ("ssim", "{:.3f}"), "row_error": ("row_error", "{:.3f}")}
    kinds["max_error"] = ("max_error", "{:.2f}")
    rows = []
    for method in methods:
        cells, cases = [method], set(_record(f"{folder}/{method}-ssim").names("case"))
        for loss, (metric, style) in kinds.items():
            record = _record(f"{squared}/{method}" if loss == "nmse" else f"{folder}/{method}-{loss}")
            record = record._replace(rows=[row for row in record.rows if row.case in cases])
            attacked, clean = (style.format(_mean(record, metric, state, eps=0.05)) for state in ("attacked", "clean"))
            cells.append(f"{attacked} ({clean})")
        rows.append(cells)
    return markdown.table(["method", "PSNR [dB], `nmse`", "SSIM, `ssim`", "`row_error`", "`max_error`"], rows)


def _transfer(name: str) -> str:
    """PSNR lost at the largest epsilon under the perturbations made for each method; at the smallest in brackets."""
    record = _record(name)
    small, large = record.eps[1], record.eps[-1]

    def lost(state: str, source: str, victim: str) -> str:
        def at(eps: float) -> float:
            wanted = {"source": source, "victim": victim, "eps": eps}
            change = _mean(record, "psnr", "clean", **wanted) - _mean(record, "psnr", state, **wanted)
            return round(change, 1) + 0.0  # no -0.0

        return f"{at(large):.1f} ({at(small):.1f})"

    victims = record.names("victim")
    rows = [[source, *(lost("attacked", source, victim) for victim in victims)] for source in victims]
    rows.append(["noise of equal norm", *(lost("noise", victim, victim) for victim in victims)])
    return markdown.table(["made for", *victims], rows)


def _attacks(folder: str, *names: str) -> str:
    """PSNR under attacks of several kinds; names: of records, as ATTACK/METHOD."""
    rows = []
    for name in names:
        record = _record(f"{folder}/{name}")
        attack, method = name.split("/")
        scores = (f"{_mean(record, 'psnr', state):.2f}" for state in _STATES)
        rows.append([method, attack, *scores, str(len(record.names("case")))])
    return markdown.table(["method", "attack", "zero-filled", "clean", "noise", "attacked", "images"], rows)


def _threats(*names: str) -> str:
    """The table of `bench.compare --threats`.

    Args:
        names: names of records of noise, as FOLDER/NAME; FOLDER/NAME-THREAT, if it is there, has another threat.
    """
    found = [f"{name}{threat}" for name in names for threat in ("", *(f"-{change}" for change in CHANGES))]
    there = [name for name in found if name in names or (RECORDS / name).exists()]
    return threat_table.markdown(threats.gather([_record(name) for name in there]))


def _shifts(name: str) -> str:
    """One row for each comparison of a study of shifts."""
    study = json.loads((RECORDS / name / "study.json").read_text(encoding="utf-8"))
    rows = []
    for one in study["comparisons"]:
        results = one["results"]
        points = sorted(results["points"], key=lambda point: point["drop"])
        line = results["line"]
        changes = [f"{point['variant']} {0.0 - point['drop']:+.3f}" for point in (points[-1], points[0])]
        fit = ["", ""] if line is None else [f"{line['slope']:.2f} ± {line['slope_half']:.2f}", f"{line['r2']:.2f}"]
        ranks = "" if results["ranks"] is None else f"{results['ranks']:.2f}"
        rows.append([one["name"], f"{-fmean(point['drop'] for point in points):+.3f}", *changes, *fit, ranks])
    head = ["shift", "mean change of SSIM", "most changed", "least", "slope", "R²", "rank correlation"]
    return markdown.table(head, rows)


def _defences(name: str) -> str:
    """The table of a study of defences."""
    return defence_study.markdown(json.loads((RECORDS / name / DEFENCES).read_text(encoding="utf-8")))


def _phantoms(name: str) -> str:
    """The table of a record of `bench.phantoms`."""
    return phantoms.markdown(json.loads((RECORDS / f"{name}.json").read_text(encoding="utf-8")))


def _file(name: str) -> str:
    """Output of a command: Markdown as it is, text as a block with its long lines broken."""
    text = (RECORDS / name).read_text(encoding="utf-8").rstrip()
    if name.endswith(".md"):
        return text
    lines = (
        textwrap.fill(line, 116, subsequent_indent="  ") if len(line) > 116 else line for line in text.splitlines()
    )
    return "\n".join(["```text", *lines, "```"])


TABLES: dict[str, Callable[..., str]] = {
    "by_epsilon": _by_epsilon,
    "compare": _compare,
    "means": _means,
    "losses": _losses,
    "transfer": _transfer,
    "attacks": _attacks,
    "threats": _threats,
    "shifts": _shifts,
    "defences": _defences,
    "phantoms": _phantoms,
    "file": _file,
}


def filled(page: str) -> str:
    """The page with every table made anew."""
    return _TABLE.sub(lambda found: f"{found[1]}{table(found[2])}\n{found[3]}", page)


def pages() -> list[Path]:
    """README.md and every page of docs/ that has a table."""
    every = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [path for path in every if _TABLE.search(path.read_text(encoding="utf-8"))]


def main() -> int:
    """Run the command; returns its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing")
    parser.add_argument("--keep", nargs="+", metavar=("NAME", "RUN"), help="add records of finished runs")
    arguments = parser.parse_args()
    if arguments.keep:
        keep(arguments.keep[0], [Path(run) for run in arguments.keep[1:]])
        return 0
    texts = {path: path.read_text(encoding="utf-8") for path in pages()}
    stale = {path: made for path, text in texts.items() if (made := filled(text)) != text}
    for path, made in stale.items():
        print(f"{path.relative_to(ROOT)}: its tables are not those of docs/records")
        if not arguments.check:
            path.write_text(made, encoding="utf-8")
    return int(bool(stale) and arguments.check)


if __name__ == "__main__":
    sys.exit(main())
