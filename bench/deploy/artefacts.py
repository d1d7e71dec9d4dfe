"""What a method becomes outside this project: its reconstruction and one attack step as StableHLO, and words for both.

Every argument and result has the batch as its first axis, of any length; coils, rows and columns are fixed.  Parameters
of a network are constants of the artefact, so that one file is all that a scanner's computer has to keep.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import export
from jaxtyping import Array

from jaxcs.attacks import pgd
from jaxcs.attacks.base import squared_norm
from jaxcs.keys import new_key
from jaxcs.threats.balls import Threat
from jaxcs.types import Measurement, Params, Reconstructor

SCHEMA_VERSION = 1
PLATFORMS = ("cpu", "cuda", "tpu")
# Rows and columns that every method takes.
_LARGE = 256
_SCALING = (
    "raw k-space is divided by max |A^H y| before it is passed, and images are multiplied by the same number after; "
    "A^H y is the sum over coils of conj(maps) * fftshift(ifft2(ifftshift(where(mask, kspace, 0)), norm='ortho')), "
    "all over rows and columns; the zero frequency is at index n // 2"
)


class Value(NamedTuple):
    """An argument or a result of one slice: its shape, its dtype and what it means."""

    name: str
    shape: tuple[int, ...]
    dtype: Any
    meaning: str


class Artefact(NamedTuple):
    """A function of one slice, and what it takes and gives."""

    function: Callable[..., Any]
    arguments: tuple[Value, ...]
    results: tuple[Value, ...]


def artefacts(method: Reconstructor, params: Params, shape: tuple[int, int, int]) -> dict[str, Artefact]:
    """The artefacts of a method for k-space of (coils, rows, columns), by name.

    Raises ValueError where the method cannot take that shape.
    """

    def reconstruct(kspace: Array, mask: Array, maps: Array) -> Array:
        # Methods that draw nothing take any key.
        return method.apply(params, Measurement(kspace, mask, maps), new_key(0))

    def attack_step(
        kspace: Array, mask: Array, maps: Array, delta: Array, reference: Array, radius: Array, step: Array
    ) -> tuple[Array, Array]:
        loss = squared_norm(lambda delta: reconstruct(kspace + delta, mask, maps) - reference)
        ball = Threat(radius, jnp.broadcast_to(mask, kspace.shape))
        moved, value, _ = pgd.advance(loss, ball, delta, step)
        return moved, value

    scan = (
        Value("kspace", shape, jnp.complex64, "centred k-space, zero where not measured, scaled: see scaling"),
        Value("mask", shape[2:], jnp.bool_, "true for the columns that were measured"),
        Value(
            "maps", shape, jnp.complex64, "coil sensitivities, sum over coils of |maps|^2 1 in the object, 0 outside"
        ),
    )
    image = _image(reconstruct, scan)
    return {
        "reconstruct": Artefact(
            reconstruct, scan, (Value("image", image, jnp.float32, "magnitude, in the units of the scaled k-space"),)
        ),
        "attack_step": Artefact(
            attack_step,
            (
                *scan,
                Value("delta", shape, jnp.complex64, "perturbation of the scaled k-space; at first a random one"),
                Value("reference", image, jnp.float32, "image that the attack drives away from, scaled likewise"),
                Value("radius", (), jnp.float32, "largest l2 norm of delta; epsilon times that of the measured kspace"),
                Value("step", (), jnp.float32, "length of the step along the gradient, in units of radius"),
            ),
            (
                Value("delta", shape, jnp.complex64, "after the step, on the measured entries and inside the ball"),
                Value("loss", (), jnp.float32, "sum of (image - reference)^2 before the step"),
            ),
        ),
    }


def _image(reconstruct: Callable[..., Array], scan: tuple[Value, ...]) -> tuple[int, ...]:
    """The shape of the image.  Raises ValueError where the method cannot take this size, but larger ones."""

    def of(shapes: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
        arguments = [jax.ShapeDtypeStruct(shape, one.dtype) for shape, one in zip(shapes, scan, strict=True)]
        return jax.eval_shape(reconstruct, *arguments).shape

    try:
        return of(one.shape for one in scan)
    # What is pooled to nothing divides by zero.
    except (TypeError, ValueError, ZeroDivisionError) as error:
        coils = scan[0].shape[0]
        # A method that fails here too has another reason, which this raises.
        of([(coils, _LARGE, _LARGE), (_LARGE,), (coils, _LARGE, _LARGE)])
        raise ValueError("the method cannot take images of this size") from error


def lower(artefact: Artefact) -> export.Exported:
    """One StableHLO module for all of `PLATFORMS`: forms that differ between them are branches of it."""
    (batch,) = export.symbolic_shape("batch")
    arguments = [jax.ShapeDtypeStruct((batch, *one.shape), one.dtype) for one in artefact.arguments]
    with _without_folders():
        return export.export(jax.jit(jax.vmap(artefact.function)), platforms=PLATFORMS)(*arguments)


@contextmanager
def _without_folders() -> Iterator[None]:
    """Source locations in modules name files and not where they lie, which is private and would change the hash."""
    option = "jax_hlo_source_file_canonicalization_regex"
    before = getattr(jax.config, option)
    jax.config.update(option, r".*[/\\]")
    try:
        yield
    finally:
        jax.config.update(option, before)


def manifest(
    found: dict[str, Artefact], lowered: dict[str, export.Exported], files: dict[str, bytes]
) -> dict[str, Any]:
    """What a reader of the files has to know, as JSON can hold it; all three by the artefacts' names."""
    return {
        "schema_version": SCHEMA_VERSION,
        "scaling": _SCALING,
        "artefacts": {
            name: {
                "file": file_name(name),
                "bytes": len(files[name]),
                "sha256": hashlib.sha256(files[name]).hexdigest(),
                "platforms": list(lowered[name].platforms),
                "calling_convention_version": lowered[name].calling_convention_version,
                "arguments": [_words(*pair) for pair in zip(one.arguments, lowered[name].in_avals, strict=True)],
                "results": [_words(*pair) for pair in zip(one.results, lowered[name].out_avals, strict=True)],
            }
            for name, one in found.items()
        },
    }


def file_name(name: str) -> str:
    """Of the artefact of this name."""
    return f"{name}.stablehlo"


def _words(value: Value, lowered: Any) -> dict[str, Any]:
    """An argument or result as the module has it, the batch axis by its name."""
    shape = [size if isinstance(size, int) else str(size) for size in lowered.shape]
    return {"name": value.name, "shape": shape, "dtype": str(lowered.dtype), "meaning": value.meaning}
