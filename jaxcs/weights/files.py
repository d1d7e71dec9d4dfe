"""Weights from files: our safetensors, fastMRI's PyTorch checkpoints, and those that are shipped.

With the reader of finished runs (`jaxcs.api.runs`) this is all of the library that opens files.
"""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import jax

from jaxcs import catalogue
from jaxcs.keys import new_key
from jaxcs.names import printable
from jaxcs.recon import METHODS
from jaxcs.types import Params
from jaxcs.weights import archive, deepmri, fastmri, mri_vn
from jaxcs.weights.card import check_card
from jaxcs.weights.errors import WeightsError
from jaxcs.weights.npz_file import read_npz
from jaxcs.weights.torch_file import read_torch_file

_SHIPPED = Path(__file__).parent / "shipped"
_LARGEST = 4_000_000_000
# Limits of a configuration: its network is built to compare shapes, and each pool doubles the channels.
_MOST, _MOST_POOLS, _MOST_LAYERS, _MOST_LETTERS = 4096, 10, 64, 20
# Layers of AUTOMAP that are dense in all samples; the shapes alone are compared.
_MOST_DENSE = {"hidden": 2**15, "samples": 2**15}


class WeightsFileError(ValueError):
    """One printable line: the file, the problem and the remedy."""


class Weights(NamedTuple):
    """A trained network.

    Attributes:
        method: its name in `jaxcs.recon.METHODS`.
        config: its configuration.
        params: its parameters.
        card: facts about its training; empty for imported checkpoints.
        sha256: hash of the file.
    """

    method: str
    config: Any
    params: Params
    card: dict[str, Any]
    sha256: str

    def configured(self, config: Any) -> Any:
        """Return a configuration of the network's method, or of a method that begins with its weights, for the network.

        Args:
            config: of any such method; the fields that it shares with the network's take the network's values.
        """
        shared = {field.name for field in fields(self.config)} & {field.name for field in fields(config)}
        return replace(config, **{name: getattr(self.config, name) for name in shared})


def shipped() -> dict[str, Path]:
    """Return the paths of the weights that come with the project, by name."""
    return {path.stem: path for path in sorted(_SHIPPED.glob("*.safetensors"))}


def left_out() -> frozenset[str]:
    """Return the names of the shipped weights that are in the project's repository and not in this installation."""
    named = {f"{method}-{data}" for method, line in catalogue.METHODS.items() for data in line.shipped}
    return frozenset(named - shipped().keys())


def lacking(name: str) -> str:
    """Say why there are no shipped weights of a name.

    Args:
        name: the name, of which `shipped` has no path.

    Returns:
        The words, to be followed by what to do.
    """
    if name in left_out():
        return f"{name} is in the project's repository but in no package, because its training images state no licence"
    return f"no {name} come with the project"


def load_weights(source: str | Path) -> Weights:
    """Read the weights of a trained network.

    Args:
        source: the name of shipped weights, such as "unet-phantom-knee"; or a file: .safetensors of `bench.train`, or
            .pt, .pth or .ckpt of fastMRI's U-Net or VarNet, which is read without PyTorch and executes nothing; .npz of
            D5-C5 (DeepMRI); or .h5 of MRI-VN as rixez/pytorch_mri_variationalnetwork stores it.

    Returns:
        The network's name, configuration and parameters.

    Raises:
        ValueError: in one line, for a file that is missing or cannot be used.
    """
    if str(source).startswith("hf:"):
        raise _refusal(source, "the library opens no connections", "data_prep.weights.read_weights takes this name")
    path = shipped().get(str(source), Path(source))
    reader = _READERS.get(path.suffix)
    if reader is None and str(source) in left_out():
        raise WeightsFileError(f"{lacking(str(source))}; name a file of python -m bench.train")
    if reader is None:
        known = ", ".join(shipped()) or "none"
        raise _refusal(path, "is no file of weights", f"use {', '.join(_READERS)} or shipped ones ({known})")
    content = _content(path)
    try:
        method, config, params, card = reader(content)
    except WeightsError as error:
        raise WeightsFileError(printable(f"{path}: {error}")) from error
    return Weights(method, config, params, card, hashlib.sha256(content).hexdigest())


def _content(path: Path) -> bytes:
    try:
        # A pipe or a device would block or never end, so it must not even be opened.
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise _refusal(path, "not a regular file", "give a file")
        if status.st_size > _LARGEST:
            raise _refusal(path, "is over 4 GB", "use the weights of one network")
        return path.read_bytes()
    except WeightsFileError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        problem = getattr(error, "strerror", None) or "not a usable path"
        raise _refusal(path, problem, "check the path and its permissions") from error


def _refusal(path: str | Path, problem: str, remedy: str) -> WeightsFileError:
    return WeightsFileError(printable(f"{path}: {problem}: {remedy}"))


_Read = tuple[str, Any, Params, dict[str, Any]]


def _safetensors(content: bytes) -> _Read:
    params, card = archive.decode(content)
    card = check_card(card)
    method = card["method"]
    if method not in METHODS or not _is_network(method):
        raise WeightsError(f"its card names the method {method!r}, which is no trained one; use another version")
    return _checked(method, card["config"], params, card)


def _is_network(name: str) -> bool:
    """Whether a method has weights of its own; installed methods are not in the catalogue."""
    method, line = METHODS[name], catalogue.METHODS.get(name)
    return method.trained and not method.fitted and (line is None or line.trainable)


def _torch(content: bytes) -> _Read:
    state = read_torch_file(content)
    if mri_vn.is_mri_vn(state):
        settings, params = mri_vn.import_mri_vn(state)
        return _checked("mri_vn", settings, params, {})
    if fastmri.is_varnet(state):
        settings, params = fastmri.import_varnet(state)
        return _checked("varnet", settings, params, {})
    settings, params = fastmri.import_unet(state)
    ends = settings.pop("inputs"), settings.pop("outputs")
    if ends != (1, 1):
        raise WeightsError(f"its U-Net has {ends[0]} inputs and {ends[1]} outputs; only magnitude to magnitude is used")
    return _checked("unet", settings, params, {})


def _npz(content: bytes) -> _Read:
    return _checked("deepmri", {}, deepmri.import_d5_c5(read_npz(content)), {})


def _checked(method: str, settings: dict[str, Any], params: Params, card: dict[str, Any]) -> _Read:
    entry = METHODS[method]
    _check_settings(settings, {field.name for field in fields(entry.config) if type(field.default) is float})
    try:
        config = entry.config(**{k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()})
        like = jax.eval_shape(entry.build(config).init, new_key(0))
    except (TypeError, ValueError, AttributeError) as error:
        raise WeightsError(f"its configuration is not one of {method}: {error}; use another version") from error
    archive.check(params, like)
    return method, config, params, card


def _check_settings(settings: dict[str, Any], lengths: set[str]) -> None:
    """Raise WeightsError if a card describes a network that is too large to build.

    Args:
        settings: the card's configuration.
        lengths: names of the settings that need not be whole; the configuration itself checks their range.
    """
    for name, value in settings.items():
        if name in lengths and type(value) is float:
            continue
        most = _MOST_POOLS if name.endswith("pools") or name == "levels" else _MOST_DENSE.get(name, _MOST)
        if isinstance(value, str):
            if len(value) > _MOST_LETTERS:
                raise WeightsError(f"its configuration's '{name}' has over {_MOST_LETTERS} letters")
            continue
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
    # A PyTorch file in spite of its name, of the variational network with given maps.
    ".h5": _torch,
    ".npz": _npz,
}
