"""Keys of random numbers of one kind, so that a seed draws the same numbers whatever JAX draws by default."""

from __future__ import annotations

import jax

from jaxcs.types import Key


def new_key(seed: int) -> Key:
    """The key of a seed, of Threefry, which is JAX's default and draws alike on all devices."""
    return jax.random.key(seed, impl="threefry2x32")
