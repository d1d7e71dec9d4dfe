"""Several hard images as every method reconstructs them, as Figure 15 of the ICML 2021 paper.

Each row is an image, the hardest first: its truth, and the clean reconstruction of each method with its score.  The
figure is drawn from the records of runs only (images.jsonl, pictures.npz), without JAX.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from bench.figures.frame import as_png
from bench.figures.overview import show
from bench.record.pictures import Pictures
from bench.record.record import Record
from jaxcs.names import printable

# More images or methods would be too small to see.
_MOST_IMAGES, _MOST_METHODS = 6, 8
_STYLE = {"psnr": "{:.1f} dB", "ssim": "{:.3f}"}


class _Column(NamedTuple):
    """A method of a run: its label in it, its score of each case, and the pictures of the run."""

    label: str
    scores: dict[str, float]
    pictures: Pictures


@as_png(8.5, 8.5)
def draw(cases: Sequence[str], method: str, records: Sequence[Record], others: Sequence[Record], metric: str) -> Figure:
    """Draw the first images of a choice as PNG.

    Args:
        cases: names of the chosen images, the hardest first.
        method: the method that chose them.
        records: its runs.
        others: runs of other methods.
        metric: "ssim" or "psnr".
    """
    cases = cases[:_MOST_IMAGES]
    with ExitStack() as stack:
        opened = [stack.enter_context(Pictures(one.folder / "pictures.npz")) for one in (*records, *others)]
        pictures = {id(record): one for record, one in zip((*records, *others), opened, strict=True)}
        # The runs of the method that chose are parts of one column, which stands first.
        labels = sorted({label for one in records for label in one.names("victim")}, key=lambda one: one != method)
        parts = [(label, list(records)) for label in labels]
        parts += [(label, [record]) for record in others for label in record.names("victim")]
        groups = [
            [_Column(label, _scores(record, label, metric), pictures[id(record)]) for record in some]
            for label, some in parts[:_MOST_METHODS]
        ]
        figure = Figure(figsize=(1.75 * (1 + len(groups)) + 0.3, 2.05 * len(cases) + 0.4), dpi=110)
        axes = figure.subplots(len(cases), 1 + len(groups), squeeze=False)
        for line, case in zip(axes, cases, strict=True):
            truth = _read(opened, f"{case}|truth")
            peak = 1.0 if truth is None else float(np.quantile(truth, 0.999))
            titles = [printable(case)[-28:]]
            images = [truth]
            for group in groups:
                score = next((one.scores[case] for one in group if case in one.scores), None)
                said = "not in this run" if score is None else _STYLE[metric].format(score)
                titles.append(f"{printable(group[0].label)} {said}")
                images.append(_read([one.pictures for one in group], f"{case}|{group[0].label}|clean"))
            for panel, title, image in zip(line, titles, images, strict=True):
                panel.set_axis_off()
                if image is not None:
                    show(panel, image, peak, "", "gray", None)
                panel.set_title(title, pad=3, parse_math=False)
        height = figure.get_figheight()
        figure.suptitle(f"The hardest images of {printable(method)}, {metric.upper()} of each method", fontsize=11)
        figure.subplots_adjust(left=0.01, right=0.99, top=1 - 0.55 / height, bottom=0.01, wspace=0.04, hspace=0.16)
    return figure


def _scores(record: Record, label: str, metric: str) -> dict[str, float]:
    return {row.case: row.clean for row in record.select(victim=label, metric=metric)}


def _read(archives: Sequence[Pictures], key: str) -> np.ndarray | None:
    """A picture of the first archive that has it, or None."""
    for archive in archives:
        if key in archive:
            return archive.read(key).astype(np.float32)
    return None
