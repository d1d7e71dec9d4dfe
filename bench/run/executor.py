"""The attack on every slice of a source, recorded slice by slice."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from bench.evaluate import scan
from bench.evaluate.experiment import Evaluated, Found, Functions, build
from bench.evaluate.outcome import Outcome, Result, result
from bench.evaluate.stacked import stacked
from bench.evaluate.subjects import Subject, zero_filled
from bench.plan.config import RunConfig
from bench.plan.scores import rounded
from bench.record.store import Image, Store
from bench.run.batches import Halving, batches
from bench.run.first import Ready
from bench.run.parallel import side_by_side
from bench.run.stages import Stages
from bench.slices.prepare import Prepared
from bench.slices.sources import Source
from data_prep.progress import Progress
from jaxcs.recon import fitted


class Work(NamedTuple):
    """Constants of a run.

    config: the run's.  sources: methods that are attacked.  victims: methods that are scored, the sources first.
    batch: slices at once on each device.  mesh: the devices, None for one.
    """

    config: RunConfig
    sources: list[Subject]
    victims: list[Subject]
    batch: int
    save_perturbations: bool
    mesh: Mesh | None = None

    @property
    def devices(self) -> int:
        """How many compute at once."""
        return 1 if self.mesh is None else self.mesh.size

    def scored_under(self, source: Subject) -> list[Subject]:
        """The victims of a source's perturbations: all victims of a matrix of methods, otherwise the source itself."""
        return self.victims if self.config.victims else [source]

    def gradient_evaluations(self) -> int:
        """Gradient evaluations of all attacks on one slice, without checks."""
        return sum(one.gradients_per_epsilon() for one in self.sources) * sum(eps > 0 for eps in self.config.eps)


def attack_all(work: Work, source: Source, store: Store, said: set[str], ready: Ready) -> dict[str, str]:
    """Attack each case that no other process is at, and record each as soon as it and those before it are done.

    Args:
        work: what is done with a case.
        source: the cases.
        store: of the run.
        said: kinds of doubts about the data that the user has read; of each other kind the first is said, and added.
        ready: slices that have been prepared already, by position; they are taken out of it.

    Returns:
        The cases that failed, and why.
    """
    compiled: dict[Any, Functions] = {}
    positions = dict(zip(source.names, source.positions, strict=True))
    progress = Progress(len(source.names), "images")
    worst = 0.0
    failed: dict[str, str] = {}

    stages = Stages(progress)

    def attack(batch: int, group: list[Prepared]) -> list[Result]:
        with stages.group([one.name for one in group]) as begins:
            return _attack_batch(work, batch, partial(functions_for, compiled, work.mesh), group, begins)

    def note(text: str) -> None:
        print(f"note: {text}", file=sys.stderr)
        store.note(text)

    def fail(name: str, reason: str, **known: Any) -> None:
        failed[name] = reason
        image = Image(positions[name], name, reason, **known)
        store.write(image, [{"case": name, "failed": reason}])
        progress.advance(f"{name} failed")

    def keep(prepared: Prepared, found: Result) -> None:
        nonlocal worst
        name = prepared.name
        known: dict[str, Any] = {"sampling": prepared.described(), "thermal": prepared.thermal}
        known |= {"gradients": work.gradient_evaluations()}
        for doubt in prepared.doubts:
            if doubt.kind not in said:
                said.add(doubt.kind)
                print(f"note: {name}: {doubt.text}", file=sys.stderr)
        if found.failure:
            fail(name, f"{name}: {found.failure}", **known)
            return
        store.write(
            Image(positions[name], name, **known),
            [row.line() for row in found.rows],
            [row.line() for row in found.searches],
            found.pictures,
            found.perturbations if work.save_perturbations else None,
        )
        worst = max([worst, *(row.clean - row.attacked for row in found.rows if row.metric == "psnr")])
        progress.advance(f"worst so far {rounded('psnr', worst)} dB PSNR lost")

    batch = work.batch * work.devices
    groups = batches(source, work.config, batch, fail, ready, store.claim)
    with stages:
        for group, results in side_by_side(Halving(attack, batch, note), groups):
            for prepared, found in zip(group, results, strict=True):
                keep(prepared, found)
    return failed


