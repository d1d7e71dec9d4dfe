"""PyTorch reconstructions as JAX functions that have gradients.

PyTorch is not a dependency.  It is imported only when `from_torch` is called.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxcs.interop.signature import takes_maps
from jaxcs.types import Kspace, Magnitude, Maps, Mask

if TYPE_CHECKING:
    import torch

# Forward passes that wait for their backward pass: each holds the memory of a gradient.
_MOST_WAITING = 4


class Bridged:
    """A PyTorch reconstruction as a JAX function of (k-space, mask), or of (k-space, mask, maps).

    Attributes:
        takes_maps: whether the reconstruction takes coil maps.
    """

    def __init__(self, function: Callable[..., torch.Tensor], output_shape: tuple[int, int] | None) -> None:
        self.takes_maps = takes_maps(function)
        self.__name__ = getattr(function, "__name__", type(function).__name__)
        self._side = _TorchSide(function)
        self._shape = (lambda *_: output_shape) if output_shape is not None else lru_cache(8)(self._side.shape)
        self._apply = jax.custom_vjp(self._value)
        self._apply.defvjp(self._keep, self._pull_back)

    def __call__(self, kspace: Kspace, mask: Mask, maps: Maps | None = None) -> Magnitude:
        """Reconstruct."""
        return self._apply(*self._arguments(kspace, mask, maps))

    def try_gradient(self, kspace: Kspace, mask: Mask, maps: Maps | None = None) -> None:
        """Run both passes once, outside of JAX, so that an error is the error of the reconstruction itself."""
        arguments = self._arguments(kspace, mask, maps)
        image, number = self._side.forward_that_waits(*arguments)
        self._side.backward(number, np.ones_like(image), *arguments)

    def _arguments(self, kspace: Kspace, mask: Mask, maps: Maps | None) -> tuple[Array, ...]:
        given = jnp.asarray(kspace, jnp.complex64), jnp.asarray(mask, bool)
        return (*given, jnp.asarray(maps, jnp.complex64)) if self.takes_maps else given

    def _image(self, arguments: tuple[Array, ...]) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(self._shape(*(one.shape for one in arguments)), jnp.float32)

    def _value(self, *arguments: Array) -> Float[Array, "ty tx"]:
        return jax.pure_callback(self._side.forward, self._image(arguments), *arguments, vmap_method="sequential")

    def _keep(self, *arguments: Array) -> tuple[Float[Array, "ty tx"], tuple[Array, tuple[Array, ...]]]:
        like = self._image(arguments), jax.ShapeDtypeStruct((), jnp.int32)
        image, number = jax.pure_callback(self._side.forward_that_waits, like, *arguments, vmap_method="sequential")
        return image, (number, arguments)

    def _pull_back(
        self, kept: tuple[Array, tuple[Array, ...]], cotangent: Float[Array, "ty tx"]
    ) -> tuple[Array | None, ...]:
        number, arguments = kept
        like = [jax.ShapeDtypeStruct(one.shape, one.dtype) for one in _complex(arguments)]
        kspace, *maps = jax.pure_callback(
            self._side.backward, like, number, cotangent, *arguments, vmap_method="sequential"
        )
        return kspace, None, *maps


def from_torch(function: Callable[..., torch.Tensor], output_shape: tuple[int, int] | None = None) -> Bridged:
    """Turn a PyTorch reconstruction into a JAX function that is differentiable in the k-space and the coil maps.

    The JAX function works under `jax.jit`, `jax.lax.map`, `jax.lax.scan` and `jax.vmap`, which calls PyTorch once for
    each element.  A gradient runs `function` forward once and backward once; if more than 4 forward passes wait for
    their backward pass, as under `jax.vmap`, those that waited longest are run again.  On the CPU tensors share the
    memory of JAX's arrays through DLPack; a module on another device gets copies.  The parameters, their
    `requires_grad` and their `grad` are not touched.  Second derivatives and forward mode are not available.  If
    `function` takes the square root of 0, PyTorch's gradient is not finite.

    Args:
        function: a module or another callable of (k-space, mask), or of (k-space, mask, maps) if it accepts three
            arguments.  Its inputs are complex64 (coil, ny, nx), bool (nx,) or (ny, nx), and complex64 (coil, ny, nx).
            They are on the device of the module's parameters, for a callable that is no module on the CPU, and it may
            change them.  It returns the real magnitude image (ny, nx), on any device, in any precision and in any
            units.  It must be differentiable by PyTorch and give the same output for the same input.  The caller puts a
            network with dropout or batch normalisation into `eval()`.
        output_shape: (ny, nx) of the image.  None determines it by a call of `function` on zeros with a mask that is
            True everywhere, once for each new shape of k-space.

    Returns:
        The JAX function, which gives a float32 magnitude image (ny, nx).  A call raises ValueError if the image is
        complex or not (ny, nx).  Within a compiled call JAX reports what `function` itself raises.

    Raises:
        ImportError: If PyTorch is not installed.
    """
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise ImportError("from_torch needs PyTorch, which is not installed: pip install 'jaxcs[torch]'") from error
    return Bridged(function, output_shape)


class _TorchSide:
    """The functions that JAX calls back; no JAX function that computes may be called in them."""

    def __init__(self, function: Callable[..., torch.Tensor]) -> None:
        self._function = function
        self._numbers = itertools.count()
        self._waiting: dict[int, tuple[list[torch.Tensor], torch.Tensor]] = {}
        self._one_at_a_time = threading.Lock()

    def shape(self, kspace: tuple[int, ...], mask: tuple[int, ...], *maps: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of the image for these shapes of the arguments."""
        import torch

        zeros = [torch.zeros(shape, dtype=torch.complex64, device=self._device()) for shape in (kspace, *maps)]
        everywhere = torch.ones(mask, dtype=torch.bool, device=self._device())
        with torch.no_grad():
            return tuple(self._image(zeros[0], everywhere, *zeros[1:]).shape)

    def forward(self, *arguments: Array) -> np.ndarray:
        """Reconstruct without keeping what a gradient needs."""
        import torch

        with torch.no_grad():
            # The function may change its inputs, which JAX only lends.
            image = self._image(*(self._tensor(one).clone() for one in arguments))
            return image.float().numpy(force=True)

    def forward_that_waits(self, *arguments: Array) -> tuple[np.ndarray, np.ndarray]:
        """Reconstruct, and keep what the gradient needs under the number that is returned."""
        variables, image = self._graph(arguments)
        number = next(self._numbers)
        with self._one_at_a_time:
            self._waiting[number] = variables, image
            if len(self._waiting) > _MOST_WAITING:
                del self._waiting[min(self._waiting)]
        return image.numpy(force=True), np.array(number, np.int32)

    def backward(self, number: Any, cotangent: Any, *arguments: Array) -> list[np.ndarray]:
        """Compute JAX's cotangents of k-space and maps."""
        import torch

        with self._one_at_a_time:
            graph = self._waiting.pop(int(np.asarray(number)), None)
        variables, image = self._graph(arguments) if graph is None else graph
        towards = self._tensor(cotangent).to(image.device)
        ascents = torch.autograd.grad(image, variables, towards, allow_unused=len(variables) > 1)
        # PyTorch's gradient is the direction of steepest ascent.  JAX's cotangent is its conjugate.
        return [
            np.zeros(one.shape, np.complex64) if ascent is None else np.conj(ascent.numpy(force=True))
            for one, ascent in zip(variables, ascents, strict=True)
        ]

    def _graph(self, arguments: tuple[Array, ...]) -> tuple[list[torch.Tensor], torch.Tensor]:
        """The variables, and the image that depends on them."""
        import torch

        kspace, mask, *maps = map(self._tensor, arguments)
        with torch.enable_grad():
            variables = [one.requires_grad_() for one in (kspace, *maps)]
            # The clones may be changed in place, which PyTorch forbids for the variables themselves.
            clones = [one.clone() for one in variables]
            image = self._image(clones[0], mask.clone(), *clones[1:]).float()
        if not image.requires_grad:
            raise ValueError("the image has no gradient: the function detaches it, or computes under torch.no_grad()")
        return variables, image

    def _image(self, *arguments: torch.Tensor) -> torch.Tensor:
        image = self._function(*arguments)
        if image.ndim != 2 or image.is_complex():
            found = f"{image.dtype} of shape {tuple(image.shape)}"
            raise ValueError(f"from_torch: the function has to return a real image (ny, nx), and returned {found}")
        return image

    def _tensor(self, array: Array) -> torch.Tensor:
        """The array on the device of the function, in the memory that JAX lends if that is on this device."""
        import torch

        try:
            tensor = torch.from_dlpack(array)
        except (BufferError, RuntimeError, TypeError):  # memory that is not aligned, or only to be read
            tensor = torch.from_numpy(np.array(array))
        return tensor.detach().to(self._device())

    def _device(self) -> Any:
        import torch

        parameters = self._function.parameters() if isinstance(self._function, torch.nn.Module) else iter(())
        first = next(parameters, None)
        return "cpu" if first is None else first.device


def _complex(arguments: tuple[Array, ...]) -> list[Array]:
    """All arguments but the mask."""
    return [arguments[0], *arguments[2:]]
