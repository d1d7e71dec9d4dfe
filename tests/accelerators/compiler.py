"""XLA's compiler for an H100, which needs no GPU: the same plugin that JAX uses there, told which card it compiles for.

    .venv/bin/pip install --no-deps --target .venv/ahead_of_time --require-hashes -r .ci/ahead_of_time.lock

The folder is beside the other packages, because JAX would look for a GPU if it found the plugin among them.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
from jax.experimental import topologies
from jax.sharding import SingleDeviceSharding

FOLDER = Path(sys.prefix) / "ahead_of_time"
_PLUGIN = FOLDER / "jax_plugins" / "xla_cuda12" / "xla_cuda_plugin.so"
_TOOLS = FOLDER / "nvidia" / "cuda_nvcc"
# What the driver of an H100 (SXM, 80 GB) says of it.
_H100 = """
gpu_device_info {
  threads_per_block_limit: 1024 threads_per_warp: 32 threads_per_core_limit: 2048 core_count: 132 fpus_per_core: 128
  shared_memory_per_block: 49152 shared_memory_per_core: 233472 shared_memory_per_block_optin: 232448
  block_dim_limit_x: 2147483647 block_dim_limit_y: 65535 block_dim_limit_z: 65535
  registers_per_core_limit: 65536 registers_per_block_limit: 65536
  memory_bandwidth: 3352320000000 l2_cache_size: 52428800 clock_rate_ghz: 1.98 device_memory_size: 84929347584
  cuda_compute_capability { major: 9 }
}
platform_name: "CUDA"
dnn_version_info { major: 9 minor: 8 }
runtime_version { major: 12 minor: 8 patch: 0 }
device_description_str: "NVIDIA H100 80GB HBM3"
"""


def missing() -> str | None:
    """Say what the compiler lacks here, None if it can be had."""
    if not _PLUGIN.exists() or not _TOOLS.exists():
        return f"no compiler for GPUs in {FOLDER}; tests/accelerators/compiler.py says how to install it"
    found = {path.name.removesuffix(".dist-info").split("-")[1] for path in FOLDER.glob("jax_cuda12_*.dist-info")}
    if found != {jax.__version__}:
        return f"the compiler for GPUs is of JAX {', '.join(sorted(found))}, and JAX is {jax.__version__}"
    return None


def compiled(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """Compile a function of `jax.ShapeDtypeStruct`s for an H100.  XLA tunes nothing, as it has no GPU to time."""
    place = SingleDeviceSharding(_device())
    shapes = jax.tree.map(lambda one: jax.ShapeDtypeStruct(one.shape, one.dtype, sharding=place), arguments)
    function = function if hasattr(function, "trace") else jax.jit(function)
    # The least effort in making machine code, of which nothing is read, saves a quarter of the time.
    options = {"xla_gpu_autotune_level": 0, "xla_backend_optimization_level": 0, "xla_gpu_cuda_data_dir": str(_TOOLS)}
    return function.trace(*shapes).lower(lowering_platforms=("cuda",)).compile(compiler_options=options)


@functools.cache
def _device() -> Any:
    from jax._src import xla_bridge
    from jax._src.lib import xla_client

    jax.devices()  # JAX must not find the plugin when it looks for devices.
    sys.path.append(str(FOLDER))
    extension: Any = importlib.import_module("jax_cuda12_plugin.cuda_plugin_extension")
    interface = xla_bridge.register_plugin("cuda", priority=500, library_path=str(_PLUGIN), options={})
    client: Any = xla_client
    client.register_custom_type_handler("CUDA", functools.partial(extension.register_custom_type, interface))
    client.register_custom_call_handler("CUDA", functools.partial(extension.register_custom_call_target, interface))
    # JAX registers these when it is imported with the plugin among the packages.
    kernels = [
        importlib.import_module(f"jax_cuda12_plugin.{name}") for name in ("_solver", "_hybrid", "_linalg", "_prng")
    ]
    handlers = [extension.ffi_handlers(), *(module.registrations() for module in kernels)]
    for name, handler in (pair for known in handlers for pair in known.items()):
        client.register_custom_call_target(name, handler, platform="CUDA", api_version=1)
    topology = topologies.get_topology_desc("1x1x1", platform="cuda", target_config=_H100, topology="1x1x1")
    return topology.devices[0]
