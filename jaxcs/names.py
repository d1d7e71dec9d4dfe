"""Words for messages: names that are unknown or not printable, and the first line of an error."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def printable(text: str) -> str:
    """The text with a question mark in the place of each line break, control character and broken code point."""
    return "".join(character if character.isprintable() else "?" for character in text)


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, which is empty if there is no message."""
    return (str(error).splitlines() or [""])[0]


def did_you_mean(text: str, choices: Iterable[str]) -> str:
    """Return the end of a sentence with the nearest name and all known names."""
    known = list(choices)
    near = difflib.get_close_matches(text, known, n=1, cutoff=0.5)
    if not near:
        near = [name for name in known if name.lower() == text.lower()]
    hint = f"; did you mean {near[0]!r}?" if near else ";"
    return f"{hint} choose from {', '.join(known)}"


def check_name(kind: str, name: str, choices: Iterable[str]) -> None:
    """Check that a name is known.

    Args:
        kind: kind of the name, for the message.
        name: the name.
        choices: the known names.

    Raises:
        ValueError: the name is unknown; the message has the nearest name.
    """
    known = list(choices)
    if name not in known:
        raise ValueError(f"{kind} {name!r} is unknown{did_you_mean(name, known)}")
