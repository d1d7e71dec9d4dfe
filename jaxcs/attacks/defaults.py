"""Which attack suits a method, and with which configuration, if nobody says otherwise."""

from __future__ import annotations

from typing import Any, NamedTuple

from jaxcs.attacks import ATTACKS, apgd, pgd, scout
from jaxcs.recon import Method


class Search(NamedTuple):
    """An attack as the registry names it, with its configuration."""

    name: str
    config: Any


def default_attack(method: Method, threat: str = "noise") -> Search:
    """The attack where none is named.

    Stripes of rows are the local maxima of solvers, which `scout` looks for, and not those of networks.  On three
    phantom knees at epsilon 0.02 and 0.05 as many steps of `apgd` leave l1 3.1 and 0.7 dB more, TV 2.6 and 0.5 dB.
    A gradient through a fit costs as much as many of its steps, and so it gets fewer.  Changes of the scan have few
    parameters, and no rows.

    Args:
        method: the one that is attacked.
        threat: "noise" for what is added to the data, or a change of the scan.
    """
    if method.fitted:
        return Search("apgd", apgd.Config(n_steps=10))
    if threat != "noise":
        return Search("apgd", apgd.Config())
    return Search("apgd", apgd.Config(n_steps=40)) if method.trained else Search("scout", scout.Config())


def attack_named(name: str, method: Method, threat: str = "noise") -> Search:
    """The attack of this name, with the configuration that suits the method; see `default_attack`.

    Raises KeyError for a name that is not in `ATTACKS`.
    """
    default = default_attack(method, threat)
    if name == "pgd":
        return Search(name, _plain_pgd(method))
    return default if name == default.name else Search(name, ATTACKS[name].config())


def _plain_pgd(method: Method) -> pgd.Config:
    """Steps of PGD where none are given.

    Reconstruction errors of the iterative methods are nearly quadratic in the perturbation, where large steps are a
    power iteration; those of networks are not.
    """
    steps, size = (10, 1.0) if method.trained or method.fitted else (5, 4.0)
    return pgd.Config(n_steps=steps, step_size=size)
