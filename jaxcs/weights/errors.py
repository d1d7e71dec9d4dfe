"""The error for weights in a file that cannot be used."""

from __future__ import annotations

_LONGEST = 400  # characters: a name out of a file may be as long as the file


class WeightsError(ValueError):
    """A single printable line that says what is wrong with the weights, whatever names the file contains."""

    def __init__(self, problem: str) -> None:
        """Make the line from `problem`, which may hold text from a file.

        Unprintable characters become question marks, and a long line is cut.
        """
        line = "".join(character if character.isprintable() else "?" for character in problem[: _LONGEST + 1])
        super().__init__(line if len(line) <= _LONGEST else line[: _LONGEST - 3] + "...")
