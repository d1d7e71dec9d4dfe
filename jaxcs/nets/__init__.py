"""Networks as pure functions: the only folder that imports flax.  Each file gives a `Net` or an `UntrainedNet`."""

from __future__ import annotations

from jaxcs.nets.net import Net, UntrainedNet, count_parameters

__all__ = ["Net", "UntrainedNet", "count_parameters"]
