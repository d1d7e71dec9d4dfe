"""Crops around the scored region: truth, truth with the perturbation, clean, with noise and attacked.

This is Figure 2 of Morshuis et al. (2022).  A row is an image and a method, with the SSIM of the region above each
crop.  An image with several boxes is cropped around the largest.  The figure is drawn from a run's records only
(pictures.npz, images.jsonl, run.json), without JAX.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from bench.figures.findings_cropped import around
from bench.figures.frame import as_png
from bench.figures.overview import Found, boxes_of, outline, show
from bench.plan.errors import InputFileError
from bench.plan.scores import rounded
from bench.record.archives import damaged
from bench.record.pictures import Pictures
from bench.record.records import shown_epsilon
from bench.record.rows import STATES, results
from jaxcs.names import printable

# More rows would be too small to see.
_MOST_ROWS = 8
_TITLES = {"truth": "truth", "perturbed truth": "truth + perturbation"}
_TITLES |= {"clean": "clean data", "noise": "with noise", "attacked": "attacked"}


@as_png(title=9)
def draw(folder: Path) -> Figure:
    """Draw a run folder as PNG, at the epsilon that its page opens with."""
    scored = [row for row in results(folder) if row.metric == "ssim" and row.source == row.victim]
    eps = shown_epsilon({row.eps for row in scored})
    scored = [row for row in scored if row.eps == eps]
    path = folder / "pictures.npz"
    found = Found(path)
    with Pictures(path) as file, damaged(path):
        drawn = [row for row in scored if f"{row.case}|truth" in file.keys][:_MOST_ROWS]
        crops = [
            {
                "truth": f"{row.case}|truth",
                "perturbed truth": f"{row.case}|{row.source}|perturbed truth|{eps:g}",
                "clean": f"{row.case}|{row.source}|clean",
                "noise": f"{row.case}|{row.source}|noise|{eps:g}",
                "attacked": f"{row.case}|{row.source}|{row.source}|{eps:g}",
            }
            for row in drawn
        ]
        wanted = [key for keys in crops for key in keys.values()]
        found.update({key: file.read(key).astype(np.float32) for key in wanted if key in file})
    if not drawn:
        raise InputFileError(f"{path}: lacks the pictures of every image; delete it, and --resume computes them again")
    figure = Figure(figsize=(2.0 * len(_TITLES), 2.25 * len(drawn) + 0.35), dpi=110, layout="constrained")
    figure.suptitle(f"SSIM in the region, epsilon {eps:g}", fontsize=10)
    panels = figure.subplots(len(drawn), len(_TITLES), squeeze=False)
    for row, keys, line in zip(drawn, crops, panels, strict=True):
        scores: dict[str, str] = {state: f", {rounded('ssim', row.score(state))}" for state in STATES}
        box = max(map(tuple, boxes_of(folder, row.case)), key=lambda at: at[2] * at[3])
        truth = found[keys["truth"]]
        part = around(box, truth.shape)
        white = float(truth[part].max()) or 1.0
        for axes, (name, title) in zip(line, _TITLES.items(), strict=True):
            if name == "perturbed truth" and keys[name] not in found:  # older records and under-sampled data
                axes.set_axis_off()
                continue
            show(axes, found[keys[name]][part], white, title + scores.get(name, ""), "gray", None)
            outline(axes, box, (part[0].start, part[1].start))
        line[0].set_ylabel(f"{printable(row.case)}\n{printable(row.source)}", fontsize=7, parse_math=False)
    return figure
