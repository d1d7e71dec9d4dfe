"""One process at a time writes to a run, a study or a file; the second process is told so."""

import os
import re
from types import SimpleNamespace

import pytest

from bench import shift, ttt
from bench.plan.config import RunConfig
from bench.plan.errors import OutputError
from bench.record.holding import held, held_beside
from bench.record.records import RunFolder
from bench.studies.tuning import tuning
from bench.training import session
from data_prep import locks


def refused(path, kind):
    words = re.escape(f"{path}: another process is at this {kind}; let it end, or stop it")
    return pytest.raises(OutputError, match=f"^{words}$")


def test_a_file_that_stays_is_held_until_the_block_ends(tmp_path):
    path = tmp_path / "journal"
    path.write_text("content")
    with held(path, "run", tmp_path), refused(tmp_path, "run"), held(path, "run", tmp_path):
        pytest.fail("it is held")
    with held(path, "run", tmp_path):
        pass
    assert path.read_text() == "content"


def test_a_file_that_is_replaced_is_held_all_the_same(tmp_path):
    path = tmp_path / "new" / "file.json"
    with held_beside(path, "file"):
        for content in ("first", "second"):
            RunFolder(path.parent).write(path.name, content.encode())
            with refused(path, "file"), held_beside(path, "file"):
                pytest.fail("it is held")
    assert os.listdir(path.parent) == ["file.json"]
    with pytest.raises(KeyError), held_beside(tmp_path / "other" / "file.json", "file"):
        raise KeyError
    assert os.listdir(tmp_path) == ["new"]


def test_one_that_its_holder_removes_meanwhile_is_made_again(tmp_path, monkeypatch):
    path, lock, calls = tmp_path / "file.json", locks.lock, []

    def after_the_holder(descriptor):
        if not calls:
            (tmp_path / ".file.json.held").unlink()
        calls.append(descriptor)
        lock(descriptor)

    monkeypatch.setattr(locks, "lock", after_the_holder)
    with held_beside(path, "file"):
        assert len(calls) == 2
        monkeypatch.undo()
        with refused(path, "file"), held_beside(path, "file"):
            pytest.fail("it is held")


def test_a_file_system_without_locks_is_no_reason_not_to_run(tmp_path, monkeypatch):
    def none(descriptor):
        raise OSError("no locks")

    monkeypatch.setattr(locks, "lock", none)
    with held_beside(tmp_path / "file", "file"), held(tmp_path / "journal", "run", tmp_path):
        pass


def test_of_two_trainings_of_one_folder_the_second_is_refused(tmp_path):
    never = SimpleNamespace(run=lambda *_: pytest.fail("it began"))
    with held(tmp_path / "train.json", "training", tmp_path), refused(tmp_path, "training"):
        session._train(never, RunFolder(tmp_path), None, SimpleNamespace(process=0, processes=1))


def test_of_two_studies_in_one_folder_the_second_is_refused(tmp_path, capsys):
    for command, name, flags in ((shift, "study.json", []), (ttt, "ttt.json", ["--redraw"])):
        with held_beside(tmp_path / name, "study"):
            assert command.main([*flags, "--output", str(tmp_path)]) == 4
        assert "another process is at this study" in capsys.readouterr().err


def test_of_two_tunings_into_one_file_the_second_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(tuning, "training_examples", lambda *_, **__: ([], "none"))
    monkeypatch.setattr(tuning, "_scores", lambda *_: pytest.fail("it began"))
    config = tuning.TuneConfig(RunConfig(), (("lam", ("1",)),), images=1)
    with held_beside(tmp_path / "l1.json", "file"), refused(tmp_path / "l1.json", "file"):
        tuning.tuned(config, tmp_path / "l1.json")
