"""SigPy's applications, as users run them; the time includes their setup.  With CuPy they run on the first GPU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


def _load(options: dict[str, Any]) -> tuple[Any, Any]:
    """K-space and maps, on the device."""
    import sigpy

    folder = Path(options["folder"])
    kspace, maps = (sigpy.to_device(np.load(folder / f"{name}.npy"), _device(options)) for name in ("kspace", "maps"))
    return kspace, maps


def _device(options: dict[str, Any]) -> int:
    """SigPy's number of the device, -1 for the CPU."""
    return 0 if options["accelerator"] else -1


def _on_host(array: Any) -> np.ndarray:
    """The array when it is complete."""
    import sigpy

    found: np.ndarray = sigpy.to_device(array, -1)
    return found


def l1(options: dict[str, Any]) -> Callable[[int], np.ndarray]:
    """Build `L1WaveletRecon`: FISTA after 30 power iterations for the step size; db4 with zeros beyond the edge."""
    from sigpy.mri.app import L1WaveletRecon

    kspace, maps = _load(options)
    device, wavelet = _device(options), options["wavelet"]
    return lambda iterations: _on_host(
        L1WaveletRecon(
            kspace, maps, options["lam"], wave_name=wavelet, max_iter=iterations, device=device, show_pbar=False
        ).run()
    )


def espirit(options: dict[str, Any]) -> Callable[[int], np.ndarray]:
    """Build `EspiritCalib` with its defaults: 24 x 24 calibration samples, kernels of 6 x 6, 100 power iterations."""
    from sigpy.mri.app import EspiritCalib

    kspace, _ = _load(options)
    device = _device(options)
    return lambda _: _on_host(EspiritCalib(kspace, device=device, show_pbar=False).run())


def normal(options: dict[str, Any]) -> Callable[[int], np.ndarray]:
    """Build A^H A on a zero-filled image."""
    from sigpy.mri.linop import Sense

    kspace, maps = _load(options)
    weights = (abs(kspace).sum(axis=0) > 0).astype(np.float32)
    a = Sense(maps, weights=weights)
    image = a.H(kspace)
    return lambda _: _on_host(a.N(image))


def wavelet(options: dict[str, Any]) -> Callable[[int], np.ndarray]:
    """Build the wavelet transform and its inverse."""
    import sigpy

    kspace, maps = _load(options)
    w = sigpy.linop.Wavelet(maps.shape[1:], wave_name=options["wavelet"])
    image = (maps.conj() * kspace).sum(axis=0)
    return lambda _: _on_host(w.H(w(image)))
