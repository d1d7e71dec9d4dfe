"""Overview of a run: one image as truth, clean, with noise and attacked; and error against epsilon.

Beside the truth stands the fully sampled scan with the perturbation in it, as in the papers: what can be seen of the
perturbation before any method reconstructs.  The run has one method; `side_by_side` draws several.  The figure is drawn
from a run's records only (pictures.npz, images.jsonl, run.json), without JAX.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from bench.figures.frame import as_png, lighten
from bench.plan.errors import InputFileError
from bench.plan.scores import rounded
from bench.record.archives import damaged
from bench.record.forms import shown
from bench.record.pictures import Pictures
from bench.record.records import shown_epsilon
from bench.record.rows import STATES, Row, State, results
from bench.record.run_record import read_run
from jaxcs.names import printable

ERROR_GAIN = 5
_CLEAN, _NOISE, _ATTACKED = "#4c566a", "#2f7ebc", "#c8382b"


@as_png()
def draw(folder: Path) -> Figure:
    """Draw a run folder as PNG."""
    rows = [row for row in results(folder) if row.metric == "psnr"]
    label = rows[0].source
    rows = [row for row in rows if row.source == row.victim == label]
    found, case = pictures(folder)
    eps = shown_epsilon({row.eps for row in rows})
    example = {"truth": found["truth"], "clean": found[f"{label}|clean"], "noise": found[f"{label}|noise|{eps:g}"]}
    example |= {"attacked": found[f"{label}|{label}|{eps:g}"], "perturbation": found[f"{label}|perturbation|{eps:g}"]}
    whole = f"{label}|perturbed truth|{eps:g}"
    if whole in found:  # older records and under-sampled data have none
        example["perturbed"] = found[whole]
    scores = next(row for row in rows if row.case == case and row.eps == eps)
    truth, columns = example["truth"], 5 if "perturbed" in example else 4
    width = 3.74 + 1.815 * columns
    panel = 1.815 * truth.shape[0] / truth.shape[1]
    figure = Figure(figsize=(width, 2 * panel + 1.1), dpi=110)
    ratios = [1] * columns + [0.32, 1.55]
    grid = figure.add_gridspec(2, columns + 2, width_ratios=ratios, wspace=0.06, hspace=0.16)
    _pictures(figure, grid, example, {state: scores.score(state) for state in STATES}, boxes_of(folder, case))
    axes = figure.add_subplot(grid[:, columns + 1])
    _curve(axes, rows)
    title = f"{label} under {rows[0].attack}: {printable(case)}, epsilon {eps:g}"
    figure.suptitle(title, x=0.5, y=0.985, fontsize=11, parse_math=False)
    figure.subplots_adjust(
        left=0.025, right=0.985, top=1 - 0.62 / figure.get_figheight(), bottom=0.68 / figure.get_figheight()
    )
    legend_below(figure, axes, 3)
    return figure


def legend_below(figure: Figure, axes: Axes, columns: int) -> None:
    """Put the legend of a chart at the foot of the figure, where it covers no line."""
    box = axes.get_position()
    figure.legend(
        *axes.get_legend_handles_labels(), loc="lower center", bbox_to_anchor=((box.x0 + box.x1) / 2, 0.0),
        ncol=columns, frameon=False, fontsize=8, handlelength=1.2, columnspacing=0.8, labelcolor="linecolor",
    )  # fmt: skip


class Found(dict[str, np.ndarray]):
    """Pictures of one image by name; a missing picture is an InputFileError.

    Args:
        path: the file of the pictures, for the message.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    @classmethod
    def read(cls, path: Path, wanted: Iterable[str] | None = None) -> Found:
        """Read the pictures of these names, as far as they are there; all if `wanted` is None."""
        found = cls(path)
        with Pictures(path) as file, damaged(path):
            names = file.keys if wanted is None else [name for name in wanted if name in file]
            found.update({name: file.read(name).astype(np.float32) for name in names})
        return found

    def __missing__(self, name: str) -> np.ndarray:
        raise InputFileError(
            f"{self._path}: lacks the picture {shown(name)}; delete it, and --resume computes again what was in it"
        )


