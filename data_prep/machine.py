"""What a machine lacks, in words: memory, or the device that JAX was told to use."""

from __future__ import annotations

import errno
import os

# What XLA, Python and the loader of libraries say if memory, or room for another thread, runs out.
_OF_MEMORY = (
    "RESOURCE_EXHAUSTED",
    "can't start new thread",
    "Cannot allocate memory",
    "Out of memory",
    "failed to map segment",
)
# JAX takes its platform from these, in this order.
_VARIABLES = ("JAX_PLATFORMS", "JAX_PLATFORM_NAME")
_EXTRAS = {"gpu": "jaxcs[cuda12] or jaxcs[cuda13]", "cuda": "jaxcs[cuda12] or jaxcs[cuda13]", "tpu": "jaxcs[tpu]"}


def is_of_memory(error: BaseException) -> bool:
    """Whether the machine's memory, or a limit on it, was too small; threads need memory too."""
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    # XLA's errors are RuntimeErrors; libraries that write files say RESOURCE_EXHAUSTED of full disks, as a ValueError.
    return isinstance(error, RuntimeError | ImportError) and any(words in str(error) for words in _OF_MEMORY)


def missing_device(asked: str = "auto") -> str | None:
    """Why JAX has no device, and what to do, in one line; None if it has one.

    asked: by a flag --device: "cpu", "gpu", "tpu", or "auto" for what JAX finds or the environment names.
    """
    import jax  # takes a second

    try:
        jax.devices()
    # The latter for a platform whose plugin is not installed.
    except (RuntimeError, AssertionError) as error:
        named = [name for name in _VARIABLES if os.environ.get(name)]
        if asked != "auto":
            cause, platform, remedy = f"--device {asked}", asked, "use --device cpu"
        elif named:
            variable = named[-1] if str(error).startswith("Unknown backend") else named[0]
            cause, platform = f"{variable}={os.environ[variable]}", os.environ[variable].split(",")[0]
            remedy = f"unset {variable}"
        else:
            cause, platform, remedy = "--device auto", "", "use --device cpu"
        extra = f"install {_EXTRAS[platform]}, or " if platform in _EXTRAS else ""
        return f"{cause}: JAX finds no such device here; {extra}{remedy}"
    return None
