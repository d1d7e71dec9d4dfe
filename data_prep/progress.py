"""Progress on stderr: a bar on a terminal, otherwise a line every ten seconds."""

from __future__ import annotations

import sys
import time


class Progress:
    """Count units of work; call `advance` after each unit."""

    def __init__(self, total: int, unit: str, interval: float = 10.0) -> None:
        self._total, self._unit, self._interval = total, unit, interval
        # A program without a console has no stderr, and shows nothing.
        self._terminal = sys.stderr is not None and sys.stderr.isatty()
        self._start = self._shown = time.monotonic()
        self._done = 0

    def advance(self, note: str) -> None:
        """Count one more finished unit.

        Args:
            note: text worth seeing, such as the worst result so far.
        """
        self._done += 1
        now = time.monotonic()
        due = self._terminal or now - self._shown >= self._interval or self._done >= self._total
        if sys.stderr is None or not due:
            return
        self._shown = now
        rate = self._done / max(now - self._start, 1e-9)
        left = (self._total - self._done) / rate
        text = f"{self._done}/{self._total} {self._unit}, {rate:.2f}/s, {left:.0f} s left, {note}"
        if self._terminal:
            filled = round(20 * self._done / self._total)
            sys.stderr.write(f"\r\x1b[K[{'#' * filled}{'.' * (20 - filled)}] {text}")
            if self._done == self._total:
                sys.stderr.write("\n")
        else:
            sys.stderr.write(text + "\n")
        sys.stderr.flush()