def pictures(folder: Path) -> tuple[dict[str, np.ndarray], str]:
    """Read the pictures of a run's first image.

    Args:
        folder: the run folder.

    Returns:
        The pictures, by the part of their keys after the image's name; and the image's name.
    """
    path = folder / "pictures.npz"
    with Pictures(path) as file, damaged(path):
        case = next((key for key in file.keys if key.endswith("|truth")), "no image").removesuffix("|truth")
        own = {key.removeprefix(f"{case}|"): key for key in file.keys if key.startswith(f"{case}|")}
        found = Found(path)
        found.update({name: file.read(key).astype(np.float32) for name, key in own.items()})
        return found, case


def boxes_of(folder: Path, case: str) -> list[list[int]]:
    """Return (first row, first column, rows, columns) of the boxes that a run scores in an image."""
    run = read_run(folder)
    region = run.config.get("region")
    if isinstance(region, list):
        return [region]
    return [] if region is None else [one["box"] for one in run.sampling.get(case, {}).get("boxes", [])]


def _pictures(
    figure: Figure, grid: Any, example: dict[str, np.ndarray], psnr: dict[str, float], boxes: list[list[int]]
) -> None:
    """Top: the images on one scale, with the boxes.  Bottom: the perturbation, and the errors on one scale."""
    truth = example["truth"]
    peak = float(np.quantile(truth, 0.999))
    names = {"truth": "truth", "perturbed": "truth + perturbation", "clean": "clean data"}
    names |= {"noise": "with noise", "attacked": "attacked"}
    shown_names = {name: title for name, title in names.items() if name in example}
    for column, (name, title) in enumerate(shown_names.items()):
        axes = figure.add_subplot(grid[0, column])
        score = f", {rounded('psnr', psnr[name])} dB" if name in psnr else ""
        show(axes, example[name], peak, title + score, "gray", _COLOURS.get(name))
        for box in boxes:
            outline(axes, box)
        axes = figure.add_subplot(grid[1, column])
        if name == "truth":
            size = float(example["perturbation"].max()) or 1.0
            show(axes, example["perturbation"], size, f"perturbation x{peak / size:.0f}", "gray", None)
        else:
            error = np.abs(example[name] - truth) * ERROR_GAIN
            show(axes, error, peak, f"error x{ERROR_GAIN}", "inferno", None)


_COLOURS = {"clean": _CLEAN, "noise": _NOISE, "attacked": _ATTACKED}


def outline(axes: Axes, box: Sequence[int], corner: tuple[int, int] = (0, 0)) -> None:
    """Draw the border of a box (first row, first column, rows, columns) in an image that begins at `corner`."""
    row, column, rows, columns = box
    first = (column - corner[1] - 0.5, row - corner[0] - 0.5)
    axes.add_patch(Rectangle(first, columns, rows, fill=False, edgecolor="#e8c33a"))


def show(axes: Axes, image: np.ndarray, peak: float, title: str, colours: str, title_colour: str | None) -> None:
    """Draw an image without axes, black at 0 and white at `peak`."""
    axes.imshow(image, cmap=colours, vmin=0, vmax=peak, interpolation="nearest")
    axes.set_title(title, pad=3, color=title_colour or "black")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def _curve(axes: Axes, rows: list[Row]) -> None:
    """Mean PSNR over the images [dB]; under attack, every image is a thin line."""
    eps = sorted({row.eps for row in rows})
    by_case: dict[str, dict[float, Row]] = {}
    for row in rows:
        by_case.setdefault(row.case, {})[row.eps] = row
    clean = float(np.mean([cells[eps[0]].clean for cells in by_case.values()]))
    for cells in by_case.values():
        values = [cells[eps[0]].clean] + [cells[e].attacked for e in eps]
        axes.plot([0, *eps], values, color=_ATTACKED, alpha=0.25, linewidth=0.8)
    axes.axhline(clean, color=_CLEAN, linewidth=0.8, linestyle=":", label="clean")
    labels: tuple[tuple[State, str, str], ...] = (
        ("noise", _NOISE, "noise of equal norm"),
        ("attacked", _ATTACKED, "attacked"),
    )
    for name, colour, label in labels:
        means = [float(np.mean([cells[e].score(name) for cells in by_case.values()])) for e in eps]
        axes.plot([0, *eps], [clean, *means], color=colour, marker="o", markersize=3.5, linewidth=1.8, label=label)
    axes.set_xlabel("perturbation / data (epsilon)")
    axes.set_title(f"PSNR [dB], mean of {len(by_case)} (thin: each image)" if len(by_case) > 1 else "PSNR [dB]", pad=3)
    axes.set_xlim(left=0)
    lighten(axes)
