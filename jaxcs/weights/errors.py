"""What is raised where a file's weights cannot be used."""

from __future__ import annotations

_LONGEST = 400  # characters: a name out of a file may be as long as the file


class WeightsError(ValueError):
    """One printable line that says what is wrong with the weights, whatever is in the file's names."""

    def __init__(self, problem: str) -> None:
        """`problem` may hold text from a file: what is not printable becomes a question mark, and the rest is cut."""
        line = "".join(character if character.isprintable() else "?" for character in problem[: _LONGEST + 1])
        super().__init__(line if len(line) <= _LONGEST else line[: _LONGEST - 3] + "...")
