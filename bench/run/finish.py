"""Make the summary, figures, report and table of a run from the records of all its images."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from bench.figures.drawing import draw_into
from bench.findings import acceptance, ceiling, certificate, solver_error
from bench.findings.card_check import below_card
from bench.findings.matrix import findings
from bench.page.page import page_of
from bench.plan import linear_start
from bench.plan.errors import DONE, SOME_FAILED
from bench.record.record import Record
from bench.record.record_forms import LINES
from bench.record.rows import Row, read_rows, search_of
from bench.record.run_record import RunRecord, read_run
from bench.record.store import Image, Store
from bench.record.summary import Summary, as_csv, summarise
from bench.run.table import render
from jaxcs.evidence import BELOW_ITS_CARD, FLAGS


def finish(store: Store, record: RunRecord, names: Mapping[int, str] | None = None) -> Record:
    """Write all that is made of the images together; returns the run with `record` completed.

    Sums are taken in the order of the data, whatever the order in which the images were done: sums of the same numbers
    in another order are other numbers.

    Args:
        store: of the run, which holds all images.
        record: run.json as far as it is known.
        names: of the images, by position, if they are known.

    Raises:
        InputFileError: the store is damaged.
    """
    folder = store.folder
    content = store.read(LINES, names)
    store.collect(content)
    images, rows = content.images, read_rows(content.lines["images.jsonl"])
    summary = summarise(rows)
    sampled = {image.case: image.sampling for image in images if image.sampling is not None}
    below = below_card(rows, replace(record, sampling=sampled))
    noted = [note for image in images for note in image.notes]
    record = replace(
        record,
        status="done",
        folder=str(folder.path),
        notes=list(dict.fromkeys([*record.notes, *noted, *doubtful(images)])),
        gradient_evaluations=sum(image.gradients for image in images),
        seconds=round(sum(image.seconds for image in images) + store.elapsed(), 2),
        sampling=sampled,
        thermal={image.case: image.thermal for image in images if image.sampling is not None},
        failed={image.case: image.failed for image in images if image.failed is not None},
        flags=_count_flags(rows, below),
        below_card=below,
        summary=[row.line() for row in summary],
        findings=findings(rows),
    )
    folder.write("summary.csv", as_csv(summary))
    folder.write_json("run.json", record.content())
    if rows:
        again = f"python -m bench.attack --resume {shlex.quote(str(folder.path))}"
        overview = "overview" if len({row.source for row in rows}) == 1 else "side_by_side"
        draw_into(folder, "figure.png", overview, folder.path, again=again)
        if any(line.get("ssim") for line in content.lines["searches.jsonl"]):
            draw_into(folder, "angle.png", "angle", folder.path, again=again)
        if record.config["region"] is not None:
            draw_into(folder, "region.png", "region_cropped", folder.path, again=again)
        if record.config["victims"]:
            draw_into(folder, "transfer.png", "transfer", folder.path, again=again)
        folder.write("report.html", page_of(folder.path))
    # As a reader has it.
    return Record(folder.path, read_run(folder.path), rows, list(map(search_of, content.lines["searches.jsonl"])))


def doubtful(images: list[Image]) -> list[str]:
    """Say the doubts about the data, a sentence for each kind with its first image and the number of images."""
    found: dict[str, list[str]] = {}
    for image in images:
        for kind, text in (image.sampling or {}).get("doubts", []):
            found.setdefault(kind, []).append(f"{image.case}: {text}")
    total = sum(image.sampling is not None for image in images)
    return [f"{said[0]} ({kind}, in {len(said)} of {count(total)})" for kind, said in found.items()]


def tell(done: Record, as_json: bool) -> int:
    """Print the table or the JSON object of a run, and remarks on it; returns the exit code."""
    record = done.run
    if as_json:
        print(json.dumps(record.content()))
    elif record.summary:
        if record.name is not None:
            print(f"{record.name}:")
        print(
            render(
                [Summary(**one) for one in record.summary],
                record.flags,
                record.below_card,
                record.config["loss"],
                linear_start.of_config(record.config).head,
            )
        )
        said = ceiling.sentence(record), solver_error.sentence(done.rows), certificate.sentence(done.rows)
        print(*(one for one in said if one is not None), *record.findings, sep="\n")
    found = verdicts(done)
    # Standard output has one JSON object, and nothing else.
    print(*(f"{one.sentence}\n" for one in found), sep="", end="", file=sys.stderr if as_json else sys.stdout)
    print(
        f"{count(len(record.sampling))} in {record.seconds:.0f} s; record and report in {done.folder}", file=sys.stderr
    )
    for reason in record.failed.values():
        print(f"failed: {reason}", file=sys.stderr)
    return code_of(done)


def tell_part(folder: Path, part: str, failed: Mapping[str, str], as_json: bool) -> int:
    """Say that a part of a run is done, while others are not; returns the exit code."""
    if as_json:
        print(json.dumps(read_run(folder).content()))
    print(f"part {part} is done in {folder}; the last part to end makes the report of all", file=sys.stderr)
    for reason in failed.values():
        print(f"failed: {reason}", file=sys.stderr)
    return exit_code(failed)


def verdicts(done: Record) -> list[acceptance.Verdict]:
    """Judge a run by its own criteria; none if every image failed."""
    return acceptance.verdicts(done) if done.rows else []


def code_of(done: Record) -> int:
    """Return the exit code of a run that has ended."""
    return exit_code(done.run.failed) or acceptance.code_of(verdicts(done))


def exit_code(failed: Mapping[str, str]) -> int:
    """Return the exit code of images that have ended; failed: those that failed, and why."""
    return SOME_FAILED if failed else DONE


def count(n: int) -> str:
    """Say a number of images."""
    return f"{n} image{'' if n == 1 else 's'}"


def _count_flags(rows: list[Row], below: Collection[str]) -> dict[str, int]:
    """How many (image, source, victim, epsilon) carry each flag; below: the victims that are below their cards."""
    found = {
        (row.case, row.source, row.victim, row.eps): {*row.flags, *[BELOW_ITS_CARD] * (row.victim in below)}
        for row in rows
    }
    names = {flag for flags in found.values() for flag in flags}
    return {name: sum(name in flags for flags in found.values()) for name in FLAGS if name in names}
