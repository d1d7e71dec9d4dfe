"""Search and score a slice: method, attack, threat and loss composed into functions, batched and compiled."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import signature
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array

from jaxcs.attacks import Path
from jaxcs.attacks.base import AttackResult, Loss
from jaxcs.attacks.defaults import Search
from jaxcs.complex import l2_norm, magnitude
from jaxcs.fourier import ifft2c, image_crop
from jaxcs.goal import Goal, objective
from jaxcs.metrics import METRICS
from jaxcs.operators.parallel_beam import forward_model
from jaxcs.recon import Method
from jaxcs.recon.staged import stages_of
from jaxcs.scored import inside
from jaxcs.threats.scan import Scan
from jaxcs.types import Follow, Key, Measurement, Reconstructor, SliceData, Solution

Scores = dict[str, Array]
# From this share of its allowed size on, a perturbation counts as full size.  The noise then has the full size, a
# little more than the perturbation, and one control serves all attacks of this size.
_WHOLE = 0.99
# Position of the parameters from `Functions.prepare` among the arguments of a search.
_START = 3


class Found(NamedTuple):
    """Result of the attack on one slice at one epsilon, and the control.

    Attributes:
        delta: the perturbation, in the threat set.
        noise: the control, random in the threat set, of the size of `delta`.
        norm: measured size of `delta` in the units of epsilon.
        norm_kspace: measured norm of the change of M y over the norm of M y [-].
        share: size of `delta` over the largest allowed size [-].
        overshoot: size of the attack's result, before its projection, over the largest allowed size [-].
        picture: (ty, tx) magnitude of A^H of the change of M y, cropped like images.
        perturbed: (ty, tx) image of the whole scan with `delta` in it, see `jaxcs.threats.scan.Scan`.
        gradient_norm: norm of the gradient at the attack's first point.
        loss: as in `AttackResult`, in the units of the loss.
        trace: as in `AttackResult`, in the units of the loss.
        restarts: as in `AttackResult`, in the units of the loss.
        curve: SSIM at each value of the parameter, evenly spaced from -epsilon to epsilon, if the attack visits all
            values; (0,) for other attacks.
    """

    delta: Array
    noise: Array
    norm: Array
    norm_kspace: Array
    share: Array
    overshoot: Array
    picture: Array
    perturbed: Array
    gradient_norm: Array
    loss: Array
    trace: Array
    restarts: Array
    curve: Array


class Evaluated(NamedTuple):
    """One reconstruction.

    Attributes:
        image: (ty, tx) image.
        truth: (ty, tx) true image.
        scores: scores by metric.
        solver_error: estimated relative distance of the solver's image from its minimiser [-]; NaN if the method
            minimises nothing.
    """

    image: Array
    truth: Array
    scores: Scores
    solver_error: Array


class Functions(NamedTuple):
    """Compiled functions of a batch of slices of one shape; each has the method once, so that little is compiled.

    The result at an epsilon does not depend on the other epsilons.

    Attributes:
        stage: slices -> staged, the method's result for coil maps and mask alone, which the other functions take.
        prepare: slices, keys -> parameters of the method on which the attack searches.  They have the slices' axis if
            each slice has its own, as in a fit that continues; trained weights are the same for all, and have none.
        searches: by name of the attack: slices, staged, clean images, parameters from `prepare`, epsilons (slice,
            epsilon), keys -> Found, with these two axes.
        evaluate: slices, staged, perturbations (slice, perturbation, ...), keys -> Evaluated, with these two axes.
    """

    stage: Callable[[SliceData], Any]
    prepare: Callable[[SliceData, Array], Any]
    searches: dict[str, Callable[[SliceData, Any, Array, Any, Array, Array], Found]]
    evaluate: Callable[[SliceData, Any, Array, Array], Evaluated]


def build(
    goal: Goal,
    params: Any,
    entry: Method,
    method_config: Any,
    searches: dict[str, Search],
    scan: Scan,
    mesh: Mesh | None = None,
) -> Functions:
    """Build the functions that attack and score slices; all arguments are static.

    Args:
        goal: the error that the attack maximises, and the scores.
        params: parameters of the method, {} if it has none.
        entry: the method.
        method_config: configuration of the method.
        searches: the attack, and the attacks that check it, by name.
        scan: the threat, and the way of perturbations into the data.
        mesh: devices that share the slices of a batch evenly, or None for one device.
    """
    method, surrogate = entry.build(method_config), entry.surrogate(method_config)
    searching = entry.build(entry.searched(method_config)) if surrogate is None else surrogate.method

    def stage(data: SliceData) -> Any:
        return stages_of(method).prepare(params, data.maps, data.mask) if scan.maps_stay else None

    def reconstruct(
        method: Reconstructor, params: Any, data: SliceData, staged: Any, delta: Array, key: Key
    ) -> Solution:
        measurement, stages = scan.measure(data, delta), stages_of(method)
        if staged is None:
            staged = stages.prepare(params, measurement.maps, measurement.mask)
        return stages.solve(params, staged, measurement, key)

    def begin(data: SliceData, key: Key) -> Any:
        assert surrogate is not None
        return surrogate.start(params, scan.measure(data, scan.nothing(data)), key)

    def search_by(search: Search) -> Callable[..., Found]:
        attack, kind = search.kind.build(search.config), search.kind
        searched = searching if kind.searches else method

        def run(data: SliceData, staged: Any, clean: Array, start: Any, epsilon: Array, key: Key) -> Found:
            attack_key, _ = jax.random.split(key)
            allowed, aim = scan.allowed(data, epsilon), objective(goal, scan, data, clean)

            def imaged(delta: Array) -> Array:
                known = staged if surrogate is None or not kind.searches else None
                weights = start if surrogate is None or kind.searches else params
                return reconstruct(searched, weights, data, known, delta, key).image

            def losses(delta: Array) -> Array:
                return aim.rows(imaged(delta), delta)

            def residual(delta: Array) -> Array:
                return inside(image_crop(imaged(delta), _shape(data)) - aim.reference(delta), goal.aimed(data))

            def scored_at(delta: Array) -> tuple[Array, Array]:
                image = imaged(delta)
                cropped = image_crop(image, _shape(data))
                ssim = METRICS["ssim"](cropped, scan.truth(data, delta), data.data_range, data.region)
                return jnp.sum(aim.rows(image, delta)), ssim

            curve = jnp.zeros(0, jnp.float32)
            if kind.scored is not None:
                found, curve = kind.scored(search.config)(attack_key, scored_at, allowed)
            elif kind.sees == "objective":
                assert entry.variational is not None
                problem = entry.variational(method_config)(scan.measure(data, scan.nothing(data)), key)
                found = attack(
                    attack_key,
                    problem,
                    lambda delta: scan.measure(data, delta).kspace,
                    ifft2c(data.kspace),
                    allowed,
                )
            else:
                seen: Any = residual
                if kind.sees == "path":
                    followed = followed_by(data.mask)
                    seen = _path(losses) if followed is None else follow(followed, data, staged, aim.rows)
                elif kind.sees == "loss":
                    seen = _sum(losses)
                found = attack(attack_key, seen, allowed)
            return _found(scan, data, epsilon, aim.kept(found, imaged), key, aim.value, curve)

        return many_of(run, 4)

    def followed_by(mask: Array) -> Follow | None:
        """The method's way to follow a search, None if the perturbation changes the coil maps or the truth."""
        return stages_of(method).follow(mask) if scan.maps_stay and scan.additive else None

    def follow(followed: Follow, data: SliceData, staged: Any, rows: Callable[[Array, Array], Array]) -> Path:
        """The loss along a path, on which the method follows; rows: whole image, perturbation -> loss of each row."""

        def ascend(delta: Array, memory: Any) -> tuple[Array, Array, Any]:
            kspace, back = jax.vjp(lambda delta: scan.measure(data, delta).kspace, delta)
            image, pull = followed.advance(staged, Measurement(kspace, data.mask, data.maps), memory)
            losses, to_image = jax.vjp(lambda image: rows(image, delta), image)
            kspace_gradient, memory = pull(to_image(jnp.ones_like(losses))[0])
            return losses, jnp.conj(back(kspace_gradient)[0]), memory

        return Path(followed.first(scan.measure(data, scan.nothing(data))), ascend)

    # Methods that share a factor compute all values at once; networks share nothing, and would need more memory.
    together = stages_of(method).follow(jnp.zeros(1, bool)) is not None

    def many_of(function: Callable[..., Any], position: int) -> Callable[..., Any]:
        """The function for several values of one argument."""

        @wraps(function)
        def over(*args: Any) -> Any:
            def of(value: Any) -> Any:
                return function(*args[:position], value, *args[position + 1 :])

            values = args[position]
            if values.shape[0] == 1:
                return jax.tree.map(lambda leaf: leaf[None], of(values[0]))
            return jax.vmap(of)(values) if together else jax.lax.map(of, values)

        return over

    def evaluate(data: SliceData, staged: Any, delta: Array, key: Key) -> Evaluated:
        solution, truth = reconstruct(method, params, data, staged, delta, key), scan.truth(data, delta)
        image = image_crop(solution.image, _shape(data))
        scores = {name: metric(image, truth, data.data_range, data.region) for name, metric in METRICS.items()}
        scores |= goal.scores(data)(solution.image, truth)
        if entry.clamped is not None:
            scores["clamped"] = entry.clamped(method_config, scan.measure(data, delta))
        if entry.widened is not None:
            scores["widened"] = entry.widened(method_config, scan.measure(data, delta))
        return Evaluated(image, truth, scores, solution.error)

    # A batch of networks with different parameters is a grouped convolution, which is slow on the CPU.  On accelerators
    # small networks gain by it; the networks of test-time training are large, and each slice ends its own fit.
    one_by_one = entry.fitted and (entry.trained or jax.default_backend() == "cpu")

    def batched(function: Callable[..., Any], shared: int | None = None) -> Callable[..., Any]:
        """The function of a batch of slices; shared: position of an argument that is the same for all slices."""

        @wraps(function)
        def many(*args: Any) -> Any:
            each = tuple(arg for index, arg in enumerate(args) if index != shared)

            def of(*one: Any) -> Any:
                return function(*one) if shared is None else function(*one[:shared], args[shared], *one[shared:])

            if jax.tree.leaves(each)[0].shape[0] == 1:
                # Without a batch axis, a loop of unknown length need not select between old and new values.
                return jax.tree.map(lambda leaf: leaf[None], of(*jax.tree.map(lambda leaf: leaf[0], each)))
            if one_by_one:
                return jax.lax.map(lambda one: of(*one), each)
            return jax.vmap(of)(*each)

        if mesh is None:
            return jax.jit(many)
        # Slices are independent: each device computes its own, and sends nothing.
        slices = PartitionSpec(mesh.axis_names)
        positions = range(len(signature(function).parameters))
        specs = tuple(PartitionSpec() if index == shared else slices for index in positions)
        return jax.jit(jax.shard_map(many, mesh=mesh, in_specs=specs, out_specs=slices, check_vma=False))

    # Weights with a slices' axis would make each convolution a grouped one, which accelerators compute slowly too.
    weights = params if mesh is None else jax.device_put(params, NamedSharding(mesh, PartitionSpec()))
    shared = _START if surrogate is None else None
    return Functions(
        batched(stage),
        (lambda data, keys: weights) if surrogate is None else batched(begin),
        {name: batched(search_by(search), shared) for name, search in searches.items()},
        batched(many_of(evaluate, 2)),
    )


