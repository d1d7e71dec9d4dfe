"""A user's function as a method or an attack, tried on a slice before a run begins.

Every fault of the function is one line for the user.  Nothing that the function raises or calls decides how a run ends.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from bench.evaluate.imported import Named, prints_to_stderr
from bench.slices.prepare import SliceData
from jaxcs.api.methods import image_problem
from jaxcs.attacks import AttackResult, own
from jaxcs.attacks.base import Loss
from jaxcs.attacks.defaults import Search
from jaxcs.interop import reconstruction_of
from jaxcs.interop.signature import takes_maps
from jaxcs.interop.torch_bridge import Bridged
from jaxcs.keys import new_key
from jaxcs.recon import Method
from jaxcs.threats import Threat
from jaxcs.types import Key, Measurement, Reconstructor

# Attacks that need no gradient.
_WITHOUT_GRADIENT = ("grid", "noise", "spsa")


@dataclass(frozen=True)
class _NoSettings:
    """Configuration of a user's function: it has no settings."""


def method(name: str) -> Method:
    """Return the method of a user's function.

    Args:
        name: MODULE:NAME or FILE.py:NAME of a function (kspace, mask) or (kspace, mask, maps) -> magnitude image; of a
            PyTorch module; of a reconstruction of DeepInverse, also as deepinv:NAME; or of a class or function that
            gives one of these when it is called without arguments.

    Raises:
        UsageError: the object cannot be imported or made.  The functions of the method raise it if it cannot be used.
    """
    named = _method(name)
    reconstruct = _guarded(named, _reconstruction(named))

    def build(config: _NoSettings) -> Reconstructor:
        del config
        return Reconstructor(lambda key: {}, lambda params, m, key: reconstruct(m.kspace, m.mask, m.maps))

    return Method(_NoSettings, build, {})


def attack(name: str) -> Search:
    """Return the attack of a user's function.

    Args:
        name: MODULE:NAME or FILE.py:NAME; the function is (key, loss, threat) -> AttackResult.

    Raises:
        UsageError: the function cannot be imported.  The attack raises it if the function cannot be used.
    """
    named = _attack(name)
    function = named.function()

    def guarded(key: Key, loss: Loss, threat: Threat) -> AttackResult:
        found = named.called(function, key, loss, threat)
        problem = own.result_problem(found, threat)
        if problem is not None:
            raise named.problem(problem)
        return found

    entry = own.entry_of(guarded)
    return Search(name, entry.config(), entry)


def check_method(name: str, data: SliceData, attack: str) -> None:
    """Trace a user's function on a slice as a run will, which computes nothing; a PyTorch module also runs once.

    Args:
        name: as for `method`.
        data: the slice.
        attack: name of the attack of the run.

    Raises:
        UsageError: a run with this function would fail.
    """
    named = _method(name)
    reconstruct, target = method(name).build(_NoSettings()).apply, data.target.shape

    def image(kspace: Array) -> Array:
        return reconstruct({}, Measurement(kspace, data.mask, data.maps), new_key(0))

    def gradient(kspace: Array) -> Array:
        return jax.grad(lambda kspace: jnp.sum(image(kspace) ** 2))(kspace)

    found = jax.eval_shape(jax.vmap(image), data.kspace[None]).shape[1:]
    if any(mine < wanted for mine, wanted in zip(found, target, strict=True)):
        raise named.problem(f"returns an image of {found}, smaller than the target of {target}; return (ny, nx)")
    bridged = _reconstruction(named)
    if isinstance(bridged, Bridged):
        with named.understanding(f"fails in PyTorch with {_taken(bridged)}"), prints_to_stderr():
            bridged.try_gradient(data.kspace, data.mask, data.maps)
    elif attack not in _WITHOUT_GRADIENT:
        with named.understanding("has no gradient that JAX could take"):
            jax.eval_shape(jax.vmap(gradient), data.kspace[None])


def tried(search: Search, threat: Threat) -> Search:
    """Try an attack of one's own on the threat set of a slice, without the method.

    Returns:
        The attack, with its number of gradient evaluations.

    Raises:
        UsageError: the function leaves the set, or cannot be used.
    """
    named = _attack(search.name)
    try:
        return search._replace(config=own.tried(search.kind.build(search.config), threat, new_key(0)))
    except ValueError as error:
        raise named.problem(str(error)) from error


def _method(name: str) -> Named:
    return Named("--method", name, "(kspace, mask) or (kspace, mask, maps)")


def _attack(name: str) -> Named:
    return Named("--attack", name, own.SIGNATURE)


def _reconstruction(named: Named) -> Callable[..., Any]:
    """The user's object as a JAX function; it is made once, because a network may be drawn at random."""
    found = named.function()
    with named.understanding("fails when it is called without arguments"), prints_to_stderr():
        made = _made(found) if isinstance(found, Hashable) else found
    if not callable(made):
        raise named.problem(f"gives {type(made).__name__}; let it return a function of {named.takes}")
    return made


_made = lru_cache(maxsize=8)(reconstruction_of)


def _taken(reconstruct: Callable[..., Any]) -> str:
    return "(kspace, mask, maps)" if takes_maps(reconstruct) else "(kspace, mask)"


def _guarded(named: Named, reconstruct: Callable[..., Any]) -> Callable[[Array, Array, Array], Array]:
    """The function, which raises UsageError for what it raises and for what it returns that is no image."""
    named, with_maps = named._replace(takes=_taken(reconstruct)), takes_maps(reconstruct)

    def guarded(kspace: Array, mask: Array, maps: Array) -> Array:
        image = named.called(reconstruct, kspace, mask, *([maps] if with_maps else []))
        problem = image_problem(image)
        if problem is not None:
            raise named.problem(problem)
        return jnp.asarray(image)

    return guarded
