"""The plan of a study: test sets, models, and which model is compared on which test sets for each shift."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from bench.plan.config import RunConfig
from bench.plan.errors import UsageError
from bench.studies.shift.named import AXES, VARIANTS


class Model(NamedTuple):
    """A method that was trained on, or tuned for, a data set.

    Attributes:
        label: name in tables.
        variant: name of the method's variant, or of user weights, without the training set.
        group: family of the variant.
        home: name of the test set that matches the training set.
        fields: values of `RunConfig` fields.
        parameters: how many numbers were fitted to data, in words: weights of a network, or settings that were tuned.
    """

    label: str
    variant: str
    group: str
    home: str
    fields: Mapping[str, Any]
    parameters: str = ""


class Comparison(NamedTuple):
    """Points in a plane.

    Attributes:
        name: name of the comparison.
        axis: its shift.
        kind: "same model": each model is tested on `inside` and then on `outside`.  "same images": the images of
            `outside` are seen by models at home there (horizontal axis), and by models at home in `inside` (vertical
            axis).
        inside: name of the test set in distribution.
        outside: name of the test set out of distribution.
        without: method that is not compared, because its scores selected the images.
    """

    name: str
    axis: str
    kind: str
    inside: str
    outside: str
    without: str | None = None


class Plan(NamedTuple):
    """A study.

    Attributes:
        tests: test sets by name.
        models: the models, in order.
        comparisons: the comparisons, in order.
    """

    tests: dict[str, RunConfig]
    models: list[Model]
    comparisons: list[Comparison]

    def cells(self) -> list[tuple[Model, str]]:
        """Return the pairs of model and test set that have to be run, each once."""
        found: dict[tuple[str, str], tuple[Model, str]] = {}
        for comparison in self.comparisons:
            for one, test in needed(comparison, self.models):
                found.setdefault((one.label, test), (one, test))
        return list(found.values())

    def config(self, model: Model, test: str) -> RunConfig:
        """Return the configuration of one such run: clean scores, no attack."""
        return replace(self.tests[test], attack="noise", eps=(0.0,), **model.fields)


def needed(comparison: Comparison, models: list[Model]) -> list[tuple[Model, str]]:
    """Return the pairs of model and test set that a comparison needs."""
    models = [one for one in models if one.fields["method"] != comparison.without]
    if comparison.kind == "same images":
        homes = (comparison.outside, comparison.inside)
        return [(one, comparison.outside) for home in homes for one in models if one.home == home]
    mine = [one for one in models if one.home == comparison.inside]
    return [(one, test) for one in mine for test in (comparison.inside, comparison.outside)]


class Base(NamedTuple):
    """A data set on which methods are trained or tuned.

    Attributes:
        name: name in tables.
        config: configuration of tests on it.
    """

    name: str
    config: RunConfig


class Hard(NamedTuple):
    """A list of bench.hardest.

    Attributes:
        path: the file.
        method: method whose scores selected the images, None if not known.
    """

    path: str
    method: str | None


def plan(axes: list[str], base: Base, others: list[Base], models: list[Model], hard: Hard | None) -> Plan:
    """Plan the study of shifts away from `base`.

    Args:
        axes: names of the shifts.
        base: the data set of the study.
        others: the other data sets.
        models: the models.
        hard: the list of hard images, or None.

    Raises:
        UsageError: a shift needs another data set or a list of hard images, and there is none.
    """
    tests = {one.name: one.config for one in (base, *others)}
    comparisons: list[Comparison] = []
    homes = {one.home for one in models}

    def add(axis: str, outside: str, config: RunConfig, without: str | None = None, other: str | None = None) -> None:
        tests[outside] = config
        name = f"{axis}, {base.name}" + ("" if other is None else f" to {other}")
        comparisons.append(Comparison(name, axis, "same model", base.name, outside, without))

    for name in axes:
        axis = AXES[name]
        if axis.hard:
            if hard is None:
                raise UsageError("hard: needs --hard LIST.csv, made by bench.hardest; or use the phantom")
            add(name, f"{base.name} + hard", replace(base.config, only=hard.path), hard.method)
        elif not axis.other:
            add(name, f"{base.name} + {name}", _changed(base.config, axis.changes))
        elif not others:
            raise UsageError(f"{name}: needs another data set; give --other-data PATH")
        for other in others if axis.other else []:
            if axis.changes:
                add(name, f"{other.name} + {name}", _changed(other.config, axis.changes), other=other.name)
                continue
            add(name, other.name, other.config, other=other.name)
            if other.name in homes:
                pair = (name, "same model", other.name, base.name)
                comparisons.append(Comparison(f"{name}, {other.name} to {base.name}", *pair))
                for inside, outside in ((base.name, other.name), (other.name, base.name)):
                    label = f"{name}, tested on {outside}"
                    comparisons.append(Comparison(label, name, "same images", inside, outside))
    return Plan(tests, models, comparisons)


def _changed(config: RunConfig, changes: Mapping[str, Any]) -> RunConfig:
    """The configuration with these changes.

    At a lower resolution, the number of calibration columns stays the same: coil maps from fewer would be another
    shift.
    """
    if config.center_fraction is None:
        raise UsageError(
            f"{config.data}: is already under-sampled, so that its scans cannot be changed; give whole k-space"
        )
    changed = replace(config, **changes)
    share = dict(changed.shift).get("resolution", 1.0)
    return replace(changed, center_fraction=min(config.center_fraction / share, 1.0))


def variant_fields(name: str) -> dict[str, Any]:
    """Return the `RunConfig` fields of a variant of the registry."""
    variant = VARIANTS[name]
    return {"method": variant.method, "settings": variant.settings}
