"""A user's function as a method: imported, guarded while JAX traces it, and tried before a run begins.

Every fault of the function is one line for the user.  Nothing that the function raises or calls decides how a run ends.
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from bench.plan.errors import RunError, UsageError
from bench.slices.prepare import SliceData
from jaxcs.keys import new_key
from jaxcs.names import printable
from jaxcs.recon import Method
from jaxcs.types import Measurement, Reconstructor

_Function = Callable[[Array, Array, Array], Any]
# Attacks that need no gradient.
_WITHOUT_GRADIENT = ("grid", "noise", "spsa")
# Several threads trace, and share one `sys.stdout`.
_PRINTING = threading.RLock()


@dataclass(frozen=True)
class _NoSettings:
    """Configuration of a user's function: it has no settings."""


def method(name: str) -> Method:
    """Return the method of a user's function.

    Args:
        name: MODULE:FUNCTION; the function is (kspace, mask, maps) -> magnitude image.

    Raises:
        UsageError: the function cannot be imported.  The functions of the method raise it if it cannot be used.
    """
    reconstruct = _guarded(name, _imported(name))

    def build(config: _NoSettings) -> Reconstructor:
        del config
        return Reconstructor(lambda key: {}, lambda params, m, key: reconstruct(m.kspace, m.mask, m.maps))

    return Method(_NoSettings, build, {})


def check(name: str, data: SliceData, attack: str) -> None:
    """Trace a user's function on a slice as a run will; this computes nothing.

    Args:
        name: MODULE:FUNCTION.
        data: the slice.
        attack: name of the attack of the run.

    Raises:
        UsageError: a run with this function would fail.
    """
    reconstruct, target = method(name).build(_NoSettings()).apply, data.target.shape

    def image(kspace: Array) -> Array:
        return reconstruct({}, Measurement(kspace, data.mask, data.maps), new_key(0))

    def gradient(kspace: Array) -> Array:
        return jax.grad(lambda kspace: jnp.sum(image(kspace) ** 2))(kspace)

    found = jax.eval_shape(jax.vmap(image), data.kspace[None]).shape[1:]
    if any(mine < wanted for mine, wanted in zip(found, target, strict=True)):
        raise _problem(name, f"returns an image of {found}, smaller than the target of {target}; return (ny, nx)")
    if attack not in _WITHOUT_GRADIENT:
        with _understanding(name, "has no gradient that JAX could take"):
            jax.eval_shape(jax.vmap(gradient), data.kspace[None])


def _imported(name: str) -> _Function:
    module, _, function = name.partition(":")
    try:
        with _prints_to_stderr():
            found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise _problem(name, f"{_said(error)}; name MODULE:FUNCTION, importable from this folder") from error
    except SystemExit as error:
        raise _problem(name, f"{module} ends the program when it is imported (sys.exit({error.code!r}))") from error
    except (RunError, MemoryError):
        raise
    except Exception as error:
        raise _problem(name, f"{module} cannot be imported: {type(error).__name__}: {_said(error)}") from error
    if not callable(found):
        raise _problem(name, f"is not a function but {type(found).__name__}; name a function of (kspace, mask, maps)")
    return found


def _guarded(name: str, reconstruct: _Function) -> _Function:
    """The function; it raises UsageError instead of its own errors, and if its result is not an image."""

    def guarded(kspace: Array, mask: Array, maps: Array) -> Array:
        with _understanding(name, "fails when JAX traces it with (kspace, mask, maps)"), _prints_to_stderr():
            image = reconstruct(kspace, mask, maps)
        if not isinstance(image, jax.Array | np.ndarray | np.generic):
            raise _problem(name, f"returns {type(image).__name__}; return an array, the magnitude image (ny, nx)")
        if not jnp.issubdtype(image.dtype, jnp.floating):
            raise _problem(name, f"returns {image.dtype} values; return the magnitude image, of floating point")
        if image.ndim != 2:
            raise _problem(name, f"returns an array of {image.shape}; return the magnitude image (ny, nx)")
        return jnp.asarray(image)

    return guarded


@contextmanager
def _prints_to_stderr() -> Iterator[None]:
    """Send output of the block to stderr: standard output is for results, which may be one JSON object."""
    with _PRINTING, redirect_stdout(sys.stderr):
        yield


@contextmanager
def _understanding(name: str, what: str) -> Iterator[None]:
    try:
        yield
    except SystemExit as error:
        raise _problem(name, f"ends the program when it is called (sys.exit({error.code!r}))") from error
    except (RunError, MemoryError, jax.errors.JaxRuntimeError):
        raise
    except Exception as error:
        raise _problem(name, f"{what}: {type(error).__name__}: {_said(error)}; --debug shows where") from error


def _said(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0]


def _problem(name: str, what: str) -> UsageError:
    return UsageError(printable(f"--method {name}: {what}"))
