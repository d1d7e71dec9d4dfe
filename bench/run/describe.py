"""The threat model of a run, in words."""

from __future__ import annotations

from bench.evaluate import methods
from bench.evaluate.subjects import Subject
from bench.plan.config import RunConfig
from bench.run.executor import Work
from bench.slices.shifting import in_words
from jaxcs.attacks import ATTACKS
from jaxcs.attacks.changes import CHANGES

# What the attack knows of what a fit draws at random: an un-trained network, or which samples are withheld.
_SEED = {"known": "; and the random seed of {}", "fresh": ", but not the random seed of {}"}
# What an attack drives up, by its loss.
_GOALS = {
    "nmse": "squared error",
    "ssim": "loss of SSIM",
    "row_error": "squared error, each row relative to its own energy,",
    "max_error": "error of a pixel (by the 8-norm)",
}


def threat_model(work: Work) -> dict[str, str]:
    """What the attacker may do and knows, in words; of several methods, what holds of each."""
    config = work.config
    each: dict[str, dict[str, list[str]]] = {}
    for one in work.sources:
        for name, words in _threat_model(one).items():
            each.setdefault(name, {}).setdefault(words, []).append(one.label)
    return (
        {
            name: next(iter(found))
            if len(found) == 1
            else "; ".join(f"{', '.join(who)}: {w}" for w, who in found.items())
            for name, found in each.items()
        }
        | ({} if config.region is None else {"region": _region(config)})
        | _shift(config)
    )


def _shift(config: RunConfig) -> dict[str, str]:
    """No threat, but what the scans are that are attacked."""
    return {"shift": f"every scan is shifted before all else: {in_words(config.shift)}"} if config.shift else {}


def _region(config: RunConfig) -> str:
    assert config.region is not None
    row, column, rows, columns = config.region
    return (
        f"scores are of rows {row} to {row + rows - 1} and columns {column} to {column + columns - 1}; the attack "
        + ("looks at them alone" if config.aim == "region" else "looks at the whole image")
    )


def _threat_model(subject: Subject) -> dict[str, str]:
    config = subject.config
    change = CHANGES.get(config.threat)
    if change is not None:
        domain, epsilon = f"the scan, changed by {config.threat}", f"the size of the change in {change.unit}"
    else:
        radius = {
            "measured": "the norm of the measured entries, all coils together",
            "kspace": "the norm of the whole k-space, all coils together",
            "per_coil": "the norm of the measured entries of each coil, coil by coil",
            "whitened": "the norm of the measured entries, both whitened by the coils' noise covariance",
            "image": "the norm of the true image",
        }[config.norm]
        domain = {
            "image": "the image, as seen through coils and mask",
            "kspace": "all of k-space, of which only measured entries act",
        }.get(config.norm, "the measured entries of k-space")
        epsilon = f"relative to {radius}"
    return {
        "domain": domain,
        "norm": "l2",
        "epsilon": epsilon,
        "knowledge": "the method, its settings, the mask, the coil maps and the "
        + ("true image" if config.target == "truth" else "clean output")
        + _seed(subject),
        "maps": methods.without_maps(config, subject.method_config)
        or ("estimated from the clean data" if config.maps == "fixed" else "re-estimated from the perturbed data"),
        "goal": "smallest objective of the method less a share of the squared distance of its coil images from the true"
        if ATTACKS[subject.attack.name].sees == "objective"
        else f"largest {_GOALS[config.loss]} of the image against the "
        + ("truth" if config.target == "truth" else "clean output"),
    }


def _seed(subject: Subject) -> str:
    if not subject.method.fitted:
        return ""
    drawn = "the samples withheld" if subject.method.trained else "the network"
    return _SEED[subject.config.method_seed].format(drawn)
