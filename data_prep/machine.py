"""Describe in words if a machine lacks memory, or the device that JAX was told to use."""

from __future__ import annotations

import errno
import os

# Messages of XLA, Python and the dynamic loader if memory, or room for another thread, runs out.
_OF_MEMORY = (
    "RESOURCE_EXHAUSTED",
    "can't start new thread",
    "Cannot allocate memory",
    "Out of memory",
    "OUT_OF_MEMORY",
    # What NVIDIA's libraries say, as XLA passes it on; a plan of cuFFT takes its memory when it first runs.
    "Failed to create cuFFT",
    "Failed to make cuFFT",
    "STATUS_ALLOC_FAILED",
    "failed to map segment",
)
# JAX takes its platform from these variables, in this order.
_VARIABLES = ("JAX_PLATFORMS", "JAX_PLATFORM_NAME")
_EXTRAS = {"gpu": "jaxcs[cuda12] or jaxcs[cuda13]", "cuda": "jaxcs[cuda12] or jaxcs[cuda13]", "tpu": "jaxcs[tpu]"}


def is_of_memory(error: BaseException) -> bool:
    """Check whether an error means that the machine's memory, or a limit on it, was too small.

    Threads need memory, too.
    """
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    # XLA's errors are RuntimeErrors.  Libraries that write files report full disks as RESOURCE_EXHAUSTED in a
    # ValueError.
    return isinstance(error, RuntimeError | ImportError) and any(words in str(error) for words in _OF_MEMORY)


def missing_device(asked: str = "auto") -> str | None:
    """Explain why JAX has no device.

    Args:
        asked: value of the flag --device: "cpu", "gpu", "tpu", or "auto" for the device that JAX finds or the
            environment names.

    Returns:
        The reason and the remedy in one line, or None if JAX has a device.
    """
    import jax  # takes a second

    try:
        jax.devices()
    # AssertionError: the plugin of the platform is not installed.
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
