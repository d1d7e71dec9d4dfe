"""Progress in one line: on a terminal the line is redrawn, in a log a new line appears every few seconds."""

from __future__ import annotations

import shutil
import sys
import threading
import time

# A slower rate is told as the time of a unit [1/s].
_SLOW = 0.1


class Progress:
    """Count units of work; call `advance` after each unit.

    Args:
        total: number of units.
        unit: what a unit is, in the plural.
        interval: time between lines in a log [s].
        patience: time after which a line within a unit appears in a log [s].
    """

    def __init__(self, total: int, unit: str, interval: float = 10.0, patience: float = 30.0) -> None:
        self._total, self._unit, self._interval, self._patience = total, unit, interval, patience
        # A program without a console has no stderr, and shows nothing.
        self._terminal = sys.stderr is not None and sys.stderr.isatty()
        self._start = self._shown = time.monotonic()
        self._done = 0
        # Units are counted in one thread, and told of in another.
        self._lock = threading.Lock()

    def advance(self, note: str) -> None:
        """Count one more finished unit.

        Args:
            note: text worth seeing, such as the worst result so far.
        """
        with self._lock:
            self._done += 1
            now = time.monotonic()
            due = self._terminal or now - self._shown >= self._interval or self._done >= self._total
            if not due:
                return
            rate = self._done / max(now - self._start, 1e-9)
            left = (self._total - self._done) / rate
            pace = f"{rate:.2f}/s" if rate >= _SLOW else f"{1 / rate:.0f} s each"
            self._show(f"{self._done}/{self._total} {self._unit}, {pace}, {left:.0f} s left, {note}", now)

    def remark(self, text: str) -> None:
        """Show what is being done within a unit; in a log, if nothing has been shown for a while.

        Args:
            text: what is being done.
        """
        with self._lock:
            now = time.monotonic()
            if self._done < self._total and (self._terminal or now - self._shown >= self._patience):
                self._show(f"{self._done}/{self._total} {self._unit}; {text}", now)

    def _show(self, text: str, now: float) -> None:
        self._shown = now
        if sys.stderr is None:
            return
        if self._terminal:
            filled = round(20 * self._done / self._total)
            line = f"[{'#' * filled}{'.' * (20 - filled)}] {text}"
            # A line that wraps could not be redrawn.
            sys.stderr.write(f"\r\x1b[K{line[: shutil.get_terminal_size().columns - 1]}")
            if self._done == self._total:
                sys.stderr.write("\n")
        else:
            sys.stderr.write(text + "\n")
        sys.stderr.flush()
