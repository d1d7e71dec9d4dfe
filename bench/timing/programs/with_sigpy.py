"""SigPy's applications, as users run them; the time includes their setup."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


def _load(options: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    folder = Path(options["folder"])
    return np.load(folder / "kspace.npy"), np.load(folder / "maps.npy")


def l1(options: dict[str, Any]) -> Callable[[int], np.ndarray]:
    """Build `L1WaveletRecon`: FISTA after 30 power iterations for the step size; db4 with zeros beyond the edge."""
    from sigpy.mri.app import L1WaveletRecon

    kspace, maps = _load(options)
    return lambda iterations: L1WaveletRecon(
        kspace, maps, options["lam"], wave_name=options["wavelet"], max_iter=iterations, show_pbar=False
    ).run()


def espirit(options: dict[str, Any]) -> Callable[[int], np.ndarray]:
    """Build `EspiritCalib` with its defaults: 24 x 24 calibration samples, kernels of 6 x 6, 100 power iterations."""
    from sigpy.mri.app import EspiritCalib

    kspace, _ = _load(options)
    return lambda _: EspiritCalib(kspace, show_pbar=False).run()


def normal(options: dict[str, Any]) -> Callable[[int], np.ndarray]:
    """Build A^H A on a zero-filled image."""
    from sigpy.mri.linop import Sense

    kspace, maps = _load(options)
    weights = (np.abs(kspace).sum(axis=0) > 0).astype(np.float32)
    a = Sense(maps, weights=weights)
    image = a.H(kspace)
    return lambda _: a.N(image)


def wavelet(options: dict[str, Any]) -> Callable[[int], np.ndarray]:
    """Build the wavelet transform and its inverse."""
    import sigpy

    kspace, maps = _load(options)
    w = sigpy.linop.Wavelet(maps.shape[1:], wave_name=options["wavelet"])
    image = np.sum(maps.conj() * kspace, axis=0)
    return lambda _: w.H(w(image))
