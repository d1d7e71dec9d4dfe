"""The methods of a run, each with its configuration, weights and attack: one, or several beside each other."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, NamedTuple

from bench.evaluate import brought, methods
from bench.plan.config import RunConfig
from bench.plan.errors import UsageError
from bench.plan.like import LIKE
from bench.slices.prepare import SliceData
from bench.slices.sources import Source, open_source
from data_prep.weights import Weights
from jaxcs.attacks import ATTACKS, spsa
from jaxcs.attacks.defaults import Search, attack_named, default_attack
from jaxcs.recon import METHODS, Method

# --method all: the families of Figure 3 of the ICML 2021 paper.
FAMILIES = ("l1", "unet", "varnet", "convdecoder")
# --method basis: those of its Figure 10.
BASES = ("wavelet", "fourier", "dct")
_RESTARTS, _GRADIENT_FREE_STEPS = 3, 20


# Methods that take long on each image.
_SLOW = {"varnet", "irim"} | {name for name, method in METHODS.items() if method.fitted}
# Of the un-trained one, so that every pair of methods at five epsilons and ten images fits into half an hour.  Against
# the default on four knees it is 0.5 dB less accurate; half the steps of the gradient find 0.1 dB less.
_SMALLER = {"convdecoder": (("n_steps", "200"), ("gradient_steps", "10"))}


class Subject(NamedTuple):
    """A method as it is attacked or scored.  config: the run's, with this method's own name and settings.

    label: how records name it.  method: its functions.
    attack: the attack on it.  checks: attacks that try to do better, by what they check.
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
        """Parameters of the method."""
        return {} if self.trained is None else self.trained.params

    def gradients_per_epsilon(self) -> int:
        """Gradient evaluations of the attack on one slice."""
        return gradients(self.attack.config)


def sources(config: RunConfig) -> list[Subject]:
    """The methods that are attacked.  Raises UsageError or InputFileError."""
    if config.method == "basis":
        return [_subject(config, f"l1 {basis}", "l1", (("basis", basis),)) for basis in BASES]
    names = FAMILIES if config.method == "all" else (config.method,)
    return [_subject(config, name, name, _SMALLER.get(name, ()) if config.method == "all" else ()) for name in names]


def victims(config: RunConfig, attacked: list[Subject]) -> list[Subject]:
    """The methods that are scored: those attacked, and those named by --victims."""
    names = dict.fromkeys(name for given in config.victims for name in (FAMILIES if given == "all" else (given,)))
    return attacked + [_subject(config, name, name) for name in names if name not in {one.label for one in attacked}]


def zero_filled(config: RunConfig) -> Subject:
    """The method that every other is held against, on clean data only."""
    name = "zero_filled"
    own = replace(config, method=name, settings=(), preset=None, weights=None, maps="fixed")
    method = METHODS[name]
    return Subject(name, own, method, method.config(), None, default_attack(method), {})


def source_for(config: RunConfig, scored: list[Subject]) -> Source:
    """The source that the configuration names, for these methods.

    Raises InputFileError if no case can be read, UsageError if there are more coils than a network has channels for.
    """
    source = open_source(config, few=len(scored) == 1 and scored[0].config.method in _SLOW)
    for one in scored:
        methods.check_coils(one.config.method, one.method_config, source.shapes)
    return source


def check_brought(attacked: list[Subject], scored: list[Subject], data: SliceData) -> None:
    """Raise UsageError if a function of one's own cannot be used on a slice like this one."""
    labels = {one.label for one in attacked}
    for one in scored:
        if one.config.method not in METHODS:
            searched = one.label in labels and any(one.config.eps)
            brought.check(one.config.method, data, one.attack.name if searched else "noise")


def _subject(config: RunConfig, label: str, name: str, given: tuple[tuple[str, str], ...] = ()) -> Subject:
    several = config.method in ("all", "basis") or bool(config.victims)
    protocol = LIKE[config.like] if config.like is not None else None
    method = methods.entry(name)
    settings = given + tuple(_own(config, name, several))
    preset = config.preset or (protocol.presets.get(name) if protocol else None)
    own = replace(config, method=name, settings=settings, preset=preset)
    if several and config.weights is not None:
        raise UsageError("--weights: several methods are run; leave the flag out")
    if several and config.preset is not None:
        raise UsageError("--preset: several methods are run; use --set METHOD.NAME=VALUE")
    trained = methods.weights(own)
    method_config = methods.configuration(own, trained)
    if methods.without_maps(own, method_config) is not None:
        own = replace(own, maps="fixed")
    if config.method_seed == "fresh" and not method.fitted and not several:
        raise UsageError(f"--method-seed fresh: {name} draws nothing at random; leave the flag out")
    attack = _attack(own, method, protocol.attacks.get(name) if protocol else None)
    checks = _checks(attack) if config.check else {}
    return Subject(_labelled(label, method_config), own, method, method_config, trained, attack, checks)


