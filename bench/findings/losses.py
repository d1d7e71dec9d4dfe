"""PSNR that the perturbations of a run take from its methods, image by image."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from bench.plan.intervals import Interval, of_mean
from bench.record.rows import Row

# (case, epsilon) -> PSNR lost [dB]
Loss = Mapping[tuple[str, float], float]


class Losses(NamedTuple):
    """The losses of a run at epsilons above 0.

    Attributes:
        labels: the methods that perturbations were made for, in order of appearance.
        volumes: the volume of each case.
        lost: PSNR lost to a perturbation [dB], by (source, victim).
        noise: PSNR lost to noise of the same norm [dB], by (source, victim).
        largest: the largest epsilon, 0 if there is none.
    """

    labels: list[str]
    volumes: dict[str, str]
    lost: Mapping[tuple[str, str], Loss]
    noise: Mapping[tuple[str, str], Loss]
    largest: float

    @classmethod
    def of(cls, rows: Iterable[Row]) -> Losses:
        """Gather the losses from lines of images.jsonl."""
        rows = [row for row in rows if row.metric == "psnr" and row.eps > 0]
        lost: dict[tuple[str, str], dict[tuple[str, float], float]] = {}
        noise: dict[tuple[str, str], dict[tuple[str, float], float]] = {}
        for row in rows:
            at, pair = (row.case, row.eps), (row.source, row.victim)
            lost.setdefault(pair, {})[at] = row.clean - row.attacked
            noise.setdefault(pair, {})[at] = row.clean - row.noise
        labels = list(dict.fromkeys(row.source for row in rows))
        volumes = {row.case: row.volume for row in rows}
        return cls(labels, volumes, lost, noise, max((row.eps for row in rows), default=0.0))

    @property
    def attacked(self) -> list[str]:
        """The methods that were attacked directly."""
        return [label for label in self.labels if (label, label) in self.lost]

    def mean(self, source: str, victim: str) -> float:
        """Return the mean PSNR lost at the largest epsilon [dB]."""
        return mean([value for (_, eps), value in self.lost[source, victim].items() if eps == self.largest])

    def strongest_of_others(self, victim: str) -> str | None:
        """Return the other method whose perturbations cost a method most at the largest epsilon, None if none did."""
        others = [source for source in self.labels if source != victim and (source, victim) in self.lost]
        return max(others, key=lambda source: self.mean(source, victim), default=None)

    def more(self, own: Loss, other: Loss) -> tuple[float, Interval | None]:
        """Return the mean difference of two losses at the largest epsilon [dB], image by image, and its interval."""
        found = {case: value - other[case, eps] for (case, eps), value in own.items() if eps == self.largest}
        return mean(list(found.values())), of_mean(list(found.values()), [self.volumes[case] for case in found])


def mean(values: list[float]) -> float:
    """Return the mean."""
    return sum(values) / len(values)
