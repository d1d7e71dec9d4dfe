"""The default attack for a method, with its configuration."""

from __future__ import annotations

from typing import Any, NamedTuple

from jaxcs.attacks import ATTACKS, AttackEntry, apgd, pgd, scout
from jaxcs.recon import Method

# Attacks that scale every step onto the boundary of the threat set, or visit given points alone.  A bound on SSIM may
# hold only for smaller perturbations.
STAYS_OUTSIDE = ("scout", "grid", "momentum", "ensemble", "noise")


class Search(NamedTuple):
    """An attack with its configuration.

    Attributes:
        name: its name in `ATTACKS`, or that of a function.
        config: its configuration.
        entry: the entry of a function, None for the attacks of `ATTACKS`.
    """

    name: str
    config: Any
    entry: AttackEntry | None = None

    @property
    def kind(self) -> AttackEntry:
        """Its entry."""
        return ATTACKS[self.name] if self.entry is None else self.entry


def default_attack(method: Method, threat: str = "noise", *, by_rows: bool = True) -> Search:
    """Choose the attack if none is named.

    Bands of rows are the local maxima of solvers, not of networks, and `scout` searches for them.  On three phantom
    knees at epsilon 0.02 and 0.05, as many steps of `apgd` leave l1 3.1 and 0.7 dB more, and TV 2.6 and 0.5 dB.  A
    gradient through a fit costs as much as many of its steps, so such methods get fewer gradients.  Changes of the scan
    have few parameters, and no rows.

    Args:
        method: the attacked method.
        threat: "noise" added to the data, or a change of the scan.
        by_rows: whether the loss is a sum over rows, which a bound on SSIM is not.
    """
    if method.fitted:
        return Search("apgd", apgd.Config(n_steps=10))
    if threat != "noise":
        return Search("apgd", apgd.Config())
    if method.trained or not by_rows:
        return Search("apgd", apgd.Config(n_steps=40))
    return Search("scout", scout.Config())


def attack_named(name: str, method: Method, threat: str = "noise", *, by_rows: bool = True) -> Search:
    """Return the attack of this name, with the configuration that suits the method; see `default_attack`.

    Raises:
        KeyError: the name is not in `ATTACKS`.
    """
    default = default_attack(method, threat, by_rows=by_rows)
    if name == "pgd":
        return Search(name, _plain_pgd(method))
    return default if name == default.name else Search(name, ATTACKS[name].config())


def _plain_pgd(method: Method) -> pgd.Config:
    """The default steps of PGD.

    Reconstruction errors of iterative methods are nearly quadratic in the perturbation, and large steps are then a
    power iteration; errors of networks are not.
    """
    steps, size = (10, 1.0) if method.trained or method.fitted else (5, 4.0)
    return pgd.Config(n_steps=steps, step_size=size)
