"""The main functions in the form that XLA is given for a GPU and for a TPU; no device and no compiler is needed."""

from __future__ import annotations

import functools
import re
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from tests.accelerators.cases import CASES, SIZE

# Kernels that JAX has on these platforms.  Anything else would be a callback to the host or fail there.
LIBRARY = re.compile(
    r"(cusolver|cublas|cu_|cuda_|cu)\w*|Sharding|SPMD\w+|Eigh|Qr|ProductOfElementaryHouseholderReflectors|Cholesky|LuDecomposition|mhlo\.topk|annotate\w*"
)
TRANSFERS = re.compile(r"stablehlo\.(send|recv|infeed|outfeed)\b")


@functools.cache
def traced(name: str) -> Any:
    function, arguments = CASES[name].job(SIZE)
    return (function if hasattr(function, "trace") else jax.jit(function)).trace(*arguments)


def lowered(function: Any, platform: str) -> str:
    return str(function.lower(lowering_platforms=(platform,)).as_text())


def faults(text: str, exact: bool) -> list[str]:
    """List what a module should not have: float64, the host, and products in less than float32 if `exact`."""
    found = [line for line in text.splitlines() if re.search(r"(?<![a-wyz])f64\b", line)]
    found += [line for line in text.splitlines() if TRANSFERS.search(line)]
    found += [
        target for target in re.findall(r"stablehlo\.custom_call @([\w.$]+)", text) if not LIBRARY.fullmatch(target)
    ]
    products = [line for line in text.splitlines() if re.search(r"stablehlo\.(dot_general|dot|convolution)\b", line)]
    if exact:
        # A TPU, and with TF32 a GPU too, would multiply with 8 to 11 bits.
        found += [line for line in products if re.search(r"(f32|bf16|f16)>", line) and line.count("HIGHEST") < 2]
    return [line.strip() for line in found]


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
@pytest.mark.parametrize("name", CASES)
def test_a_function_has_neither_float64_nor_the_host_nor_inexact_products(name, platform):
    assert faults(lowered(traced(name), platform), CASES[name].exact) == []


def test_what_is_looked_for_is_seen():
    """Each fault is found, also in a loop."""
    one = jax.ShapeDtypeStruct((4, 4), jnp.float32)
    several = jax.ShapeDtypeStruct((4, 4), jnp.complex64)

    def looped(x):
        return jax.lax.fori_loop(0, 3, lambda _, x: x @ x, x)

    def convolved(x):
        return jax.lax.conv_general_dilated(x[None, None], x[None, None], (1, 1), "SAME")

    def called(x):
        return jax.pure_callback(lambda x: x, one, x)

    for function, like in ((looped, one), (looped, several), (convolved, one), (called, one)):
        text = lowered(jax.jit(function).trace(like), "cpu" if function is called else "cuda")
        assert len(faults(text, exact=True)) == 1, function
    assert faults(lowered(jax.jit(looped).trace(one), "cuda"), exact=False) == []
    exactly = jax.jit(functools.partial(jnp.matmul, precision="highest"))
    assert faults(lowered(exactly.trace(several, several), "tpu"), exact=True) == []
    assert faults("%0 = stablehlo.add %1, %2 : tensor<4xf64>", exact=False) != []
