"""The best scores that coil maps allow, as a sentence beside the clean scores."""

from __future__ import annotations

import statistics
from collections.abc import Iterable

from bench.record.run_record import RunRecord

# Entries of run.json for methods that take coil maps as an input.
_TAKES_MAPS = ("fixed", "reestimated")


def sentence(run: RunRecord) -> str | None:
    """Say the mean ceiling over the images of a run.

    Args:
        run: content of run.json.

    Returns:
        The sentence, or None if no method takes coil maps or no image has a ceiling.  Images with a mask in their file
        have none, because their k-space is not whole; records of version 0.1 have none either.
    """
    if not any(one.get("maps") in _TAKES_MAPS for one in run.methods.values()):
        return None
    found = [one.get("ceiling") for name, one in run.sampling.items() if name not in run.failed]
    psnr, ssim = (_mean(one[metric] for one in found if one is not None) for metric in ("psnr", "ssim"))
    if psnr is None or ssim is None:
        return None
    return (
        f"the best that these maps allow: {psnr:.2f} dB PSNR, SSIM {ssim:.3f} (the fully sampled data, combined by the "
        "coil maps; mean over images)"
    )


def _mean(values: Iterable[float | None]) -> float | None:
    """Mean of the known values; an image that equals its target has no finite PSNR."""
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None
