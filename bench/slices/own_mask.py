"""Data that are already under-sampled: flags about sampling do not apply, and the record must not list them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench.plan.config import OF_THE_FILE, RunConfig
from bench.plan.errors import UsageError
from data_prep.cases import InputError
from data_prep.fastmri_layout import volume_files
from data_prep.safe_hdf5 import holds, open_file

FLAGS = ("--mask", "--acceleration", "--center-fraction")


def settled(config: RunConfig, argv: Sequence[str]) -> RunConfig:
    """Remove the sampling from a configuration if every file of its data has a mask, or if the data are sinograms.

    Args:
        config: the configuration.
        argv: the command line, in which a flag about sampling would be ignored.

    Raises:
        UsageError: the command line has such a flag, or the configuration shifts these data.
    """
    reason = "sinograms are sampled by --views; leave the flag out"
    if not config.sinograms:
        if config.data is None or not _all_masked(config.data):
            return config
        reason = (
            f"{config.data} is already under-sampled, by the mask of each file, which is used; leave the flag out, or "
            "delete 'mask' in the file if its k-space is whole"
        )
    given = {word.partition("=")[0] for word in argv}
    for flag in FLAGS:
        if flag in given:
            raise UsageError(f"{flag}: {reason}")
    if config.shift and not config.sinograms:
        raise UsageError(f"--shift: {config.data} is already under-sampled; give fully sampled data")
    return replace(config, mask=OF_THE_FILE, acceleration=None, center_fraction=None)


def _all_masked(data: str) -> bool:
    """True if every file has a mask; stops at the first file that has none or cannot be read."""
    try:
        for path in volume_files(Path(data)):
            with open_file(path) as file:
                if not holds(file, "mask"):
                    return False
    except InputError:
        return False  # the run reports the error
    return True
