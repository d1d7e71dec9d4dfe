"""Files that appear whole or not at all: on a full disk, and next to the remains of killed processes."""

import errno
import os

import numpy as np
import pytest

from bench.plan.errors import OutputError
from bench.record.records import RunFolder
from data_prep import locks
from data_prep.layout import Volume, write_volume
from data_prep.whole import remove_left, whole_file, whole_folder
from tests.bench.test_survival import largest_file

LEFT = ".0123456789abcdef.partial"


@pytest.mark.parametrize("size", [0, 100, 2000, 20_000, 70_000, 200_000])
def test_a_full_disk_leaves_the_older_volume_and_no_half_one(tmp_path, size):
    kspace = np.random.default_rng(0).normal(size=(3, 2, 64, 64)).astype(np.complex64)
    volume = Volume("scan", kspace, crop=(64, 64), maps=kspace)
    before = write_volume(tmp_path, volume).read_bytes()
    assert len(before) > 200_000
    with largest_file(size), pytest.raises(OSError, match="File too large") as raised:
        write_volume(tmp_path, volume._replace(kspace=2 * kspace))
    assert (raised.value.errno, raised.value.filename) == (errno.EFBIG, str(tmp_path / "scan.h5"))
    assert os.listdir(tmp_path) == ["scan.h5"]
    assert (tmp_path / "scan.h5").read_bytes() == before


def test_what_is_written_is_on_the_disk_before_it_takes_its_name(tmp_path, monkeypatch):
    """A quota can refuse at the very end."""

    def refuse(descriptor):
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr(os, "fsync", refuse)
    (tmp_path / "file").write_text("older")
    with pytest.raises(OSError, match="Disk quota exceeded") as raised, whole_file(tmp_path / "file") as part:
        part.write_text("newer")
    assert raised.value.filename == str(tmp_path / "file")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["older"]


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_writes_is_not(tmp_path):
    (tmp_path / LEFT).write_text("half")
    (tmp_path / LEFT.replace("0", "f")).mkdir()
    (tmp_path / LEFT.replace("0", "f") / "file").write_text("half")
    others = {".0123.partial", "scan.partial", ".hidden"}
    for name in others:
        (tmp_path / name).write_text("another's")
    with whole_file(tmp_path / "file") as part, whole_folder(tmp_path / "folder") as folder:
        part.write_text("whole")
        (folder / "inside").write_text("whole")
        remove_left(tmp_path)
        assert set(os.listdir(tmp_path)) == others | {part.name, folder.name}
    assert set(os.listdir(tmp_path)) == others | {"file", "folder"}
    assert (tmp_path / "file").read_text() == (tmp_path / "folder" / "inside").read_text() == "whole"


def test_a_conversion_removes_what_one_before_it_left(tmp_path):
    (tmp_path / LEFT).write_text("half")
    write_volume(tmp_path, Volume("scan", np.ones((1, 1, 8, 8), np.complex64), crop=(8, 8)))
    assert os.listdir(tmp_path) == ["scan.h5"]


def test_one_that_was_taken_for_left_before_it_was_locked_is_made_again(tmp_path, monkeypatch):
    lock, calls = locks.lock, []

    def taken_first(descriptor):
        if not calls:
            calls.append(descriptor)
            remove_left(tmp_path)
        lock(descriptor)

    monkeypatch.setattr(locks, "lock", taken_first)
    with whole_file(tmp_path / "file") as part:
        part.write_text("whole")
    assert calls
    assert (tmp_path / "file").read_text() == "whole"


def test_a_file_system_without_locks_loses_nothing(tmp_path, monkeypatch):
    def none(descriptor):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks, "lock", none)
    (tmp_path / LEFT).write_text("perhaps another's")
    with whole_file(tmp_path / "file") as part:
        part.write_text("whole")
        remove_left(tmp_path)
    assert set(os.listdir(tmp_path)) == {"file", LEFT}


def test_a_whole_folder_replaces_none(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text("older")
    with pytest.raises(OSError, match="not empty"), whole_folder(tmp_path / "folder") as part:
        (part / "file").write_text("newer")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
    assert (tmp_path / "folder" / "file").read_text() == "older"


def test_a_device_or_a_pipe_is_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="no regular file"), whole_file(pipe):
        pytest.fail("it began")
    with pytest.raises(OutputError, match="no regular file"):
        RunFolder(tmp_path).write("pipe", b"")
    assert [one.name for one in tmp_path.iterdir()] == ["pipe"]
    assert pipe.is_fifo()
