"""Objects by the names of the catalogue, imported from the places that its lines name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, Generic, TypeVar

from jaxcs.catalogue import installed
from jaxcs.names import first_line

T = TypeVar("T")


class Registry(Mapping[str, T], Generic[T]):
    """A read-only mapping: the catalogue's lines, and what installed packages add under other names.

    The modules of lines are imported with the registry.  A package's module is imported if its name is asked for, so
    that a package that cannot be imported harms nobody who does not use it.

    Args:
        lines: lines of `jaxcs.catalogue`, each with its `place`, by name.
        kind: class of the objects.
        group: entry points by which packages add objects, or None if they cannot.
    """

    def __init__(self, lines: Mapping[str, Any], kind: type[T], group: str | None = None) -> None:
        self._lines, self._kind, self._group = lines, kind, group
        for line in lines.values():
            import_module(line.place.partition(":")[0])

    def __getitem__(self, name: str) -> T:
        """Return the object of this name.

        Raises:
            KeyError: there is none.
            ValueError: what a package adds under this name cannot be used, in one line.
        """
        if name in self._lines:
            found: T = _object(self._lines[name].place)
            return found
        place = self._added()[name]
        try:
            found = _object(place)
        except Exception as error:
            raise ValueError(
                f"{place}, of an installed package: {type(error).__name__}: {first_line(error)}"
            ) from error
        if not isinstance(found, self._kind):
            raise ValueError(f"{place}, of an installed package, is no {self._kind.__name__}")
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._lines or name in self._added()

    def __iter__(self) -> Iterator[str]:
        yield from self._lines
        yield from (name for name in self._added() if name not in self._lines)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _added(self) -> Mapping[str, str]:
        return {} if self._group is None else installed(self._group)


def _object(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
