"""The fields that a card may hold.  The type of each field is checked here, once, so that its users need no checks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jaxcs.weights.errors import WeightsError

_DEEPEST = 4  # containers in each other
_LARGEST = 2**31


def check_card(card: dict[str, Any]) -> dict[str, Any]:
    """Return the known fields of a card.  All fields but `method` and `config` may be missing.

    Raises:
        WeightsError: If a field is missing or has another type; the message names the field.
    """
    for name in ("method", "config"):
        if name not in card:
            raise WeightsError(f"its card lacks '{name}'; export it again")
    for name, (right, words) in _FIELDS.items():
        if name in card and not right(card[name]):
            raise WeightsError(f"its card's '{name}' is not {words}; export it again")
    return {name: card[name] for name in _FIELDS if name in card}


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_count(value: Any, low: int = 0) -> bool:
    return type(value) is int and low <= value < _LARGEST


def _is_dictionary(value: Any) -> bool:
    return isinstance(value, dict) and _is_plain(value, _DEEPEST)


def _are_shapes(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(shape, list) and len(shape) == 3 and all(_is_count(size, 1) for size in shape) for shape in value
    )


def _are_scores(value: Any) -> bool:
    return isinstance(value, dict) and all(type(score) in (int, float) for score in value.values())


def _is_plain(value: Any, deepest: int) -> bool:
    """True if the value is a number, text, None or a container of these, so that it can be written as JSON again."""
    if isinstance(value, dict | list):
        inside = value.values() if isinstance(value, dict) else value
        return deepest > 0 and all(_is_plain(one, deepest - 1) for one in inside)
    return value is None or isinstance(value, str | int | float)


_FIELDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "method": (_is_text, "text"),
    "config": (_is_dictionary, "a configuration"),
    "training": (_is_dictionary, "a dictionary of settings"),
    "command": (_is_text, "text"),
    "data": (_is_text, "text"),
    "shapes": (_are_shapes, "a list of coils, rows and columns"),
    "step": (_is_count, "a count"),
    "validation": (_are_scores, "a dictionary of numbers"),
    "licence": (_is_text, "text"),
    "versions": (_is_dictionary, "a dictionary of versions"),
    "sha256": (_is_text, "text"),
}
