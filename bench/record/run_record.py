"""The content of run.json, typed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from bench.record.reading import read_json
from bench.record.record_forms import RUN

SCHEMA_VERSION = 1
# Fields that are known only when a run has ended.
_AT_THE_END = (
    "gradient_evaluations", "seconds", "folder", "sampling", "thermal", "failed", "flags", "below_card", "summary",
    "findings",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """A run of bench.attack, begun or ended.  A field with its default is not known yet, or missing in an older record.

    protocol_version: of `bench.plan.protocol`; records of before it was kept are of the first.
    config: as `RunConfig.to_dict` makes it; of older versions some fields are missing.  name: the user's label of the
    run.  accept: criteria of the user, by which the page judges the run.  runtime: `Plan.runtime`.
    methods: each method's name and settings, by label; method_config: in its place in older records.
    threat_model: in words.  versions, git, device: of the computation.  data_sha256: of each file.  images: how many
    there are, failed ones too.  not_checked: evidence that was not gathered, a sentence each.  seconds: of all
    processes.  resumed: how often a process went on with it or joined it.
    sampling, thermal, failed: by image, its sampling, the epsilon of its noise, why it failed.  flags: how many results
    carry each.  below_card: by method.  summary: lines of `bench.record.summary.Summary`.  parts: folders of a merge.
    """

    schema_version: int = 0
    protocol_version: int = 1
    config: dict[str, Any]
    fingerprint: str = ""
    name: str | None = None
    accept: list[str] | None = None
    runtime: dict[str, Any] = field(default_factory=dict)
    methods: dict[str, dict[str, Any]] = field(default_factory=dict)
    method_config: dict[str, Any] | None = None
    threat_model: dict[str, str]
    argv: list[str]
    versions: dict[str, str] = field(default_factory=dict)
    git: dict[str, Any] = field(default_factory=dict)
    device: dict[str, Any] = field(default_factory=dict)
    data: str
    data_sha256: dict[str, str] = field(default_factory=dict)
    images: int = 0
    started: str = ""
    status: str
    notes: list[str] = field(default_factory=list)
    not_checked: list[str] = field(default_factory=list)
    gradient_evaluations: int = 0
    seconds: float = 0.0
    resumed: int | None = None
    folder: str = ""
    sampling: dict[str, dict[str, Any]] = field(default_factory=dict)
    thermal: dict[str, float | None] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    flags: dict[str, int] = field(default_factory=dict)
    below_card: dict[str, str] = field(default_factory=dict)
    summary: list[dict[str, Any]] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    parts: list[str] | None = None

    @property
    def done(self) -> bool:
        """Whether the run has ended well; its images may have failed."""
        return self.status == "done"

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> RunRecord:
        """Make the record from the content of a checked run.json, without fields that newer versions add."""
        return cls(**{one.name: content[one.name] for one in fields(cls) if one.name in content})

    def content(self) -> dict[str, Any]:
        """Return the content of run.json; a run that goes on leaves out fields that are not known yet."""
        left_out = () if self.done else _AT_THE_END
        return {name: value for name, value in asdict(self).items() if value is not None and name not in left_out}


def read_run(folder: Path) -> RunRecord:
    """Read the run.json of a run, finished or not.  Raises InputFileError if there is none."""
    return RunRecord.of(read_json(folder / "run.json", RUN))
