"""Errors that end a run early, each with its exit code and one line for the user."""

from __future__ import annotations

DONE, SOME_FAILED = 0, 1


class RunError(Exception):
    """A failure, explained in one line: the problem, the file or flag, and the remedy."""

    exit_code = 1


class UsageError(RunError):
    """A flag, or a combination of flags, that the command cannot carry out."""

    exit_code = 2


class InputFileError(RunError):
    """Data that cannot be used."""

    exit_code = 3


class UnsuitedError(InputFileError):
    """Flags that do not fit one slice; that slice fails, and if they fit no slice, the error is a `UsageError`."""


def of_none(reasons: list[InputFileError]) -> RunError:
    """Choose the error of data in which nothing can be used; flags that do not fit come first.

    Args:
        reasons: an error for each slice.
    """
    unsuited = [error for error in reasons if isinstance(error, UnsuitedError)]
    return UsageError(str(unsuited[0])) if unsuited else reasons[0]


class OutputError(RunError):
    """A folder or disk that cannot be written."""

    exit_code = 4


class OutOfMemoryError(RunError):
    """The run needs more memory than the machine has."""

    exit_code = 5
