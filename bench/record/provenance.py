"""Origin of a number: versions, settings of JAX, commit, device."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import jax

PACKAGES = ("jaxcs", "jax", "jaxlib", "numpy", "h5py", "pywavelets")
# Options of JAX that change numbers, with their defaults.  Not all versions of JAX have all of them.
_OPTIONS: dict[str, Any] = {
    "jax_accurate_erf_inv": False,
    "jax_allow_f16_reductions": True,
    "jax_compiler_enable_remat_pass": True,
    "jax_default_dtype_bits": "64",
    "jax_default_matmul_precision": None,
    "jax_disable_jit": False,
    "jax_disable_most_optimizations": False,
    "jax_enable_pgle": False,
    "jax_enable_x64": False,
    "jax_exec_time_optimization_effort": 0.0,
    "jax_memory_fitting_effort": 0.0,
    "jax_memory_fitting_level": "O2",
    "jax_optimization_level": "UNKNOWN",
    "jax_random_seed_offset": 0,
    "jax_threefry_partitionable": True,
    "jax_use_direct_linearize": True,
    "jax_use_hlo_logistic_lowering": None,
}
# Options for finding mistakes in programs: with these values JAX refuses operations of the methods.
_TRANSFERS = (("host", "device"), ("device", "host"), ("device", "device"))
_FORBIDDING: dict[str, tuple[Any, ...]] = {
    "jax_debug_key_reuse": (True,),
    "jax_no_execution": (True,),
    "jax_no_tracing": (True,),
    "jax_numpy_dtype_promotion": ("strict",),
    "jax_numpy_rank_promotion": ("raise",),
    **dict.fromkeys(
        ("jax_transfer_guard", *(f"jax_transfer_guard_{one}_to_{other}" for one, other in _TRANSFERS)),
        ("disallow", "disallow_explicit"),
    ),
}
# Variables that compilers and libraries below JAX read themselves.
_VARIABLES = ("XLA_FLAGS", "LIBTPU_INIT_ARGS", "NVIDIA_TF32_OVERRIDE")
_DETERMINISTIC = "--xla_gpu_deterministic_ops"
# Flags in these variables that change no number.
_HARMLESS = ("--xla_force_host_platform_device_count", "--xla_dump_", "--xla_gpu_cuda_data_dir")


def versions() -> dict[str, str]:
    """Return versions of Python and of the packages that a result depends on, and the `settings` of JAX."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed as a package"
    return found | settings()


def settings() -> dict[str, str]:
    """Return settings of JAX and XLA that differ from the default and move numbers, by their environment variables."""
    options = {name: getattr(jax.config, name, default) for name, default in _OPTIONS.items()}
    found = {
        name.upper(): str(getattr(value, "value", value))
        for name, value in options.items()
        if str(getattr(value, "value", value)) != str(_OPTIONS[name])
    }
    for name in _VARIABLES:
        flags = [flag for flag in os.environ.get(name, "").split() if not flag.startswith(_HARMLESS)]
        if flags:
            found[name] = " ".join(flags)
    return found


def forbidding() -> str | None:
    """Return why JAX, as it is set, refuses operations of the methods, and the remedy; None if it does not."""
    for name, values in _FORBIDDING.items():
        found = getattr(jax.config, name, None)
        found = getattr(found, "value", found)
        if found in values:
            return f"{name.upper()}={found}: JAX then refuses what the methods do; unset {name.upper()}"
    return None


def about_settings() -> list[str]:
    """Return sentences for the user if there are such settings, or if numbers do not repeat; else nothing."""
    found = " and ".join(f"{name}={value}" for name, value in settings().items())
    notes = [f"numbers can depend on {found}, so that only runs with the same go on or are merged"] if found else []
    if repeats() is False:
        notes.append(
            "on a GPU last digits may change from run to run, so that a run that goes on may differ from one that was "
            f"never stopped; XLA_FLAGS={_DETERMINISTIC}=true prevents both and is slower"
        )
    return notes


def repeats() -> bool | None:
    """Return whether this process computes the same bits in each run; None for devices of which that is not known.

    GPUs add up in any order, and the compiler chooses kernels by timing them.  One flag of XLA turns both off.
    """
    platform_of = jax.local_devices()[0].platform
    if platform_of == "cpu":
        return True
    if platform_of not in ("gpu", "cuda", "rocm"):
        return None
    flags = os.environ.get("XLA_FLAGS", "").split()
    return any(flag in (_DETERMINISTIC, f"{_DETERMINISTIC}=true", f"{_DETERMINISTIC}=1") for flag in flags)


def git_state() -> dict[str, Any]:
    """Return commit and dirty flag of the checkout of this code; both None if there is no checkout or no git."""
    folder = Path(__file__).resolve().parents[2]

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=10, check=False
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    # Installed into somebody else's repository, its commit would say nothing of this code.
    if not (folder / ".git").exists():
        return {"commit": None, "dirty": None}
    status = git("status", "--porcelain")
    return {"commit": git("rev-parse", "HEAD"), "dirty": None if status is None else bool(status)}


def device() -> dict[str, Any]:
    """Return the device that this process computes on, and its precision."""
    first = jax.local_devices()[0]
    return {
        "platform": first.platform,
        "kind": first.device_kind,
        "count": jax.local_device_count(),
        "cores": os.cpu_count(),
        "precision": _precision(first),
        "repeats": repeats(),
    }


def _precision(device: jax.Device) -> str:
    """The precision of a device.  All but products and convolutions of networks is in float32 everywhere."""
    wanted = settings().get("JAX_DEFAULT_MATMUL_PRECISION")
    fast = "bfloat16" if device.platform == "tpu" else "TF32" if _has_tf32(device) else None
    if fast is None or wanted in ("float32", "highest"):
        return "float32"
    return f"float32, networks in {fast if wanted is None else wanted}"


def _has_tf32(device: jax.Device) -> bool:
    """Whether it is one of NVIDIA's GPUs since Ampere, and their libraries may use TF32."""
    capability = str(getattr(device, "compute_capability", ""))
    return capability[:1].isdigit() and float(capability) >= 8 and os.environ.get("NVIDIA_TF32_OVERRIDE") != "0"
