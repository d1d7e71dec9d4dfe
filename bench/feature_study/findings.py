"""What a study found, in sentences with their numbers, the paper's (Darestani et al., ICML 2021) beside them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from bench.harness import ranks
from bench.harness.intervals import Interval, of_mean
from bench.harness.verdict import ABOVE, BELOW, verdict

Rows = list[dict[str, Any]]
# Of the optimiser that is fitted twice, from two random networks: what differs by chance alone.
AGAIN = ", again"
# With fewer on an image, two orders must be alike by more than 0.63 not to be so by chance.
_PLACES = 10


def findings(study: str, rows: Rows) -> list[str]:
    """Sentences of one study, from all its rows; where all are of one image, the first says that it is no finding."""
    alone = len({row["image"] for row in rows}) == 1
    return ["one image is an example and no finding"] * alone + _findings(study, rows)


def _findings(study: str, rows: Rows) -> list[str]:
    names = list(dict.fromkeys(row["method"] for row in rows))
    if study == "boxes":
        return _ranking(rows, names, "box", "of real findings", "the same, and linear in it (Figure 8)", ABOVE)
    said = _locations(rows, names) if study != "sizes" else _sizes(rows, names)
    if study == "optimisers":
        return said + _moved(rows, names)
    said += _ranking(
        rows,
        names,
        "feature",
        "of features",
        "another for artificial ones, on one image of its authors' notebook: ConvDecoder 0.544, U-Net 1.518, VarNet "
        "2.795, l1 7.920, by SSIM VarNet, U-Net, ConvDecoder, l1",
        BELOW,
    )
    return said + [_search(row) for row in rows if row["kind"] == "search"]


def rank_correlation(x: list[float], y: list[float]) -> float:
    """Spearman's; NaN where all of one are equal."""
    found = ranks.rank_correlation(x, y)
    return float("nan") if found is None else found


def scored(rows: Rows, kind: str, method: str, *names: str) -> np.ndarray:
    """(row, name) of one method's rows that have all these scores."""
    own = [row for row in rows if row["kind"] == kind and row["method"] == method]
    values = [[row.get(name) for name in names] for row in own]
    return np.array([value for value in values if None not in value], float).reshape(-1, len(names))


def over_images(rows: Rows, score: Callable[[Rows], float]) -> Interval | None:
    """About the mean over images of what is computed of the rows of each; None where one volume is all."""
    groups: dict[tuple[str, str], Rows] = {}
    for row in rows:
        groups.setdefault((row["image"], row["volume"]), []).append(row)
    found = [(score(own), volume) for (_, volume), own in groups.items()]
    known = [(value, volume) for value, volume in found if np.isfinite(value)]
    return of_mean([value for value, _ in known], [volume for _, volume in known]) if known else None


def _locations(rows: Rows, names: list[str]) -> list[str]:
    said = []
    for name in names:
        kept, mse, background = scored(rows, "feature", name, "kept", "mse", "background").T
        if len(kept) < 2:
            continue
        dark = background <= np.median(background)
        ratio = np.mean(mse[dark]) / np.mean(mse[~dark]) if not dark.all() else float("nan")
        low, high = np.quantile(kept, (0.05, 0.95))
        order = f"{rank_correlation(list(mse), list(background)):+.2f}"
        # Places of one image are no independent draws: its neighbours are alike.
        worse_in_dark = verdict(BELOW, [over_images(rows, partial(_with_brightness, name))])
        paper = {"l1": "worse in dark regions", "varnet": "worse in dark regions"}.get(name)
        beside = (
            ""
            if paper is None
            else f"; the paper's Figure 7, whose feature replaces what is there, has {name} {paper}: " + worse_in_dark
        )
        said.append(
            f"{name}: of {len(kept)} places the feature keeps {np.mean(kept):.2f} of its contrast, 0.05 to 0.95 "
            f"quantile {low:.2f} to {high:.2f}; its MSE in the darker half is {ratio:.2f} times that in the "
            f"brighter half (rank correlation of MSE and brightness {order}){beside}"
        )
    return said


