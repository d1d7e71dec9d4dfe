"""The methods of a world: the one that is tested, its comparator, and the controls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax.numpy as jnp

from bench.evaluate import subjects
from bench.evaluate.subjects import Subject
from bench.plan.config import RunConfig
from bench.plan.errors import UsageError
from bench.studies.stability import worlds
from bench.studies.stability.compared import is_complex
from bench.studies.stability.config import StabilityConfig
from bench.studies.stability.worlds import CONTROLS, CT_CONTROLS, IGNORES_DATA, WORLDS, World
from data_prep.weights import lacking, shipped
from jaxcs.attacks.defaults import Search
from jaxcs.catalogue import suited_weights
from jaxcs.recon.method import Method
from jaxcs.types import Key, Magnitude, Measurement, Params, Reconstructor

TESTED, COMPARATOR, CONTROL = "tested", "comparator", "control"


class Member(NamedTuple):
    """A method of a world.

    Attributes:
        label: its name in records.
        role: `TESTED`, `COMPARATOR` or `CONTROL`.
        subject: its functions.
    """

    label: str
    role: str
    subject: Subject


class Cast(NamedTuple):
    """A world with its methods.

    Attributes:
        name: name of the world.
        world: its choices.
        config: settings for its slices.
        members: the methods, the tested one first.
        residual: a name of `worlds.RESIDUALS`.
    """

    name: str
    world: World
    config: RunConfig
    members: tuple[Member, ...]
    residual: str = worlds.MAGNITUDE

    @property
    def tested(self) -> Member:
        """The tested method."""
        return self.members[0]

    @property
    def scored(self) -> list[Subject]:
        """The methods, without those that read nothing."""
        return [one.subject for one in self.members]


def casts(config: StabilityConfig) -> tuple[list[Cast], list[str]]:
    """Find the methods of each world.

    Args:
        config: settings of the study.

    Returns:
        The worlds, and a sentence for each world that is left out because it has no weights.

    Raises:
        UsageError: no world can be studied, or the weights do not fit.
        InputFileError: weights cannot be read.
    """
    given = dict(config.weights)
    found, missing = [], []
    for name in config.methods:
        reason = _missing(name, given, config)
        if reason is None:
            found.append(cast(name, config, given))
        else:
            missing.append(reason)
    if not found:
        raise UsageError(missing[0])
    return found, missing


def cast(name: str, config: StabilityConfig, weights: Mapping[str, str]) -> Cast:
    """Build the methods of one world.

    Args:
        name: a name in `WORLDS`.
        config: settings of the study.
        weights: files of weights by method, where they are not the shipped ones.
    """
    world = WORLDS[name]
    if config.comparator not in (None, world.comparator):
        # Settings are those that suit the usual comparator.
        world = world._replace(comparator=config.comparator, settings=())
    sampling = world.sampling

    def subject(method: str, settings: tuple[tuple[str, str], ...] = (), file: str | None = None) -> Subject:
        own = RunConfig(
            method=method, settings=settings, weights=file, attack="noise", eps=(0.0,), norm="image",
            data=config.data, phantom=world.phantom or config.phantom, mask=sampling.mask,
            acceleration=sampling.acceleration, center_fraction=sampling.center_fraction,
            limit=config.limit, seed=config.seed,
            acquisition=config.acquisition, shift=config.shift,
        )  # fmt: skip
        (found,) = subjects.sources(own)
        suited = found.method.of_sinograms if world.phantom and not settings else None
        return found if suited is None else found._replace(method_config=suited)

    file = weights.get(name)
    if file is None and world.phantom and worlds.is_network(name):
        file = _shipped_for(name, config)
    tested = subject(worlds.method_of(name), file=file)
    residual = config.residual or worlds.MAGNITUDE
    if residual == worlds.COMPLEX and (world.target == "truth" or not is_complex(tested, residual)):
        raise UsageError(f"--residual complex: {name} has no complex image to compare; leave the flag or {name} out")
    members = [
        Member(tested.label, TESTED, tested),
        Member(world.comparator, COMPARATOR, subject(world.comparator, world.settings)),
    ]
    for control in CT_CONTROLS if world.phantom else CONTROLS:
        if control not in (worlds.method_of(name), world.comparator):
            members.append(Member(control, CONTROL, subject(control)))
    members.append(Member(IGNORES_DATA, CONTROL, _ignoring(members[-1].subject)))
    return Cast(name, world, tested.config, tuple(members), residual)


def _missing(name: str, weights: Mapping[str, str], config: StabilityConfig) -> str | None:
    """The sentence about a network without weights, or None."""
    if not worlds.is_network(name) or name in weights:
        return None
    suits = _shipped_for(name, config)
    if suits in shipped():
        return None
    data = "" if config.data is None else " --data TRAINING --validation VALIDATION"
    return (
        f"--weights: {lacking(suits)}; {worlds.training(name)}{data} makes some, and --weights {name}=FILE takes them"
    )


def _shipped_for(name: str, config: StabilityConfig) -> str:
    """The name of the shipped weights that suit a world, whether they exist or not."""
    phantom = WORLDS[name].phantom
    if phantom and config.data is not None:
        return f"{worlds.method_of(name)}-phantom-ellipses"
    if phantom:
        return f"{worlds.method_of(name)}-phantom-{phantom}"
    return suited_weights(name, config.phantom if config.data is None else None)


@dataclass(frozen=True)
class _Nothing:
    """The method has no choices."""


def _ignoring(like: Subject) -> Subject:
    """A method that gives the same image whatever is measured: nothing is more stable, or more useless."""

    def apply(params: Params, measurement: Measurement, key: Key) -> Magnitude:
        del params, key
        return jnp.full(measurement.maps.shape[1:], 0.5, jnp.float32)

    def build(config: Any) -> Reconstructor:
        del config
        return Reconstructor(init=lambda key: {}, apply=apply)

    return like._replace(
        label=IGNORES_DATA, method=Method(_Nothing, build, {}), method_config=_Nothing(), trained=None,
        attack=Search("noise", None), checks={},
    )  # fmt: skip
