"""One optimiser step: loss, gradient and update as a pure function of the state and a batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jax.flatten_util import ravel_pytree
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array

from bench.training.config import TrainConfig
from bench.training.examples import Batch
from jaxcs.attacks import pgd
from jaxcs.fourier import image_crop
from jaxcs.keys import new_key
from jaxcs.metrics import METRICS, ssim
from jaxcs.recon.method import TrainBatch, TrainLoss
from jaxcs.recon.self_supervision import misfit
from jaxcs.threats import balls
from jaxcs.types import Key, Measurement, Params, Predict, Reconstructor

# Share of the steps in which the learning rate rises [-], and the norm to which gradients are clipped.
_WARM_UP, _LARGEST_GRADIENT = 0.02, 1.0

# Functions of (image, target), both in units of the volume's maximum.
LOSSES: dict[str, Callable[[Array, Array], Array]] = {
    "l1": lambda image, target: jnp.mean(jnp.abs(image - target)),
    "l2": lambda image, target: jnp.mean((image - target) ** 2),
    "ssim": lambda image, target: 1 - ssim(image, target, 1.0),
}


class State(NamedTuple):
    """The values that a step changes.

    Attributes:
        params: parameters of the network.
        optimiser: state of the optimiser.
    """

    params: Params
    optimiser: Any


class Functions(NamedTuple):
    """The compiled functions of a training.

    Attributes:
        init: first parameters -> state.
        step: state, batch, key -> state, loss.  The old state is given up, so that only one is in memory.
        evaluate: parameters, batch -> metrics of each example by name.
    """

    init: Callable[[Params], State]
    step: Callable[[State, Batch, Key], tuple[State, Array]]
    evaluate: Callable[[Params, Batch], dict[str, Array]]


def learning_rate(config: TrainConfig) -> optax.Schedule:
    """Return the learning rate, a function of the number of finished steps: it rises linearly and then falls to 0
    along a cosine.
    """
    warm_up = max(1, round(_WARM_UP * config.steps))
    return optax.warmup_cosine_decay_schedule(0.0, config.learning_rate, warm_up, max(config.steps, warm_up + 1))


def optimiser(config: TrainConfig) -> optax.GradientTransformation:
    """Return Adam."""
    return optax.chain(optax.clip_by_global_norm(_LARGEST_GRADIENT), optax.adam(learning_rate(config)))


def build(
    config: TrainConfig,
    method: Reconstructor,
    predict: Predict | None = None,
    by_batch: TrainBatch | None = None,
    mesh: Mesh | None = None,
    train_loss: TrainLoss | None = None,
) -> Functions:
    """Build the functions of a training.

    Args:
        config: settings of the training, which are static.
        method: the network as a reconstruction.
        predict: the network as image and coil images, needed only for the self-supervised loss.
        by_batch: the network by the statistics of a batch, if it is trained so.
        mesh: devices over which the examples of a batch are spread, or None for one device.
        train_loss: the loss of one example, if the network is not trained to reconstruct.
    """
    transform = optimiser(config)
    dtype = jnp.dtype(config.precision)

    def measurement_of(one: Batch) -> Measurement:
        return Measurement(jnp.where(one.mask, one.kspace, 0), one.mask, one.maps)

    def reconstruct(params: Params, one: Batch, key: Key) -> Array:
        """The image; the key is for networks that draw noise inside."""
        params = jax.tree.map(lambda leaf: leaf.astype(dtype), params)
        image = method.apply(params, measurement_of(one), key)
        return image_crop(image, (one.target.shape[0], one.target.shape[1]))

    def worst(params: Params, one: Batch, key: Key) -> Array:
        def distance(delta: Array) -> Array:
            return jnp.sum((reconstruct(params, one._replace(kspace=one.kspace + delta), key) - one.target) ** 2)

        allowed = balls.measured(jnp.float32(config.adversarial_eps), one.kspace, one.mask)
        found = pgd.build(pgd.Config(n_steps=config.adversarial_steps))(key, distance, allowed)
        # The attack keeps its best evaluated point; the training loss needs no gradient through the search.
        return jax.lax.stop_gradient(found.delta)

    def disturbed(params: Params, one: Batch, key: Key) -> Batch:
        jitter_key, size_key, attack_key = jax.random.split(key, 3)
        if config.jitter > 0:
            size = config.jitter * jax.random.uniform(size_key, dtype=jnp.float32)
            noise = balls.measured(size, one.kspace, one.mask).random(jitter_key)
            one = one._replace(kspace=one.kspace + noise)
        if config.adversarial_eps > 0:
            one = one._replace(kspace=one.kspace + worst(params, one, attack_key))
        return one

    def loss_of_one(params: Params, one: Batch, key: Key) -> Array:
        if train_loss is not None:
            whole = Measurement(one.kspace, jnp.ones_like(one.mask), one.maps)
            return train_loss(jax.tree.map(lambda leaf: leaf.astype(dtype), params), whole, key)
        one = disturbed(params, one, key)
        if config.self_supervised == 0:
            return LOSSES[config.loss](reconstruct(params, one, key), one.target)
        return joint_loss(params, one)

    def joint_loss(params: Params, one: Batch) -> Array:
        assert predict is not None
        measured = measurement_of(one)
        image, coils = predict(jax.tree.map(lambda leaf: leaf.astype(dtype), params), measured)
        supervised = LOSSES[config.loss](image_crop(image, (one.target.shape[0], one.target.shape[1])), one.target)
        return supervised + config.self_supervised * misfit(coils, measured.kspace, measured.mask)

    def loss(params: Params, batch: Batch, key: Key) -> Array:
        here = len(batch.kspace)
        first = lax.axis_index("example") * here if here < config.batch else 0
        # The draws of an example depend on its place in the whole batch, not on its device.
        keys = lax.dynamic_slice_in_dim(jax.random.split(key, config.batch), first, here)
        return jnp.mean(jax.vmap(loss_of_one, in_axes=(None, 0, 0))(params, batch, keys))

    def loss_by_batch(params: Params, batch: Batch, key: Key) -> tuple[Array, Params]:
        """The loss, and the change of the running statistics."""
        assert by_batch is not None
        keys = jax.random.split(key, len(batch.kspace))
        changed = jax.vmap(disturbed, in_axes=(None, 0, 0))(params, batch, keys)
        cast = jax.tree.map(lambda leaf: leaf.astype(dtype), params)
        images, after = by_batch(cast, jax.vmap(measurement_of)(changed))
        images = image_crop(images, (batch.target.shape[-2], batch.target.shape[-1]))
        value = jnp.mean(jax.vmap(LOSSES[config.loss])(images, batch.target))
        return value, jax.tree.map(lambda new, old: (new - old).astype(jnp.float32), after, cast)

    def step_by_batch(state: State, batch: Batch, key: Key) -> tuple[State, Array]:
        def accumulate(total: Any, part_and_key: tuple[Batch, Key]) -> tuple[Any, None]:
            found = jax.value_and_grad(loss_by_batch, has_aux=True)(state.params, *part_and_key)
            return jax.tree.map(jnp.add, total, found), None

        zeros = jax.tree.map(jnp.zeros_like, state.params)
        nothing = ((jnp.zeros((), jnp.float32), zeros), zeros)
        total, _ = jax.lax.scan(accumulate, nothing, (batch, jax.random.split(key, config.accumulate)))
        (value, moved), gradient = jax.tree.map(lambda leaf: leaf / config.accumulate, total)
        updates, optimiser_state = transform.update(gradient, state.optimiser, state.params)
        # The statistics have no gradient, so the optimiser leaves them where they are.
        params = jax.tree.map(jnp.add, optax.apply_updates(state.params, updates), moved)
        return State(params, optimiser_state), value

    def slope(params: Params, batch: Batch, keys: Key) -> tuple[Array, Params]:
        """The loss and its gradient, as the mean over the batches of a step."""

        def accumulate(total: Any, part_and_key: tuple[Batch, Key]) -> tuple[Any, None]:
            return jax.tree.map(jnp.add, total, jax.value_and_grad(loss)(params, *part_and_key)), None

        if config.accumulate == 1:
            total = jax.value_and_grad(loss)(params, jax.tree.map(lambda leaf: leaf[0], batch), keys[0])
        else:
            nothing = (jnp.zeros((), jnp.float32), jax.tree.map(jnp.zeros_like, params))
            total, _ = lax.scan(accumulate, nothing, (batch, keys))
        found: tuple[Array, Params] = jax.tree.map(lambda leaf: leaf / config.accumulate, total)
        return found

    def slope_of_all(params: Params, batch: Batch, keys: Key) -> tuple[Array, Params]:
        """The mean over the devices, as one vector, so that they exchange one message a step."""
        vector, back = ravel_pytree(slope(params, batch, keys))
        found: tuple[Array, Params] = back(lax.pmean(vector, "example"))
        return found

    if mesh is not None and mesh.size > 1:
        # Left to itself, XLA gathers the whole batch on each device before each Fourier transform.
        everywhere, spread = PartitionSpec(), PartitionSpec(None, "example")
        slope_on_devices = jax.shard_map(
            slope_of_all, mesh=mesh, in_specs=(everywhere, spread, everywhere), out_specs=everywhere, check_vma=False
        )
    else:
        slope_on_devices = slope

    def step(state: State, batch: Batch, key: Key) -> tuple[State, Array]:
        value, gradient = slope_on_devices(state.params, batch, jax.random.split(key, config.accumulate))
        updates, optimiser_state = transform.update(gradient, state.optimiser, state.params)
        return State(optax.apply_updates(state.params, updates), optimiser_state), value

    def evaluate(params: Params, batch: Batch) -> dict[str, Array]:
        def scores(one: Batch) -> dict[str, Array]:
            image = reconstruct(params, one, new_key(0))
            return {name: metric(image, one.target, 1.0) for name, metric in METRICS.items()}

        return jax.vmap(scores)(batch)

    def init(params: Params) -> State:
        params = jax.tree.map(jnp.array, params)  # a copy, because a step gives its state up
        return State(params, transform.init(params))

    return Functions(init, jax.jit(step if by_batch is None else step_by_batch, donate_argnums=0), jax.jit(evaluate))
