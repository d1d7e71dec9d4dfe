"""The slice that all programs reconstruct: simulated, but as large, smooth, detailed and noisy as a measured slice."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench.timing.programs import cfl
from jaxcs.types import Measurement

CALIBRATION = 24  # [rows and columns], the default of BART and SigPy
_SNR = 35.0


def slice_of(shape: tuple[int, int, int]) -> Measurement:
    """Simulate the slice: the built-in knee, a random mask of a quarter of the columns, and ESPIRiT maps.

    The coils are loops around the field of view, and at least 24 central columns are measured.

    Args:
        shape: (coils, rows, columns).

    Returns:
        The measurement, divided by max|A^H y|.
    """
    import jax.numpy as jnp

    from data_prep.coil_array import Receiver, measure
    from data_prep.fourier import root_sum_of_squares
    from data_prep.phantom.scan import scan
    from jaxcs import masks
    from jaxcs.coils.espirit import EspiritConfig, espirit
    from jaxcs.coils.simulate import loop_sensitivities
    from jaxcs.recon import normalise

    coils, rows, columns = shape
    magnitude = root_sum_of_squares(scan("knee", "test", 0, (rows, columns)).clean)
    y, x = np.meshgrid(np.linspace(-1, 1, rows), np.linspace(-1, 1, columns), indexing="ij")
    image = magnitude * np.exp(1j * (0.8 * x + 0.5 * y * y + 0.3 * x * y))
    extent = (float(rows), float(columns))
    radius = 0.75 * float(np.hypot(*extent))
    loops = loop_sensitivities((rows, columns), extent, coils, radius, 3.4 * radius / coils)
    full = measure(image, Receiver(loops, snr=_SNR), np.random.RandomState(0))
    mask = masks.random(columns, 4, max(0.08, min(CALIBRATION, columns) / columns), 0)
    kspace = jnp.asarray(np.where(mask, full / np.abs(full).max(), 0).astype(np.complex64))
    maps = espirit(kspace, calibration(shape), EspiritConfig())
    return normalise(Measurement(kspace, jnp.asarray(mask), maps))[0]


def calibration(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the number of rows and columns from which maps are estimated.

    Args:
        shape: (coils, rows, columns).
    """
    return min(CALIBRATION, shape[1]), min(CALIBRATION, shape[2])


def write(measurement: Measurement, folder: Path) -> None:
    """Write kspace, mask and maps as .npy; kspace and maps also as BART's .hdr and .cfl."""
    for name, array in measurement._asdict().items():
        np.save(folder / f"{name}.npy", np.asarray(array))
    for name in ("kspace", "maps"):
        cfl.write(folder / name, np.asarray(getattr(measurement, name)))


def read(folder: Path) -> Measurement:
    """Read the files of `write` as host arrays."""
    return Measurement(*(np.load(folder / f"{name}.npy") for name in Measurement._fields))


def coils_that_count(folder: Path) -> float:
    """Return the number of coils that our l1 transforms for a row, averaged over the rows of the written slice."""
    import jax
    import jax.numpy as jnp

    from jaxcs.operators.row_coils import RowCoils, quickest
    from jaxcs.operators.sense import Sense

    measurement = read(folder)
    quick = jax.jit(quickest)(Sense(jnp.asarray(measurement.maps), jnp.asarray(measurement.mask)))
    return float(quick.ranks.mean()) if isinstance(quick, RowCoils) else float(len(measurement.maps))
