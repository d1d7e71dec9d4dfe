"""AUTOMAP (Zhu et al. 2018): a network from the samples of one mask to a real image, for a single coil."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from jaxcs import masks
from jaxcs.fourier import ifft2c
from jaxcs.nets.automap import Mean, Samples, automap
from jaxcs.nets.automap_inverse import inverse_init
from jaxcs.nets.net import Net
from jaxcs.recon.checks import check_at_least, check_choice, check_one_coil, checked
from jaxcs.recon.method import Method
from jaxcs.recon.scale import peak
from jaxcs.types import Image, Key, Kspace, Mask, Measurement, Params, Reconstructor


@dataclass(frozen=True)
class Config:
    """The network, which is for one mask.

    Attributes:
        side: rows and columns of the image.
        samples: number of samples of the mask.
        hidden: outputs of the first dense layer.
        channels: channels between the convolutions.
        mean: "data" takes the image's mean from the measured zero frequency.  "free" is published.
        scale: "peak" divides the zero-filled image by its peak, for the network alone.  "given" does not.
    """

    side: int = 32
    samples: int = 614
    hidden: int = 512
    channels: int = 16
    mean: Mean = "data"
    scale: Literal["peak", "given"] = "peak"

    def __post_init__(self) -> None:
        for name in ("side", "samples", "hidden", "channels"):
            check_at_least(name, getattr(self, name), 1)
        check_choice("mean", self.mean, get_args(Mean))
        check_choice("scale", self.scale, ("peak", "given"))
        if self.samples > self.side**2:
            raise ValueError(f"samples is {self.samples}; {self.side} x {self.side} pixels have {self.side**2}")


PRESETS = {
    # The published network: Poisson-disc samples, 60 % of all.  Its weights take 3.6 GB.
    "paper": Config(128, 9855, 25000, 64, mean="free"),
    "p64": Config(64, 2458, 6250, 64),
    "small": Config(32, 614, 1558, 32),
    # A network that trains in minutes on two CPU cores, and whose weights come with the project.
    "tiny": Config(32, 614, 320, 8),
}


def build(config: Config) -> Reconstructor:
    """Build the method: the network's real image, which may be negative, in the units of the measurement.

    A mask with another number of samples gives NaN.  Which samples they are cannot be checked here: it belongs to the
    weights.
    """
    real_image = _real_image(config)

    def apply(params: Params, measurement: Measurement, key: Key) -> Float[Array, "side side"]:
        del key
        return real_image(params, measurement)

    return Reconstructor(init=_net(config).init, apply=jax.jit(checked(apply, needs_maps=False, trained=True)))


def build_complex(config: Config) -> Callable[[Params, Measurement], Image]:
    """Build the function that gives the image of `build` as a complex image."""
    real_image = _real_image(config)

    def of(params: Params, measurement: Measurement) -> Image:
        image = real_image(params, measurement)
        return jax.lax.complex(image, jnp.zeros_like(image))

    return of


def init_by_inverse(config: Config, mask: Bool[np.ndarray, "side side"]) -> Callable[[Key], Params]:
    """Build the initialisation with which the network begins at the zero-filled image of this mask (a NumPy array)."""

    def init(key: Key) -> Params:
        first, second = jax.random.split(key)
        return inverse_init(second, _net(config).init(first), mask)

    return init


def network_input(config: Config, measurement: Measurement) -> tuple[Samples, Float[Array, ""]]:
    """Compute the network's input, and the scale by which it was divided.

    Returns:
        (2 samples,) real parts and imaginary parts in the order of rows of k-space, with the zero frequency in the
        corner, and the scale ().

    Raises:
        ValueError: If the measurement has several coils or another size than the network.
    """
    kspace, mask, _ = measurement
    check_one_coil(kspace)
    if kspace.shape[1:] != (config.side, config.side):
        raise ValueError(f"the network is for {config.side} x {config.side} pixels, the scan has {kspace.shape[1:]}")
    size = peak(ifft2c(jnp.where(mask, kspace[0], 0))) if config.scale == "peak" else jnp.float32(1)
    values = measured_samples(kspace, mask, config.samples) / size
    return jnp.concatenate([jnp.real(values), jnp.imag(values)]), size


def measured_samples(kspace: Kspace, mask: Mask, count: int) -> Array:
    """Gather the `count` samples of a single coil, and give NaN if the mask has another number of samples."""
    whole = jnp.fft.ifftshift(jnp.broadcast_to(mask, kspace.shape[1:])).ravel()
    (places,) = jnp.nonzero(whole, size=count, fill_value=0)
    values = jnp.fft.ifftshift(kspace[0]).ravel()[places]
    return jnp.where(jnp.sum(whole, dtype=jnp.int32) == count, values, jnp.nan)


def _real_image(config: Config) -> Callable[[Params, Measurement], Float[Array, "side side"]]:
    net = _net(config)

    def of(params: Params, measurement: Measurement) -> Float[Array, "side side"]:
        samples, size = network_input(config, measurement)
        return size * net.apply(params, samples)

    return of


def _net(config: Config) -> Net:
    return automap(config.side, config.samples, config.hidden, config.channels, config.mean)


# A network is trained and attacked with the mask of this seed.
MASK_SEED = masks.seed_from_name("one mask")


def check_scan(config: Config, shape: tuple[int, ...], mask: np.ndarray, training: Mapping[str, Any]) -> None:
    """Raise ValueError if the network is not for scans of this size and mask.

    Args:
        config: the network.
        shape: (coil, ny, nx) of the k-space.
        mask: (nx,) or (ny, nx) bool.
        training: settings of the training, with mask, acceleration and center_fraction; without them the samples are
            counted alone.
    """
    if shape[0] != 1 or shape[1:] != (config.side, config.side):
        raise ValueError(f"the network is for one coil and {config.side} x {config.side} pixels; the scan is {shape}")
    whole = np.broadcast_to(np.asarray(mask, bool), shape[1:])
    if whole.sum() != config.samples:
        ratio = f"an acceleration of {config.side**2 / config.samples:.3f}"
        raise ValueError(f"the network is for {config.samples} samples, {ratio}; the mask has {whole.sum()}")
    if {"mask", "acceleration", "center_fraction"} <= set(training):
        kind, acceleration, centre = training["mask"], training["acceleration"], training["center_fraction"]
        own = masks.make(kind, (config.side, config.side), acceleration, centre, MASK_SEED)
        if not np.array_equal(whole, np.broadcast_to(own, whole.shape)):
            raise ValueError(
                f"the network is for the mask of its training: {kind}, acceleration {acceleration:g}, centre {centre:g}"
            )


def first(config: Config, mask: np.ndarray) -> Callable[[Key], Params]:
    """Build the initialisation of a training: by the inverse, or for the published network at random."""
    return _net(config).init if config.mean == "free" else init_by_inverse(config, mask)


METHOD = Method(
    Config,
    build,
    PRESETS,
    trained=True,
    uses_maps=lambda config: False,
    one_coil=True,
    check_scan=check_scan,
    first=first,
)
