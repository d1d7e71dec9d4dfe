"""Random keys of a fixed kind: a seed draws the same numbers whatever JAX's default generator is."""

from __future__ import annotations

import jax

from jaxcs.types import Key


def new_key(seed: int) -> Key:
    """Make the key of a seed for Threefry, JAX's default generator, which draws the same numbers on all devices."""
    return jax.random.key(seed, impl="threefry2x32")
