"""A method as the user gives it: by name, by configuration, or as a function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxcs.interop.signature import takes_maps
from jaxcs.names import check_name, first_line
from jaxcs.recon import METHODS, Method, fitted
from jaxcs.recon.checks import check_one_coil
from jaxcs.recon.defence import DefenceConfig
from jaxcs.types import Key, Measurement, Params, Reconstructor
from jaxcs.weights.files import Weights, shipped

Function = Callable[..., Any]


class Chosen(NamedTuple):
    """A method with all that it needs.

    Attributes:
        name: its name.
        method: its functions.
        config: its configuration.
        params: its parameters.
        needs_maps: whether it takes coil maps.
    """

    name: str
    method: Method
    config: Any
    params: Any
    needs_maps: bool = True

    def for_shape(self, matrix: tuple[int, ...], target: tuple[int, ...]) -> Chosen:
        """Return the method for k-space of shape `matrix` and images of shape `target`."""
        return self._replace(config=fitted(self.config, matrix, target))


def chosen(method: Any, weights: Weights | None) -> Chosen:
    """Return the method that the user names or configures.

    Args:
        method: a name in `METHODS`, or a configuration such as `jaxcs.recon.l1.Config(lam=0.005)`, also in a defence.
        weights: weights of a trained network, or None.

    Raises:
        ValueError: the name is unknown, a network has no weights, or the weights are of another method.
        TypeError: `method` is neither a name nor a configuration.
    """
    if isinstance(method, str):
        check_name("method", method, METHODS)
        name, config = method, METHODS[method].config()
    else:
        kind = method.inner.config if isinstance(method, DefenceConfig) else type(method)
        found = next((name for name in METHODS if kind is METHODS[name].config), None)
        if found is None:
            raise TypeError(
                f"method is {type(method).__name__}; give a name ({', '.join(METHODS)}), "
                "a method's Config, or for jaxcs.attack a function (kspace, mask, maps)"
            )
        name, config = found, method
    entry = config.defended if isinstance(config, DefenceConfig) else METHODS[name]
    label = f"{name}, {config.words}" if isinstance(config, DefenceConfig) else name
    if not entry.trained:
        if weights is not None:
            raise ValueError(f"weights: {name} is not trained; leave them out")
        return Chosen(label, entry, config, {})
    wanted = entry.weights_of or name
    if weights is None:
        some = (
            ", ".join(one for one in shipped() if one.rpartition("-")[0].startswith(wanted + "-")) or "none: train it"
        )
        raise ValueError(
            f"{name} is a network and needs weights: give weights=jaxcs.load_weights(NAME OR FILE); "
            f"those of {wanted} that come with jaxcs are {some}"
        )
    if weights.method not in (wanted, name):
        raise ValueError(f"weights are of {weights.method}; {name} needs those of {wanted}")
    return Chosen(label, entry, weights.configured(config), weights.params)


def check_suits(ready: Chosen, weights: Weights | None, kspace: Any, mask: Any) -> None:
    """Check that a network is for the coils, the size and the mask of a slice.

    Args:
        ready: the method.
        weights: its weights.
        kspace: (coil, ny, nx).
        mask: (nx,) or (ny, nx); what JAX traces is not compared.

    Raises:
        ValueError: it is for others; the message is one line.
    """
    if ready.method.one_coil:
        check_one_coil(kspace)
    if ready.method.check_scan is not None and not isinstance(mask, jax.core.Tracer):
        training = {} if weights is None else weights.card.get("training", {})
        ready.method.check_scan(ready.config, tuple(kspace.shape), np.asarray(mask, bool), training)


@dataclass(frozen=True)
class _NoSettings:
    """Configuration of a user's function: it has no settings."""


def brought(function: Function, scale: float) -> Chosen:
    """Make a method of a user's function, which gets k-space in its own units.

    Args:
        function: (kspace, mask) or (kspace, mask, maps) -> magnitude image.
        scale: units of the function per unit of the slice.
    """
    with_maps = takes_maps(function)

    def apply(params: Params, measurement: Measurement, key: Key) -> Any:
        del params, key
        kspace, mask, maps = measurement
        image = function(kspace * scale, mask, maps) if with_maps else function(kspace * scale, mask)
        return image / scale

    method = Method(_NoSettings, lambda config: Reconstructor(lambda key: {}, apply), {})
    return Chosen(getattr(function, "__name__", type(function).__name__), method, _NoSettings(), {}, with_maps)


def check_function(function: Function, measurement: Measurement) -> tuple[int, int]:
    """Trace a user's function and its gradient, which computes nothing.

    Args:
        function: (kspace, mask) or (kspace, mask, maps) -> magnitude image.
        measurement: the measurement.

    Returns:
        The shape of its image.

    Raises:
        TypeError: JAX cannot trace the function, or it returns no magnitude image; the message is one line.
    """
    maps = (measurement.maps,) if takes_maps(function) else ()

    def image(kspace: Any) -> Any:
        return function(kspace, measurement.mask, *maps)

    try:
        found = jax.eval_shape(image, measurement.kspace)
        if isinstance(found, jax.ShapeDtypeStruct) and jnp.issubdtype(found.dtype, jnp.floating):
            jax.eval_shape(jax.grad(lambda kspace: jnp.sum(image(kspace))), measurement.kspace)
    except Exception as error:
        said = first_line(error)
        raise TypeError(
            f"reconstruct fails while JAX traces it or its gradient: {type(error).__name__}: {said}; "
            "what is written in PyTorch is given as a torch.nn.Module, or goes through jaxcs.interop.from_torch"
        ) from error
    problem = image_problem(found)
    if problem is not None:
        raise TypeError(f"reconstruct {problem}")
    return found.shape[0], found.shape[1]


def image_problem(found: Any) -> str | None:
    """Say what is wrong with what a user's function returned for an image, or return None."""
    if not isinstance(found, jax.Array | jax.ShapeDtypeStruct | np.ndarray | np.generic):
        return f"returns {type(found).__name__}; return an array, the magnitude image (ny, nx)"
    if not jnp.issubdtype(found.dtype, jnp.floating):
        return f"returns {found.dtype} values; return the magnitude image, of floating point"
    if found.ndim != 2:
        return f"returns an array of {found.shape}; return the magnitude image (ny, nx)"
    return None
