"""Names of the timed work, for --help, which must not wait for JAX; a test compares them with `networks.STEPS`."""

ON_THE_SLICE = ("l1", "l1-db4", "l1-attack-step", "espirit", "normal", "wavelet")
# On the published geometry of CT.
OF_CT = ("radon", "radon-adjoint", "fbp")
_NETWORKS = (
    "unet", "varnet-small", "varnet-full", "unet-training", "varnet-training", "convdecoder-small", "convdecoder-paper"
)  # fmt: skip
NAMES = (*ON_THE_SLICE, *OF_CT, *_NETWORKS)
DEFAULT = tuple(name for name in NAMES if name != "convdecoder-paper")  # half a minute a step
