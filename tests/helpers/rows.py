"""Rows of records with made-up numbers, of which a test names those that matter to it."""

from bench.record.rows import Row
from bench.record.run_record import RunRecord


def row(**fields):
    """Make a row of one method under its own attack, but for the fields that are given."""
    usual = {"case": "a", "volume": "a", "source": "l1", "attack": "pgd", "eps": 0.05, "metric": "psnr", "flags": ()}
    usual |= dict.fromkeys(("clean", "noise", "attacked"), 0.0) | {"victim": fields.get("source", "l1")}
    return Row(**usual | fields)


def record(**fields):
    """Make the run.json of a finished run, of which only these fields are known."""
    return RunRecord.of({"config": {}, "threat_model": {}, "argv": [], "data": "", "status": "done"} | fields)
