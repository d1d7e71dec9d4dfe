"""Files with names of any bytes: a run on them, its pictures, a list of its images, and resuming it."""

import io
import os
import shutil
import sys

import numpy as np
import pytest

from bench import hardest, report
from bench.figures import overview
from bench.plan.names import in_list, key_of, member_of
from bench.record.pictures import Pictures
from bench.record.records import RunFolder
from bench.record.store import Image, Store
from data_prep.names import ANY_NAME, checksum
from tests.helpers.cheap_run import cheapen, contents, go_on, start, write_volume
from tests.helpers.run_folder import write_run

NAMES = (b"bad\xff\xfe.h5", b"new\nline.h5", b"bar|a|b.h5", b" blank .h5", b"$a$\\frac$.h5", "\u00fc\u2603.h5".encode())


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    volume = write_volume(tmp_path / "volume.h5", images=2)
    for name in NAMES[:4]:
        shutil.copy(volume, os.path.join(os.fsencode(folder), name))
    return folder


def test_images_of_any_name_are_attacked_listed_and_gone_on_with(tmp_path, data, monkeypatch, capsys):
    cheapen(monkeypatch)
    code, folder = start(data, tmp_path / "out")
    assert code == 1  # the second slice of each file cannot be used
    before = contents(folder)
    (folder / "images.jsonl").unlink()
    assert go_on(folder) == 1
    assert contents(folder) == before
    flags = ["--count", "4", "--output", str(tmp_path / "list.csv")]
    monkeypatch.setattr("bench.studies.hardest.spectra.spectra", lambda *arguments: ([], 0))
    assert hardest.main([str(folder), *flags]) == 0
    code, listed = start(data, tmp_path / "again", "--only", str(tmp_path / "list.csv"))
    assert (code, len((listed / "images.jsonl").read_text().splitlines())) == (0, 2 * 4)
    assert "Traceback" not in capsys.readouterr().err


def test_names_in_archives_lead_back():
    keys = [os.fsdecode(name) + ":0|l1|clean" for name in NAMES]
    members = [member_of(key) for key in keys]
    for member in members:
        member.encode()
    assert [key_of(member) for member in members] == keys
    # Members that could be stored before keep their names.
    assert members[1:] == [f"{key}.npy" for key in keys[1:]]


def test_names_in_a_list_are_one_line_without_blanks_at_their_ends():
    names = [os.fsdecode(name) for name in NAMES]
    listed = [in_list(name) for name in names]
    assert len(set(listed)) == len(names)
    assert all(name.isprintable() and name == name.strip() for name in listed)
    assert (listed[2], listed[5]) == (names[2], names[5])


def test_the_seed_of_a_name_that_was_possible_is_what_it_was():
    assert checksum("volume.h5:0") == 0x10F0AF0E
    assert checksum("a\udcff") != checksum("a\udcfe")


def test_pictures_stand_in_the_order_of_the_images_whatever_their_names(tmp_path):
    store = Store(RunFolder(tmp_path), begun=0.0)
    cases = [f"{os.fsdecode(name)}:0" for name in NAMES]
    for position, case in reversed([*enumerate(cases)]):
        store.write(Image(position, case), [], pictures={f"{case}|truth": np.zeros((2, 2), np.float16)})
    store.collect(store.read({}))
    with Pictures(tmp_path / "pictures.npz") as kept:
        assert kept.keys == [f"{case}|truth" for case in cases]
        assert all(f"{case}|truth" in kept for case in cases)


def test_a_path_of_any_bytes_is_printed_as_it_is(tmp_path, monkeypatch):
    folder = write_run(tmp_path / os.fsdecode(b"run\xff"), shape=(8, 7))
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="utf-8", errors=ANY_NAME))
    assert report.main([str(folder)]) == 0
    assert written.getvalue() == os.fsencode(folder / "report.html") + b"\n"


def test_a_title_with_dollar_signs_or_broken_names_is_drawn(tmp_path):
    for index, name in enumerate(("$a$\\frac$:0", "new\nline:0")):
        folder = write_run(tmp_path / str(index), cases=(name,), shape=(8, 7))
        assert overview.draw(folder).startswith(b"\x89PNG")
