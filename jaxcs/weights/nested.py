"""A network's entries in a checkpoint, however a training wrapped them: under keys, and with a prefix to their names.

The entries are identified by structure: the name of the network's first kernel, at the shallowest level that has it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from jaxcs.weights.errors import WeightsError

_DEEPEST = 6  # keys that lead to a state
_LONGEST_NAME = 500
_SHOWN, _SHOWN_NAME = 4, 60


class State(NamedTuple):
    """The place of a network's entries in a checkpoint.

    Attributes:
        keys: keys that lead to the dictionary of the entries.
        prefix: prefix of the entries' names in this dictionary.
        entries: the dictionary.
    """

    keys: tuple[str, ...]
    prefix: str
    entries: Mapping[Any, Any]

    def __str__(self) -> str:
        """Describe the place; empty for entries at the top under their plain names."""
        inside = "".join(f"[{_shown(key)!r}]" for key in self.keys)
        return " under ".join(part for part in (inside, repr(_shown(self.prefix)) if self.prefix else "") if part)


def network_state(checkpoint: Mapping[str, Any], first: str, what: str) -> State:
    """Return the only state whose network has the kernel `first`.

    Args:
        checkpoint: the checkpoint.
        first: name of the network's first kernel.
        what: the network in words, for messages.

    Raises:
        WeightsError: If no state has the kernel, or several states at the same level have it.
    """
    levels = list(_levels(checkpoint))
    for level in levels:
        found = [
            State(keys, prefix, entries) for keys, entries in level for prefix in sorted(_prefixes(entries, first))
        ]
        if len(found) > 1:
            where = _listed([str(one) or "the top" for one in found])
            raise WeightsError(f"it is no {what} of fastMRI but {len(found)}, at {where}: {_alone(found[-1])}")
        if found:
            return found[0]
    if not any(_tensors(entries) for level in levels for _, entries in level):
        raise WeightsError("it holds no weights")
    raise WeightsError(f"it is no {what} of fastMRI: it lacks the kernel '{first}'; it holds {_held(levels)}")


@contextmanager
def reading(state: State) -> Iterator[None]:
    """Make an error say in which part of the checkpoint it is."""
    try:
        yield
    except WeightsError as error:
        raise WeightsError(f"in {state}: {error}" if str(state) else str(error)) from error


def holds(checkpoint: Mapping[str, Any], first: str) -> bool:
    """Check whether a state in the checkpoint has the kernel `first`."""
    return any(_prefixes(entries, first) for level in _levels(checkpoint) for _, entries in level)


def plain_entries(state: State) -> dict[str, Any]:
    """Return the entries of the state by their plain names.

    Raises:
        WeightsError: If the dictionary holds other entries as well.
    """
    for name in state.entries:
        if not isinstance(name, str) or len(name) > _LONGEST_NAME:
            raise WeightsError(f"its weights have names that are not text of at most {_LONGEST_NAME} characters")
    others = [name for name in state.entries if not name.startswith(state.prefix)]
    if others:
        problem = f"it holds {_listed([repr(_shown(name)) for name in others])} beside the network {state}"
        raise WeightsError(f"{problem}: {_alone(state)}")
    return {name.removeprefix(state.prefix): value for name, value in state.entries.items()}


def _levels(checkpoint: Mapping[Any, Any]) -> Iterator[list[tuple[tuple[str, ...], Mapping[Any, Any]]]]:
    """Yield the dictionaries of each level with the keys that lead to them; each dictionary once."""
    seen = {id(checkpoint)}
    level: list[tuple[tuple[str, ...], Mapping[Any, Any]]] = [((), checkpoint)]
    for _ in range(_DEEPEST):
        yield level
        below: list[tuple[tuple[str, ...], Mapping[Any, Any]]] = []
        for keys, entries in level:
            for name, value in entries.items():
                if isinstance(value, dict) and id(value) not in seen:
                    seen.add(id(value))
                    below.append(((*keys, str(name)), value))
        level = below


def _prefixes(entries: Mapping[Any, Any], first: str) -> set[str]:
    """The text before the name `first` in the names of arrays."""
    names = (name for name, value in entries.items() if isinstance(name, str) and isinstance(value, np.ndarray))
    return {name.removesuffix(first) for name in names if name == first or name.endswith(f".{first}")}


def _tensors(entries: Mapping[Any, Any]) -> list[Any]:
    return [name for name, value in entries.items() if isinstance(value, np.ndarray)]


def _held(levels: list[list[tuple[tuple[str, ...], Mapping[Any, Any]]]]) -> str:
    """A description of the tensors that the checkpoint holds instead, and of their levels."""
    found = []
    for level in levels:
        for keys, entries in level:
            if tensors := _tensors(entries):
                where = str(State(keys, "", entries)) or "the top"
                found.append(f"{len(tensors)} tensors at {where}, such as {_shown(str(tensors[0]))!r}")
    return _listed(found)


def _alone(state: State) -> str:
    """The PyTorch command that saves a state alone."""
    inside = "torch.load(FILE)" + "".join(f"[{_shown(key)!r}]" for key in state.keys)
    if state.prefix:
        inside = f"{{k: v for k, v in {inside}.items() if k.startswith({_shown(state.prefix)!r})}}"
    return f"save the one to use, such as by torch.save({inside}, NEW)"


def _listed(words: list[str]) -> str:
    more = [f"and {len(words) - _SHOWN} more"] if len(words) > _SHOWN else []
    return ", ".join(words[:_SHOWN] + more)


def _shown(name: str) -> str:
    return name if len(name) <= _SHOWN_NAME else name[: _SHOWN_NAME - 3] + "..."
