"""perturbations.npz of a finished run, which bench.attack --save-perturbations wrote."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import numpy as np

from bench.plan.config import RunConfig
from bench.plan.errors import InputFileError
from bench.plan.names import key_of
from bench.record.archives import damaged, opened, read_array
from bench.record.record import Record, read
from bench.record.stored import stored

# Types and numbers of axes of perturbations: k-space, images, and parameters of a change of the scan.
_TYPES, _AXES = ("complex64", "float32"), (0, 1, 2, 3)


class Perturbations:
    """The perturbations of a run, read one by one.

    Attributes:
        config: the configuration of the run.
        record: its record.
        found: (source, epsilon) of all its attacks.
    """

    def __init__(self, folder: Path) -> None:
        self.config: RunConfig = stored(folder).plan.config
        self.record: Record = read(folder)
        if not self.record.run.runtime.get("save_perturbations"):
            raise InputFileError(f"{folder}: holds no perturbations; run bench.attack with --save-perturbations")
        sources = self.record.names("source")
        self.found = [(source, eps) for source in sources for eps in self.record.eps if eps > 0]
        self._single = len(sources) == 1
        self._path = folder / "perturbations.npz"
        self._open = ExitStack()
        if not self._path.exists():
            raise InputFileError(f"{self._path}: is missing; bench.attack --resume {folder} makes it again")
        self._archive = self._open.enter_context(opened(self._path))
        with damaged(self._path):
            self._keys = {key_of(name) for name in self._archive.namelist()}

    def __enter__(self) -> Perturbations:
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()

    def read(self, case: str, source: str, eps: float, like: tuple[int, ...]) -> np.ndarray | None:
        """Read a perturbation.

        Args:
            case: name of the image.
            source: label of the method that was attacked.
            eps: size of the perturbation.
            like: the shape that it must have.

        Returns:
            The perturbation, in raw units, or None if the run has none of this image.

        Raises:
            InputFileError: the file is damaged.
        """
        key = f"{case}|{eps:g}" if self._single else f"{case}|{source}|{eps:g}"
        if key not in self._keys:
            return None
        with damaged(self._path):
            return read_array(self._archive, key, _TYPES, _AXES, like)
