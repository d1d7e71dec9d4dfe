"""The plan of bench.shift from its configuration: data sets, models with their training or tuning, hard images."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.evaluate.methods import named_weights
from bench.plan.config import RunConfig
from bench.plan.errors import InputFileError, UsageError
from bench.record.forms import table, text
from bench.record.reading import read_json
from bench.record.records import RunFolder
from bench.slices.case_list import as_csv
from bench.slices.own_mask import settled
from bench.slices.shifting import check_shift
from bench.slices.source import refused
from bench.studies.hardest.subset import hardest, scored
from bench.studies.shift.named import AXES, DEFAULT_VARIANTS, FILTER, VARIANTS
from bench.studies.shift.plan import Base, Hard, Model, Plan, plan, variant_fields
from bench.studies.shift.runs import one_run
from bench.studies.tuning.tuned_file import read_tuned
from data_prep.weights import lacking, read_weights, shipped
from jaxcs.catalogue import ANATOMIES, METHODS, NETWORKS, OF_OTHER_WEIGHTS, suited_weights

# Default number of phantom images, and how many times as many are searched for hard images.
_IMAGES, _MORE = 10, 4
_TUNED = Path(__file__).parent / "tuned"


@dataclass(frozen=True)
class ShiftConfig:
    """Configuration of a study.

    Attributes:
        axes: names of the shifts.
        base: the data set and its sampling, as in bench.attack, without an attack.
        methods: names of variants; if empty, `DEFAULT_VARIANTS`.
        weights: (name, file) of networks trained on data like `base`.
        other_weights: (name, file) of networks trained on data like the first of `other_data`.
        tuned: files of bench.tune.
        other_data: paths of the other data sets.
        hard: list of bench.hardest, or None.
    """

    axes: tuple[str, ...]
    base: RunConfig
    methods: tuple[str, ...] = ()
    weights: tuple[tuple[str, str], ...] = ()
    other_weights: tuple[tuple[str, str], ...] = ()
    tuned: tuple[str, ...] = ()
    other_data: tuple[str, ...] = ()
    hard: str | None = None


def planned(asked: ShiftConfig, study: Path, argv: list[str]) -> Plan:
    """Make the plan; if it needs hard phantom images, run the method that selects them.

    Args:
        asked: configuration of the study.
        study: folder of the study.
        argv: the command line, for the record.

    Raises:
        RunError: the study cannot be carried out, in one line for the user.
    """
    axes = list(asked.axes)
    base, others = _bases(asked, argv)
    if not any(AXES[name].other for name in axes):
        if asked.other_data or asked.other_weights:
            raise UsageError("--other-data: none of the shifts needs it; name anatomy or dataset")
        others = []
    models = _models(asked, base, others)
    hard = _hard(asked, base, study, argv) if any(AXES[name].hard for name in axes) else None
    made = plan(axes, base, others, models, hard)
    if not made.cells():
        raise UsageError("--methods: none is left to compare, because its scores chose the hard images; name others")
    for config in made.tests.values():
        check_shift(config.shift, config.data)  # before the first run, not when this test set is reached
    return made


def _bases(asked: ShiftConfig, argv: list[str]) -> tuple[Base, list[Base]]:
    """The data set of the study, and the others."""
    given = asked.base

    def base(name: str, data: str | None, family: str) -> Base:
        limit = given.limit or (None if data is not None else _IMAGES)
        return Base(name, settled(replace(given, data=data, phantom=family, limit=limit), argv))

    if given.data is None:
        own, rest = given.phantom, [family for family in ANATOMIES if family != given.phantom]
        return base(own, None, own), [base(family, None, family) for family in rest]
    paths = [given.data, *asked.other_data]
    names = [Path(path).stem for path in paths]
    if len(set(names)) < len(names):
        raise UsageError("--other-data: data sets of one name cannot be told apart; rename a file or folder")
    made = [base(name, path, given.phantom) for name, path in zip(names, paths, strict=True)]
    return made[0], made[1:]


def _models(asked: ShiftConfig, base: Base, others: list[Base]) -> list[Model]:
    """The models: each method once for each data set on which it is trained or tuned."""
    tuned = [_choice(path) for path in asked.tuned]
    # The choices that come with the project were made on the phantom, and suit neither other sampling nor other data.
    shipped = [read_tuned(path) for path in sorted(_TUNED.glob("*.json"))]
    used: set[int] = set()
    methods = list(dict.fromkeys(asked.methods or DEFAULT_VARIANTS))
    networks = [name for name in methods if name in NETWORKS + OF_OTHER_WEIGHTS]
    rest = [name for name in methods if name not in networks]
    given = {
        base.name: named_weights(asked.weights, "--weights"),
        **{one.name: named_weights(asked.other_weights, "--other-weights") for one in others[:1]},
    }
    models = []

    def add(name: str, method: str, home: Base, fields: dict[str, Any], parameters: str) -> None:
        models.append(Model(f"{name} ({home.name})", name, VARIANTS[method].group, home.name, fields, parameters))

    for home in (base, *others):
        weights = given.get(home.name) or _shipped(home, home is base, networks)
        for name, (method, file) in weights.items():
            add(name, method, home, {"method": method, "weights": file}, _weights_of(file))
        choices = [_settled(name, home, tuned, shipped, used) for name in rest]
        # A data set without weights or tuned choices is only used for tests.
        if weights or home is base or home.config.data is None or any(one["tuned"] for one in choices):
            for name, one in zip(rest, choices, strict=True):
                add(name, name, home, {"method": one["method"], "settings": one["settings"]}, one["parameters"])
    unused = [path for index, path in enumerate(asked.tuned) if index not in used]
    if unused:
        raise UsageError(f"--tuned {unused[0]}: is of no method and data of this study; leave it out")
    return sorted(models, key=lambda one: (one.home != base.name, _place(one)))


def _place(model: Model) -> tuple[int, str]:
    """The sort key that puts user-supplied networks next to their method."""
    return list(VARIANTS).index(model.variant if model.variant in VARIANTS else model.fields["method"]), model.variant


def _shipped(home: Base, is_base: bool, networks: list[str]) -> dict[str, tuple[str, str]]:
    """Networks that come with the project: for a phantom, trained on it; for files, trained on brains."""
    if home.config.data is not None and not is_base:
        return {}
    phantom = home.name if home.config.data is None else None
    found = {name: (name, suited_weights(METHODS[name].weights_of or name, phantom)) for name in networks}
    for name, weights in found.values():
        if weights not in shipped():
            raise UsageError(f"--methods {name}: {lacking(weights)}; give --weights NAME=FILE of bench.train")
    return found


def _weights_of(file: str) -> str:
    """The number of weights of a network, in words."""
    import jax  # as the runs do

    with refused("--weights"):
        found = read_weights(file)
    return f"{sum(leaf.size for leaf in jax.tree.leaves(found.params)):,} weights"


def _choice(path: str) -> dict[str, Any]:
    found = read_tuned(Path(path))
    if not found["best"]:
        raise InputFileError(f"--tuned {path}: holds no choice yet; run bench.tune to its end")
    return found


def _settled(
    name: str, home: Base, tuned: list[dict[str, Any]], shipped: list[dict[str, Any]], used: set[int]
) -> dict[str, Any]:
    """A variant's settings for a data set, with the tuned choice for it."""
    fields = variant_fields(name)
    settings = dict(fields["settings"])

    def suits(one: dict[str, Any]) -> bool:
        return one["method"] == fields["method"] and one["set"] == settings and _same_data(one, home.config)

    fit = [index for index, one in enumerate(tuned) if suits(one)]
    if len(fit) > 1:
        raise UsageError(f"--tuned: {name} was tuned twice on {home.name}; give one of the files")
    used.update(fit)
    choices = [tuned[index] for index in fit] or [one for one in shipped if suits(one)]
    for choice in choices:
        settings = settings | choice["best"]
    chosen = [setting for choice in choices for setting in choice["best"]]
    words = f"{len(chosen)} tuned setting{'s' * (len(chosen) != 1)}" + (f" ({', '.join(chosen)})" if chosen else "")
    return {
        "method": fields["method"],
        "settings": tuple(settings.items()),
        "tuned": bool(choices),
        "parameters": words,
    }


