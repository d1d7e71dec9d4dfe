"""The experiment of a run: its search and its scores, as functions of a batch of slices."""

from __future__ import annotations

from typing import Any

from jax.sharding import Mesh

from bench.plan.config import RunConfig
from bench.plan.conventions import CONVENTIONS
from jaxcs import evaluate
from jaxcs.evaluate import Evaluated, Found, Functions, Search
from jaxcs.goal import Goal
from jaxcs.recon import Method
from jaxcs.threats.scan import Scan

__all__ = ["Evaluated", "Found", "Functions", "Search", "build"]


def build(
    config: RunConfig,
    params: Any,
    entry: Method,
    method_config: Any,
    searches: dict[str, Search],
    scan: Scan,
    mesh: Mesh | None = None,
) -> Functions:
    """Close over the static choices of a run; see `jaxcs.evaluate.build`."""
    conventions = CONVENTIONS.get(config.like or "", {})
    goal = Goal(config.target, config.loss, config.aim, conventions, config.stealth)
    return evaluate.build(goal, params, entry, method_config, searches, scan, mesh)
