"""What can end a run early, each with its exit code and one line for the user."""

from __future__ import annotations

DONE, SOME_FAILED = 0, 1


class RunError(Exception):
    """A failure that its message explains in one line: what, which file or flag, what to do."""

    exit_code = 1


class UsageError(RunError):
    """A flag, or a combination of flags, that cannot be carried out."""

    exit_code = 2


class InputFileError(RunError):
    """Data that cannot be used."""

    exit_code = 3


class UnsuitedError(InputFileError):
    """Flags that do not fit one slice, which then fails; where they fit none at all, they cannot be carried out."""


def of_none(reasons: list[InputFileError]) -> RunError:
    """The error of data of which nothing can be used, for these reasons: flags that do not fit come first."""
    unsuited = [error for error in reasons if isinstance(error, UnsuitedError)]
    return UsageError(str(unsuited[0])) if unsuited else reasons[0]


class OutputError(RunError):
    """A folder or disk that cannot be written."""

    exit_code = 4


class OutOfMemoryError(RunError):
    """The run needs more memory than there is."""

    exit_code = 5
