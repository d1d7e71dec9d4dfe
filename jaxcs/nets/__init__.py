"""Networks as pure functions: the only place that knows flax.  Each file gives a `Net`."""

from __future__ import annotations

from jaxcs.nets.net import Net, count_parameters

__all__ = ["Net", "count_parameters"]