def _sum(losses: Callable[[Array], Array]) -> Loss:
    """The loss of the whole image from the losses of its rows."""
    return lambda delta: jnp.sum(losses(delta))


def _path(losses: Callable[[Array], Array]) -> Path:
    """A path of the losses by row, without memory."""

    def ascend(delta: Array, memory: Any) -> tuple[Array, Array, Any]:
        found, pull = jax.vjp(losses, delta)
        return found, jnp.conj(pull(jnp.ones_like(found))[0]), memory

    return Path((), ascend)


def _shape(data: SliceData) -> tuple[int, int]:
    """(ty, tx) of the target, to which images are cropped."""
    return data.target.shape[0], data.target.shape[1]


def control(scan: Scan, data: SliceData, epsilon: Array, key: Key) -> Array:
    """Draw the noise that stands beside an attack which uses up its epsilon.

    Args:
        scan: the threat.
        data: the slice.
        epsilon: size of the noise.
        key: the key of the search.

    Returns:
        A random perturbation of this size, shaped like those of the threat.
    """
    _, noise_key = jax.random.split(key)
    return scan.allowed(data, epsilon).random(noise_key)


def _found(
    scan: Scan,
    data: SliceData,
    epsilon: Array,
    found: AttackResult,
    key: Key,
    told: Callable[[Array], Array],
    curve: Array,
) -> Found:
    """Project and measure the result of an attack, which may have left the threat set."""
    allowed = scan.allowed(data, epsilon)
    delta = allowed.project(found.delta)
    share = allowed.share(delta)
    share = jnp.where(share > _WHOLE, 1.0, share)
    clean = scan.measure(data, scan.nothing(data)).kspace
    change = scan.measure(data, delta).kspace - clean
    return Found(
        delta=delta,
        noise=share * control(scan, data, epsilon, key),
        norm=scan.allowed(data, jnp.ones((), jnp.float32)).share(delta),
        norm_kspace=l2_norm(change) / l2_norm(clean),
        share=share,
        overshoot=allowed.share(found.delta),
        picture=image_crop(magnitude(forward_model(data.maps, data.mask).adjoint(change)), _shape(data)),
        perturbed=scan.perturbed(data, delta),
        gradient_norm=found.gradient_norm,
        loss=told(found.loss),
        trace=told(found.trace),
        restarts=told(jnp.atleast_1d(found.restarts)),
        curve=curve,
    )
