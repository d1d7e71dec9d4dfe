"""Reconstructed images, collected until a volume is whole and then written."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from bench.record.records import writing
from bench.slices.sources import Source
from data_prep.fastmri_layout import volume_files
from data_prep.geometry import VoxelGeometry, geometry_of
from data_prep.image_formats import FORMATS, ImageVolume
from jaxcs.names import printable

# The formats that hold the size of a voxel and its place.
_PLACED = ("nifti", "dicom")


class Volumes:
    """The volumes of a command.

    Args:
        output: folder with a folder for each version.
        formats: names of the files' formats.
        versions: what the images of each version are, in words, by the version's name; the clean one first.
        source: the slices that will come.
        data: path of the files, or None for the phantom.

    Attributes:
        written: the first slice, the number of slices and the voxel [mm] of each volume, by its name.
        notes: notes for the record.
    """

    def __init__(
        self, output: Path, formats: Sequence[str], versions: Mapping[str, str], source: Source, data: str | None
    ) -> None:
        self.written: dict[str, dict[str, Any]] = {}
        self.notes: list[str] = []
        self._output, self._formats, self._versions = output, formats, versions
        self._paths = {} if data is None else {path.name: path for path in volume_files(Path(data))}
        self._run = uuid4()
        self._volume_of = dict(zip(source.names, source.volumes, strict=True))
        self._left = Counter(source.volumes)
        self._images: dict[str, dict[str, dict[int, np.ndarray]]] = {}
        self._places: dict[str, list[int]] = {}
        self._matrices: dict[str, tuple[int, int]] = {}

    def add(self, case: str, matrix: tuple[int, int] | None, images: Mapping[str, np.ndarray]) -> None:
        """Add a slice, and write its volume if that is whole.

        Args:
            case: name of the slice.
            matrix: (ny, nx) of its k-space; None if it failed.
            images: (ty, tx) float32 images by the version's name, without those that failed.

        Raises:
            OutputError: the volume cannot be written.
        """
        volume, place = self._volume_of[case], int(case.rpartition(":")[2])
        self._places.setdefault(volume, []).append(place)
        if matrix is not None:
            self._matrices[volume] = matrix
        for version, image in images.items():
            self._images.setdefault(volume, {}).setdefault(version, {})[place] = image
        self._left[volume] -= 1
        if not self._left[volume] and volume in self._images:
            self._write(volume, self._images.pop(volume))

    def _write(self, volume: str, versions: dict[str, dict[int, np.ndarray]]) -> None:
        places = self._places.pop(volume)
        first, number = min(places), max(places) - min(places) + 1
        shape = next(iter(next(iter(versions.values())).values())).shape
        geometry = self._geometry(volume, (shape[0], shape[1]))
        # The peak is that of the clean images, the first version, so that a viewer shows all versions alike.
        shown = next(versions[version] for version in self._versions if version in versions)
        peak = float(max(image.max() for image in shown.values()))
        for version, images in versions.items():
            # A slice that failed, or that was not asked for, keeps its place.
            stack = np.full((number, *shape), np.nan, np.float32)
            for place, image in images.items():
                stack[place - first] = image
            made = ImageVolume(
                volume.removesuffix(".h5"), stack, first, geometry, peak, self._versions[version], self._run
            )
            folder = self._output / version
            with writing(folder):
                for name in self._formats:
                    FORMATS[name].write(folder, made)
        voxel = None if geometry is None else geometry.voxel
        self.written[volume] = {"first_slice": first, "slices": number, "voxel_mm": voxel}

    def _geometry(self, volume: str, image: tuple[int, int]) -> VoxelGeometry | None:
        path, matrix = self._paths.get(volume), self._matrices.pop(volume)
        found = None if path is None else geometry_of(path, matrix, image)
        placed = " and ".join(name for name in _PLACED if name in self._formats)
        if placed and found is None:
            self._note(volume, f"the size of its voxels is not known; units in {placed} are pixels")
        elif placed and found is not None and found.affine is None:
            self._note(volume, f"its place in the patient is not known; of its geometry {placed} has the voxels alone")
        return found

    def _note(self, volume: str, text: str) -> None:
        """Say each text for its first volume."""
        if not any(note.endswith(text) for note in self.notes):
            self.notes.append(f"{printable(volume)}: {text}")
            print(f"note: {self.notes[-1]}", file=sys.stderr)
