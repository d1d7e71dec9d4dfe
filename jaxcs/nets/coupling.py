"""Reversible layers: mix the channels, change one half by a function of the other half, and mix them back.

The mixing matrix is orthogonal; L is the upper half of its rows and R the lower half.  A layer mixes x, adds f(L x) to
the lower half and mixes back:

    y = x + R^T f(L x).

Because L R^T = 0, L y = L x and x = y - R^T f(L y).  The input follows from the output for any f, and need not be kept
for the gradient (Dinh et al., arXiv:1410.8516; Gomez et al., arXiv:1707.04585; Putzky & Welling, NeurIPS 2019).

Latent images are (ny, nx, width), float32.  A layer is a dict:

    reflections (3, width): vectors of the mixing matrix
    down (stride, stride, width // 2, hidden), middle (3, 3, hidden, hidden), up (stride, stride, hidden,
        2 (width - width // 2)): directions of the kernels of f; their lengths are *_length (hidden,)
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
# L R^T = 0 holds only to the precision of the products.  Through the shipped network the input comes back to 5e-6 with
# float32, to 9e-3 with TF32's 10 bits and to 0.14 with bfloat16's 7 bits.
_HIGHEST = jax.lax.Precision.HIGHEST

Latent = Float[Array, "ny nx width"]


def init(key: Key, width: int, hidden: int, stride: int) -> Params:
    """Draw a layer with PyTorch's kernels and biases that does not yet change its input: the last kernel's length is 0.

    Training therefore begins at the zero-filled image, and not at the output of random layers.

    Args:
        key: random key.
        width: channels of the latent image.
        hidden: channels inside f.
        stride: stride of the first and the last convolution of f.
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
    """Compute the layer's output, (ny, nx, width)."""
    left, right = _halves(mixing(layer["reflections"]))
    return x + _product(branch(layer, _product(x, left.T)), right)


def inverse(layer: Params, y: Latent) -> Latent:
    """Compute the input whose `forward` is y, (ny, nx, width)."""
    left, right = _halves(mixing(layer["reflections"]))
    return y - _product(branch(layer, _product(y, left.T)), right)


def backward(layer: Params, y: Latent, gradient: Latent) -> tuple[Latent, Params, Latent]:
    """Compute the layer's input, and the gradients at the layer and at the input, with a single pass of the branch.

    Args:
        layer: the layer.
        y: (ny, nx, width) output of the layer.
        gradient: (ny, nx, width) gradient of a loss at the output.

    Returns:
        (input, gradient at the layer, gradient at the input).
    """
    matrix, to_reflections = jax.vjp(mixing, layer["reflections"])
    left, right = _halves(matrix)
    change, to_branch = jax.vjp(branch, layer, _product(y, left.T))
    x = y - _product(change, right)
    to_layer, to_half = to_branch(_product(gradient, right.T))
    of_left = jnp.einsum("yxl,yxc->lc", to_half, x, precision=_HIGHEST)
    of_right = jnp.einsum("yxr,yxc->rc", change, gradient, precision=_HIGHEST)
    (to_layer["reflections"],) = to_reflections(jnp.concatenate([of_left, of_right]))
    return x, to_layer, gradient + _product(to_half, left)


def mixing(reflections: Float[Array, "count width"]) -> Float[Array, "width width"]:
    """Compute the product of the Householder reflections I - 2 v v^T / |v|^2, an orthogonal matrix, always float32."""
    matrix = jnp.eye(reflections.shape[1], dtype=jnp.float32)
    for v in reflections.astype(jnp.float32):
        matrix = matrix - jnp.outer(_product(matrix, v), 2 * v / jnp.sum(v**2))
    return matrix


def branch(layer: Params, x: Float[Array, "ny nx left"]) -> Float[Array, "ny nx right"]:
    """Compute f: strided convolution, ReLU, 3 x 3 convolution, ReLU, strided transposed convolution, gated linear unit.

    The kernels of the strided convolutions are stride x stride, so each is a matrix product of blocks of pixels.  An
    image that the blocks do not divide is padded with zeros, and the result is cropped.  The computation is in the type
    of the parameters.

    Args:
        layer: parameters of the layer, which give the stride.
        x: (ny, nx, left) half of the channels.

    Returns:
        (ny, nx, right) change of the other half, float32.
    """
    ny, nx = x.shape[:2]
    down, middle = (_normed(layer, name, (0, 1, 2)) for name in ("down", "middle"))
    # A transposed kernel has one length for each input, as in PyTorch's weight normalisation.
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
    """The rows for the half that f reads, and the rows for the half that is changed."""
    half = len(matrix) // 2
    return matrix[:half], matrix[half:]


def _product(left: Array, right: Array) -> Array:
    return jnp.matmul(left, right, precision=_HIGHEST)


def _length(kernel: Array, axes: tuple[int, ...]) -> Array:
    return jnp.sqrt(jnp.sum(kernel**2, axes))


def _normed(layer: Params, name: str, axes: tuple[int, ...]) -> Array:
    """Weight normalisation (Salimans & Kingma, NeurIPS 2016): a kernel of given lengths, with statistics in float32."""
    kernel = layer[name].astype(jnp.float32)
    length = jnp.expand_dims(layer[f"{name}_length"].astype(jnp.float32), axes)
    return (length * kernel / jnp.expand_dims(_length(kernel, axes), axes)).astype(layer[name].dtype)
