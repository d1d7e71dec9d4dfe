"""The scores of a network under attack, from all records that were made with its weights."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean

from bench.findings.markdown import table
from bench.findings.threats import Threat, name_of
from bench.record.record import Record, read

_HEAD = (
    "data", "images", "aimed at", "epsilon", "PSNR clean [dB]", "random of equal size", "attacked", "worst image",
    "SSIM clean", "attacked",
)  # fmt: skip


def worst_case(records: Path, sha256: str) -> str | None:
    """Make a table of the mean scores of a network, clean and under attack.

    Args:
        records: folder of records, each NAME/METHOD.
        sha256: hash of the file of weights.

    Returns:
        The table in Markdown; None if no record is of these weights.

    Raises:
        InputFileError: a record cannot be read.
    """
    rows = []
    for path in sorted(records.glob("*/*/run.json")):
        record = read(path.parent)
        for label, method in record.methods.items():
            if (method.get("weights") or {}).get("sha256") == sha256:
                rows += [_row(record, label, eps) for eps in record.eps if eps > 0]
    return table(_HEAD, rows) if rows else None


def _row(record: Record, label: str, eps: float) -> list[str]:
    psnr, ssim = (record.select(source=label, victim=label, eps=eps, metric=metric) for metric in ("psnr", "ssim"))
    attacked = [row.attacked for row in psnr]
    means = [fmean(row.clean for row in psnr), fmean(row.noise for row in psnr), fmean(attacked), min(attacked)]
    similar = [fmean(row.clean for row in ssim), fmean(row.attacked for row in ssim)]
    aim, threat = record.run.config.get("loss", "nmse"), name_of(record)
    size = f"{eps:g}" if threat == "noise" else Threat(threat, eps).head
    return [
        record.run.data, str(len(psnr)), aim, size,
        *(f"{mean:.2f}" for mean in means), *(f"{mean:.3f}" for mean in similar),
    ]  # fmt: skip
