"""FBPConvNet: a network after filtered back-projection of few views (Jin et al., IEEE TIP 26:4509, 2017).

The method takes a sinogram instead of a `Measurement`.  Ell50 and Med50 of Antun et al. (PNAS 117:30088, 2020) are this
method, trained on ellipses and on thoraxes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxcs.nets.fbpconvnet import check_side, fbpconvnet
from jaxcs.operators.radon import Radon, enough_detectors, even_angles
from jaxcs.recon.checks import check_at_least, check_choice
from jaxcs.types import Key, Params

Sinogram = Float[Array, "view detector"]
SignedImage = Float[Array, "size size"]


class SinogramReconstructor(NamedTuple):
    """A reconstruction of sinograms as pure functions of one slice.

    Attributes:
        init: key -> parameters.
        apply: (parameters, sinogram (view, detector), key) -> image (size, size), float32, in the units of the image
            that was projected.  The image may be negative, and has its gradient there.
    """

    init: Callable[[Key], Params]
    apply: Callable[[Params, Sinogram, Key], SignedImage]


@dataclass(frozen=True)
class Config:
    """The network and the acquisition.  The detectors see the whole image, corners included.

    Attributes:
        channels: channels of the network's first level.
        levels: levels below the first.
        size: rows and columns of the image [pixel].
        views: views of the full acquisition, spread evenly over 180 degrees.
        every: the method gets every `every`-th view, beginning with the first.
        scale: "peak" gives the network the image of filtered back-projection with its largest magnitude set to `peak`,
            so that the method is scale-equivariant.  "given" leaves the image as it is.
        peak: largest magnitude of the network's input, for the scale "peak".
    """

    channels: int = 64
    levels: int = 4
    size: int = 512
    views: int = 1000
    every: int = 20
    scale: Literal["peak", "given"] = "peak"
    peak: float = 1.0

    def __post_init__(self) -> None:
        for name in ("channels", "levels", "views", "every"):
            check_at_least(name, getattr(self, name), 1)
        check_side(self.size, self.levels)
        if self.every > self.views:
            raise ValueError(f"every is {self.every}; it must be at most {self.views}, the number of views")
        check_choice("scale", self.scale, ("peak", "given"))
        if not self.peak > 0:
            raise ValueError(f"peak is {self.peak:g}; it must be positive")


PRESETS = {
    # 50 of 1000 views; the published images lie in [-500, 500].
    "paper": Config(peak=500.0),
    # 12 of 240 views; for training in minutes on two CPU cores.
    "small": Config(12, 4, 128, 240, 20),
    "tiny": Config(8, 4, 128, 240, 20),
}


def build(config: Config) -> SinogramReconstructor:
    """Build the method: the network of the image of filtered back-projection."""
    net = fbpconvnet(config.channels, config.levels)

    def apply(params: Params, sinogram: Sinogram, key: Key) -> SignedImage:
        del key
        x, scale = network_input(config, sinogram)
        return net.apply(params, x) * scale

    return SinogramReconstructor(net.init, jax.jit(apply))


def acquisition(config: Config) -> Radon:
    """Build the projection whose sinograms the method takes."""
    angles = even_angles(config.views)[:: config.every]
    return Radon(angles, config.size, enough_detectors(config.size))


def full_acquisition(config: Config) -> Radon:
    """Build the projection with all views, whose filtered back-projection is the truth of the published networks."""
    return Radon(even_angles(config.views), config.size, enough_detectors(config.size))


def network_input(config: Config, sinogram: Sinogram) -> tuple[SignedImage, Float[Array, ""]]:
    """Compute the network's input, and the number by which its output is multiplied.

    A sinogram of zeros has the scale 0, and hence an image of zeros.

    Returns:
        The scaled image of filtered back-projection (size, size), and the scale ().
    """
    image = acquisition(config).fbp(sinogram)
    if config.scale == "given":
        return image, jnp.ones((), image.dtype)
    size = jnp.abs(image).ravel()
    scale = size[jnp.argmax(size)] / config.peak
    return image / jnp.where(scale > 0, scale, 1.0), scale
