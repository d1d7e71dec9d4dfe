"""A user's function, MODULE:FUNCTION: imported, and guarded when it is called.

All that is wrong with it is one line for the user, and nothing that it raises or prints decides how a run ends.
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any, NamedTuple

import jax

from bench.plan.errors import RunError, UsageError
from jaxcs.names import first_line, printable

# Several threads trace, and there is one `sys.stdout`.
_PRINTING = threading.RLock()


class Named(NamedTuple):
    """A function as the user named it.

    Attributes:
        flag: the flag.
        name: MODULE:FUNCTION.
        takes: the arguments that the function must take, in words.
    """

    flag: str
    name: str
    takes: str

    def function(self) -> Callable[..., Any]:
        """Import the function.

        Raises:
            UsageError: it cannot be imported.
        """
        module, _, function = self.name.partition(":")
        try:
            with _prints_to_stderr():
                found = getattr(importlib.import_module(module), function)
        except (ImportError, AttributeError, ValueError) as error:
            raise self.problem(f"{first_line(error)}; name MODULE:FUNCTION, importable from this folder") from error
        except SystemExit as error:
            raise self.problem(f"{module} ends the program when it is imported (sys.exit({error.code!r}))") from error
        except (RunError, MemoryError):
            raise
        except Exception as error:
            raise self.problem(f"{module} cannot be imported: {type(error).__name__}: {first_line(error)}") from error
        if not callable(found):
            raise self.problem(f"is not a function but {type(found).__name__}; name a function of {self.takes}")
        return found

    def called(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call the function while JAX traces it.

        Raises:
            UsageError: the function raises something, or ends the program.
        """
        with self.understanding(f"fails when JAX traces it with {self.takes}"), _prints_to_stderr():
            return function(*arguments)

    @contextmanager
    def understanding(self, what: str) -> Iterator[None]:
        """Turn what is raised inside into a `UsageError` that says `what` happened."""
        try:
            yield
        except SystemExit as error:
            raise self.problem(f"ends the program when it is called (sys.exit({error.code!r}))") from error
        except (RunError, MemoryError, jax.errors.JaxRuntimeError):
            raise
        except Exception as error:
            raise self.problem(f"{what}: {type(error).__name__}: {first_line(error)}; --debug shows where") from error

    def problem(self, what: str) -> UsageError:
        """Make the error that names the flag and the function."""
        return UsageError(printable(f"{self.flag} {self.name}: {what}"))


@contextmanager
def _prints_to_stderr() -> Iterator[None]:
    """Standard output is for results, which may be one JSON object."""
    with _PRINTING, redirect_stdout(sys.stderr):
        yield
