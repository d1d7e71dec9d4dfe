"""The metrics of records: their words, their decimals, and which way is worse.

Every table, page and figure rounds a metric alike, so that a reader finds the same number everywhere.
"""

from __future__ import annotations

from typing import NamedTuple


class Metric(NamedTuple):
    """A metric of images.jsonl.

    Attributes:
        words: its name with its unit.
        decimals: decimals with which it is shown.
        better: whether a larger value is a better image.
        unit: its unit, "" if it has none.
    """

    words: str
    decimals: int
    better: bool
    unit: str = ""


# Metrics of every run.
ALWAYS = {
    "psnr": Metric("PSNR [dB]", 2, True, "dB"),
    "ssim": Metric("SSIM", 3, True),
    "haarpsi": Metric("HaarPSI", 3, True),
    "nmse": Metric("NMSE", 4, False),
    "row_error": Metric("error by rows", 4, False),
    "max_error": Metric("largest error", 4, False),
}
# Metrics of runs with --loss hallucination, and of runs with --stealth and --region.
OF_GOALS = {
    "hallucination": Metric("hallucinated energy", 5, False),
    "ssim_image": Metric("SSIM of the whole image", 3, True),
}
# Metrics of runs with --like.
OF_PAPERS = {
    "psnr_rc2021": Metric("PSNR as in rc2021 [dB]", 2, True, "dB"),
    "ssim_rc2021": Metric("SSIM as in rc2021", 3, True),
    "psnr_morshuis2022": Metric("PSNR as in morshuis2022 [dB]", 2, True, "dB"),
    "ssim_morshuis2022": Metric("SSIM as in morshuis2022", 3, True),
    "psnr_antun2020": Metric("PSNR as in antun2020 [dB]", 2, True, "dB"),
    "error_genzel2020": Metric("error as in genzel2020", 4, False),
}
METRICS = ALWAYS | OF_GOALS | OF_PAPERS
_UNKNOWN = 4


def words_of(metric: str) -> str:
    """Return the name of a metric with its unit; a metric of a newer record keeps its name."""
    return METRICS[metric].words if metric in METRICS else metric


def decimals_of(metric: str) -> int:
    """Return the decimals with which a metric is shown."""
    return METRICS[metric].decimals if metric in METRICS else _UNKNOWN


def rounded(metric: str, value: float) -> str:
    """Return a value of a metric, or a difference of values, as it is shown, without its unit."""
    # z: no minus before a number that rounds to zero.
    return f"{value:z.{decimals_of(metric)}f}"


def style_of(metric: str) -> str:
    """Return the format of a metric's values, such as "{:.2f}"."""
    return f"{{:.{decimals_of(metric)}f}}"
