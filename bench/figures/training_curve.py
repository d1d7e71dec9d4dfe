"""Loss and validation SSIM against the step, drawn from log.jsonl."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from bench.figures.frame import as_png
from bench.record.rows import lines_of


@as_png(10)
def draw(folder: Path) -> Figure:
    """Draw a training's folder as PNG."""
    lines = lines_of(folder / "log.jsonl")
    losses = np.array([(line["step"], line["loss"]) for line in lines if "loss" in line]).reshape(-1, 2)
    scores = np.array([(line["step"], line["validation"]["ssim"]) for line in lines if "validation" in line])
    figure = Figure(figsize=(6.4, 3.2), dpi=110, layout="constrained")
    left = figure.subplots()
    left.plot(*losses.T, color="0.8", linewidth=0.5)
    width = max(1, len(losses) // 50)
    if len(losses) >= width:
        mean = np.convolve(losses[:, 1], np.ones(width) / width, "valid")
        left.plot(losses[width - 1 :, 0], mean, color="C0", label=f"training loss, mean of {width} steps")
    left.set(xlabel="step", ylabel="training loss")
    right = left.twinx()
    right.plot(*scores.T, "o-", color="C1", markersize=3, label="validation SSIM")
    right.set_ylabel("validation SSIM")
    handles = [*left.get_legend_handles_labels()[0], *right.get_legend_handles_labels()[0]]
    left.legend(handles=handles, loc="center right", frameon=False)
    return figure