def _labelled(label: str, method_config: Any) -> str:
    """With the number of iterations, if it is they that decide the image and not what is minimised."""
    stops_early = getattr(method_config, "tolerance", None) == 0
    return f"{label} at {method_config.n_iters} iterations" if stops_early else label


def _own(config: RunConfig, name: str, several: bool) -> list[tuple[str, str]]:
    """The settings that are this method's: of several methods those that name it."""
    found = []
    for key, value in config.settings:
        method, dot, setting = key.rpartition(".")
        if several and (not dot or method not in METHODS):
            raise UsageError(f"--set {key}: several methods are run; write METHOD.{key}, such as l1.lam=0.005")
        if not dot or method == name:
            found.append((setting, value))
    return found


def _attack(config: RunConfig, method: Method, published: tuple[str, str] | None) -> Search:
    """The attack on one method: as given, else as the protocol has it, else the default."""
    name, preset, default = config.attack, config.attack_preset, default_attack(method, config.threat)
    if name == "default":
        name, preset = published or (default.name, preset)
    entry = ATTACKS[name]
    if config.loss != "nmse" and entry.sees in ("residual", "objective"):
        raise UsageError(f"--loss {config.loss}: {name} drives up squared errors alone; use scout, apgd or pgd")
    if entry.sees == "objective":
        return _two_step(config, method, name, preset)
    if preset is not None and preset not in entry.presets:
        known = ", ".join(entry.presets) or "none"
        raise UsageError(f"--attack-preset {preset} is not one of {name}'s, which are: {known}")
    base = entry.presets[preset] if preset is not None else attack_named(name, method, config.threat).config
    given = {"n_steps": config.steps, "step_size": config.step_size, "restarts": config.restarts}
    known_names = {field.name for field in fields(base)}
    for field, value in given.items():
        if value is not None and field not in known_names:
            flag = field.removeprefix("n_").replace("_", "-")
            raise UsageError(f"--{flag}: {name} has no such setting; leave the flag out")
    return Search(name, replace(base, **{field: value for field, value in given.items() if value is not None}))


def _two_step(config: RunConfig, method: Method, name: str, preset: str | None) -> Search:
    if method.variational is None:
        raise UsageError(f"--attack {name}: {config.method} minimises no objective; use pgd")
    for flag, value in (("steps", config.steps), ("step-size", config.step_size), ("restarts", config.restarts)):
        if value is not None:
            raise UsageError(f"--{flag}: {name} has constants of its own; leave it out, or use --attack pgd")
    kind = "untrained" if method.fitted else config.method
    key = {None: kind, "bounded": kind, "published": f"{kind}_published"}.get(preset, "")
    if key not in ATTACKS[name].presets:
        raise UsageError(f"--attack-preset {preset} is not one of {name}'s, which are: bounded, published")
    return Search(name, ATTACKS[name].presets[key])


def _checks(attack: Search) -> dict[str, Search]:
    """Searches that would show that the attack falls short: twice the steps, other starts, no gradients at all."""
    names = {field.name for field in fields(attack.config)}
    found = {"gradient_free": Search("spsa", spsa.Config(n_steps=_GRADIENT_FREE_STEPS))}
    if "n_steps" in names:
        found["doubled"] = Search(attack.name, replace(attack.config, n_steps=2 * attack.config.n_steps))
    if "restarts" in names:
        more = attack.config.restarts + _RESTARTS
        found["restarted"] = Search(attack.name, replace(attack.config, restarts=more))
    return found


def gradients(config: Any) -> int:
    """Gradient evaluations of an attack with this configuration."""
    if hasattr(config, "members"):
        return sum(gradients(member) for member in config.members)
    return getattr(config, "n_steps", getattr(config, "n_points", 0)) * getattr(config, "restarts", 1)
