"""Progress on stderr: a bar on a terminal, else a line every ten seconds."""

from __future__ import annotations

import sys
import time


class Progress:
    """Counts units of work; `advance` after each."""

    def __init__(self, total: int, unit: str, interval: float = 10.0) -> None:
        self._total, self._unit, self._interval = total, unit, interval
        # There is none in a program without a console, where nothing is shown.
        self._terminal = sys.stderr is not None and sys.stderr.isatty()
        self._start = self._shown = time.monotonic()
        self._done = 0

    def advance(self, note: str) -> None:
        """One more unit is done; `note` says what is worth seeing, such as the worst result so far."""
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
