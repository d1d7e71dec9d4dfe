"""The entry of a defence that wraps any method."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, ClassVar, NamedTuple

import jax

from jaxcs.recon.method import Method, Surrogate
from jaxcs.recon.staged import stages_of
from jaxcs.types import Key, Magnitude, Measurement, Params, Reconstructor, Solution, Stages


@dataclass(frozen=True)
class DefenceConfig(ABC):
    """Settings of a defence; a wrapped method's configuration has them beside those of the method.

    Attributes:
        inner: the method without the defence.
        defended: the method in the defence.
    """

    inner: ClassVar[Method]
    defended: ClassVar[Method]

    @abstractmethod
    def check(self) -> None:
        """Raise ValueError if a setting of the defence makes no sense."""

    @property
    def problem(self) -> str | None:
        """Why the method cannot be in the defence, or None."""
        return None

    @property
    @abstractmethod
    def words(self) -> str:
        """The defence in words, for labels."""

    @property
    @abstractmethod
    def passes(self) -> int:
        """Reconstructions by the method without the defence that an image takes."""

    def plain(self) -> Any:
        """Return the configuration of the method without the defence."""
        kind = self.inner.config
        return kind(**{field.name: getattr(self, field.name) for field in fields(kind)})


class Defence(NamedTuple):
    """A defence.

    Attributes:
        settings: class of its settings.
        build: (method without the defence, configuration) -> reconstructor.
        random: what it draws at random, in words.
        surrogate: as in `Method`, of the wrapped method; its first argument is the method without the defence.
        uses_maps: (method without the defence, configuration) -> whether coil maps are needed.
        searched: whether a search may use the method's looser solver.
    """

    settings: type[DefenceConfig]
    build: Callable[[Method, Any], Reconstructor]
    random: str
    surrogate: Callable[[Method, Any], Surrogate | None] = lambda method, config: None
    uses_maps: Callable[[Method, Any], bool] = lambda method, config: method.uses_maps(config)
    searched: bool = True


def around(inner: Reconstructor, solve: Callable[[Params, Any, Measurement, Key], Solution]) -> Reconstructor:
    """Build a method in a defence, which prepares what the method without it prepares.

    Args:
        inner: the method without the defence; it checks shapes and weights.
        solve: the second stage, as in `Stages`.
    """
    prepare = stages_of(inner).prepare

    def apply(params: Params, measurement: Measurement, key: Key) -> Magnitude:
        jax.eval_shape(inner.apply, params, measurement, key)
        return solve(params, prepare(params, measurement.maps, measurement.mask), measurement, key).image

    return Reconstructor(inner.init, jax.jit(apply), Stages(prepare, solve))
