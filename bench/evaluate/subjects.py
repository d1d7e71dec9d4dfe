"""The methods of a run, each with its configuration, weights and attack."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, NamedTuple

import numpy as np

from bench.evaluate import brought, methods
from bench.evaluate.networks import networks as networks_of
from bench.plan import linear_start
from bench.plan.config import OF_THE_FILE, RunConfig
from bench.plan.errors import UsageError
from bench.plan.like import LIKE
from bench.plan.several import BASES, FAMILIES
from bench.slices.one_coil import combined
from bench.slices.prepare import SliceData
from bench.slices.sources import Source, open_source
from data_prep.weights import Weights
from jaxcs import catalogue
from jaxcs.attacks import ATTACKS, own, spsa
from jaxcs.attacks.defaults import STAYS_OUTSIDE, Search, attack_named, default_attack
from jaxcs.recon import METHODS, Method
from jaxcs.recon.defence import DefenceConfig
from jaxcs.threats import Threat

_RESTARTS, _GRADIENT_FREE_STEPS = 3, 20
# Settings of --method all, so that every pair of methods at five epsilons and ten images fits into half an hour.  On
# four knees this ConvDecoder is 0.5 dB less accurate than the default; half the gradient steps find 0.1 dB less.
_SMALLER = {"convdecoder": (("n_steps", "200"), ("gradient_steps", "10"))}


class Subject(NamedTuple):
    """A method as it is attacked or scored.

    Attributes:
        label: its name in records.
        config: settings of the run, with the name and the settings of this method.
        method: its functions.
        method_config: its configuration.
        trained: its weights, None if it is not trained.
        attack: the attack on it.
        checks: further attacks that try to find worse, by the name of the check.
    """

    label: str
    config: RunConfig
    method: Method
    method_config: Any
    trained: Weights | None
    attack: Search
    checks: dict[str, Search]

    @property
    def params(self) -> Any:
        """The parameters of the method."""
        return {} if self.trained is None else self.trained.params

    def gradients_per_epsilon(self) -> int:
        """Return the number of gradient evaluations of the attack on one slice."""
        return gradients(self.attack.config)


def sources(config: RunConfig) -> list[Subject]:
    """Return the methods that are attacked, and each network that --weights names.

    Raises:
        UsageError: flags do not fit a method.
        InputFileError: the weights of a method cannot be read.
    """
    networks = networks_of(config, [*_attacked(config), *_scored(config)])
    if config.method == "basis":
        return [_subject(config, f"l1 {basis}", "l1", None, (("basis", basis),)) for basis in BASES]
    found = [
        _subject(config, label, name, weights, _SMALLER.get(name, ()) if config.method == "all" else ())
        for name in _attacked(config)
        for label, weights in networks[name]
    ]
    labels = [one.label for one in found]
    for label in labels:
        if labels.count(label) > 1:
            raise UsageError(f"--method {label}: is named twice; name it once")
    return found


def victims(config: RunConfig, attacked: list[Subject]) -> list[Subject]:
    """Return the methods that are scored: the attacked methods, and those that --victims names."""
    networks = networks_of(config, [*_attacked(config), *_scored(config)])
    known = {one.label for one in attacked}
    named = [(name, *one) for name in _scored(config) for one in networks[name] if one[0] not in known]
    found = [_subject(config, label, name, weights) for name, label, weights in named]
    # The label of a method that stops early has its number of iterations, which its name has not.
    return attacked + [one for one in found if one.label not in known]


def _attacked(config: RunConfig) -> tuple[str, ...]:
    """The names of the attacked methods in the registry."""
    return {"all": FAMILIES, "basis": ("l1",)}.get(config.method, config.attacked)


def _scored(config: RunConfig) -> list[str]:
    """The names that --victims gives, each once."""
    return list(dict.fromkeys(name for given in config.victims for name in (FAMILIES if given == "all" else (given,))))


def linear_start_of(config: RunConfig) -> Subject:
    """Return the linear start, with which every method is compared on clean data."""
    name = linear_start.of(sinograms=config.sinograms).method
    own = replace(config, method=name, beside=(), networks=(), settings=(), preset=None, weights=None, maps="fixed")
    method = METHODS[name]
    return Subject(name, own, method, method.config(), None, default_attack(method), {})


def source_for(config: RunConfig, scored: list[Subject], truth: bool = True) -> Source:
    """Open the source that the configuration names.

    Args:
        config: settings of the run.
        scored: the methods that will reconstruct its slices.
        truth: whether every slice must have a ground truth.

    Raises:
        InputFileError: no case can be read.
        UsageError: there are more coils than a network has channels for.
    """
    # Older records of --method all and of --victims have no other number of images.
    few = any(map(_takes_long, scored)) and (len(scored) == 1 or bool(config.beside or config.networks))
    source = open_source(config, few=few, truth=truth)
    if any(one.method.one_coil for one in scored):
        sides = [one.method_config.side for one in scored if one.method.one_coil and one.method.check_scan is not None]
        source = combined(source, sides[0] if sides else None)
    for one in scored:
        methods.check_coils(one.config.method, one.method_config, source.shapes)
    return source


def _takes_long(subject: Subject) -> bool:
    """Return whether an image takes long."""
    line = catalogue.METHODS.get(subject.config.method)
    return subject.method.fitted or (line is not None and line.slow)


def check_brought(attacked: list[Subject], scored: list[Subject], data: SliceData) -> None:
    """Check that users' functions can be used on a slice like this.

    Args:
        attacked: the methods that are attacked.
        scored: the methods that are scored.
        data: the slice.

    Raises:
        UsageError: a function cannot be used.
    """
    labels = {one.label for one in attacked}
    for one in scored:
        if one.config.method not in METHODS:
            # An attack of one's own may take no gradient.
            searched = one.label in labels and any(one.config.eps) and one.attack.entry is None
            brought.check_method(one.config.method, data, one.attack.name if searched else "noise")


def check_scan(scored: list[Subject], data: SliceData) -> None:
    """Check that networks are for the size and the mask of a slice.

    Raises:
        UsageError: a network is for others.
    """
    for one in scored:
        problem = scan_problem(one, data)
        if problem is not None:
            raise UsageError(f"--method {one.label}: {problem}; change --mask, --acceleration or --center-fraction")


def scan_problem(one: Subject, data: SliceData) -> str | None:
    """Return why a network is not for the mask of a slice, None if it is.

    Raises:
        UsageError: it is for images of another size.
    """
    if one.config.sinograms and one.method.trained:
        methods.check_image(one.label, one.method, one.method_config, data.maps.shape[-1], data.kspace.shape)
    if one.method.check_scan is None:
        return None
    training = {} if one.trained is None else one.trained.card.get("training", {})
    try:
        one.method.check_scan(one.method_config, data.kspace.shape, np.asarray(data.mask), training)
    except ValueError as error:
        return str(error)
    return None


def tried(subject: Subject, threat: Threat) -> Subject:
    """Try the attack on a method, if it is a function of one's own, on the threat set of a slice.

    Raises:
        UsageError: it cannot be used.
    """
    return subject if subject.attack.entry is None else subject._replace(attack=brought.tried(subject.attack, threat))


def _subject(
    config: RunConfig, label: str, name: str, weights: str | None, given: tuple[tuple[str, str], ...] = ()
) -> Subject:
    protocol = LIKE[config.like] if config.like is not None else None
    settings = given + tuple(_own(config, name))
    preset = config.preset or (protocol.presets.get(name) if protocol else None)
    own = replace(config, method=name, beside=(), networks=(), settings=settings, preset=preset, weights=weights)
    method = methods.method_of(own)
    if config.several and config.preset is not None:
        raise UsageError("--preset: several methods are run; use --set METHOD.NAME=VALUE")
    trained = methods.weights(own)
    method_config = methods.configuration(own, trained)
    if methods.without_maps(own, method_config) is not None:
        own = replace(own, maps="fixed")
    if config.method_seed == "fresh" and method.random is None and not config.several:
        raise UsageError(f"--method-seed fresh: {name} draws nothing at random; leave the flag out")
    attack = _attack(own, method, protocol.attacks.get(name) if protocol else None)
    checks = _checks(attack) if config.check else {}
    return Subject(_labelled(label, method_config), own, method, method_config, trained, attack, checks)


def _labelled(label: str, method_config: Any) -> str:
    """The label, with what else decides the image: the iterations of a solver that stops early, and the defence."""
    if getattr(method_config, "tolerance", None) == 0:
        label = f"{label} at {method_config.n_iters} iterations"
    return f"{label}, {method_config.words}" if isinstance(method_config, DefenceConfig) else label


def _own(config: RunConfig, name: str) -> list[tuple[str, str]]:
    """The settings of this method; if there are several methods, those that name it."""
    found = []
    for key, value in config.settings:
        method, dot, setting = key.rpartition(".")
        if config.several and (not dot or method not in METHODS):
            raise UsageError(f"--set {key}: several methods are run; write METHOD.{key}, such as {name}.{key}=VALUE")
        if not dot or method == name:
            found.append((setting, value))
    return found


def _attack(config: RunConfig, method: Method, published: tuple[str, str] | None) -> Search:
    """The attack on one method: as given, otherwise the protocol's, otherwise the default."""
    name, preset = config.attack, config.attack_preset
    by_rows = config.stealth is None
    if name == "default":
        name, preset = published or (default_attack(method, config.threat, by_rows=by_rows).name, preset)
    search = _named(name, method, config.threat, by_rows)
    entry = search.kind
    if config.loss != "nmse" and entry.sees in ("residual", "objective"):
        raise UsageError(f"--loss {config.loss}: {name} drives up squared errors alone; use scout, apgd or pgd")
    if config.loss == "hallucination" and (config.sinograms or config.mask == OF_THE_FILE):
        raise UsageError("--loss hallucination: what is not measured must be known; use fully sampled k-space")
    if not by_rows and (entry.sees in ("residual", "objective") or name in STAYS_OUTSIDE):
        raise UsageError(f"--stealth: {name} cannot keep within a bound; use apgd, pgd or spsa")
    if entry.sees == "objective":
        return _two_step(config, method, name, preset)
    if preset is not None and preset not in entry.presets:
        known = ", ".join(entry.presets) or "none"
        raise UsageError(f"--attack-preset {preset}: {name} has no such preset; its presets are: {known}")
    base = entry.presets[preset] if preset is not None else search.config
    given = {"n_steps": config.steps, "step_size": config.step_size, "restarts": config.restarts}
    known_names = {field.name for field in fields(base)}
    for field, value in given.items():
        if value is not None and field not in known_names:
            flag = field.removeprefix("n_").replace("_", "-")
            raise UsageError(f"--{flag}: {name} has no such setting; leave the flag out")
    return search._replace(
        config=replace(base, **{field: value for field, value in given.items() if value is not None})
    )


