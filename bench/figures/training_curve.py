"""Loss and validation SSIM against the step, drawn from log.jsonl."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure


def draw(folder: Path) -> bytes:
    """Draw a training's folder as PNG."""
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    losses = np.array([(line["step"], line["loss"]) for line in lines if "loss" in line]).reshape(-1, 2)
    scores = np.array([(line["step"], line["validation"]["ssim"]) for line in lines if "validation" in line])
    figure = Figure(figsize=(6.4, 3.2), layout="constrained")
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
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=110)
    return content.getvalue()
