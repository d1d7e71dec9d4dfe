"""Names of a study of defences, for commands that must not wait for NumPy."""

from __future__ import annotations

# The file of a study's record, and the trainings of a study to which no weights are given.
RECORD = "defend.json"
TRAINED = ("plain", "jitter", "adversarial")
