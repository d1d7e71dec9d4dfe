"""The Radon transform of scikit-image and of ASTRA's CPU projector, as users call them; and the image for all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

# The timed work: the projection, back-projection without a filter, and filtered back-projection.
FORWARD, ADJOINT, FBP = "forward", "adjoint", "fbp"


def image(size: int) -> np.ndarray:
    """Draw the (size, size) float32 image: discs inside the inscribed circle, and 0 outside it."""
    y, x = np.mgrid[:size, :size] / (size // 2) - 1
    discs = ((0.9, 0, 0, 1.0), (0.3, 0.3, -0.2, 0.5), (0.1, -0.5, 0.4, -0.7), (0.05, 0.1, 0.6, 1.5))
    drawn = sum(value * (np.hypot(y - row, x - column) < radius) for radius, row, column, value in discs)
    return np.asarray(drawn, np.float32)


def angles(views: int) -> np.ndarray:
    """Spread views over [0, 180) degrees."""
    return 180 * np.arange(views) / views


def scikit_image(options: dict[str, Any]) -> Callable[[int], np.ndarray]:
    """Build `radon`, or `iradon` without a filter or with that of Ram-Lak."""
    from skimage.transform import iradon, radon

    x, theta = image(options["size"]), angles(options["views"])
    if options["of"] == FORWARD:
        return lambda _: np.asarray(radon(x, theta, circle=True))
    sinogram, name = radon(x, theta, circle=True), "ramp" if options["of"] == FBP else None
    return lambda _: np.asarray(iradon(sinogram, theta, circle=True, filter_name=name))


def astra(options: dict[str, Any]) -> Callable[[int], np.ndarray]:
    """Build the projection or back-projection by the projector "linear", which is Joseph's too."""
    import astra

    size, x = options["size"], image(options["size"])
    volume = astra.create_vol_geom(size, size)
    rays = astra.create_proj_geom("parallel", 1.0, size, np.deg2rad(angles(options["views"])))
    projector = astra.create_projector("linear", rays, volume)

    def kept(make: Callable[..., tuple[int, np.ndarray]], data: np.ndarray) -> np.ndarray:
        """The result, of which ASTRA keeps no copy."""
        identifier, found = make(data, projector)
        astra.data2d.delete(identifier)
        return found

    if options["of"] == FORWARD:
        return lambda _: kept(astra.create_sino, x)
    sinogram = kept(astra.create_sino, x)
    return lambda _: kept(astra.create_backprojection, sinogram)
