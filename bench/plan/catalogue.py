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