def _attack_batch(
    work: Work,
    batch: int,
    functions_of: Callable[[Subject, list[Prepared]], Functions],
    group: list[Prepared],
    begins: Callable[[str], None],
) -> list[Result]:
    """All methods and epsilons of at most `batch` slices; `begins` hears of each stage."""
    config = work.config
    begins("clean images")
    # The last batch may be short; its first slice fills it up, so that nothing compiles again and each device has as
    # many.  The results of these copies are dropped.
    size = -(-batch // work.devices) * work.devices
    members = group + [group[0]] * (size - len(group))
    data, keys = stacked(members, config.seed)
    # Only its shape is asked for: computing the threat set would be a dozen small functions to load.
    shape = jax.eval_shape(jax.vmap(scan.build(config, None).nothing), data)
    nothing = jnp.zeros((shape.shape[0], 1, *shape.shape[1:]), shape.dtype)
    functions = {one.label: functions_of(one, group) for one in work.victims}
    staged = {one.label: functions[one.label].stage(data) for one in work.victims}

    def evaluate(victim: Subject, deltas: Any) -> Evaluated:
        """deltas: (slice, perturbation, ...)."""
        return functions[victim.label].evaluate(data, staged[victim.label], deltas, keys)

    clean = {one.label: _each(evaluate(one, nothing), 0) for one in work.victims}
    sizes = [eps for eps in config.eps if eps > 0]
    outcomes: dict[tuple[str, float], Outcome] = {}
    noises: dict[str, Evaluated] = {}

    def noise_of(victim: Subject, found: Found) -> Evaluated:
        # Sources that use up their epsilons share one control, which for un-trained methods is a whole fit.
        if not np.all(found.share == 1):
            return evaluate(victim, found.noise)
        if victim.label not in noises:
            noises[victim.label] = evaluate(victim, found.noise)
        return noises[victim.label]

    for place, source in enumerate(work.sources, start=1):
        own = functions[source.label]
        of = f"attack on {source.label}" + f" ({place} of {len(work.sources)})" * (len(work.sources) > 1)
        # The seed by which the attack draws the network of a method that draws one.
        known = config.method_seed == "known"
        search_keys = keys if known else jax.vmap(partial(jax.random.fold_in, data=1))(keys)
        start = own.prepare(data, search_keys)
        every = jnp.broadcast_to(jnp.asarray(sizes or [0.0], jnp.float32), (len(members), max(len(sizes), 1)))
        arguments = (data, staged[source.label], clean[source.label].image, start, every, search_keys)
        if len(sizes) < len(config.eps):
            outcomes[source.label, 0.0] = _nothing_found(work, source, own, arguments, clean)
        if not sizes:
            continue
        # Each stage is waited for, because JAX returns before it has computed.
        begins(of)
        found = jax.block_until_ready(own.searches["attack"](*arguments))
        checks = {}
        for name, search in own.searches.items():
            if name != "attack":
                begins(f"{of}, check {name.replace('_', '-')}")
                checks[name] = jax.block_until_ready(search(*arguments).loss)
        begins(f"{of}, scores")
        scored = {one.label: (evaluate(one, found.delta), noise_of(one, found)) for one in work.scored_under(source)}
        for index, eps in enumerate(sizes):
            outcomes[source.label, eps] = Outcome(*_each((found, checks, scored), index))
    least = zero_filled(config)
    # Attacked itself, it has been scored already.
    baseline = clean.get(least.label)
    if baseline is None:
        own = functions_of(least, group)
        baseline = _each(own.evaluate(data, own.stage(data), nothing, keys), 0)
    baseline, clean, outcomes = jax.tree.map(np.asarray, (baseline, clean, outcomes))
    results = []
    for index, prepared in enumerate(group):
        least_of, clean_of, outcomes_of = jax.tree.map(lambda leaf, i=index: leaf[i], (baseline, clean, outcomes))
        results.append(result(config, prepared, least_of, clean_of, outcomes_of, work.sources, work.victims))
    return results


def _each(tree: Any, index: int) -> Any:
    """One perturbation or epsilon of the second axis."""
    return jax.tree.map(lambda leaf: leaf[:, index], tree)


def _nothing_found(
    work: Work, source: Subject, functions: Functions, arguments: Any, clean: dict[str, Evaluated]
) -> Outcome:
    """At epsilon 0 there is nothing to search or to score again."""
    shapes = jax.eval_shape(functions.searches["attack"], *arguments)
    found = jax.tree.map(lambda leaf: jnp.zeros((leaf.shape[0], *leaf.shape[2:]), leaf.dtype), shapes)
    return Outcome(found, {}, {one.label: (clean[one.label],) * 2 for one in work.scored_under(source)})


def functions_for(
    compiled: dict[Any, Functions], mesh: Mesh | None, subject: Subject, group: list[Prepared]
) -> Functions:
    """Functions of a method for one shape, built once."""
    calibration = group[0].calibration if subject.config.maps == "reestimated" else None
    data = group[0].data
    method_config = fitted(subject.method_config, data.maps.shape[1:], data.target.shape)
    kind = (subject.label, calibration, method_config)
    if kind not in compiled:
        searches = {"attack": subject.attack, **subject.checks}
        compiled[kind] = build(
            subject.config,
            subject.params,
            subject.method,
            method_config,
            searches,
            scan.build(subject.config, calibration),
            mesh,
        )
    return compiled[kind]
