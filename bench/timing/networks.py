"""Steps on the networks: gradients of U-Net and VarNet in the data, their training, and ConvDecoder's fit."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from bench.timing.programs.random_input import draw


class TimedStep(NamedTuple):
    """One timed step.

    Attributes:
        step: the program: "attack", "training" or "fit".
        method: the network.
        preset: the paper's configuration, or the number of channels of ConvDecoder.
        shape: (coils, rows, columns) of the image or of the k-space.
    """

    step: str
    method: str
    preset: str
    shape: tuple[int, int, int]


STEPS = {
    "unet": TimedStep("attack", "unet", "u1", (1, 320, 320)),
    "varnet-small": TimedStep("attack", "varnet", "v5", (8, 256, 256)),
    "varnet-full": TimedStep("attack", "varnet", "v1", (15, 640, 368)),
    "unet-training": TimedStep("training", "unet", "u1", (1, 320, 320)),
    "varnet-training": TimedStep("training", "varnet", "v5", (8, 256, 256)),
    "convdecoder-small": TimedStep("fit", "convdecoder", "64", (8, 160, 160)),
    "convdecoder-paper": TimedStep("fit", "convdecoder", "256", (15, 640, 368)),
}
LEARNING_RATE = 1e-3
# Number of steps of a fit that are timed together, in the loop in which they run.
FIT_STEPS = 4


def options(name: str, at_once: int) -> dict[str, Any]:
    """Return what both sides need to build the network of a step.

    Args:
        name: name of the step.
        at_once: number of examples that are computed together; of fits, each of a network of its own.
    """
    from jaxcs.nets.conv_decoder import size_schedule
    from jaxcs.recon import METHODS
    from jaxcs.recon.convdecoder import PRESETS

    step, method, preset, shape = STEPS[name]
    if method == "convdecoder":
        paper = PRESETS["paper"]
        in_size = (paper.in_rows, paper.in_columns)
        sizes = size_schedule(in_size, (shape[1], shape[2]), paper.layers)
        found = {"channels": int(preset), "in_size": in_size, "sizes": sizes, "steps": FIT_STEPS}
    else:
        config = METHODS[method].presets[preset]
        names = ("channels", "pools") + (("cascades", "sens_channels", "sens_pools") if method == "varnet" else ())
        found = {name: getattr(config, name) for name in names}
    found |= {"case": name, "step": step, "method": method, "shape": shape}
    return found | {"rate": LEARNING_RATE, "at_once": at_once}


def attack(options: dict[str, Any]) -> Callable[[int], Any]:
    """Build our gradient of mean |network|^2 in its input."""
    import jax

    loss, params, data = _network(options)
    gradient = jax.jit(jax.grad(loss, argnums=1))
    return lambda _: jax.block_until_ready(gradient(params, data))


def training(options: dict[str, Any]) -> Callable[[int], Any]:
    """Build one step of Adam on the weights, on the examples together, for the loss mean |network|^2."""
    import jax
    import optax

    loss, params, data = _network(options)
    adam = optax.adam(options["rate"])

    @partial(jax.jit, donate_argnums=0)
    def step(state: Any, data: Any) -> Any:
        params, moments = state
        updates, moments = adam.update(jax.grad(loss)(params, data), moments, params)
        return optax.apply_updates(params, updates), moments

    state = [(params, adam.init(params))]

    def run(_: int) -> None:
        state[0] = jax.block_until_ready(step(state[0], data))

    return run


def _network(options: dict[str, Any]) -> tuple[Callable[[Any, Any], Any], Any, Any]:
    """The function (weights, input) -> mean |network|^2, fresh weights, and the input."""
    import jax
    import jax.numpy as jnp

    from jaxcs.nets.unet import unet
    from jaxcs.nets.varnet import varnet
    from jaxcs.recon import METHODS

    _, method, preset, shape = STEPS[options["case"]]
    config = METHODS[method].presets[preset]
    x, columns = draw(shape)
    if method == "unet":
        net: Any = unet(1, 1, config.channels, config.pools)
        data, further = jnp.asarray(x[0, ..., :1]), tuple[Any, ...]()
    else:
        net = varnet(config.cascades, config.channels, config.pools, config.sens_channels, config.sens_pools, 0)
        data, further = jnp.asarray(x[..., 0] + 1j * x[..., 1]), (jnp.asarray(columns),)
    params, copies = net.init(jax.random.key(0)), options["at_once"]
    if copies == 1:
        return lambda params, data: jnp.mean(net.apply(params, data, *further) ** 2), params, data
    images = jax.vmap(lambda params, data: net.apply(params, data, *further), (None, 0))
    return lambda params, data: jnp.mean(images(params, data) ** 2), params, jnp.stack([data] * copies)


def fit(options: dict[str, Any]) -> Callable[[int], Any]:
    """Build steps of Adam on mean |M F G(C, z) - y|^2, with the published network except for the number of channels."""
    from dataclasses import replace

    import jax
    import jax.numpy as jnp
    import optax

    from jaxcs.complex import abs2
    from jaxcs.recon import convdecoder
    from jaxcs.solvers.fit import fit

    x, mask = draw(STEPS[options["case"]].shape)
    config = replace(convdecoder.PRESETS["paper"], channels=options["channels"])
    net = convdecoder.network(config, (x.shape[1], x.shape[2]), 2 * len(x))
    z = net.draw_input(jax.random.key(0))

    def losses(kspace: Any, params: Any) -> Any:
        y = net.apply(params, z)
        drawn = jnp.fft.fft2(jnp.moveaxis(y[..., 0::2] + 1j * y[..., 1::2], -1, 0), norm="ortho")
        loss = jnp.mean(jnp.asarray(mask) * abs2(drawn - kspace))
        return loss, loss

    def steps(kspace: Any, params: Any) -> Any:
        return fit(losses, kspace, params, optax.adam(options["rate"]), FIT_STEPS).losses

    kspace, params, copies = jnp.asarray(x[..., 0] + 1j * x[..., 1]), net.init(jax.random.key(0)), options["at_once"]
    if copies > 1:  # each fits a network of its own
        kspace, params = jax.tree.map(lambda leaf: jnp.stack([leaf] * copies), (kspace, params))
    step = jax.jit(steps if copies == 1 else jax.vmap(steps))
    return lambda _: jax.block_until_ready(step(kspace, params))
