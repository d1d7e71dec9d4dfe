"""Read a file through the entry point for users' files, and check that the result is valid."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import jax
import numpy as np

from data_prep import bart, brainweb, image_source, ismrmrd, stanford
from data_prep.boxes import read_boxes
from data_prep.cases import Case
from data_prep.files import list_cases
from data_prep.geometry import geometry_of
from data_prep.layout import Volume
from data_prep.weights import read_weights
from tests.hostile.seeds import seeds

# More volumes or slices of one file reveal nothing new.
_MOST = 4
_SHAPE = (32, 24)  # of the images that tables of boxes refer to


def _data(path: Path) -> Iterator[np.ndarray]:
    found = list_cases(path, validation=True)
    assert found.slices
    for info in found.slices[:_MOST]:
        case = found.read(info)
        assert case.kspace.shape == info.shape
        geometry = geometry_of(path, info.shape[1:], case.target.shape)
        assert geometry is None or all(0 < edge < np.inf for edge in geometry.voxel)
        assert geometry is None or geometry.affine is None or np.isfinite(geometry.affine).all()
        yield from _case(case)


def _case(case: Case) -> Iterator[np.ndarray]:
    """The arrays of a case, after a check of the promises in its docstring."""
    assert case.name.isprintable()
    assert case.kspace.dtype == np.complex64
    assert case.kspace.ndim == 3
    assert np.isfinite(case.kspace).all()
    assert case.kspace.any()
    assert case.target.dtype == np.float32
    assert case.target.ndim == 2
    assert np.isfinite(case.target).all()
    assert case.target.min() >= 0
    assert case.target.max() > 0
    assert 0 < np.float32(case.data_range) < np.inf
    width = case.kspace.shape[-1]
    assert 0 <= case.padding[0] < case.padding[1] <= width
    yield from (case.kspace, case.target)
    if case.mask is not None:
        assert case.mask.shape == (width,)
        assert case.mask.dtype == bool
        assert case.mask.any()
    if case.maps is not None:
        assert case.maps.shape == case.kspace.shape
        assert np.isfinite(case.maps).all()
        yield case.maps


def _volumes(volumes: Callable[[Path], Iterator[Volume]]) -> Callable[[Path], Iterator[np.ndarray]]:
    def read(path: Path) -> Iterator[np.ndarray]:
        for volume in islice(volumes(path), _MOST):
            assert volume.kspace.dtype == np.complex64
            assert volume.kspace.ndim == 4
            assert volume.kspace.size
            assert np.isfinite(volume.kspace).all()
            assert all(0 < kept <= size for kept, size in zip(volume.crop, volume.kspace.shape[2:], strict=True))
            assert all(words.isprintable() for words in (volume.acquisition, volume.patient, *volume.notes))
            assert volume.mask is None or volume.mask.shape == volume.kspace.shape[3:]
            yield volume.kspace

    return read


def _coils(path: Path) -> Iterator[np.ndarray]:
    """The file as the coil maps for the scan of an image."""
    image = path.with_name("image of coils.h5")
    image.write_bytes(seeds()["images"].content)
    yield from _volumes(lambda _: image_source.volumes(image, path, snr=None))(path)


def _boxes(path: Path) -> Iterator[np.ndarray]:
    found = read_boxes(path, lambda _: _SHAPE, minimum_side=4)
    assert len(found.boxes) <= found.total
    for box in found.boxes:
        assert box.label.isprintable()
        assert box.slice_index >= 0
        assert 0 <= box.row < box.row + box.rows <= _SHAPE[0]
        assert 0 <= box.column < box.column + box.columns <= _SHAPE[1]
        yield np.frombuffer(f"{box.file} {box.label}".encode(), np.uint8)


def _weights(path: Path) -> Iterator[np.ndarray]:
    found = read_weights(path)
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(found.params)]
    assert leaves
    for leaf in leaves:
        assert leaf.dtype == np.float32
        assert np.isfinite(leaf).all()
        yield leaf


def _heads(path: Path) -> Iterator[np.ndarray]:
    for head in brainweb.heads(path, brainweb.SPLITS["test"]):
        assert head.labels.dtype == np.uint8
        assert head.labels.shape[1:] == (480, 480, 3)
        yield head.labels


# Each reader yields the arrays that it has read.  It raises InputError; any other error is a finding.
READERS: dict[str, Callable[[Path], Iterator[np.ndarray]]] = {
    "data": _data,
    "ismrmrd": _volumes(ismrmrd.volumes),
    "stanford": _volumes(lambda path: stanford.volumes(path, "principled")),
    "bart": _volumes(bart.volumes),
    "images": _volumes(lambda path: image_source.volumes(path, maps=None, snr=None)),
    "brainweb": _heads,
    "coils": _coils,
    "boxes": _boxes,
    "weights": _weights,
}
