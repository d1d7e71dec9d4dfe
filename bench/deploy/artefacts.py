"""A method as it is exported: its reconstruction and one attack step as StableHLO, and a description of both.

Every argument and result has the batch, of any length, as its first axis; coils, rows and columns are fixed.  The
parameters of a network are constants in the artefact, so a scanner's computer needs only one file.
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
# Number of rows and columns that every method accepts.
_LARGE = 256
_SCALING = (
    "raw k-space is divided by max |A^H y| before it is passed, and images are multiplied by the same number after; "
    "A^H y is the sum over coils of conj(maps) * fftshift(ifft2(ifftshift(where(mask, kspace, 0)), norm='ortho')), "
    "all over rows and columns; the zero frequency is at index n // 2"
)


class Value(NamedTuple):
    """An argument or a result of one slice.

    Attributes:
        name: its name.
        shape: its shape.
        dtype: its dtype.
        meaning: its meaning in words.
    """

    name: str
    shape: tuple[int, ...]
    dtype: Any
    meaning: str


class Artefact(NamedTuple):
    """A function of one slice, with its arguments and results."""

    function: Callable[..., Any]
    arguments: tuple[Value, ...]
    results: tuple[Value, ...]


def artefacts(method: Reconstructor, params: Params, shape: tuple[int, int, int]) -> dict[str, Artefact]:
    """Build the artefacts of a method, by name.

    Args:
        method: the reconstruction.
        params: its parameters.
        shape: (coils, rows, columns) of the k-space.

    Raises:
        ValueError: the method cannot take that shape.
    """

    def reconstruct(kspace: Array, mask: Array, maps: Array) -> Array:
        # Methods without random draws accept any key.
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
    """The shape of the image; raises ValueError if the method cannot take this size, but can take larger ones."""

    def of(shapes: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
        arguments = [jax.ShapeDtypeStruct(shape, one.dtype) for shape, one in zip(shapes, scan, strict=True)]
        return jax.eval_shape(reconstruct, *arguments).shape

    try:
        return of(one.shape for one in scan)
    # Pooling down to size 0 divides by zero.
    except (TypeError, ValueError, ZeroDivisionError) as error:
        coils = scan[0].shape[0]
        # A method that also fails for the large size has another problem; this call raises that.
        of([(coils, _LARGE, _LARGE), (_LARGE,), (coils, _LARGE, _LARGE)])
        raise ValueError("the method cannot take images of this size") from error


def lower(artefact: Artefact) -> export.Exported:
    """Lower an artefact to one StableHLO module for all of `PLATFORMS`, with a branch for each platform."""
    (batch,) = export.symbolic_shape("batch")
    arguments = [jax.ShapeDtypeStruct((batch, *one.shape), one.dtype) for one in artefact.arguments]
    with _without_folders():
        return export.export(jax.jit(jax.vmap(artefact.function)), platforms=PLATFORMS)(*arguments)


@contextmanager
def _without_folders() -> Iterator[None]:
    """Keep folders out of the module's source locations: they are private and would change the hash."""
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
    """Describe the files for their readers.

    Args:
        found: artefacts by name.
        lowered: lowered artefacts by name.
        files: file contents by name of the artefact.

    Returns:
        The description, as values that JSON can hold.
    """
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
    """Return the file name of an artefact."""
    return f"{name}.stablehlo"


def _words(value: Value, lowered: Any) -> dict[str, Any]:
    """An argument or result as the module has it; the batch axis is named."""
    shape = [size if isinstance(size, int) else str(size) for size in lowered.shape]
    return {"name": value.name, "shape": shape, "dtype": str(lowered.dtype), "meaning": value.meaning}
