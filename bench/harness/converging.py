"""The numbers behind bench.convergence."""

from __future__ import annotations

import itertools
from argparse import Namespace
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp

from bench.harness import experiment, scan
from bench.harness.config import RunConfig, unattacked
from bench.harness.errors import InputFileError, UsageError
from bench.harness.prepare import Prepared, prepare
from bench.harness.sources import check_device, open_source
from bench.harness.subjects import Subject, sources
from data_prep.cases import InputError
from data_prep.names import checksum
from jaxcs.keys import new_key

_EARLY = "early_stopped"


def converging(arguments: Namespace) -> dict[str, Any]:
    """PSNR [dB] by perturbation and by iterations of the solver.  Raises UsageError or InputFileError."""
    check_device(arguments.device)
    config = unattacked(
        arguments,
        method=arguments.method,
        settings=tuple(arguments.set),
        attack="default",
        eps=(arguments.eps,),
        seed=arguments.seed,
        limit=arguments.image + 1,
    )
    (subject,) = sources(config)
    prepared = _prepared(config, subject, arguments.image)
    key = jax.random.fold_in(new_key(config.seed), checksum(prepared.name))
    data = jax.tree.map(lambda leaf: leaf[None], prepared.data)
    deltas = {"none": jnp.zeros_like(data.kspace)[:, None]}
    attacked = {f"{subject.label}, converged": subject}
    if _EARLY in subject.method.presets and not arguments.set:
        (early,) = sources(replace(config, preset=_EARLY))
        attacked = {early.label: early} | attacked
    for label, one in attacked.items():
        functions = _functions(one, one.method_config)
        epsilons = jnp.full((1, 1), arguments.eps, jnp.float32)
        found = functions.searches["attack"](
            data, functions.stage(data), data.target, functions.prepare(data, key[None]), epsilons, key[None]
        )
        deltas[label] = found.delta
    every = jnp.concatenate(list(deltas.values()), axis=1)
    iterations = sorted(set(arguments.iterations))
    scored = []
    for count in iterations:
        functions = _functions(subject, replace(subject.method_config, tolerance=0.0, n_iters=count))
        scores = functions.evaluate(data, functions.stage(data), every, key[None]).scores["psnr"]
        scored.append([float(value) for value in scores[0]])
    return {
        "image": prepared.name,
        "eps": arguments.eps,
        "iterations": iterations,
        "psnr": {label: list(row) for label, row in zip(deltas, zip(*scored, strict=True), strict=True)},
    }


def table(found: dict[str, Any]) -> str:
    """The numbers as Markdown."""
    first, *others = (f"{count}" for count in found["iterations"])
    heads = [f"perturbation of {found['image']} made for", f"scored after {first} iterations", *others]
    lines = [heads, ["---"] * len(heads)]
    lines += [[label, *(f"{value:.2f}" for value in row)] for label, row in found["psnr"].items()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _prepared(config: RunConfig, subject: Subject, image: int) -> Prepared:
    source = open_source(config, [subject])
    case = next(itertools.islice(source.cases(), image, None), None)
    if case is None:
        raise UsageError(f"--image {image}: the data have {len(source.names)} images, the first is 0")
    if isinstance(case, InputError):
        raise InputFileError(str(case))
    return prepare(case, config)


def _functions(subject: Subject, method_config: Any) -> experiment.Functions:
    config = subject.config
    return experiment.build(
        config, {}, subject.method, method_config, {"attack": subject.attack}, scan.build(config, None)
    )
