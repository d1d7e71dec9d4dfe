"""Names that the command line knows; the registries of these names import JAX, and --help must not wait for that.

A test holds this list and the registries equal.
"""

from __future__ import annotations

NETWORKS = ("unet", "unet_complex", "varnet", "irim")
TEST_TIME = ("ttt_unet", "ttt_varnet")
UNTRAINED = ("convdecoder", "deepdecoder", "dip")
METHODS = ("zero_filled", "sense", "l1", "tv", *NETWORKS, *TEST_TIME, *UNTRAINED)
PRESETS = (
    "rc2021",
    "early_stopped",
    "published",
    "paper",
    "attack2021",
    "pathology2021",
    "feature2021",
    "brain2021",
    "original",
)
ATTACKS = (
    "scout", "pgd", "apgd", "padam", "momentum", "two_step", "region", "spectral", "spsa", "grid", "ensemble", "noise"
)  # fmt: skip
LOSSES = ("nmse", "ssim", "row_error", "max_error")
NORMS = ("measured", "kspace", "per_coil", "whitened", "image")
MASKS = ("random", "equispaced", "equispaced_fraction", "magic", "magic_fraction", "gaussian", "poisson")
# Shifts of the scan, in the order in which they happen.
SHIFTS = ("thickness", "contrast", "motion", "resolution", "noise")
PHANTOMS = ("knee", "brain")

# Sizes of the perturbation if none are given: what two cores do in a minute or a few, although an image takes long.
_EPSILONS: dict[str, tuple[float, ...]] = {"all": (0.02, 0.05)} | dict.fromkeys(("varnet", "irim"), (0.01, 0.02, 0.05))
_EPSILONS |= dict.fromkeys(TEST_TIME + UNTRAINED, (0.05,))
# Sizes of changes of the scan if none are given, in the unit of each.
CHANGES: dict[str, tuple[float, ...]] = {
    "shift": (0.5, 1.0, 2.0, 4.0),
    "rotation": (1.0, 2.0, 3.0, 4.0, 5.0),
    "deformation": (0.25, 0.5, 1.0, 2.0),
    "bias": (0.05, 0.1, 0.2),
    "maps": (0.02, 0.05, 0.1),
    "phase": (0.02, 0.05, 0.1, 0.2),
}


def default_eps(method: str, threat: str) -> tuple[float, ...]:
    """The sizes of the perturbation if none are given, ascending."""
    return CHANGES[threat] if threat in CHANGES else _EPSILONS.get(method, (0.01, 0.02, 0.03, 0.05, 0.08))
