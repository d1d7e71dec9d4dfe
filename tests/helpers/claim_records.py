"""Records for bench.claims as the commands leave them, with numbers that decide the verdict."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.plan.config import RunConfig
from bench.studies.features.config import FeatureConfig
from bench.studies.shift.analysis import Point, Scores, analyse
from bench.studies.stability.config import StabilityConfig
from bench.studies.test_time.gap import published
from jaxcs.features.insert import PRESETS, Insertion
from tests.helpers.run_folder import write_run

# Differences between images, which give intervals a width.
_JITTER = (0.0, 0.01, -0.01, 0.02, -0.02, 0.005)


def attack_run(folder: Path, lost: Mapping[tuple[str, str], float], noise: float = 0.5, images: int = 6) -> Path:
    """Write a run of several methods.

    Args:
        folder: folder of the run.
        lost: maps (source, victim) to the lost PSNR [dB].
        noise: loss caused by noise of the same norm [dB].
        images: number of images.
    """
    labels = tuple(dict.fromkeys(source for source, _ in lost))
    write_run(folder, labels, tuple(f"{image}.h5:0" for image in range(images)), shape=(2, 2))
    rows = _lines(folder / "images.jsonl")
    for row in rows:
        if row["metric"] == "psnr":
            own = _JITTER[int(row["case"][0])] * (1 + (row["source"] == row["victim"]))
            row["noise"] = row["clean"] - noise
            row["attacked"] = row["clean"] - lost[row["source"], row["victim"]] - own
    _write_lines(folder / "images.jsonl", rows)
    return folder


def hidden_run(folder: Path, clean: Sequence[float], attacked: Sequence[float]) -> Path:
    """Write a run that aims at hallucinated energy, with these scores of PSNR and SSIM by image."""
    write_run(folder, cases=tuple(f"{image}.h5:0" for image in range(len(clean))), shape=(2, 2))
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    _write_json(folder / "run.json", record | {"config": record["config"] | {"loss": "hallucination"}})
    rows = []
    for row in _lines(folder / "images.jsonl"):
        image = int(row["case"].split(".")[0])
        rows.append(row | {"clean": clean[image], "attacked": attacked[image]})
        if row["metric"] == "psnr":
            rows.append(row | {"metric": "hallucination", "clean": 0.01, "attacked": 0.02})
    _write_lines(folder / "images.jsonl", rows)
    return folder


def bounds(file: Path, kept: Mapping[str, int], volumes: int = 40) -> Path:
    """Write a record of bench.conformal; `kept` maps a state to the number of volumes above the bound."""
    shares = [
        {"run": "test", "method": "l1", "state": state, "eps": 0.05, "kept": count, "volumes": volumes}
        for state, count in kept.items()
    ]
    return _write_json(file, {"argv": ["a", "b"], "metric": "psnr", "confidence": 0.9, "coverage": shares})


def defended(first, second, more):
    """Make a run of two methods, of which the first loses `more` dB less to its own attack than the second."""
    lost = {(first, first): 5.0, (second, second): 5.0 + more, (first, second): 1.0, (second, first): 1.0}
    return lambda path: [attack_run(path / "run", lost)]


def sampler(own, transferred, noise=0.5):
    """Make a run of a diffusion sampler and another method."""
    lost = {("diffusion", "diffusion"): own, ("unet", "diffusion"): transferred, ("unet", "unet"): 9.0}
    return lambda path: [attack_run(path / "run", lost | {("diffusion", "unet"): 1.0}, noise)]


def hidden(lost):
    """Make a run whose attack takes `lost` off scores from 20 to 31."""
    clean = np.arange(20.0, 32.0)
    return lambda path: [hidden_run(path / "run", clean, clean - lost)]


def kept(**counts):
    return lambda path: [bounds(path / "bounds.json", counts)]


def points(insides: Sequence[float], outsides: Sequence[float], images: int = 6) -> list[Point]:
    """Make methods with these mean scores in distribution and out of it."""
    names = [f"image {image}" for image in range(images)]

    def scores(mean: float, index: int) -> Scores:
        values = [mean + 0.1 * _JITTER[(image + index) % len(_JITTER)] for image in range(images)]
        return Scores(dict(zip(names, values, strict=True)), {name: name for name in names})

    return [
        Point(f"method {i}", f"method {i}", "sparsity", scores(x, i), scores(y, 2 * i))
        for i, (x, y) in enumerate(zip(insides, outsides, strict=True))
    ]


def shift_study(folder: Path, compared: Mapping[str, list[Point]]) -> Path:
    """Write a study of shifts; `compared` maps an axis to its points."""
    comparisons = [
        {"name": f"{axis}, knee", "axis": axis, "kind": "same model", "results": analyse(found)}
        for axis, found in compared.items()
    ]
    return _write_json(folder / "study.json", {"argv": list(compared), "comparisons": comparisons}).parent


def trained_study(folder: Path, closed: Mapping[str, tuple[float, float] | None], shift: str = "anatomy") -> Path:
    """Write a study of six images.

    Args:
        folder: folder of the study.
        closed: maps a kind of training to the distances of the interval's ends from the published value.
        shift: the shift of the study.
    """
    gaps = {}
    for kind, ends in closed.items():
        value = published(shift, "unet", kind)
        assert value is not None
        interval = None if ends is None else _interval(value + ends[0], value + ends[1])
        fraction = None if ends is None else value + sum(ends) / 2
        gaps[kind] = {"closed": {"fraction": fraction, "interval": interval}}
    content = {"argv": ["--shift", shift], "shift": shift, "network": "unet", "cases": list("abcdef"), "gaps": gaps}
    return _write_json(folder / "ttt.json", content).parent


def hard_list(file: Path, share: tuple[float, float], others: Mapping[str, tuple[float, float]]) -> Path:
    """Write the record next to a list of images.

    Args:
        file: the record.
        share: interval of the difference.
        others: intervals of the methods' scores.
    """
    made = [
        {"method": name, "images": 12, "difference": sum(ends) / 2, "interval": _interval(*ends)}
        for name, ends in others.items()
    ]
    content = {"argv": ["runs/a"], "method": "unet", "metric": "ssim", "groups": {"subset": {"n": 6, "volumes": 6}}}
    content["groups"] = {name: {"n": 6, "volumes": 6} for name in ("subset", "rest")}
    content["difference"] = {"mean": sum(share) / 2, "interval": _interval(*share)}
    return _write_json(file, content | {"others": made})


def feature_run(
    folder: Path,
    study: str,
    mse: Mapping[str, Callable[[np.ndarray], np.ndarray]],
    images: Sequence[int],
    preset: str | None = "rc2021",
    ssim: Mapping[str, float] | None = None,
) -> Path:
    """Write a run of 12 places an image, with brightnesses 1 to 12; `mse` maps a method to its MSE by brightness."""
    insertion = PRESETS[preset] if preset else Insertion()
    base = RunConfig(method=next(iter(mse)), limit=images[-1] + 1)
    config = FeatureConfig(study, base, insertion, 16, images[-1], (2.0,), 12, 0, 3.0)
    run: dict[str, Any] = {
        "schema_version": 1, "command": "bench.features", "config": config.to_dict(), "fingerprint": "0",
        "methods": {name: {"method": name, "config": {}, "weights": None} for name in mse},
        "argv": ["--study", study, "--image", str(images[-1])], "versions": {}, "git": {"commit": None, "dirty": None},
        "device": {"platform": "cpu", "kind": "cpu"}, "data": "phantom", "data_sha256": {}, "images": len(images),
        "started": "2026-01-01T00:00:00+00:00", "status": "done", "notes": [],
    }  # fmt: skip
    _write_json(folder / "run.json", run)
    places, rows = np.arange(1, 13.0), []
    for image in images:
        for name, of_place in mse.items():
            common = {"case": f"{image}|{name}", "image": str(image), "volume": str(image), "method": name}
            rows.append(common | {"kind": "image", "ssim": (ssim or {}).get(name, 0.5), "psnr": 20.0})
            # Two neighbours change places in each image.  The pair depends on the image, so that images differ.
            values = of_place(places) * (1 + _JITTER[image % len(_JITTER)])
            values[image % 11 : image % 11 + 2] = values[image % 11 : image % 11 + 2][::-1]
            kind = "box" if study == "boxes" else "feature"
            more = {"box": [0, 0, 1, 1], "label": ""} if study == "boxes" else {"row": 0, "column": 0, "size": 2.0}
            rows += [
                common | more | {"kind": kind, "mse": float(value), "kept": 0.5, "background": float(place)}
                for place, value in zip(places, values, strict=True)
            ]
    _write_lines(folder / "images.jsonl", rows)
    return folder


def _interval(low: float, high: float) -> dict[str, Any]:
    return {"low": low, "high": high, "kind": "95 %", "volumes": 6}


def _write_json(file: Path, content: dict[str, Any]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content), encoding="utf-8")
    return file


def _lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def _write_lines(file: Path, rows: list[dict[str, Any]]) -> None:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def stability_run(folder: Path, world: str, rows: Sequence[dict[str, Any]]) -> Path:
    """Write a run of bench.stability with these rows of one world."""
    config = StabilityConfig(("perturbation", "structure", "samples"), (world,))
    run: dict[str, Any] = {
        "schema_version": 1, "command": "bench.stability", "config": config.to_dict(), "fingerprint": "0",
        "methods": {world: {}}, "argv": ["--method", world], "versions": {}, "git": {"commit": None, "dirty": None},
        "device": {"platform": "cpu", "kind": "cpu"}, "data": "phantom", "data_sha256": {}, "images": 6,
        "started": "2026-01-01T00:00:00+00:00", "status": "done", "notes": [],
    }  # fmt: skip
    _write_json(folder / "run.json", run)
    _write_lines(
        folder / "images.jsonl", [{"case": f"{row['image']}|{row['kind']}", "world": world} | row for row in rows]
    )
    return folder


def perturbed(world: str, gains: Sequence[tuple[float, float]], clean: float = 30.0) -> list[dict[str, Any]]:
    """Rows of images with these gains of a network and of its comparator, under the network's perturbation.

    Args:
        world: the network.
        gains: of each image.
        clean: PSNR of the network's clean image; that of zero-filling is 20 dB [dB].
    """
    rows = []
    for image, (own, other) in enumerate(gains):
        for method, role, gain, psnr in (
            (world, "tested", own, clean), ("bpdn", "comparator", other, 25.0), ("zero_filled", "control", 0.9, 20.0),
        ):  # fmt: skip
            common = {"world": world, "image": str(image), "volume": str(image), "method": method, "role": role}
            common |= {"psnr": psnr, "ssim": 0.5}
            rows.append(common | {"kind": "clean", "singular_value": 5.0})
            kind = {"kind": "perturbation", "attack": "Algorithm 1", "source": world, "steps": 25}
            changes = {"norm": 0.01, "norm_data": 0.01, "change": 0.01 * gain, "gain": gain, "gain_noise": 0.3}
            rows.append(common | kind | changes | {"gain_both": gain, "psnr_noise": psnr, "ssim_perturbed": 0.9})
    return rows


def read(world: str, counts: Sequence[tuple[int, int]]) -> list[dict[str, Any]]:
    """Rows of images with these numbers of symbols that are read in a network's image and in its comparator's."""
    roles = ((world, "tested"), ("shearlets", "comparator"), ("fully sampled", "fully sampled"))
    return [
        {"world": world, "image": str(image), "volume": str(image), "method": method, "role": role, "kind": "structure"}
        | {"height": 9.0, "glyphs": 13, "read": count, "read_alone": 0, "kept": 0.5, "error": 0.5}
        for image, pair in enumerate(counts)
        for (method, role), count in zip(roles, (*pair, 13), strict=True)
    ]


def sampled(world: str, changes: Sequence[float]) -> list[dict[str, Any]]:
    """Rows of images whose PSNR changes by so much from the trained number of samples to the most [dB]."""
    return [
        {"world": world, "image": str(image), "volume": str(image), "method": method, "role": role, "kind": "samples"}
        | {"acceleration": rate, "share": 1 / rate, "trained": rate == 5.0, "ssim": 0.5}
        | {"psnr": 30 + 0.1 * image + (change if rate == 2.0 and role == "tested" else 0.0)}
        for image, change in enumerate(changes)
        for method, role in ((world, "tested"), ("shearlets", "comparator"), ("ignores data", "control"))
        for rate in (10.0, 5.0, 2.0)
    ]
