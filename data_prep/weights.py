"""Weights from files: the project's safetensors, fastMRI's PyTorch checkpoints, and shipped weights."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax

from data_prep.cases import InputError
from data_prep.safe_hdf5 import check_regular, printable, refusal
from jaxcs.keys import new_key
from jaxcs.recon import METHODS, Method
from jaxcs.types import Params
from jaxcs.weights import archive, fastmri
from jaxcs.weights.card import check_card
from jaxcs.weights.errors import WeightsError
from jaxcs.weights.torch_file import read_torch_file

_SHIPPED = Path(__file__).parent / "shipped"
_LARGEST = 4_000_000_000
# Limits of a configuration.  Its network is built to compare shapes, and each pooling doubles the channels.
_MOST, _MOST_POOLS, _MOST_LAYERS = 4096, 10, 64


class Weights(NamedTuple):
    """A trained network.

    Attributes:
        method: its name in `jaxcs.recon.METHODS`.
        config: its configuration.
        params: parameters for its `apply`.
        card: known facts about the training; empty for imported checkpoints.
        sha256: SHA-256 of the file.
    """

    method: str
    config: Any
    params: Params
    card: dict[str, Any]
    sha256: str


def shipped() -> dict[str, Path]:
    """List the weights that come with the project: maps their name to their file."""
    return {path.stem: path for path in sorted(_SHIPPED.glob("*.safetensors"))}


def read_weights(source: str | Path) -> Weights:
    """Read weights.

    Args:
        source: name of shipped weights, or a file: .safetensors of this project, or .pt, .pth or .ckpt of fastMRI.

    Returns:
        The network with its weights.

    Raises:
        InputError: If the weights cannot be used; the message is one line.
    """
    path = shipped().get(str(source), Path(source))
    reader = _READERS.get(path.suffix)
    if reader is None:
        known = ", ".join(shipped()) or "none"
        raise refusal(path, "is no file of weights", f"use {', '.join(_READERS)} or shipped ones ({known})")
    if check_regular(path).st_size > _LARGEST:
        raise refusal(path, "is over 4 GB", "use the weights of one network")
    content = path.read_bytes()
    try:
        method, config, params, card = reader(content)
    except WeightsError as error:
        raise InputError(printable(f"{path}: {error}")) from error
    return Weights(method, config, params, card, hashlib.sha256(content).hexdigest())


_Read = tuple[str, Any, Params, dict[str, Any]]


def _safetensors(content: bytes) -> _Read:
    params, card = archive.decode(content)
    card = check_card(card)
    method = card["method"]
    if method not in METHODS or not _is_network(METHODS[method]):
        raise WeightsError(f"its card names the method {method!r}, which is no trained one; use another version")
    return _checked(method, card["config"], params, card)


def _is_network(method: Method) -> bool:
    return method.trained and method.weights_of is None


def _torch(content: bytes) -> _Read:
    state = read_torch_file(content)
    if fastmri.is_varnet(state):
        settings, params = fastmri.import_varnet(state)
        return _checked("varnet", settings, params, {})
    settings, params = fastmri.import_unet(state)
    ends = settings.pop("inputs"), settings.pop("outputs")
    if ends != (1, 1):
        raise WeightsError(f"its U-Net has {ends[0]} inputs and {ends[1]} outputs; only magnitude to magnitude is used")
    return _checked("unet", settings, params, {})


def _checked(method: str, settings: dict[str, Any], params: Params, card: dict[str, Any]) -> _Read:
    entry = METHODS[method]
    _check_settings(settings)
    try:
        config = entry.config(**{k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()})
        like = jax.eval_shape(entry.build(config).init, new_key(0))
    except (TypeError, ValueError, AttributeError) as error:
        raise WeightsError(f"its configuration is not one of {method}: {error}; use another version") from error
    archive.check(params, like)
    return method, config, params, card


def _check_settings(settings: dict[str, Any]) -> None:
    """Raise WeightsError if a card describes a network that is too large to be built."""
    for name, value in settings.items():
        most = _MOST_POOLS if name.endswith("pools") else _MOST
        if isinstance(value, list) and len(value) > _MOST_LAYERS:
            raise WeightsError(f"its configuration's '{name}' has over {_MOST_LAYERS} numbers")
        for number in value if isinstance(value, list) else [value]:
            if number is not None and not (isinstance(number, int) and 0 <= number <= most):
                raise WeightsError(f"its configuration's '{name}' is no whole number from 0 to {most}")


_READERS: dict[str, Callable[[bytes], _Read]] = {
    ".safetensors": _safetensors,
    ".pt": _torch,
    ".pth": _torch,
    ".ckpt": _torch,
}
