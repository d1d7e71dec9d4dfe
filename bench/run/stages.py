"""The stages within an image, said while an image takes long."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import NamedTuple

from data_prep.progress import Progress

# Time between looks [s]; whether there is anything to say is up to `Progress.remark`.
_PERIOD = 1.0


class _Group(NamedTuple):
    """Images that are computed together.

    Attributes:
        names: the images.
        stage: what is computed of them.
        begun: when the group began, on the monotonic clock [s].
    """

    names: Sequence[str]
    stage: str
    begun: float


class Stages:
    """The stages of all groups at work, which a thread tells while the block lasts.

    A stage is a method's attack at all epsilons, a check of it, or the scores: the loops of an attack are one compiled
    function, which says nothing before it ends.

    Args:
        progress: progress of the images.
        period: time between looks [s].
    """

    def __init__(self, progress: Progress, period: float = _PERIOD) -> None:
        self._progress, self._period = progress, period
        self._groups: dict[object, _Group] = {}
        self._took: list[float] = []
        self._lock = threading.Lock()
        self._ended = threading.Event()
        # A process that is told to stop does not wait for it.
        self._thread = threading.Thread(target=self._tell, name="stages", daemon=True)

    def __enter__(self) -> Stages:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()

    @contextmanager
    def group(self, names: Sequence[str]) -> Iterator[Callable[[str], None]]:
        """Count a group as at work while the block lasts; called with a stage, what is yielded notes that it begins."""
        key, begun = object(), time.monotonic()

        def begins(stage: str) -> None:
            with self._lock:
                self._groups[key] = _Group(names, stage, begun)

        try:
            yield begins
            with self._lock:
                self._took.append(time.monotonic() - begun)
        finally:
            with self._lock:
                self._groups.pop(key, None)

    def text(self) -> str:
        """Return the stage of the group that began first, its time and that of others; "" if none is at work."""
        with self._lock:
            groups, took = list(self._groups.values()), list(self._took)
        if not groups:
            return ""
        one = min(groups, key=lambda group: group.begun)
        beside = f" and {len(one.names) - 1} more" if len(one.names) > 1 else ""
        others = f", {len(groups) - 1} more at work" if len(groups) > 1 else ""
        # The first group also compiles.
        usual = (
            f"{statistics.median(took[1:] or took):.0f} s were taken by those before" if took else "none is done yet"
        )
        return f"{one.names[0]}{beside}: {one.stage}, {time.monotonic() - one.begun:.0f} s so far, {usual}{others}"

    def _tell(self) -> None:
        while not self._ended.wait(self._period):
            text = self.text()
            if text:
                self._progress.remark(text)
