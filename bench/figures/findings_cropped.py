"""Findings in boxes as every method reconstructs them, as Figure 18 of the ICML 2021 paper.

Each row is an image, around the largest of its boxes: the truth, and the reconstruction of each method with the MSE of
the box.  The figure is drawn from a study's records only (images.jsonl, pictures.npz), without JAX.
"""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from bench.figures.frame import as_png
from bench.figures.overview import Found, outline, show
from bench.record.rows import lines_of
from jaxcs.names import printable

# More images or methods would be too small to see.
_MOST_IMAGES, _MOST_METHODS = 4, 8
# Smallest side of the part that is shown, and the share of it that a box fills at most [pixels, -].
_SIDE, _FILLED = 32, 0.5


@as_png(title=9)
def draw(folder: Path) -> Figure:
    """Draw a study of boxes as PNG."""
    lines = lines_of(folder / "images.jsonl")
    boxes = [row for row in lines if row.get("kind") == "box"]
    methods = list(dict.fromkeys(row["method"] for row in boxes))[:_MOST_METHODS]
    images = list(dict.fromkeys(row["image"] for row in boxes))[:_MOST_IMAGES]
    names = ("truth", *(f"{method}|clean" for method in methods))
    found = Found.read(folder / "pictures.npz", [f"{image}|{name}" for image in images for name in names])
    columns = 1 + len(methods)
    figure = Figure(figsize=(1.7 * columns, 2.05 * len(images)), dpi=110, layout="constrained")
    panels = figure.subplots(len(images), columns, squeeze=False)
    for row, image in enumerate(images):
        own = [one for one in boxes if one["image"] == image]
        box = max((tuple(one["box"]) for one in own), key=lambda at: at[2] * at[3])
        truth = found[f"{image}|truth"]
        part = around(box, truth.shape)
        white = float(truth[part].max()) or 1.0
        titled = {"truth": truth} | {method: found[f"{image}|{method}|clean"] for method in methods}
        for axes, (name, picture) in zip(panels[row], titled.items(), strict=True):
            scores = [one["mse"] for one in own if one["method"] == name and tuple(one["box"]) == box]
            title = f"{name}, MSE {scores[0]:.2f}" if scores and scores[0] is not None else name
            show(axes, picture[part], white, title, "gray", None)
            outline(axes, box, (part[0].start, part[1].start))
        label = next(one["label"] for one in own if tuple(one["box"]) == box)
        panels[row, 0].set_ylabel(f"{printable(image)}\n{printable(label)}", fontsize=6, parse_math=False)
    return figure


def around(box: tuple[int, ...], shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Return the rows and columns of a square around a box, moved into the image; smaller if the image is.

    Args:
        box: (first row, first column, rows, columns) [pixels].
        shape: (rows, columns) of the image.
    """
    side = max(_SIDE, int(max(box[2:]) / _FILLED))
    parts = []
    for first, length, size in zip(box[:2], box[2:], shape, strict=True):
        begin = min(max(0, first + length // 2 - side // 2), max(0, size - side))
        parts.append(slice(begin, min(begin + side, size)))
    return parts[0], parts[1]
