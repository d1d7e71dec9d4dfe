"""Parameters as safetensors with a model card in the header: bytes in, values out.

The name of a tensor is its path in the parameters, such as "cascades/down0/first/kernel".  The card is JSON in the
header's entry "card", so a file describes itself without any other file.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import safetensors
from safetensors import numpy as tensors

from jaxcs.types import Params
from jaxcs.weights.errors import WeightsError

_LARGEST_CARD = 2**20  # characters
_DEEPEST = 50  # steps of a path: JAX walks through nested dictionaries by recursion


def encode(params: Params, card: dict[str, Any]) -> bytes:
    """Write parameters and their card as bytes.

    Args:
        params: parameters, written in float16 to halve the file.
        card: the model card.  The hash of the tensors is added to it.
    """
    flat = {name: np.asarray(leaf, np.float16) for name, leaf in flatten(params).items()}
    text = json.dumps(card | {"sha256": _digest(flat)})
    return tensors.save(flat, metadata={"card": text})


def decode(content: bytes) -> tuple[Params, dict[str, Any]]:
    """Read what `encode` wrote.

    Returns:
        The parameters as float32, and the card.

    Raises:
        WeightsError: If the content is damaged, lacks its card, or holds a number that is not finite.
    """
    try:
        flat = tensors.load(content)
        length = int.from_bytes(content[:8], "little")
        text = json.loads(content[8 : 8 + length])["__metadata__"]["card"]
        if len(text) > _LARGEST_CARD:
            raise WeightsError(f"its card has {len(text)} characters, more than the limit of {_LARGEST_CARD}")
        card = json.loads(text)
    except WeightsError:
        raise
    # A card that is only brackets raises RecursionError.
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise WeightsError("is no safetensors file of this project, or is damaged; export it again") from error
    if not isinstance(card, dict) or card.get("sha256") != _digest(flat):
        raise WeightsError("does not have the tensors that its card was written for; export it again")
    for name, array in flat.items():
        if array.dtype.kind not in "fiu" or not np.all(np.abs(array) <= np.finfo(np.float32).max):
            raise WeightsError(
                f"tensor {name} is not finite in float32; export it again from a training that converged"
            )
    return unflatten({name: jnp.asarray(array, jnp.float32) for name, array in flat.items()}), card


def check(params: Params, like: Params) -> None:
    """Check that `params` has exactly the names and shapes of `like`.

    Raises:
        WeightsError: If it has not; the message names the tensor.
    """
    found, wanted = flatten(params), flatten(like)
    for name in sorted(found.keys() | wanted.keys()):
        if name not in found:
            raise WeightsError(f"tensor {name} is missing; the weights are of another network")
        if name not in wanted:
            raise WeightsError(f"tensor {name} has no place in this network; the weights are of another")
        if found[name].shape != wanted[name].shape:
            raise WeightsError(f"tensor {name} has shape {found[name].shape}, the network needs {wanted[name].shape}")


def flatten(params: Params) -> dict[str, Any]:
    """Return the leaves by their paths, joined with "/"."""
    leaves = jax.tree_util.tree_flatten_with_path(params)[0]
    return {"/".join(str(step.key) for step in path): leaf for path, leaf in leaves}


def unflatten(flat: dict[str, Any]) -> Params:
    """Invert `flatten`.

    Raises:
        WeightsError: If a path is very long, or leads through another tensor.
    """
    params: dict[str, Any] = {}
    for name, leaf in flat.items():
        *path, last = name.split("/")
        if len(path) > _DEEPEST:
            raise WeightsError(f"a tensor lies {len(path)} steps deep; the weights are of another network: {name}")
        branch: Any = params
        for step in path:
            branch = branch.setdefault(step, {}) if isinstance(branch, dict) else None
        if not isinstance(branch, dict) or last in branch:
            raise WeightsError(f"tensor {name} lies in another tensor; export it again")
        branch[last] = leaf
    return params


def _digest(flat: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name in sorted(flat):
        array = np.ascontiguousarray(flat[name])
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
