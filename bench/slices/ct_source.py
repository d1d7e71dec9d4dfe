"""The source of a run on sinograms: built-in phantoms of CT, or files of images that are projected."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from bench.plan.config import RunConfig
from bench.plan.errors import UsageError
from bench.slices.case_list import listed
from bench.slices.source import Source, list_sha256, only_words, refused, sha256_of
from data_prep import ct
from data_prep.cases import Case, InputError
from data_prep.ct import CtSlice
from jaxcs.catalogue import CT_PHANTOMS

NOTE = "these are images: their sinograms and the noise are simulated"


def open_sinograms(config: RunConfig, count: int) -> Source:
    """Open the slices of CT that the configuration names.

    Args:
        config: settings of the run.
        count: number of phantoms if the configuration limits them not.

    Raises:
        InputFileError: no case can be read.
        UsageError: the scan is shifted.
    """
    if config.data is None and config.phantom not in CT_PHANTOMS:
        raise UsageError(
            f"--method {config.method}: reconstructs sinograms, for which there are bench.attack, bench.reconstruct, "
            "bench.stability and bench.train"
        )
    if config.shift:
        raise UsageError(f"--shift {config.shift[0][0]}: a sinogram is not shifted; leave the flag out")
    slices = _listed(config, count)
    if config.only is not None:
        chosen = listed(config.only, (one.name for one in slices), config.data or f"the phantom of {config.phantom}")
        slices = [one for one in slices if one.name in chosen][: config.limit]
    slices = sorted(slices, key=lambda one: one.shape)
    paths = sorted({one.path for one in slices if one.path is not None})
    phantom = f"built-in phantom ({config.phantom}, test)"

    def read(wanted: Iterable[int]) -> Iterator[Case | InputError]:
        for position in wanted:
            try:
                yield slices[position].read(config.views)
            except InputError as error:
                yield error

    views = ", ".join(str(one) for one in sorted({one.shape[2] for one in slices}))
    return Source(
        description=f"{config.data or phantom}, sinograms of {views} views{only_words(config)}",
        total=len(slices),
        positions=list(range(len(slices))),
        names=[one.name for one in slices],
        volumes=[one.volume for one in slices],
        shapes=[one.shape for one in slices],
        notes=(NOTE if config.data else "this is the built-in phantom; --data PATH takes files of images of CT",),
        sha256={path.name: sha256_of(Path(path)) for path in paths} | list_sha256(config),
        read=read,
    )


def _listed(config: RunConfig, count: int) -> list[CtSlice]:
    if config.data is None:
        # A list may name any phantom.
        number = 10_000 if config.only is not None else config.limit or count
        return ct.phantoms(config.phantom, "test", number, config.views)
    with refused("--data"):
        found = ct.list_images(config.data, True, config.views)
    return found if config.only is not None else found[: config.limit]
