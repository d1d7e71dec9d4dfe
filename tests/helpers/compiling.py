"""Functions of small networks, compiled for tests."""

import jax


def quick(function):
    """Compile without optimisation, which small networks do not need."""
    return jax.jit(function, compiler_options={"xla_backend_optimization_level": 0})
