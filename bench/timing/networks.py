"""Steps on the networks: the gradient in the data of U-Net and VarNet, and steps of ConvDecoder's fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from bench.timing.programs.random_input import draw


class Case(NamedTuple):
    """method; variant: of the paper, or channels; shape: of the image or of the k-space."""

    method: str
    variant: str
    shape: tuple[int, int, int]


CASES = {
    "unet": Case("unet", "u1", (1, 320, 320)),
    "varnet-small": Case("varnet", "v5", (8, 256, 256)),
    "varnet-full": Case("varnet", "v1", (15, 640, 368)),
    "convdecoder-small": Case("convdecoder", "64", (8, 160, 160)),
    "convdecoder-paper": Case("convdecoder", "256", (15, 640, 368)),
}
# Steps of a fit that are timed together, in the loop in which they run.
FIT_STEPS = 4


def options(name: str) -> dict[str, Any]:
    """What either side needs to build the network of a case."""
    from jaxcs.nets.conv_decoder import size_schedule
    from jaxcs.recon import METHODS
    from jaxcs.recon.convdecoder import PRESETS

    method, variant, shape = CASES[name]
    if method == "convdecoder":
        paper = PRESETS["paper"]
        in_size = (paper.in_rows, paper.in_columns)
        sizes = size_schedule(in_size, (shape[1], shape[2]), paper.layers)
        found = {"channels": int(variant), "in_size": in_size, "sizes": sizes, "steps": FIT_STEPS}
    else:
        config = METHODS[method].presets[variant]
        names = ("channels", "pools") + (("cascades", "sens_channels", "sens_pools") if method == "varnet" else ())
        found = {name: getattr(config, name) for name in names}
    return {"case": name, "method": method, "shape": shape} | found


def attack(options: dict[str, Any]) -> Callable[[int], Any]:
    """Our gradient of sum |network|^2 in its input."""
    import jax
    import jax.numpy as jnp

    from jaxcs.nets.unet import unet
    from jaxcs.nets.varnet import varnet
    from jaxcs.recon import METHODS

    method, variant, shape = CASES[options["case"]]
    config = METHODS[method].presets[variant]
    x, mask = draw(shape)
    if method == "unet":
        net = unet(1, 1, config.channels, config.pools)
        image = jnp.asarray(x[0, ..., :1])
        gradient = jax.jit(jax.grad(lambda image, params: jnp.sum(net.apply(params, image) ** 2)))
        params = net.init(jax.random.key(0))
        return lambda _: jax.block_until_ready(gradient(image, params))
    net = varnet(config.cascades, config.channels, config.pools, config.sens_channels, config.sens_pools, 0)
    kspace = jnp.asarray(x[..., 0] + 1j * x[..., 1])
    step = jax.jit(jax.grad(lambda kspace, params: jnp.sum(net.apply(params, kspace, jnp.asarray(mask)) ** 2)))
    params = net.init(jax.random.key(0))
    return lambda _: jax.block_until_ready(step(kspace, params))


def fit(options: dict[str, Any]) -> Callable[[int], Any]:
    """Steps of Adam on mean |M F G(C, z) - y|^2, the published network but for its channels."""
    from dataclasses import replace

    import jax
    import jax.numpy as jnp
    import optax

    from jaxcs.complex import abs2
    from jaxcs.recon import convdecoder
    from jaxcs.solvers.fit import fit

    x, mask = draw(CASES[options["case"]].shape)
    config = replace(convdecoder.PRESETS["paper"], channels=options["channels"])
    net = convdecoder.network(config, (x.shape[1], x.shape[2]), 2 * len(x))
    z = net.draw_input(jax.random.key(0))

    def losses(kspace: Any, params: Any) -> Any:
        y = net.apply(params, z)
        drawn = jnp.fft.fft2(jnp.moveaxis(y[..., 0::2] + 1j * y[..., 1::2], -1, 0), norm="ortho")
        loss = jnp.mean(jnp.asarray(mask) * abs2(drawn - kspace))
        return loss, loss

    step = jax.jit(lambda kspace, params: fit(losses, kspace, params, optax.adam(0.008), FIT_STEPS).losses)
    kspace, params = jnp.asarray(x[..., 0] + 1j * x[..., 1]), net.init(jax.random.key(0))
    return lambda _: jax.block_until_ready(step(kspace, params))
