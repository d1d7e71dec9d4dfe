"""Coil sensitivities of circular loops by the law of Biot and Savart, and the noise that such coils share.

Host-side: float64 arithmetic, complex64 results.  Lengths are in mm throughout.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Complex

# The integrand is periodic and smooth, so that the midpoint rule converges exponentially: with this many nodes on half
# a loop the error is below 1e-6 wherever the wire is farther away than 1/4 of the loop's radius.
_NODES = 32


def loop_sensitivities(
    shape: tuple[int, int],
    field_of_view: tuple[float, float],
    n_coils: int,
    radius: float,
    loop_radius: float,
) -> Complex[np.ndarray, "coil ny nx"]:
    """Receive sensitivities B1- = Bx - i By of equal loops spaced evenly on a cylinder about the imaging plane.

    The cylinder's axis is normal to the plane and passes through its centre; every loop faces the axis and is cut in
    half by the plane.  x runs along the columns, y along the rows; pixel i of n lies at (i - n // 2) field_of_view / n,
    so that any `shape` samples the same functions of position.  The first coil sits at the angle pi / n_coils from +x.

    shape: (ny, nx).  field_of_view: its extent [mm] along rows and columns.  radius: of the cylinder [mm].
    loop_radius: of each loop [mm].

    B is the integral of dl x (p - l) / |p - l|^3 along the wire (Jackson, Classical Electrodynamics, section 5.2), and
    B1- its component rotating against the precession (Hoult, Concepts Magn. Reson. 12:173, 2000).  The scale is such
    that the root sum of squares over the coils is 1 at the centre of the field of view.

    Returns (coil, ny, nx) complex64.  Raises ValueError where the field of view does not fit into the cylinder, whose
    surface holds the wires, and for sizes that are not positive.
    """
    if min(*shape, n_coils, *field_of_view, radius, loop_radius) <= 0:
        sizes = f"{shape}, {field_of_view}, {n_coils}, {radius}, {loop_radius}"
        raise ValueError(f"loop_sensitivities: all sizes must be positive, got {sizes}")
    if np.hypot(*field_of_view) >= 2 * radius:
        raise ValueError(f"loop_sensitivities: field of view {field_of_view} does not fit into radius {radius}")
    y, x = ((np.arange(n) - n // 2) * (extent / n) for n, extent in zip(shape, field_of_view, strict=True))
    angles = np.pi * (2 * np.arange(n_coils) + 1) / n_coils
    maps = np.stack([_loop_field(y[:, None], x, angle, radius, loop_radius) for angle in angles])
    centre = _loop_field(np.zeros((1, 1)), np.zeros(1), 0.0, radius, loop_radius)
    return (maps / (np.sqrt(n_coils) * np.abs(centre))).astype(np.complex64)


def _loop_field(
    y: np.ndarray, x: np.ndarray, angle: float, radius: float, loop_radius: float
) -> Complex[np.ndarray, "ny nx"]:
    """B1- of one loop, up to a constant.

    In the loop's own frame (normal n, tangent t, and z across the plane) a node at the angle a is (0, r cos a, r sin a)
    and dl = r (0, -sin a, cos a) da.  The two halves of the loop contribute alike to Bn and Bt, and oppositely to Bz.
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
    """Noise covariance of coils that pick up the noise of one object, with variance 1 in each coil.

    (1 - coupling) I + coupling C.  C_ij = sum S_i conj(S_j) / (|S_i| |S_j|), over the object, is the correlation if
    all its points emit independent noise; it stands for the overlap of the coils' electric fields (Roemer et al.,
    MRM 16:192, 1990).  The identity is the noise of each coil and its preamplifier.

    maps: (coil, ny, nx).  support: (ny, nx), True inside the object.  coupling: share of the object's noise, in [0, 1).

    Returns (coil, coil) complex128, Hermitian, eigenvalues >= 1 - coupling; E[n n^H] for the coil vector n.  Raises
    ValueError for a coupling outside [0, 1), a support of another shape, or a coil that is zero in all of it.
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
