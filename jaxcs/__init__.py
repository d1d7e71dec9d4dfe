"""MRI reconstructions as pure JAX functions, and attacks that find their worst small perturbations.

    import jaxcs

    image = jaxcs.reconstruct("l1", kspace, mask)
    report = jaxcs.attack("l1", kspace, mask, eps=[0.02, 0.05])
    print(report)

k-space is complex, (coil, ny, nx), centred and orthonormal, in any units; a mask is bool, (nx,) or (ny, nx), True where
measured; coil maps are estimated if they are not given.

    reconstruct, attack    functions of one slice, in its own units
    estimate_maps          coil maps by ESPIRiT
    load_weights, load_run trained networks, and finished runs of `python -m bench.attack`
    METHODS, ATTACKS       the registries of methods and attacks; also MASKS and METRICS
    recon, attacks, threats, evaluate, masks, coils, metrics, operators, solvers, nets, features, interop, weights
                           the parts: pure functions of one slice, for jax.jit, jax.vmap and jax.grad

Importing jaxcs imports neither these names nor JAX; each name is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxcs import (
        attacks,
        coils,
        evaluate,
        evidence,
        features,
        fourier,
        interop,
        masks,
        metrics,
        nets,
        operators,
        recon,
        solvers,
        threats,
        types,
        weights,
    )
    from jaxcs.api.attack import attack
    from jaxcs.api.reconstruct import reconstruct
    from jaxcs.api.report import AttackReport, Scores
    from jaxcs.api.runs import Run, load_run
    from jaxcs.api.slices import estimate_maps
    from jaxcs.attacks import ATTACKS
    from jaxcs.masks import MASKS
    from jaxcs.metrics import METRICS
    from jaxcs.recon import METHODS
    from jaxcs.types import Measurement
    from jaxcs.weights.files import Weights, load_weights

    __version__: str

__all__ = [
    "ATTACKS", "MASKS", "METHODS", "METRICS", "AttackReport", "Measurement", "Run", "Scores", "Weights", "__version__",
    "attack", "attacks", "coils", "estimate_maps", "evaluate", "evidence", "features", "fourier", "interop", "load_run",
    "load_weights", "masks", "metrics", "nets", "operators", "recon", "reconstruct", "solvers", "threats", "types",
    "weights",
]  # fmt: skip

# The module that defines each name; other names are modules of the library.
_DEFINED_IN = {
    "ATTACKS": "jaxcs.attacks",
    "MASKS": "jaxcs.masks",
    "METHODS": "jaxcs.recon",
    "METRICS": "jaxcs.metrics",
    "AttackReport": "jaxcs.api.report",
    "Measurement": "jaxcs.types",
    "Run": "jaxcs.api.runs",
    "Scores": "jaxcs.api.report",
    "Weights": "jaxcs.weights.files",
    "attack": "jaxcs.api.attack",
    "estimate_maps": "jaxcs.api.slices",
    "load_run": "jaxcs.api.runs",
    "load_weights": "jaxcs.weights.files",
    "reconstruct": "jaxcs.api.reconstruct",
}


def __getattr__(name: str) -> Any:
    """Import a name when it is first used (PEP 562)."""
    if name == "__version__":
        found: Any = _version()
    elif name in _DEFINED_IN:
        found = getattr(import_module(_DEFINED_IN[name]), name)
    elif name in __all__:
        found = import_module(f"jaxcs.{name}")
    else:
        # Python itself looks up names, so that this must be cheap.
        raise AttributeError(f"module 'jaxcs' has no attribute {name!r}; dir(jaxcs) lists what it has")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return __all__


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("jaxcs")
    except PackageNotFoundError:  # run from its source
        return "unknown"
