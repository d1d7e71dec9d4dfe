"""No untrusted file may do harm: each is refused in one line, soon, in little memory, and no other file is touched."""

import os
import sys

import pytest

from bench.attack import main as attack
from data_prep.__main__ import main as data_prep
from tests.hostile.files import FILES
from tests.hostile.pool import Worker
from tests.hostile.weights_files import MARKER

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who opened a file")
_LARGEST_GROWTH = 200 * 2**20  # bytes


@pytest.fixture(scope="module")
def worker(tmp_path_factory):
    with Worker(tmp_path_factory.mktemp("hostile")) as found:
        yield found


def test_there_are_enough_of_them():
    assert len(FILES) >= 100
    assert all(file.reason for file in FILES.values())


@pytest.mark.parametrize("name", FILES)
def test_a_hostile_file_is_refused(worker, name):
    folder = worker.folder / name.replace(" ", "_")
    folder.mkdir()
    (folder / "outside.h5").symlink_to(worker.canary)  # links are looked up next to the file that has them
    path = FILES[name].make(folder)
    outcome = worker.read(FILES[name].kind, path)
    assert outcome.outcome == "refused", outcome
    assert outcome.message.startswith(str(path.with_suffix("")))
    assert max(outcome.resident, outcome.growth) < _LARGEST_GROWTH
    assert not list(worker.folder.rglob(MARKER))


def test_a_file_outside_that_is_opened_or_read_is_noticed(worker):
    assert worker.read("data", worker.canary).outcome == "leak"
    assert worker.read("boxes", worker.canary).outcome == "outside"
    assert worker.read("data", worker.folder / "missing.h5").outcome == "refused"


COMMANDS = {
    "attack": ["external storage", "filter twice", "header entities", "pipe", "image labels", "empty"],
    "weights": ["pickle in archive", "archive bomb", "tensors brackets", "weights a pipe"],
    "ismrmrd": ["raw length", "raw many coils", "raw elsewhere"],
    "stanford": ["raw infinite"],
    "bart": ["bart lies", "bart huge", "bart header a pipe", "bart NaN"],
}


@pytest.mark.parametrize(
    ("command", "name"), [(command, name) for command, names in COMMANDS.items() for name in names]
)
def test_the_commands_end_with_a_line_and_exit_code_3(tmp_path, monkeypatch, capsys, command, name):
    monkeypatch.chdir(tmp_path)
    path = str(FILES[name].make(tmp_path))
    match command:
        case "attack":
            code = attack(["--data", path, "--method", "zero_filled", "--output", str(tmp_path / "run")])
        case "weights":
            code = attack(["--method", "unet", "--weights", path, "--output", str(tmp_path / "run")])
        case _:
            code = data_prep([command, path, str(tmp_path / "out")])
    printed = capsys.readouterr()
    assert code == 3, printed
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert printed.err[:-1].isprintable()
    assert os.path.basename(path).split(".")[0] in printed.err
    assert not (tmp_path / MARKER).exists()
