"""A run or its dossier, verified: every byte by the manifest, every score by computing it again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.plan.config import RunConfig
from bench.plan.errors import InputFileError
from bench.plan.several import SEVERAL
from bench.proof.archive import PERTURBATIONS, unpacked
from bench.proof.consistent import contradictions
from bench.proof.image import TOLERANCE, Score
from bench.proof.rescore import rescore
from bench.record.reading import understanding
from bench.record.record import Record, read
from bench.record.stored import Stored, stored
from bench.slices.source import sha256_of
from jaxcs.recon import METHODS

_SAVE = "run bench.attack with --save-perturbations, and its scores are verified too"


class Opened(NamedTuple):
    """A run folder, or an unpacked dossier.

    Attributes:
        folder: folder of the run's files.
        sha256: hash of the dossier, None for a run folder.
        changes: a sentence for each change of the dossier.
        trusted: whether the user has named the folder, so that code which its run names may be imported, and weights
            which it names be downloaded.
    """

    folder: Path
    sha256: str | None
    changes: list[str]
    trusted: bool

    def run(self) -> tuple[Record, Stored]:
        """Read the run.

        Raises:
            InputFileError: it has not finished, or is damaged.
        """
        return read(self.folder), stored(self.folder)


class Verified(NamedTuple):
    """The result of a verification.

    Attributes:
        sentences: what was looked at.
        differences: a sentence for each difference.
        unscored: why no score was computed again, and how to get more; None if scores were.
    """

    sentences: list[str]
    differences: list[str]
    unscored: str | None = None

    @property
    def verdict(self) -> str:
        """The result in one line."""
        if self.differences:
            return "differs"
        if self.unscored is not None:
            return f"verified by hashes alone, no score computed again: {self.unscored}"
        return "verified"


@contextmanager
def opened(path: Path) -> Iterator[Opened]:
    """Open a run folder or a dossier.

    Raises:
        InputFileError: it is neither.
    """
    if path.is_dir():
        yield Opened(path, None, [], True)
        return
    with unpacked(path) as (folder, changes):
        yield Opened(folder, sha256_of(path), changes, False)


def verify(found: Opened, data: str | None = None, weights: str | None = None) -> Verified:
    """Verify a run.

    Args:
        found: the run.
        data: path of the run's data, None for the path in its record.
        weights: file of the run's weights, None for that in its record.

    Raises:
        UsageError: a flag does not suit the run.
        InputFileError: the run is damaged, there is nothing to verify it by, or its data or weights are not here.
    """
    if found.changes:
        return Verified([f"SHA-256 of the dossier: {found.sha256}"], found.changes)
    record, begun = found.run()
    sentences = ["a run folder has no manifest, so that its pictures and its page are not verified"]
    if found.sha256 is not None:
        sentences = [f"SHA-256 of the dossier: {found.sha256}", "every byte is as the manifest says"]
    unscored = _unscored(found, begun.plan.config, weights)
    if unscored is None:
        # Names and numbers of a stranger's configuration may be any.
        with understanding(found.folder / "run.json"):
            scores = rescore(record, begun, data, weights)
        sentences.append(_about(scores))
        return Verified(sentences, [*contradictions(record), *(score.told() for score in scores if not score.same)])
    if found.sha256 is None:
        raise InputFileError(f"{found.folder}: cannot be verified: it has no manifest, and {unscored}")
    return Verified(sentences, contradictions(record), unscored)


def _unscored(found: Opened, config: RunConfig, weights: str | None) -> str | None:
    """Why the perturbations are not scored again, or None if they are."""
    if not (found.folder / PERTURBATIONS).exists():
        return f"the run stored no perturbations; {_SAVE}"
    own = [name for name in (*config.attacked, *config.victims) if name not in METHODS and name not in SEVERAL]
    if own and not found.trusted:
        # The author of a dossier or an entry must not choose what is imported here.
        return f"{own[0]} is code that the run names; if you trust it, name the run's folder, or unpack the dossier"
    files = (config.weights, *(file for _, file in config.networks))
    named = [file for file in files if file is not None and file.startswith("hf:")]
    if named and weights is None and not found.trusted:
        # Nor must they choose what is downloaded.
        return f"{named[0]} would be downloaded; if you trust it, name the run's folder, or unpack the dossier"
    return None


def _about(scores: list[Score]) -> str:
    same = [score.difference for score in scores if score.same]
    images = len({score.case for score in scores})
    largest = f"; their largest relative difference is {max(same):.1g}" if same else ""
    return (
        f"{len(same)} of {len(scores)} scores of {images} image{'s' * (images != 1)} are those of the record, within "
        f"{TOLERANCE:g}{largest}"
    )
