"""Coil sensitivities of circular loops by the law of Biot and Savart, and the noise that such coils share.

The functions run on the host, in float64, and return complex64 maps and complex128 covariances.  All lengths are in mm.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Complex

# The integrand is periodic and smooth, so the midpoint rule converges exponentially.  With this many nodes on half a
# loop the error is below 1e-6 at distances from the wire above 1/4 of the loop's radius.
_NODES = 32


def loop_sensitivities(
    shape: tuple[int, int],
    field_of_view: tuple[float, float],
    n_coils: int,
    radius: float,
    loop_radius: float,
) -> Complex[np.ndarray, "coil ny nx"]:
    """Simulate the receive sensitivities B1- = Bx - i By of equal loops, spaced evenly on a cylinder about the image.

    The cylinder's axis is normal to the imaging plane and passes through its centre.  Every loop faces the axis and is
    cut in half by the plane. x runs along the columns, y along the rows.  Pixel i of n lies at (i - n // 2)
    field_of_view / n, so every `shape` samples the same functions of position.  The first coil sits at the angle pi /
    n_coils from +x.

    B is the integral of dl x (p - l) / |p - l|^3 along the wire (Jackson, Classical Electrodynamics, section 5.2).  B1-
    is its component that rotates against the precession (Hoult, Concepts Magn. Reson. 12:173, 2000).  The maps are
    scaled to a root sum of squares over the coils of 1 at the centre of the field of view.

    Args:
        shape: (ny, nx) of the image [pixels].
        field_of_view: its extent along rows and columns [mm].
        n_coils: number of loops.
        radius: radius of the cylinder [mm].
        loop_radius: radius of each loop [mm].

    Returns:
        (coil, ny, nx) complex64 sensitivities [-].

    Raises:
        ValueError: If a size is not positive, or the field of view does not fit into the cylinder, whose surface holds
            the wires.
    """
    if min(*shape, n_coils, *field_of_view, radius, loop_radius) <= 0:
        sizes = f"{shape}, {field_of_view}, {n_coils}, {radius}, {loop_radius}"
        raise ValueError(f"loop_sensitivities: all sizes must be positive, got {sizes}")
    if np.hypot(*field_of_view) >= 2 * radius:
        raise ValueError(f"loop_sensitivities: field of view {field_of_view} does not fit into radius {radius}")
    y, x = ((np.arange(n) - n // 2) * (extent / n) for n, extent in zip(shape, field_of_view, strict=True))
    angles = np.pi * (2 * np.arange(n_coils) + 1) / n_coils
    maps = np.stack([loop_field(y[:, None], x, angle, radius, loop_radius) for angle in angles])
    centre = loop_field(np.zeros((1, 1)), np.zeros(1), 0.0, radius, loop_radius)
    return (maps / (np.sqrt(n_coils) * np.abs(centre))).astype(np.complex64)


def loop_field(
    y: np.ndarray, x: np.ndarray, angle: float, radius: float, loop_radius: float
) -> Complex[np.ndarray, "ny nx"]:
    """Compute B1- of one loop, which faces the axis of the cylinder, up to a constant.

    In the loop's frame (normal n, tangent t, and z across the plane) a node at the angle a is (0, r cos a, r sin a) and
    dl = r (0, -sin a, cos a) da.  The two halves of the loop contribute alike to Bn and Bt, and oppositely to Bz.
    The sum over the nodes leaves out the factor r, so that the field of an equal current is the result times r.

    Args:
        y: (ny, 1) positions of the rows [mm].
        x: (nx,) positions of the columns [mm].
        angle: angle of the loop's centre from +x [radian].
        radius: distance of the loop's centre from the origin [mm].
        loop_radius: radius r of the loop [mm].

    Returns:
        (ny, nx) complex field [1/mm^2 per node], infinite at the wire.
    """
    normal = x * np.cos(angle) + y * np.sin(angle) - radius
    tangent = y * np.cos(angle) - x * np.sin(angle)
    square = normal**2 + tangent**2 + loop_radius**2
    inverse_cube, weighted = np.zeros_like(square), np.zeros_like(square)
    for cosine in np.cos(np.pi * (np.arange(_NODES) + 0.5) / _NODES):
        distance2 = square - (2 * loop_radius * cosine) * tangent
        term = 1 / (distance2 * np.sqrt(distance2))
        inverse_cube += term
        weighted += cosine * term
    along_normal = loop_radius * inverse_cube - tangent * weighted
    along_tangent = normal * weighted
    return (along_normal - 1j * along_tangent) * np.exp(-1j * angle)


def noise_covariance(
    maps: Complex[np.ndarray, "coil ny nx"], support: Bool[np.ndarray, "ny nx"], coupling: float
) -> Complex[np.ndarray, "coil coil"]:
    """Compute the noise covariance of coils that pick up the noise of one object, with variance 1 in each coil.

    The covariance is (1 - coupling) I + coupling C. C_ij = sum S_i conj(S_j) / (|S_i| |S_j|) over the object is the
    noise correlation if all points of the object emit independent noise.  C stands for the overlap of the coils'
    electric fields (Roemer et al., MRM 16:192, 1990).  The identity I is the noise of each coil and its preamplifier.

    Args:
        maps: (coil, ny, nx) coil sensitivity maps S.
        support: (ny, nx), True inside the object.
        coupling: the object's share of the noise, in [0, 1) [-].

    Returns:
        (coil, coil) complex128 covariance E[n n^H] of the coil vector n.  It is Hermitian, with eigenvalues >= 1 -
        coupling.

    Raises:
        ValueError: If the coupling is outside [0, 1), the support has another shape than the maps, or a coil is zero in
            the whole object.
    """
    if not 0 <= coupling < 1:
        raise ValueError(f"noise_covariance: coupling must be in [0, 1), got {coupling}")
    if support.shape != maps.shape[1:]:
        raise ValueError(f"noise_covariance: support is {support.shape}, maps are {maps.shape}")
    inside = maps[:, support].astype(np.complex128)
    norm = np.linalg.norm(inside, axis=1, keepdims=True)
    if not norm.all():
        raise ValueError("noise_covariance: a coil is zero in the whole object")
    unit = inside / norm
    return (1 - coupling) * np.eye(len(maps)) + coupling * (unit @ unit.conj().T)
