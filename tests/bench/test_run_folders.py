"""Folders of runs that begin in the same second."""

from datetime import datetime

import pytest

from bench.plan.errors import OutputError
from bench.record import records
from bench.record.records import RunFolder
from bench.run import series


@pytest.fixture(autouse=True)
def one_second(monkeypatch):
    class Stopped(datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2026, 1, 2, 3, 4, 5, tzinfo=tz)

    monkeypatch.setattr(records, "datetime", Stopped)


def test_each_has_a_folder_of_its_own(tmp_path):
    made = [RunFolder.create(tmp_path / "new", "l1", "0123abcd").path.name for _ in range(3)]
    first = "2026-01-02T03-04-05-l1-0123abcd"
    assert made == [first, f"{first}-2", f"{first}-3"]
    # Sorted by name, they are in the order in which they were made.
    assert sorted(made) == made


def test_a_study_finds_the_last_of_them(tmp_path, monkeypatch):
    for _ in range(2):
        folder = RunFolder.create(tmp_path, "l1", "0123abcd")
        folder.write_json("run.json", {})
    monkeypatch.setattr(series, "stored", lambda path: path)

    class Config:
        fingerprint = staticmethod(lambda: "0123abcd")

    assert series._of(Config(), tmp_path)[0] == folder.path


def test_where_no_folder_can_be_made_that_is_said_once(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        RunFolder.create(tmp_path / "file", "l1", "0123abcd")
