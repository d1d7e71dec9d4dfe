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
from jaxtyping import Array

from bench.evaluate import scan
from bench.evaluate.experiment import Evaluated, Found, Functions, build
from bench.evaluate.outcome import Outcome, Result, losses, result
from bench.evaluate.sending import Batch, send
from bench.evaluate.subjects import Subject, linear_start_of
from bench.plan.config import RunConfig
from bench.plan.scores import rounded
from bench.record.store import Image, Store
from bench.run.batches import Halving, batches
from bench.run.first import Ready
from bench.run.life import say_notes
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
        """Return the victims of a source's perturbations: all of a matrix of methods, otherwise the source itself."""
        return self.victims if self.config.victims else [source]

    def gradient_evaluations(self) -> int:
        """Count the gradient evaluations of all attacks on one slice, without checks."""
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

    def attack(batch: Batch) -> list[Result]:
        with stages.group([one.name for one in batch.members]) as begins:
            return _attack_batch(work, partial(functions_for, compiled, work.mesh), batch, begins)

    def sent(members: list[Prepared], size: int) -> Batch:
        return send(members, size, work.config.seed, work.mesh)

    def note(text: str) -> None:
        say_notes([text])
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
    halving = Halving(sent, attack, batch, note)
    with stages:
        for group, results in side_by_side(halving, halving.ahead(groups)):
            for prepared, found in zip(group, results, strict=True):
                keep(prepared, found)
    return failed


def _attack_batch(
    work: Work,
    functions_of: Callable[[Subject, list[Prepared]], Functions],
    batch: Batch,
    begins: Callable[[str], None],
) -> list[Result]:
    """All methods and epsilons of a batch; nothing is computed slice by slice but its lines.

    `begins` hears of each stage.
    """
    begins("clean images")
    config, group, data, keys = work.config, batch.members, batch.data, batch.keys
    # Only its shape is asked for: computing the threat set would be a dozen small functions to load.
    shape = jax.eval_shape(jax.vmap(scan.build(config, None).nothing), data)
    nothing = batch.zeros(jax.ShapeDtypeStruct((shape.shape[0], 1, *shape.shape[1:]), shape.dtype))
    functions = {one.label: functions_of(one, group) for one in work.victims}
    staged = {one.label: functions[one.label].stage(data) for one in work.victims}

    def evaluate(victim: Subject, deltas: Any) -> Evaluated:
        """deltas: (slice, perturbation, ...)."""
        return functions[victim.label].evaluate(data, staged[victim.label], deltas, keys)

    def losses_of(label: str, scored: Evaluated) -> Array:
        return losses(config, clean[label], scored, data)

    # On the devices, the second axis of all is that of the perturbations, or of the epsilons above 0.
    clean = {one.label: evaluate(one, nothing) for one in work.victims}
    sizes = [eps for eps in config.eps if eps > 0]
    found_for: dict[str, Outcome] = {}
    at_zero: dict[str, Outcome] = {}
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
        every: Any = np.broadcast_to(np.asarray(sizes or [0.0], np.float32), (batch.size, max(len(sizes), 1)))
        arguments = (data, staged[source.label], clean[source.label].image[:, 0], start, every, search_keys)
        scored_under = work.scored_under(source)
        if len(sizes) < len(config.eps):
            scored = {one.label: (clean[one.label],) * 2 for one in scored_under}
            far = {one.label: (losses_of(one.label, clean[one.label]),) * 2 for one in scored_under}
            shapes = jax.eval_shape(own.searches["attack"], *arguments)
            at_zero[source.label] = Outcome(_none_found(work, shapes), np.ones((batch.size, 1), bool), {}, scored, far)
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
        scored = {one.label: (evaluate(one, found.delta), noise_of(one, found)) for one in scored_under}
        far = {
            label: (losses_of(label, attacked), losses_of(label, noise)) for label, (attacked, noise) in scored.items()
        }
        # The largest arrays stay on the devices, and are freed there, if nobody wants them.
        outcome = Outcome(found, _finite(found.delta), checks, scored, far)
        found_for[source.label] = outcome if work.save_perturbations else outcome.without_perturbations()
        del found, outcome, arguments
    least = linear_start_of(config)
    # Attacked itself, it has been scored already.
    baseline = clean.get(least.label)
    if baseline is None:
        own = functions_of(least, group)
        baseline = own.evaluate(data, own.stage(data), nothing, keys)
    baseline, clean, found_for, at_zero = jax.device_get((baseline, clean, found_for, at_zero))
    results = []
    for index, prepared in enumerate(group):
        outcomes = {(label, 0.0): _at(outcome, index, 0) for label, outcome in at_zero.items()}
        outcomes |= {
            (label, eps): _at(outcome, index, position)
            for label, outcome in found_for.items()
            for position, eps in enumerate(sizes)
        }
        least_of, clean_of = _at(baseline, index, 0), {label: _at(one, index, 0) for label, one in clean.items()}
        in_order = dict(sorted(outcomes.items()))
        results.append(result(config, prepared, least_of, clean_of, in_order, work.sources, work.victims))
    return results


def _at(tree: Any, index: int, position: int) -> Any:
    """One slice, and one perturbation or epsilon of the second axis, of arrays on the host."""
    return jax.tree.map(lambda leaf: leaf[index, position], tree)


@jax.jit
def _finite(deltas: Array) -> Array:
    """deltas: (slice, epsilon, ...); (slice, epsilon), True where all of a perturbation is finite."""
    return jnp.all(jnp.isfinite(deltas), axis=tuple(range(2, deltas.ndim)))


def _none_found(work: Work, shapes: Any) -> Found:
    """At epsilon 0 there is nothing to search; shapes: of what a search finds."""
    if not work.save_perturbations:
        shapes = shapes._replace(delta=None, noise=None)
    found: Found = jax.tree.map(lambda leaf: np.zeros((leaf.shape[0], 1, *leaf.shape[2:]), leaf.dtype), shapes)
    return found


def functions_for(
    compiled: dict[Any, Functions], mesh: Mesh | None, subject: Subject, group: list[Prepared]
) -> Functions:
    """Build the functions of a method for one shape, once."""
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
