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


class OutputError(RunError):
    """A folder or disk that cannot be written."""

    exit_code = 4


class OutOfMemoryError(RunError):
    """The run needs more memory than there is."""

    exit_code = 5
