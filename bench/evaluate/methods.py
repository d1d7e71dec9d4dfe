"""A method as the configuration describes it: its settings, and the weights of a trained method."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Any

import jax
import jax.numpy as jnp

from bench.evaluate import brought
from bench.plan.config import RunConfig
from bench.plan.errors import UsageError
from bench.slices.source import refused
from data_prep.weights import Weights, lacking, read_weights, shipped
from jaxcs.catalogue import suited_weights
from jaxcs.keys import new_key
from jaxcs.names import did_you_mean, printable
from jaxcs.recon import METHODS, Method
from jaxcs.recon.cyclic import Cyclic
from jaxcs.recon.defence import DefenceConfig
from jaxcs.recon.wrapped import DEFENCES, wrapped
from jaxcs.types import Measurement
from jaxcs.weights import archive
from jaxcs.weights.errors import WeightsError


def entry(name: str) -> Method:
    """Return the method of a name: a name of the registry, or MODULE:NAME or FILE.py:NAME for what is the user's.

    Raises:
        UsageError: the method's module cannot be imported.
    """
    if name not in METHODS:
        return brought.method(name)
    try:
        return METHODS[name]
    except ValueError as error:
        raise UsageError(f"--method {name}: {error}") from error


def method_of(config: RunConfig) -> Method:
    """Return the method of a configuration: that of its name, in the defence that --set chooses.

    Raises:
        UsageError: the method's module cannot be imported, or the defence does not suit the method.
    """
    settings = [name for name, _ in config.settings]
    try:
        found = wrapped(entry(config.method), settings)
    except ValueError as error:
        raise UsageError(f"--set {error}") from error
    if config.sinograms and issubclass(found.config, Cyclic):
        raise UsageError("--set cyclic: measures k-space again; leave it out for sinograms, or set smoothing")
    return found


def check_without_defence(config: RunConfig) -> None:
    """Raise UsageError if --set chooses a defence, for a command that knows of none."""
    if issubclass(method_of(config).config, DefenceConfig):
        raise UsageError("--set: the command takes no defence; leave smoothing and cyclic out")


def weights(config: RunConfig) -> Weights | None:
    """Read the weights of a trained method.

    Returns:
        The weights, or None if the method is not trained.

    Raises:
        InputFileError: the weights cannot be read.
        UsageError: the weights do not belong to the method, or no weights are shipped for these data.
    """
    method = entry(config.method)
    if not method.trained:
        if config.weights is not None:
            raise UsageError(f"--weights: {config.method} is not trained; leave the flag out")
        return None
    wanted = method.weights_of or config.method
    suits = suited_weights(wanted, config.phantom if config.data is None else None)
    if config.weights is None and suits not in shipped():
        how = f"python -m bench.train --method {wanted}" + (
            " --data TRAINING --validation VALIDATION" if config.data is not None else ""
        )
        raise UsageError(f"--weights: {lacking(suits)}; name a file of {how}, or hf:OWNER/REPO")
    with refused("--weights"):
        found = read_weights(config.weights or suits)
    if found.method not in (wanted, config.method):
        raise UsageError(f"--weights {config.weights}: they are weights of {found.method}; use --method {found.method}")
    return found


def trained_method(name: str, flag: str) -> str:
    """Return the method of some weights.

    Args:
        name: name of shipped weights, or a file.
        flag: the user's flag for them, for messages.

    Raises:
        InputFileError: the weights cannot be read.
    """
    with refused(flag):
        return read_weights(name).method


def named_weights(weights: Iterable[tuple[str, str]], flag: str) -> dict[str, tuple[str, str]]:
    """Return NAME -> (method, file) of weights.

    Args:
        weights: (NAME, file or name of shipped weights).
        flag: the user's flag for them, for messages.

    Raises:
        InputFileError: the weights cannot be read.
        UsageError: a name occurs twice.
    """
    found: dict[str, tuple[str, str]] = {}
    for name, file in weights:
        if name in found:
            raise UsageError(f"{flag} {name}: is named twice; give each weights a name of their own")
        found[name] = (trained_method(file, flag), file)
    return found


def configuration(config: RunConfig, trained: Weights | None) -> Any:
    """Return the method's configuration after --preset, --weights and --set.

    Args:
        config: settings of the run.
        trained: weights of the method, or None.

    Raises:
        UsageError: these flags do not fit the method or each other.
    """
    method = method_of(config)
    if trained is not None and config.preset is not None and method.weights_of is None:
        raise UsageError(f"--preset: the weights of {config.method} decide its configuration; leave the flag out")
    if config.preset is not None and config.preset not in method.presets:
        known = ", ".join(method.presets) or "none"
        raise UsageError(f"--preset {config.preset}: {config.method} has no such preset; its presets are: {known}")
    usual = method.of_sinograms if config.sinograms and method.of_sinograms is not None else method.config()
    base = method.presets[config.preset] if config.preset is not None else usual
    if trained is not None:
        base = trained.configured(base)
    changed = _changed(config, base)
    if isinstance(changed, DefenceConfig) and changed.problem is not None:
        raise UsageError(f"--set: {changed.problem}")
    if config.maps == "reestimated" and without_maps(config, changed) is not None:
        raise UsageError(f"--maps reestimated: {config.method} takes no coil maps; leave the flag out")
    if trained is not None:
        try:
            archive.check(trained.params, jax.eval_shape(method.build(changed).init, new_key(0)))
        except WeightsError as error:
            raise UsageError(f"--set: {error}") from error
    return changed


_MAPS = dict.fromkeys(("varnet", "ttt_varnet"), "estimated by the network from the perturbed data")


def without_maps(config: RunConfig, method_config: Any) -> str | None:
    """Return the origin of the coil maps in words if the method takes none as an input, otherwise None."""
    return None if method_of(config).uses_maps(method_config) else _MAPS.get(config.method, "not used")


_TRUTH = {"true": True, "false": False}


def _changed(config: RunConfig, base: Any) -> Any:
    changes = {}
    for name, text in config.settings:
        known_names = [field.name for field in fields(base)]
        if name not in known_names:
            chooses = next((one for one, defence in DEFENCES.items() if name in _names(defence.settings)), None)
            if chooses is not None:
                raise UsageError(f"--set {name}: is a setting of {chooses}; give --set {chooses}=VALUE too")
            hint = did_you_mean(name, [*known_names, *DEFENCES])
            raise UsageError(f"--set {name}: {config.method} has no such setting{hint}")
        kind = type(getattr(base, name))
        try:
            changes[name] = _value(getattr(base, name), text)
        except (KeyError, TypeError, ValueError):
            needs = "numbers, such as 1,2" if kind is tuple else kind.__name__
            raise UsageError(f"--set {name}={text}: needs {needs}") from None
    try:
        return replace(base, **changes)
    except ValueError as error:
        raise UsageError(f"--set: {error}") from error


def _names(settings: type[Any]) -> list[str]:
    return [field.name for field in fields(settings)]


def _value(before: Any, text: str) -> Any:
    """The value that a text means for a setting with this value."""
    if isinstance(before, tuple):
        return tuple(type(before[0])(part) for part in text.split(","))
    return _TRUTH[text] if isinstance(before, bool) else type(before)(text)


def check_coils(method: str, method_config: Any, shapes: Iterable[tuple[int, int, int]]) -> None:
    """Check that a network has channels for all coils of the data.

    Args:
        method: name of the method.
        method_config: configuration of the method.
        shapes: (coil, ny, nx) of the slices.

    Raises:
        UsageError: the data have more coils than the network has channels for.
    """
    most, found = getattr(method_config, "most_coils", None), max((shape[0] for shape in shapes), default=0)
    if most is not None and found > most:
        raise UsageError(
            f"--method {method}: this network takes at most {most} coils, but the data have {found}; "
            f"compress them by python -m data_prep with --coils {most}, or train a network for more"
        )


def check_image(label: str, method: Method, method_config: Any, size: int, shape: tuple[int, ...]) -> None:
    """Check that a method for sinograms takes images of a size.

    Args:
        label: the method in messages.
        method: its functions.
        method_config: its configuration.
        size: rows and columns of the image [pixel].
        shape: (1, detector, view) of the sinogram.

    Raises:
        UsageError: the method cannot take the image.
    """
    like: Any = jax.ShapeDtypeStruct
    measurement = Measurement(
        like(shape, jnp.float32), like(shape[1:], jnp.bool_), like((1, size, size), jnp.float32)
    )  # fmt: skip
    built = method.build(method_config)
    try:
        jax.eval_shape(built.apply, jax.eval_shape(built.init, new_key(0)), measurement, new_key(0))
    except ValueError as error:
        raise UsageError(f"--method {label}: {error}; crop or pad the images") from error


def notes(config: RunConfig, trained: Weights | None, shapes: list[tuple[int, int, int]]) -> list[str]:
    """Make notes on a network: its size if it is un-trained, otherwise its training data and what it has not seen.

    Args:
        config: settings of the run.
        trained: weights of the method, or None.
        shapes: (coil, ny, nx) of the slices.
    """
    method = entry(config.method)
    if method.fitted and not method.trained and config.preset is None:
        return ["the default network is small, for two CPU cores; --preset names the published networks"]
    if trained is None:
        return []
    told = trained.card.get("data")
    found = [f"weights of {trained.method} trained on: {printable(told)}"] if told else []
    seen = {tuple(shape)[1:] for shape in trained.card.get("shapes", [])}
    unseen = sorted({shape[1:] for shape in shapes} - seen)
    if seen and unseen:
        sizes = ", ".join(f"{ny} x {nx}" for ny, nx in unseen)
        kind = "sinograms" if config.sinograms else "images"
        found.append(f"the weights were not trained on {kind} of {sizes}")
    if hasattr(trained.config, "most_coils"):
        coils = sorted({shape[0] for shape in shapes} - {shape[0] for shape in trained.card.get("shapes", [])})
        found += [f"the weights were not trained on scans of {n} coils" for n in coils]
    if method.fitted and not trained.card.get("training", {}).get("self_supervised"):
        found.append("the weights were trained without the loss that is fitted; bench.train --self-supervised adds it")
    return found
