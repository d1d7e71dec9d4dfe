"""A universal perturbation, fitted to the first slices of a source and applied to these and to the others."""

from __future__ import annotations

import statistics
import sys
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from bench.evaluate import scan as scans
from bench.evaluate import subjects
from bench.evaluate.sending import Batch, send
from bench.evaluate.subjects import Subject
from bench.findings.markdown import table
from bench.plan.config import RunConfig
from bench.plan.errors import InputFileError, UsageError
from bench.plan.intervals import as_json, from_json, of_mean, told
from bench.plan.scores import METRICS, style_of
from bench.slices.prepare import Prepared, prepare
from jaxcs import universal
from jaxcs.attacks import apgd
from jaxcs.evaluate import build, control
from jaxcs.goal import Goal
from jaxcs.recon import fitted
from jaxcs.threats.scan import Scan

PARTS = ("fitted", "held out")
_STATES = ("clean", "noise", "attacked")
_SHOWN = ("psnr", "ssim", "nmse")


class Fitted(NamedTuple):
    """A study's record and the direction that it found.

    Attributes:
        record: scores of every slice, and their means by part.
        direction: (coil, ny, nx) the universal direction, of norm at most 1.
    """

    record: dict[str, Any]
    direction: np.ndarray


def carry_out(config: RunConfig, fit: int) -> Fitted:
    """Fit a perturbation and score it.

    Args:
        config: method, data, loss, and one epsilon; its limit is the number of all slices.
        fit: number of slices, the first, that the perturbation is fitted to.

    Raises:
        RunError: the study cannot be carried out, in one line for the user.
    """
    (subject,) = subjects.sources(config)
    if subject.method.fitted:
        raise UsageError(f"--method {subject.label}: is fitted to each slice; use another method")
    slices = _slices(config, subject)
    if len(slices) <= fit:
        raise UsageError(f"--fit {fit}: there are {len(slices)} slices, and none is left to apply it to; use fewer")
    scan, goal = scans.build(config, None), Goal(loss=config.loss)
    epsilon, batch = jnp.float32(config.eps[0]), send(slices[:fit], fit, config.seed, None)
    method_config = fitted(subject.method_config, slices[0].data.maps.shape[1:], slices[0].data.target.shape)
    attack = apgd.Config(n_steps=config.steps or apgd.Config.n_steps)

    print(f"fitting to {fit} slices in {attack.n_steps} steps", file=sys.stderr, flush=True)

    @jax.jit
    def search(batch: Batch) -> Any:
        return universal.fit(
            goal, subject.params, subject.method, method_config, scan, batch.data, epsilon, batch.keys[0], attack
        )

    found = search(batch._replace(members=[]))
    if not np.all(np.isfinite(found.trace)):
        raise UsageError(f"--eps {config.eps[0]:g}: the error of the images is not finite; use a smaller size")
    functions = build(goal, subject.params, subject.method, method_config, {}, scan)
    images = []
    for index, one in enumerate(slices):
        images.append(
            {"case": one.name, "volume": one.volume, "part": PARTS[index >= fit]}
            | _scores(functions, scan, one, found.delta, epsilon, config.seed)
        )
        print(f"{index + 1}/{len(slices)} images scored", file=sys.stderr, flush=True)
    record = {"eps": config.eps[0], "loss": config.loss, "method": subject.label, "trace": found.trace.tolist()}
    return Fitted(record | {"images": images, "means": _means(images)}, np.asarray(found.delta))


def _slices(config: RunConfig, subject: Subject) -> list[Prepared]:
    """All slices, of one shape."""
    source = subjects.source_for(config, [subject])
    found: list[Prepared] = []
    for case in source.read(source.positions):
        one = prepare(case, config)
        found.append(one)
        shape, first = one.data.kspace.shape, found[0].data.kspace.shape
        if shape != first:
            raise InputFileError(
                f"{one.name}: its k-space is {shape}, and that of {found[0].name} {first}; use slices of one shape"
            )
    return found


def _scores(
    functions: Any, scan: Scan, one: Prepared, direction: Array, epsilon: Array, seed: int
) -> dict[str, dict[str, float]]:
    """Scores of a slice by metric and state; noise has the size of the perturbation."""
    batch = send([one], 1, seed, None)
    data = jax.tree.map(lambda leaf: leaf[0], batch.data)
    deltas = [
        scan.nothing(data),
        control(scan, data, epsilon, batch.keys[0]),
        universal.applied(scan, data, direction, epsilon),
    ]
    found = functions.evaluate(batch.data, functions.stage(batch.data), jnp.stack(deltas)[None], batch.keys).scores
    return {
        name: dict(zip(_STATES, values[0].tolist(), strict=True)) for name, values in found.items() if name in METRICS
    }


def _means(images: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean and interval of each metric and state by part, and of what the attack makes worse than noise does."""
    means: dict[str, Any] = {}
    for part in PARTS:
        own = [image for image in images if image["part"] == part]
        volumes = [image["volume"] for image in own]
        for metric in [name for name in own[0] if name in METRICS]:
            values = {state: [image[metric][state] for image in own] for state in _STATES}
            values["beyond noise"] = [
                noise - attacked for noise, attacked in zip(values["noise"], values["attacked"], strict=True)
            ]
            means.setdefault(part, {})[metric] = {
                name: {"mean": statistics.fmean(some), "interval": as_json(of_mean(some, volumes))}
                for name, some in values.items()
            }
    return means


def markdown(record: dict[str, Any]) -> str:
    """Make the table of a study: a line for each part and metric."""
    heads = ["slices", "images", "metric", *_STATES, "noise less attacked"]
    lines = []
    for part, by_metric in record["means"].items():
        count = sum(image["part"] == part for image in record["images"])
        for metric in [name for name in by_metric if name in _SHOWN or name == record["loss"]]:
            cells = [
                told(one["mean"], from_json(one["interval"]), style_of(metric), brief=True)
                for one in by_metric[metric].values()
            ]
            lines.append([part, str(count), metric, *cells])
    return table(heads, lines)
