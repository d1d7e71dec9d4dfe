"""Reversible layers: channels are mixed, one half is changed by a function of the other, and they are mixed back.

With an orthogonal mixing matrix whose upper half of rows is L and whose lower half is R, mixing x, adding f(L x) to the
lower half and mixing back give

    y = x + R^T f(L x),

and L R^T = 0, so that L y = L x and x = y - R^T f(L y): the input follows from the output, whatever f is, and need not
be kept for the gradient (Dinh et al., arXiv:1410.8516; Gomez et al., arXiv:1707.04585; Putzky & Welling, NeurIPS 2019).

Latent images are (ny, nx, width), float32.  A layer is a dict:

    reflections (3, width): of the mixing matrix
    down (stride, stride, width // 2, hidden), middle (3, 3, hidden, hidden), up (stride, stride, hidden,
        2 (width - width // 2)): the directions of the kernels of f, whose lengths are *_length (hidden,)
    down_bias, middle_bias (hidden,)
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxcs.nets.convolution import convolve
from jaxcs.nets.layers import torch_uniform
from jaxcs.types import Key, Params

_REFLECTIONS = 3

Latent = Float[Array, "ny nx width"]


def init(key: Key, width: int, hidden: int, stride: int) -> Params:
    """A layer that changes nothing yet: kernels and biases are PyTorch's, but the last kernel's length is 0.

    So training begins at the zero-filled image, and not at what random layers make of it.
    """
    keys = iter(jax.random.split(key, 6))
    left, right = width // 2, width - width // 2
    fan_down, fan_middle, fan_up = stride**2 * left, 9 * hidden, stride**2 * 2 * right
    down = torch_uniform(fan_down)(next(keys), (stride, stride, left, hidden))
    middle = torch_uniform(fan_middle)(next(keys), (3, 3, hidden, hidden))
    return {
        "reflections": jax.random.normal(next(keys), (min(_REFLECTIONS, width), width), jnp.float32),
        "down": down,
        "down_length": _length(down, (0, 1, 2)),
        "down_bias": torch_uniform(fan_down)(next(keys), (hidden,)),
        "middle": middle,
        "middle_length": _length(middle, (0, 1, 2)),
        "middle_bias": torch_uniform(fan_middle)(next(keys), (hidden,)),
        "up": torch_uniform(fan_up)(next(keys), (stride, stride, hidden, 2 * right)),
        "up_length": jnp.zeros(hidden, jnp.float32),
    }


def forward(layer: Params, x: Latent) -> Latent:
    """The layer's output."""
    left, right = _halves(mixing(layer["reflections"]))
    return x + branch(layer, x @ left.T) @ right


def inverse(layer: Params, y: Latent) -> Latent:
    """The input whose `forward` is y."""
    left, right = _halves(mixing(layer["reflections"]))
    return y - branch(layer, y @ left.T) @ right


def backward(layer: Params, y: Latent, gradient: Latent) -> tuple[Latent, Params, Latent]:
    """From a layer's output and a loss's gradient there: the input, and the gradients at the layer and at the input.

    The branch is computed once for all three.
    """
    matrix, to_reflections = jax.vjp(mixing, layer["reflections"])
    left, right = _halves(matrix)
    change, to_branch = jax.vjp(branch, layer, y @ left.T)
    x = y - change @ right
    to_layer, to_half = to_branch(gradient @ right.T)
    of_left = jnp.einsum("yxl,yxc->lc", to_half, x)
    of_right = jnp.einsum("yxr,yxc->rc", change, gradient)
    (to_layer["reflections"],) = to_reflections(jnp.concatenate([of_left, of_right]))
    return x, to_layer, gradient + to_half @ left


def mixing(reflections: Float[Array, "count width"]) -> Float[Array, "width width"]:
    """The orthogonal matrix that is the product of the Householder reflections I - 2 v v^T / |v|^2, always float32."""
    matrix = jnp.eye(reflections.shape[1], dtype=jnp.float32)
    for v in reflections.astype(jnp.float32):
        matrix = matrix - jnp.outer(matrix @ v, 2 * v / jnp.sum(v**2))
    return matrix


def branch(layer: Params, x: Float[Array, "ny nx left"]) -> Float[Array, "ny nx right"]:
    """f: convolution of stride s, ReLU, 3 x 3 convolution, ReLU, transposed convolution of stride s, gated linear unit.

    Kernels of strided convolutions are s x s, so that each is a matrix product of blocks of pixels.  An image that the
    blocks do not divide is padded with zeros, and what comes out is cropped.  Computes in the type of the parameters.
    """
    ny, nx = x.shape[:2]
    down, middle = (_normed(layer, name, (0, 1, 2)) for name in ("down", "middle"))
    # As in PyTorch's weight normalisation a transposed kernel has a length for each input.
    up = _normed(layer, "up", (0, 1, 3))
    stride = len(down)
    x = jnp.pad(x.astype(down.dtype), ((0, -ny % stride), (0, -nx % stride), (0, 0)))
    rows, columns = x.shape[0] // stride, x.shape[1] // stride
    x = x.reshape(rows, stride, columns, stride, -1).swapaxes(1, 2).reshape(rows, columns, -1)
    x = jax.nn.relu(x @ down.reshape(x.shape[-1], -1) + layer["down_bias"])
    x = jax.nn.relu(convolve(x, middle) + layer["middle_bias"])
    x = x @ up.swapaxes(1, 2).swapaxes(0, 1).reshape(x.shape[-1], -1)
    x = x.reshape(rows, columns, stride, stride, -1).swapaxes(1, 2).reshape(rows * stride, columns * stride, -1)
    value, gate = jnp.split(x[:ny, :nx].astype(jnp.float32), 2, axis=-1)
    return value * jax.nn.sigmoid(gate)


def _halves(matrix: Array) -> tuple[Array, Array]:
    """Rows that give the half that is read, and rows that give the half that is changed."""
    half = len(matrix) // 2
    return matrix[:half], matrix[half:]


def _length(kernel: Array, axes: tuple[int, ...]) -> Array:
    return jnp.sqrt(jnp.sum(kernel**2, axes))


def _normed(layer: Params, name: str, axes: tuple[int, ...]) -> Array:
    """Weight normalisation (Salimans & Kingma, NeurIPS 2016): a kernel of given lengths, statistics in float32."""
    kernel = layer[name].astype(jnp.float32)
    length = jnp.expand_dims(layer[f"{name}_length"].astype(jnp.float32), axes)
    return (length * kernel / jnp.expand_dims(_length(kernel, axes), axes)).astype(layer[name].dtype)