def _moved(rows: Rows, names: list[str]) -> list[str]:
    """Whether the optimiser decides where features are lost, beside what another start of the same one decides."""
    first, *others = names
    mse = {name: scored(rows, "feature", name, "mse")[:, 0].tolist() for name in names}
    count = min(map(len, mse.values()))
    if count < _PLACES:
        return [f"{count} places are too few to tell whether the optimiser decides where features are lost"]
    beside = {name: rank_correlation(mse[first], mse[name]) for name in others}
    listed = ", ".join(f"{beside[name]:+.2f} with {name}" for name in others)
    control = f"{first}{AGAIN}"

    def lower(name: str, own: Rows) -> float:
        one, other, again = (scored(own, "feature", method, "mse")[:, 0].tolist() for method in (first, name, control))
        return rank_correlation(one, other) - rank_correlation(one, again)

    changed = {name: verdict(BELOW, [over_images(rows, partial(lower, name))]) for name in others if name != control}
    return [
        f"rank correlation over {count} places of the MSE by {first}: {listed}, the last from another start; the "
        f"paper's Figure 16 has the optimiser change where the error is: "
        f"{', '.join(f'{word} for {name}' for name, word in changed.items())}"
    ]


def _with_brightness(name: str, rows: Rows) -> float:
    """The rank correlation of a method's MSE and the brightness of the place."""
    mse, background = scored(rows, "feature", name, "mse", "background").T
    return rank_correlation(list(mse), list(background))


def _sizes(rows: Rows, names: list[str]) -> list[str]:
    said = []
    sizes = sorted({row["size"] for row in rows if row["kind"] == "feature"})
    for name in names:
        each = [scored([row for row in rows if row.get("size") == size], "feature", name, "error") for size in sizes]
        said.append(
            f"{name}: error over the feature's energy "
            + ", ".join(f"{np.mean(one):.3f} at size {size:g}" for size, one in zip(sizes, each, strict=True))
        )
    if len(names) > 1:
        best = []
        for size in sizes:
            own = [row for row in rows if row.get("size") == size]
            mse = {name: float(np.mean(scored(own, "feature", name, "mse"))) for name in names}
            best.append(min(names, key=mse.__getitem__))
        listed = ", ".join(f"{name} at size {size:g}" for name, size in zip(best, sizes, strict=True))
        said.append(
            f"lowest MSE: {listed}; the paper's Figure 17 has ConvDecoder lowest at every size{_lowest(rows, names)}"
        )
    return said


def _lowest(rows: Rows, names: list[str]) -> str:
    """Whether ConvDecoder's MSE is below that of each other method at every size, where it is compared."""
    mine, sizes = "convdecoder", sorted({row["size"] for row in rows if row["kind"] == "feature"})
    if mine not in names:
        return ""

    def above(other: str, own: Rows) -> float:
        one, less = (float(np.mean(scored(own, "feature", name, "mse"))) for name in (mine, other))
        return one - less

    intervals = [
        over_images([row for row in rows if row.get("size") == size], partial(above, other))
        for size in sizes
        for other in names
        if other != mine
    ]
    return f": {verdict(BELOW, intervals)}"


def _ranking(rows: Rows, names: list[str], kind: str, what: str, paper: str, direction: str) -> list[str]:
    """direction: whether the published rank correlation is `ABOVE` or `BELOW` zero."""
    if len(names) < 2:
        return []
    mse = {name: float(np.mean(scored(rows, kind, name, "mse"))) for name in names}
    ssim = {name: float(np.mean(scored(rows, "image", name, "ssim"))) for name in names}
    by_mse, by_ssim = sorted(names, key=mse.__getitem__), sorted(names, key=ssim.__getitem__, reverse=True)
    r = rank_correlation([-mse[name] for name in names], [ssim[name] for name in names])
    # The scores of one image say nothing of others, however many methods there are.
    several = len({row["image"] for row in rows}) > 1
    word = verdict(direction, [ranks.rank_interval(r, len(names)) if several else None])
    return [
        f"ranking by MSE {what}: {', '.join(f'{name} {mse[name]:.3f}' for name in by_mse)}; by SSIM of the image: "
        f"{', '.join(f'{name} {ssim[name]:.3f}' for name in by_ssim)}; rank correlation {ranks.told(r, len(names))} of "
        f"{len(names)} methods; the paper's ranking is {paper}: {word}"
    ]


def _search(row: dict[str, Any]) -> str:
    return (
        f"{row['method']}: of a feature's contrast {row['kept_mean']:.2f} is kept on the mean of the map; of its "
        f"energy {row['kept_grid']:.2f} at the map's worst place, {row['kept_place']:.2f} where gradients moved it, "
        f"and {row['kept_worst']:.2f} of the worst profile on the same {row['pixels']} pixels (random ones "
        f"{row['kept_random']:.2f}, the least of them {row['kept_random_least']:.2f}), "
        f"{row['contrast_to_noise']['worst']:.1f} standard deviations above the noise of the whole scan"
    )
