"""The numbers of bench.convergence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import jax.numpy as jnp

from bench.evaluate import experiment, scan
from bench.evaluate.single_slice import SingleSlice
from bench.evaluate.subjects import Subject, source_for, sources
from bench.findings import markdown
from bench.plan.config import RunConfig
from bench.plan.errors import UsageError
from bench.slices.prepare import Prepared, prepare
from bench.slices.sources import check_device

_EARLY = "early_stopped"


def converging(config: RunConfig, image: int, iterations: Iterable[int], device: str = "auto") -> dict[str, Any]:
    """Measure PSNR by perturbation and by number of iterations of the solver.

    Args:
        config: one iterative method, one epsilon, and at least `image` + 1 images.
        image: index of the image, from 0.
        iterations: numbers of iterations after which the solver is stopped and scored.
        device: "auto", or the kind of device that must be there.

    Returns:
        The image, epsilon, numbers of iterations, and for each perturbation a PSNR [dB] for each of these numbers.

    Raises:
        UsageError: the flags do not fit the method or the data.
        InputFileError: the data cannot be used.
    """
    check_device(device)
    (eps,) = config.eps
    (subject,) = sources(config)
    prepared = _prepared(config, subject, image)
    scored = _single(subject, prepared)
    attacked = {f"{subject.label}, converged": scored}
    if _EARLY in subject.method.presets and not config.settings:
        (early,) = sources(replace(config, preset=_EARLY))
        attacked = {early.label: _single(early, prepared)} | attacked
    deltas = {"none": scored.nothing()} | {label: one.attack([eps]) for label, one in attacked.items()}
    every = jnp.concatenate(list(deltas.values()), axis=1)
    stops = sorted(set(iterations))
    psnr = [
        scored._replace(
            functions=_functions(subject, replace(subject.method_config, tolerance=0.0, n_iters=count))
        ).scores(every)["psnr"]
        for count in stops
    ]
    return {
        "image": prepared.name,
        "eps": eps,
        "iterations": stops,
        "psnr": {label: list(row) for label, row in zip(deltas, zip(*psnr, strict=True), strict=True)},
    }


def table(found: dict[str, Any]) -> str:
    """Format the numbers as Markdown."""
    first, *others = (f"{count}" for count in found["iterations"])
    heads = [f"perturbation of {found['image']} made for", f"scored after {first} iterations", *others]
    rows = [[label, *(f"{value:.2f}" for value in row)] for label, row in found["psnr"].items()]
    return markdown.table(heads, rows)


def _prepared(config: RunConfig, subject: Subject, image: int) -> Prepared:
    source = source_for(config, [subject])
    if image >= len(source.names):
        raise UsageError(f"--image {image}: the data have {len(source.names)} images, the first is 0")
    (case,) = source.read([image])
    return prepare(case, config)


def _single(subject: Subject, prepared: Prepared) -> SingleSlice:
    return SingleSlice.of(_functions(subject, subject.method_config), prepared, subject.config.seed)


def _functions(subject: Subject, method_config: Any) -> experiment.Functions:
    config = subject.config
    return experiment.build(
        config, {}, subject.method, method_config, {"attack": subject.attack}, scan.build(config, None)
    )
