"""One shifted image per comparison, as every method shows it; Figures 5, 11, 12 and 15 of the ICML 2021 paper.

The image of a comparison is the one with the median of the mean scores over the methods, so that nobody picks it.
The figure is drawn from the records of a study's runs only, without JAX.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from bench.figures.frame import as_png
from bench.figures.overview import show
from bench.record.pictures import Pictures
from bench.record.rows import results

# Number of images besides the truth; more would be too small to see.
_MOST = 8


@as_png(8.5, 8.5)
def draw(study: Path, content: dict[str, Any]) -> Figure:
    """Draw a study as PNG.

    Each comparison has a row, or two rows if differently trained methods see the same images.

    Args:
        study: the folder of the study.
        content: the content of study.json.
    """
    runs = {(one["model"], one["test"]): study / one["run"] for one in content["runs"]}
    homes = {(one["variant"], one["home"]): one["label"] for one in content["models"]}
    rows: list[tuple[str, list[str], list[tuple[str, str]]]] = []
    for comparison in content["comparisons"]:
        variants = [point["variant"] for point in comparison["results"]["points"]][:_MOST]
        outside, inside = comparison["outside"], comparison["inside"]
        sides = [inside] if comparison["kind"] == "same model" else [outside, inside]
        for home in sides:
            words = f"tested on {outside},\ntrained or tuned for {home}"
            rows.append((words, variants, [(homes[name, home], outside) for name in variants]))
    rows = list({tuple(cells): (words, variants, cells) for words, variants, cells in rows}.values())
    columns = 1 + max(len(variants) for _, variants, _ in rows)
    figure = Figure(figsize=(1.75 * columns + 0.5, 2.35 * len(rows) + 0.4), dpi=100)
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for line, (words, variants, cells) in zip(axes, rows, strict=True):
        with ExitStack() as stack:
            _row(stack, line, words, variants, [runs[cell] for cell in cells])
    height = figure.get_figheight()
    figure.suptitle("Shifted images, SSIM of each method", fontsize=11, y=1 - 0.06 / height, va="top")
    figure.subplots_adjust(left=0.06, right=0.995, top=1 - 0.5 / height, bottom=0.01, wspace=0.04, hspace=0.16)
    return figure


def _row(stack: ExitStack, line: Any, words: str, variants: list[str], folders: list[Path]) -> None:
    scores = [_scores(folder) for folder in folders]
    pictures = [stack.enter_context(Pictures(folder / "pictures.npz")) for folder in folders]
    kept = [{key.removesuffix("|truth") for key in one.keys if key.endswith("|truth")} for one in pictures]
    cases = sorted(set.intersection(*kept, *(set(one) for one in scores)))
    for axes in line:
        axes.set_visible(False)
    if cases:
        case = sorted(cases, key=lambda one: np.mean([score[one] for score in scores]))[len(cases) // 2]
        truth = pictures[0].read(f"{case}|truth").astype(np.float32)
        peak = float(np.quantile(truth, 0.999))
        images = [("truth", truth)]
        for name, score, one in zip(variants, scores, pictures, strict=True):
            key = next((key for key in one.keys if key.startswith(f"{case}|") and key.endswith("|clean")), "clean")
            images.append((f"{name} {score[case]:.3f}", one.read(key).astype(np.float32)))
        for axes, (title, image) in zip(line, images, strict=False):
            axes.set_visible(True)
            show(axes, image, peak, title, "gray", None)
        line[0].set_ylabel(words, fontsize=8, parse_math=False)


def _scores(folder: Path) -> dict[str, float]:
    rows = [row for row in results(folder) if row.metric == "ssim"]
    return {row.case: row.clean for row in rows if row.source == row.victim}
