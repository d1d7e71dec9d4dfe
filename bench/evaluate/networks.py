"""The networks that --weights gives, and the methods of a run that take them."""

from __future__ import annotations

from collections.abc import Iterable

from bench.evaluate import methods
from bench.plan.config import RunConfig
from bench.plan.errors import UsageError
from jaxcs.recon import METHODS

# A run names its pictures by methods and these words.
_OTHER_NAMES = ("noise", "perturbation")


def networks(config: RunConfig, names: Iterable[str]) -> dict[str, list[tuple[str, str | None]]]:
    """Find the networks of each method.

    A method that takes none of the named weights is there once, with the weights that have no name or the shipped ones.

    Args:
        config: settings of the run.
        names: the methods of the run, attacked or scored.

    Returns:
        By method, the label and the weights of each of its networks; None for the shipped weights.

    Raises:
        InputFileError: weights cannot be read.
        UsageError: weights are of none of the methods, or their names are taken.
    """
    if not config.networks and not (config.several and config.weights):
        return {name: [(name, config.weights)] for name in names}
    kinds = {name: _kinds(name) for name in names}
    named = methods.named_weights(config.networks, "--weights")
    plain: str | None = None
    if config.weights is not None:
        plain = methods.trained_method(config.weights, "--weights")
        _check_taken(config.weights, plain, kinds)
    for label, (of, _) in named.items():
        _check_taken(label, of, kinds)
        if label in _OTHER_NAMES or (label in METHODS and (label != of or plain == of)):
            raise UsageError(
                f"--weights {label}: is another name already; give these weights of {of} a name of their own"
            )
    found: dict[str, list[tuple[str, str | None]]] = {}
    for name, taken in kinds.items():
        own = [(label, of, file) for label, (of, file) in named.items() if of in taken]
        found[name] = [
            (f"{name} {label}" if sum(of in other for other in kinds.values()) > 1 else label, file)
            for label, of, file in own
        ]
        if not own or plain in taken:
            found[name].insert(0, (name, config.weights if plain in taken else None))
    return found


def _kinds(name: str) -> tuple[str, ...]:
    """The methods whose weights a method takes, none if it takes none."""
    method = methods.entry(name)
    if not method.trained:
        return ()
    return (name,) if method.weights_of is None else (method.weights_of, name)


def _check_taken(given: str, kind: str, kinds: dict[str, tuple[str, ...]]) -> None:
    if not any(kind in taken for taken in kinds.values()):
        raise UsageError(f"--weights {given}: they are weights of {kind}; name {kind} in --method or --victims too")
