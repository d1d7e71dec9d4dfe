"""Results of many runs, sorted into rows of methods and columns of threats.

Only images that all runs share count, so that rows and columns are comparable; `bench.findings.threat_table` formats
what is here.
"""

from __future__ import annotations

from typing import NamedTuple

from bench.findings.paired import Run, head_of_start, runs_of, shared_images
from bench.plan.errors import InputFileError
from bench.record.record import Record
from bench.record.rows import Row
from jaxcs.catalogue import CHANGES

# Of one method on one image, clean scores of two runs differ by no more: another device rounds otherwise [dB].
_SAME = 0.05


class Threat(NamedTuple):
    """A column: a set of perturbations, and their size in its unit."""

    name: str
    eps: float

    @property
    def head(self) -> str:
        """The heading of the column, such as "noise 0.02" or "rotation 2 degrees"."""
        unit = CHANGES[self.name].unit if self.name in CHANGES else "-"
        return f"{self.name} {self.eps:g}" + f" {unit}" * (unit != "-")


class Method(NamedTuple):
    """A row: a method under its own attacks.

    Attributes:
        cells: results of all metrics on the shared images, by threat.
        sampling: the mask, in words.
    """

    cells: dict[Threat, list[Row]]
    sampling: str

    def psnr(self, threat: Threat | None = None) -> list[Row]:
        """The rows of PSNR, an image each, under a threat; if none is given, under the first."""
        rows = self.cells.get(threat, []) if threat else next(iter(self.cells.values()))
        return [row for row in rows if row.metric == "psnr"]


class Table(NamedTuple):
    """The content of the table.

    Attributes:
        methods: the rows, by label.
        threats: the columns.
        left_out: number of images that not every run has.
        start: name of the linear start.
    """

    methods: dict[str, Method]
    threats: list[Threat]
    left_out: int
    start: str


def gather(records: list[Record], eps: list[float] | None = None) -> Table:
    """Sort the results of runs into rows and columns.

    Args:
        records: the runs; methods stand in the order of their first appearance.
        eps: sizes of noise that have a column; all if not given.

    Raises:
        InputFileError: the runs share no image, have two results for a cell, or differ in the clean scores of a method.
    """
    runs = [(record, run) for record in records for run in runs_of(record)]
    cases = set(shared_images([run for _, run in runs]))
    labels = _labels([run for _, run in runs])
    methods: dict[str, Method] = {}
    for (record, run), label in zip(runs, labels, strict=True):
        name = name_of(record)
        kept = [row for row in run.results if row.case in cases and row.eps > 0]
        if eps is not None and name not in CHANGES:
            kept = [row for row in kept if row.eps in eps]
        method = methods.setdefault(label, Method({}, _sampling(record)))
        _check(label, method, run, kept)
        for threat in dict.fromkeys(Threat(name, row.eps) for row in kept):
            if threat in method.cells:
                raise InputFileError(
                    f"{run.folder}: {label} has a result for {threat.head} from another run; name one of both, or tell "
                    "them apart by bench.attack --name"
                )
            method.cells[threat] = [row for row in kept if row.eps == threat.eps]
    methods = {label: method for label, method in methods.items() if method.cells}
    if not methods:
        raise InputFileError("the runs have no result at these epsilons; give others to --eps")
    everywhere = {case for _, run in runs for case in run.cases}
    threats = sorted({threat for method in methods.values() for threat in method.cells}, key=_place)
    return Table(methods, threats, len(everywhere - cases), head_of_start([run for _, run in runs]))


def name_of(record: Record) -> str:
    """Return the name of a record's threat, with the norm of noise if it is not the usual one."""
    threat, norm = record.run.config.get("threat", "noise"), record.run.config.get("norm") or "measured"
    return f"{threat} ({norm})" if threat == "noise" and norm != "measured" else str(threat)


def _place(threat: Threat) -> tuple[int, str, float]:
    """The place of a column: noise, then changes of the scan as the catalogue has them."""
    order = list(CHANGES)
    return (order.index(threat.name) + 1 if threat.name in order else 0, threat.name, threat.eps)


def _labels(runs: list[Run]) -> list[str]:
    """A label for each run: the same for runs of one method with the same weights."""
    weights: dict[str, set[str]] = {}
    for run in runs:
        weights.setdefault(run.label, set()).add(run.weights)
    return [run.label if len(weights[run.label]) == 1 else f"{run.label} ({run.weights})" for run in runs]


def _check(label: str, method: Method, run: Run, rows: list[Row]) -> None:
    """Raise InputFileError if a run has other clean scores of a method than the runs before it."""
    known = {row.case: row.clean for row in method.psnr()} if method.cells else {}
    for row in rows:
        if row.metric == "psnr" and abs(row.clean - known.get(row.case, row.clean)) > _SAME:
            raise InputFileError(
                f"{run.folder}: {label} has a clean PSNR of {row.clean:.2f} dB on {row.case}, and of "
                f"{known[row.case]:.2f} dB in another run; name runs of one protocol, or tell them apart by "
                "bench.attack --name"
            )


def _sampling(record: Record) -> str:
    """The mask of a record in words; "" if the record does not tell."""
    config = record.run.config
    mask, acceleration = config.get("mask"), config.get("acceleration")
    return f"{mask}, {acceleration:g} times accelerated" if mask and acceleration else str(mask or "")
