"""DAGAN (Yang et al., IEEE TMI 37:1310, 2018): a U-Net for real images in [-1, 1], and the network that judges it.

The generator has running statistics.  They are leaves `mean` and `variance` among its parameters.  `Generator.train`
returns their next values, and a gradient in them is 0.  The judging network takes the statistics of each batch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxcs.nets.by_two import double, halve
from jaxcs.nets.convolution import convolve
from jaxcs.nets.net import Net
from jaxcs.types import Key, Params

_EPSILON, _DECAY, _SLOPE = 1e-5, 0.9, 0.2
Pictures = Float[Array, "batch ny nx 1"]
# Name of a layer, its convolution's output, its parameters -> the normalised output.
_Normalise = Callable[[str, Array, Params], Array]


class Generator(NamedTuple):
    """The U-Net.

    Attributes:
        init: key -> parameters.
        apply: (parameters, images (..., ny, nx, 1)) -> images, by the running statistics.
        unclipped: the same before the values are clipped to [-1, 1].
        train: (parameters, images (batch, ny, nx, 1)) -> (images, parameters with new running statistics), by the
            statistics of the batch.
    """

    init: Callable[[Key], Params]
    apply: Callable[[Params, Array], Array]
    unclipped: Callable[[Params, Array], Array]
    train: Callable[[Params, Pictures], tuple[Pictures, Params]]


def generator(levels: int = 8, channels: int = 64) -> Generator:
    """Build the generator, whose output is added to its input ("refinement").

    Args:
        levels: number of halvings.  Sides must be multiples of 2^levels.
        channels: channels of the first level.  They double at each level, to at most eight times as many.
    """
    down = [min(2**i, 8) * channels for i in range(levels)]
    # The published widths: twice those of the level at the deep levels but the deepest.
    up = [channels, *(2 * n if n == 8 * channels and i < levels - 2 else n for i, n in enumerate(down[:-1]))]
    up_inputs = [up[i + 1] + down[i] for i in range(levels - 1)] + [down[-1]]

    def init(key: Key) -> Params:
        keys = iter(jax.random.split(key, 4 * levels))
        normalised = [0 < i < levels - 1 for i in range(levels)]
        params: dict[str, Params] = {}
        for i, (inputs, outputs) in enumerate(zip([1, *down], down, strict=False)):
            params[f"down{i}"] = _layer(keys, (4, 4, inputs, outputs), _truncated(0.01))
            if normalised[i]:
                params[f"down{i}"] |= _normalisation(next(keys), outputs, running=True)
        for i, (inputs, outputs) in enumerate(zip(up_inputs, up, strict=True)):
            params[f"up{i}"] = _layer(keys, (4, 4, inputs, outputs), _truncated(0.01))
            params[f"up{i}"] |= _normalisation(next(keys), outputs, running=True)
        params["last"] = _layer(keys, (1, 1, channels, 1), _truncated(0.02))
        return params

    def run(params: Params, images: Array, normalise: _Normalise) -> Array:
        def layer(name: str, x: Array, resized: Callable[[Array, Array], Array]) -> Array:
            weights = params[name]
            y = resized(x.astype(weights["kernel"].dtype), weights["kernel"]) + weights["bias"]
            return normalise(name, y, weights) if "scale" in weights else y

        x, skipped = images, []
        for i in range(levels):
            x = _leaky(layer(f"down{i}", x, halve))
            skipped.append(x)
        for i in reversed(range(levels)):
            x = x if i == levels - 1 else jnp.concatenate([x, skipped[i]], axis=-1)
            x = jax.nn.relu(layer(f"up{i}", x, double))
        return images + jnp.tanh(layer("last", x, convolve)).astype(images.dtype)

    def unclipped(params: Params, images: Array) -> Array:
        return run(params, images, lambda _, x, layer: _normalised(x, layer, layer["mean"], layer["variance"]))

    def train(params: Params, images: Pictures) -> tuple[Pictures, Params]:
        new = dict(params)

        def by_batch(name: str, x: Array, weights: Params) -> Array:
            mean, variance = _moments(x)
            for key, value in (("mean", mean), ("variance", variance)):
                running = _DECAY * weights[key] + (1 - _DECAY) * lax.stop_gradient(value)
                new[name] = new[name] | {key: running.astype(weights[key].dtype)}
            return _normalised(x, weights, mean, variance)

        return jnp.clip(run(params, images, by_batch), -1, 1), new

    return Generator(init, lambda params, images: jnp.clip(unclipped(params, images), -1, 1), unclipped, train)


def discriminator(shape: tuple[int, int], levels: int = 6, channels: int = 64) -> Net:
    """Build the network (images (batch, ny, nx, 1)) -> logits (batch,): above 0 means that an image seems real.

    Args:
        shape: (ny, nx) of the images, multiples of 2^levels.
        levels: number of halvings.
        channels: channels of the first level.  They double at each level, and the last must be at least 16.
    """
    widths = [2**i * channels for i in range(levels)]
    last = widths[-1]
    pixelwise = {"flat1": (1, last, last // 2), "flat2": (1, last // 2, last // 4)}
    residual = {
        "residual1": (1, last // 4, last // 16),
        "residual2": (3, last // 16, last // 16),
        "residual3": (3, last // 16, last // 4),
    }
    features = (shape[0] >> levels) * (shape[1] >> levels) * (last // 4)

    def init(key: Key) -> Params:
        keys, draw = iter(jax.random.split(key, 4 * levels + 16)), _normal(0.02)
        params: dict[str, Params] = {"down0": _layer(keys, (4, 4, 1, channels), draw)}
        sizes = {f"down{i}": (4, widths[i - 1], widths[i]) for i in range(1, levels)} | pixelwise | residual
        for name, (size, inputs, outputs) in sizes.items():
            kernel = {"kernel": draw(next(keys), (size, size, inputs, outputs))}
            params[name] = kernel | _normalisation(next(keys), outputs, running=False)
        params["dense"] = _layer(keys, (features, 1), draw)
        return params

    def apply(params: Params, images: Pictures) -> Float[Array, "batch"]:
        def layer(name: str, x: Array, resized: Callable[[Array, Array], Array] = convolve) -> Array:
            y = resized(x, params[name]["kernel"])
            return _normalised(y, params[name], *_moments(y))

        x = _leaky(halve(images, params["down0"]["kernel"]) + params["down0"]["bias"])
        for i in range(1, levels):
            x = _leaky(layer(f"down{i}", x, halve))
        x = layer("flat2", _leaky(layer("flat1", x)))
        change = layer("residual3", _leaky(layer("residual2", _leaky(layer("residual1", x)))))
        flat = _leaky(x + change).reshape(len(images), -1)
        return (flat @ params["dense"]["kernel"] + params["dense"]["bias"])[:, 0]

    return Net(init, apply)


def _leaky(x: Array) -> Array:
    return jax.nn.leaky_relu(x, _SLOPE)


def _moments(x: Array) -> tuple[Array, Array]:
    """Mean and biased variance of each channel over images and pixels, float32."""
    x, axes = x.astype(jnp.float32), tuple(range(x.ndim - 1))
    mean = jnp.mean(x, axes)
    return mean, jnp.mean((x - mean) ** 2, axes)


def _normalised(x: Array, weights: Params, mean: Array, variance: Array) -> Array:
    z = (x.astype(jnp.float32) - mean) * (lax.rsqrt(variance + _EPSILON) * weights["scale"]) + weights["shift"]
    return z.astype(x.dtype)


def _layer(keys: Any, shape: tuple[int, ...], draw: Callable[[Key, tuple[int, ...]], Array]) -> Params:
    return {"kernel": draw(next(keys), shape), "bias": jnp.zeros(shape[-1], jnp.float32)}


def _normalisation(key: Key, channels: int, running: bool) -> Params:
    zero, one = jnp.zeros(channels, jnp.float32), jnp.ones(channels, jnp.float32)
    params = {"scale": one + 0.02 * jax.random.normal(key, (channels,), jnp.float32), "shift": zero}
    return params | ({"mean": zero, "variance": one} if running else {})


def _truncated(deviation: float) -> Callable[[Key, tuple[int, ...]], Array]:
    return lambda key, shape: deviation * jax.random.truncated_normal(key, -2, 2, shape, jnp.float32)


def _normal(deviation: float) -> Callable[[Key, tuple[int, ...]], Array]:
    return lambda key, shape: deviation * jax.random.normal(key, shape, jnp.float32)
