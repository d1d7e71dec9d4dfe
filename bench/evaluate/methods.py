"""A method as the configuration asks for it: its settings, and a trained one's weights."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Any

import jax

from bench.evaluate import brought
from bench.plan.config import RunConfig
from bench.plan.errors import InputFileError, UsageError
from data_prep.cases import InputError
from data_prep.weights import Weights, read_weights, shipped
from jaxcs.keys import new_key
from jaxcs.names import did_you_mean, printable
from jaxcs.recon import METHODS, Method
from jaxcs.weights import archive
from jaxcs.weights.errors import WeightsError


def entry(name: str) -> Method:
    """The method of a name: one of the registry, or a function of one's own as MODULE:FUNCTION.  Raises UsageError."""
    if name not in METHODS:
        return brought.method(name)
    try:
        return METHODS[name]
    except ValueError as error:
        raise UsageError(f"--method {name}: {error}") from error


def weights(config: RunConfig) -> Weights | None:
    """The weights of a trained method, None of any other.  Raises InputFileError or UsageError."""
    method = entry(config.method)
    if not method.trained:
        if config.weights is not None:
            raise UsageError(f"--weights: {config.method} is not trained; leave the flag out")
        return None
    wanted = method.weights_of or config.method
    suits = f"{wanted}-{'brain-t2' if config.data is not None else f'phantom-{config.phantom}'}"
    if config.weights is None and suits not in shipped():
        raise UsageError(
            f"--weights: {suits} do not come with the project; name a file of python -m bench.train --method {wanted}"
        )
    try:
        found = read_weights(config.weights or suits)
    except InputError as error:
        raise InputFileError(f"--weights {error}") from error
    if found.method != wanted:
        raise UsageError(f"--weights {config.weights}: these are of {found.method}; use --method {found.method}")
    return found


def trained_method(source: str, flag: str) -> str:
    """Method whose weights are in a file or in shipped weights of this name.  Raises InputFileError."""
    try:
        return read_weights(source).method
    except InputError as error:
        raise InputFileError(f"{flag} {error}") from error


def configuration(config: RunConfig, trained: Weights | None) -> Any:
    """The method's configuration with --preset, --weights and --set applied.  Raises UsageError."""
    method = entry(config.method)
    if trained is not None and config.preset is not None and method.weights_of is None:
        raise UsageError(f"--preset: the configuration of {config.method} is that of its weights; leave the flag out")
    if config.preset is not None and config.preset not in method.presets:
        known = ", ".join(method.presets) or "none"
        raise UsageError(f"--preset {config.preset} is not one of {config.method}'s, which are: {known}")
    base = method.presets[config.preset] if config.preset is not None else method.config()
    if trained is not None:
        base = replace(base, **{field.name: getattr(trained.config, field.name) for field in fields(trained.config)})
    changed = _changed(config, base)
    if config.maps == "reestimated" and without_maps(config, changed) is not None:
        raise UsageError(f"--maps reestimated: {config.method} uses no coil maps from outside; leave the flag out")
    if trained is not None:
        try:
            archive.check(trained.params, jax.eval_shape(method.build(changed).init, new_key(0)))
        except WeightsError as error:
            raise UsageError(f"--set: {error}") from error
    return changed


_MAPS = dict.fromkeys(("varnet", "ttt_varnet"), "estimated by the network from the perturbed data")


def without_maps(config: RunConfig, method_config: Any) -> str | None:
    """Origin of coil maps for a method that takes none from outside, None for other methods."""
    return None if entry(config.method).uses_maps(method_config) else _MAPS.get(config.method, "not used")


_TRUTH = {"true": True, "false": False}


def _changed(config: RunConfig, base: Any) -> Any:
    changes = {}
    for name, text in config.settings:
        known_names = [field.name for field in fields(base)]
        if name not in known_names:
            hint = did_you_mean(name, known_names) if known_names else "; it has none"
            raise UsageError(f"--set {name}: {config.method} has no such setting{hint}")
        kind = type(getattr(base, name))
        try:
            changes[name] = _TRUTH[text] if kind is bool else kind(text)
        except (KeyError, TypeError, ValueError):
            raise UsageError(f"--set {name}={text}: needs {kind.__name__}") from None
    try:
        return replace(base, **changes)
    except ValueError as error:
        raise UsageError(f"--set: {error}") from error


def check_coils(method: str, method_config: Any, shapes: Iterable[tuple[int, int, int]]) -> None:
    """Raise UsageError where data have more coils than the network has channels for.

    shapes: (coil, ny, nx) of the slices.
    """
    most, found = getattr(method_config, "most_coils", None), max((shape[0] for shape in shapes), default=0)
    if most is not None and found > most:
        raise UsageError(
            f"--method {method}: this network is for {most} coils at most, the data has {found}; "
            f"compress them, python -m data_prep with --coils {most}, or train one for more"
        )


def notes(config: RunConfig, trained: Weights | None, shapes: list[tuple[int, int, int]]) -> list[str]:
    """Notes on a network: its size if un-trained, else its training data, and sizes that it has not seen."""
    method = entry(config.method)
    if method.fitted and not method.trained and config.preset is None:
        return ["the default network is a small one, for two CPU cores; --preset names the published ones"]
    if trained is None:
        return []
    told = trained.card.get("data")
    found = [f"weights of {config.method} trained on: {printable(told)}"] if told else []
    seen = {tuple(shape)[1:] for shape in trained.card.get("shapes", [])}
    unseen = sorted({shape[1:] for shape in shapes} - seen)
    if seen and unseen:
        sizes = ", ".join(f"{ny} x {nx}" for ny, nx in unseen)
        found.append(f"the weights were not trained on images of {sizes}")
    if hasattr(trained.config, "most_coils"):
        coils = sorted({shape[0] for shape in shapes} - {shape[0] for shape in trained.card.get("shapes", [])})
        found += [f"the weights were not trained on scans of {n} coils" for n in coils]
    if method.fitted and not trained.card.get("training", {}).get("self_supervised"):
        found.append("the weights were trained without the loss that is fitted; bench.train --self-supervised adds it")
    return found
