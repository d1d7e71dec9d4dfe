"""Findings of a study as sentences with their numbers, beside the paper's (Darestani et al., ICML 2021)."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.findings.boxes import box_points, families, together
from bench.plan import ranks
from bench.plan.line import line
from bench.studies.features.claims import (
    AGAIN,
    PLACES,
    Rows,
    convdecoder_lowest,
    darker,
    in_the_dark,
    mean_of,
    methods_of,
    moved,
    of_size,
    rank_correlation,
    ranking,
    scored,
    sizes_of,
)

# Detail of the published ranking by artificial features.
_OF_THE_NOTEBOOK = (
    "on one image of its authors' notebook ConvDecoder 0.544, U-Net 1.518, VarNet 2.795, l1 7.920, by SSIM VarNet, "
    "U-Net, ConvDecoder, l1"
)


def findings(study: str, rows: Rows, how: str, *, drawn: bool = False) -> list[str]:
    """Say the findings of one study; if all rows are of one image, the first sentence says that this is not a finding.

    Args:
        study: name of the study.
        rows: all its rows.
        how: how the features were inserted into the scan, see `Insertion`.
        drawn: whether the findings in boxes are those of the phantom.
    """
    alone = len({row["image"] for row in rows}) == 1
    return ["one image is an example and no finding"] * alone + _findings(
        study, rows, how, "drawn lesions" if drawn else "real findings"
    )


def _findings(study: str, rows: Rows, how: str, boxed: str) -> list[str]:
    names = methods_of(rows)
    if study == "boxes":
        said = _ranking(rows, names, "box", f"of {boxed}", "and the relation is linear")
        return said + _norms(rows, names, boxed) + _lines(rows, boxed)
    said = _locations(rows, names, how) if study != "sizes" else _sizes(rows, names)
    if study == "optimisers":
        return said + _moved(rows, names)
    said += _ranking(rows, names, "feature", "of features", _OF_THE_NOTEBOOK)
    return said + [_search(row) for row in rows if row["kind"] == "search"]


def _locations(rows: Rows, names: list[str], how: str) -> list[str]:
    said, published = [], in_the_dark(rows, names, how)
    claimed = {} if published is None else {part.name: published._replace(parts=[part]) for part in published.parts}
    for name in names:
        kept, mse, background = scored(rows, "feature", name, "kept", "mse", "background").T
        if len(kept) < 2:
            continue
        low, high = np.quantile(kept, (0.05, 0.95))
        order = f"{rank_correlation(list(mse), list(background)):+.2f}"
        beside = f"; {claimed[name].beside()}" if name in claimed else ""
        said.append(
            f"{name}: of {len(kept)} places the feature keeps {np.mean(kept):.2f} of its contrast, 0.05 to 0.95 "
            f"quantile {low:.2f} to {high:.2f}; its MSE in the darker half is {darker(name, rows):.2f} times that in "
            f"the brighter half (rank correlation of MSE and brightness {order}){beside}"
        )
    return said


def _moved(rows: Rows, names: list[str]) -> list[str]:
    """Say whether the optimiser decides where features are lost, compared with another start of the same optimiser."""
    first, *others = names
    mse = {name: scored(rows, "feature", name, "mse")[:, 0].tolist() for name in names}
    count, claimed = min(map(len, mse.values())), moved(rows, names)
    if count < PLACES or claimed is None:
        return [f"{count} places are too few to tell whether the optimiser decides where features are lost"]
    listed = ", ".join(f"{rank_correlation(mse[first], mse[name]):+.2f} with {name}" for name in others)
    words = ", ".join(f"{claimed.word(part)} for {part.name}" for part in claimed.parts)
    return [
        f"rank correlation over {count} places of the MSE by {first}: {listed}, the last ({first}{AGAIN}) from another "
        f"start; {claimed.beside()}: {words}"
    ]


def _sizes(rows: Rows, names: list[str]) -> list[str]:
    said = []
    sizes = sizes_of(rows)
    for name in names:
        each = [scored(of_size(rows, size), "feature", name, "error") for size in sizes]
        said.append(
            f"{name}: error over the feature's energy "
            + ", ".join(f"{np.mean(one):.3f} at size {size:g}" for size, one in zip(sizes, each, strict=True))
        )
    if len(names) > 1:
        best = []
        for size in sizes:
            own = of_size(rows, size)
            mse = {name: mean_of(own, "feature", name, "mse") for name in names}
            best.append(min(names, key=mse.__getitem__))
        listed = ", ".join(f"{name} at size {size:g}" for name, size in zip(best, sizes, strict=True))
        claimed = convdecoder_lowest(rows, names)
        said.append(f"lowest MSE: {listed}" + (f"; {claimed.beside()}" if claimed is not None else ""))
    return said


def _ranking(rows: Rows, names: list[str], kind: str, what: str, detail: str) -> list[str]:
    """The ranking of methods; `detail` is a detail of the published ranking."""
    claimed = ranking(rows, names, kind)
    if claimed is None:
        return []
    mse = {name: mean_of(rows, kind, name, "mse") for name in names}
    ssim = {name: mean_of(rows, "image", name, "ssim") for name in names}
    by_mse, by_ssim = sorted(names, key=mse.__getitem__), sorted(names, key=ssim.__getitem__, reverse=True)
    (part,) = claimed.parts
    return [
        f"ranking by MSE {what}: {', '.join(f'{name} {mse[name]:.3f}' for name in by_mse)}; by SSIM of the image: "
        f"{', '.join(f'{name} {ssim[name]:.3f}' for name in by_ssim)}; rank correlation "
        f"{ranks.told(part.value, len(names))} of {len(names)} methods; {claimed.beside(detail)}"
    ]


def _norms(rows: Rows, names: list[str], boxed: str) -> list[str]:
    """The squared error in the boxes, relative to the boxes and to the whole image."""
    both = {name: [mean_of(rows, "box", name, score) for score in ("box_nmse", "box_share")] for name in names}
    known = {name: values for name, values in both.items() if np.isfinite(values).all()}
    if not known:
        return []
    each = "; ".join(f"{name} {own:.3g}, {whole:.2g}" for name, (own, whole) in known.items())
    return [f"squared error in the boxes of {boxed}, of the squared norm of the box, and of the whole image: {each}"]


def _lines(rows: Rows, boxed: str) -> list[str]:
    """The lines through the images of all methods and of each group; no sentence if there is none."""
    points = box_points(rows)
    x, y = together(points)
    fitted = line(x, y)
    if fitted is None:
        return []
    said = (
        f"through the {len(x)} points of an image and a method each, the MSE of {boxed} is "
        f"{fitted['intercept']:.3f} {fitted['slope']:+.3f} x SSIM of the image (slope {fitted['slope']:.3f} ± "
        f"{fitted['slope_half']:.3f}), R^2 {fitted['r2']:.2f} (published: linear, ICML 2021, Fig. 8)"
    )
    each = {", ".join(own): line(*together(own)) for own in families(points).values()}
    slopes = [
        f"{names} {one['slope']:.3f} ± {one['slope_half']:.3f} (R^2 {one['r2']:.2f})"
        for names, one in each.items()
        if one is not None
    ]
    return [said, f"slope of each group alone: {'; '.join(slopes)}"] if len(slopes) > 1 else [said]


def _search(row: dict[str, Any]) -> str:
    return (
        f"{row['method']}: of a feature's contrast {row['kept_mean']:.2f} is kept on the mean of the map; of its "
        f"energy {row['kept_grid']:.2f} at the map's worst place, {row['kept_place']:.2f} where gradients moved it, "
        f"and {row['kept_worst']:.2f} of the worst profile on the same {row['pixels']} pixels (random ones "
        f"{row['kept_random']:.2f}, the least of them {row['kept_random_least']:.2f}), "
        f"{row['contrast_to_noise']['worst']:.1f} standard deviations above the noise of the whole scan"
    )
