"""Names of a study of defences, for commands that must not wait for NumPy."""

from __future__ import annotations

# The file of a study's record.
RECORD = "defend.json"
# The rows of a study to which no weights are given: its trainings, and the first of these networks in a defence.
TRAINED = ("plain", "jitter", "adversarial", "diverse")
SMOOTHED = "smoothed"
ROWS = (*TRAINED, SMOOTHED)
