"""The interface of all networks to the rest of the library."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
from jaxtyping import Array

from jaxcs.keys import new_key
from jaxcs.types import Key, Params


class Net(NamedTuple):
    """A network as two pure functions.

    Attributes:
        init: key -> parameters, a dict of dicts of arrays, float32.
        apply: (parameters, inputs...) -> output for one slice, without a batch axis.  Convolutions compute in the type
            of the parameters, so parameters cast to bfloat16 give mixed precision.  Statistics are always float32.
    """

    init: Callable[[Key], Params]
    apply: Callable[..., Array]


class UntrainedNet(NamedTuple):
    """A network that is fitted to each measurement.  Its input is drawn once and never changes.

    Attributes:
        init: key -> parameters, a dict of dicts of arrays, float32.
        apply: (parameters, input) -> (ny, nx, outputs), with types as for `Net`.
        draw_input: key -> input (ny, nx, channel), float32, uniform in [0, 1).
    """

    init: Callable[[Key], Params]
    apply: Callable[[Params, Array], Array]
    draw_input: Callable[[Key], Array]


def count_parameters(net: Net | UntrainedNet) -> int:
    """Count the parameters without making them."""
    return sum(leaf.size for leaf in jax.tree.leaves(jax.eval_shape(net.init, new_key(0))))