def _named(name: str, method: Method, threat: str, by_rows: bool) -> Search:
    """The attack of a name in `ATTACKS` or of a function of the user, as it suits the method.  Raises UsageError."""
    if name not in ATTACKS:
        return brought.attack(name)
    try:
        # An attack that descends on an objective has a configuration for each kind of objective.
        joint = ATTACKS[name].sees == "objective"
        return Search(name, None) if joint else attack_named(name, method, threat, by_rows=by_rows)
    except ValueError as error:
        raise UsageError(f"--attack {name}: {error}") from error


def _two_step(config: RunConfig, method: Method, name: str, preset: str | None) -> Search:
    if method.variational is None:
        raise UsageError(f"--attack {name}: {config.method} minimises no objective; use pgd")
    for flag, value in (("steps", config.steps), ("step-size", config.step_size), ("restarts", config.restarts)):
        if value is not None:
            raise UsageError(f"--{flag}: {name} has constants of its own; leave it out, or use --attack pgd")
    kind = "untrained" if method.fitted else config.method
    key = {None: kind, "bounded": kind, "published": f"{kind}_published"}.get(preset, "")
    if key not in ATTACKS[name].presets:
        raise UsageError(f"--attack-preset {preset}: {name} has no such preset; its presets are: bounded, published")
    return Search(name, ATTACKS[name].presets[key])


def _checks(attack: Search) -> dict[str, Search]:
    """Searches that may show that the attack falls short: twice the steps, further starts, or no gradients."""
    names = {field.name for field in fields(attack.config)}
    found = {"gradient_free": Search("spsa", spsa.Config(n_steps=_GRADIENT_FREE_STEPS))}
    if "n_steps" in names:
        found["doubled"] = Search(attack.name, replace(attack.config, n_steps=2 * attack.config.n_steps))
    if "restarts" in names:
        more = attack.config.restarts + _RESTARTS
        found["restarted"] = Search(attack.name, replace(attack.config, restarts=more))
    return found


def gradients(config: Any) -> int:
    """Return the number of gradient evaluations of an attack with this configuration."""
    if hasattr(config, "members"):
        return sum(gradients(member) for member in config.members)
    if isinstance(config, own.Config):
        return config.evaluations
    return getattr(config, "n_steps", getattr(config, "n_points", 0)) * getattr(config, "restarts", 1)
