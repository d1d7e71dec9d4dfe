"""A user's function, MODULE:NAME or FILE.py:NAME: imported, and guarded when it is called.

All that is wrong with it is one line for the user, and nothing that it raises or prints decides how a run ends.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import jax

from bench.plan.errors import RunError, UsageError
from jaxcs.interop import deepinverse
from jaxcs.names import first_line, printable

# The module that stands for all of DeepInverse, whose reconstructions are in several of its modules.
_DEEPINV = "deepinv"
# Several threads trace, and there is one `sys.stdout`.
_PRINTING = threading.RLock()


class Named(NamedTuple):
    """A function as the user named it.

    Attributes:
        flag: the flag.
        name: MODULE:NAME, FILE.py:NAME or deepinv:NAME.
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
        module, _, function = self.name.rpartition(":")
        try:
            with prints_to_stderr():
                found = deepinverse.named(function) if module == _DEEPINV else getattr(_module(module), function)
        except (ImportError, AttributeError, ValueError) as error:
            how = "" if module == _DEEPINV else "; name MODULE:NAME, importable from this folder, or FILE.py:NAME"
            raise self.problem(f"{first_line(error)}{how}") from error
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
        with self.understanding(f"fails when JAX traces it with {self.takes}"), prints_to_stderr():
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


def _module(name: str) -> ModuleType:
    """Import a module, or a file by its path; such a file can import what lies beside it."""
    if not name.endswith(".py"):
        return importlib.import_module(name)
    path = Path(name).resolve()
    known = sys.modules.get(path.stem)
    if known is not None and getattr(known, "__file__", None) == str(path):
        return known
    if known is not None:
        raise ImportError(f"a module {path.stem} is imported already, from another place: rename the file")
    if not path.is_file():
        raise ImportError(f"there is no file {name}")
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[path.stem]
        raise
    return module


@contextmanager
def prints_to_stderr() -> Iterator[None]:
    """Standard output is for results, which may be one JSON object."""
    with _PRINTING, redirect_stdout(sys.stderr):
        yield