def _same_data(tuned: dict[str, Any], config: RunConfig) -> bool:
    if any(tuned[name] != getattr(config, name) for name in ("mask", "acceleration", "center_fraction")):
        return False
    if config.data is None or tuned["data"] is None:
        return bool(tuned["data"] == config.data and tuned["phantom"] == config.phantom)
    same = Path(tuned["data"]).resolve() == Path(config.data).resolve()
    return same and tuple(tuned.get("acquisition", ())) == config.acquisition


def _hard(asked: ShiftConfig, base: Base, study: Path, argv: list[str]) -> Hard | None:
    """The given list, or a list of phantom images that is selected from more images than are tested."""
    if asked.hard is not None:
        return Hard(asked.hard, _chooser(Path(asked.hard)))
    if base.config.data is not None:
        return None
    count = base.config.limit or _IMAGES
    config = replace(base.config, method=FILTER, limit=_MORE * count)
    print(f"{FILTER} chooses the {count} hardest of {_MORE * count} images", file=sys.stderr)
    chosen = hardest(scored([one_run(config, study, argv)], FILTER, "ssim", 0), count)
    output = study / f"hard-{base.name}-{config.fingerprint()}.csv"
    RunFolder(study).write(output.name, as_csv((one.case, one.volume, one.score) for one in chosen))
    return Hard(str(output), FILTER)


def _chooser(path: Path) -> str | None:
    """The method that selected the images of a list of bench.hardest, from the file beside it."""
    try:
        return str(read_json(path.with_suffix(".json"), table({"method": text}), "bench.hardest")["method"])
    except InputFileError:
        return None
