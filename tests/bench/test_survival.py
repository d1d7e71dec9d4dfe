"""Faults that a run survives: each promised row, with the fault injected.

`python -m tests.helpers.faults --kills 50` is the long form of the first test.  Other tests inject other faults:

* tests/bench/test_resume.py stops a run at every single write to disk, and exhausts its memory.
* tests/bench/test_bench_attack.py has slices of NaN.
"""

import json
import random
import re
import resource
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.helpers.cheap_run import cheapen, contents, go_on, start, write_volume
from tests.helpers.faults import ROOT, ZERO_FILLED, Trial, begin, environment, running

_NEEDED = ("PATH", "LD_LIBRARY_PATH", "PYTHONPATH")


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    return Trial(tmp_path_factory.mktemp("trial"), ZERO_FILLED, rehearse=False)


def test_killed_at_random_moments_it_ends_as_if_it_had_not_been(trial):
    random.seed()
    trial.kill("killed", 3)


def test_told_to_stop_it_is_gone_within_5_s_and_another_process_does_the_rest(trial):
    output, log, second = trial.folder / "told", trial.folder / "told.log", trial.folder / "second.log"
    process = begin([*trial.arguments, "--output", str(output)], trial.cache, log)
    folder = running(process, output, 0)
    process.send_signal(signal.SIGSTOP)  # so that it has not ended when the second process comes
    other = begin(["--resume", str(folder)], trial.cache, second)
    assert running(other, output, 1) == folder
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGCONT)
    began = time.monotonic()
    assert process.wait(60) == 143
    assert time.monotonic() - began < 5
    assert log.read_text().splitlines()[-2:] == [
        "bench.attack: error: stopped by SIGTERM",
        f"python -m bench.attack --resume {folder}",
    ]
    assert other.wait(120) == 1, second.read_text()
    assert json.loads((folder / "run.json").read_text())["status"] == "done"
    assert contents(folder) == trial.reference


def test_stopped_while_compiled_code_holds_it_it_is_gone_within_5_s(tmp_path):
    """Python handles a signal only between its own instructions."""
    code = (
        "import ctypes, sys\n"
        "from data_prep.process import as_process\n"
        "def main():\n"
        "    print('at work', flush=True)\n"
        "    while True: ctypes.CDLL(None).sleep(60)\n"
        "import signal\n"
        "signal.signal(signal.SIGTERM, lambda *_: None)\n"
        "as_process(main)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE)
    with process:
        assert process.stdout.readline() == b"at work\n"
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        assert process.wait(60) == 143
        assert time.monotonic() - began < 5


@pytest.fixture
def cheap(tmp_path, monkeypatch):
    """A volume, and the contents of an undisturbed run on it."""
    cheapen(monkeypatch)
    volume = write_volume(tmp_path / "volume.h5")
    return volume, contents(start(volume, tmp_path / "undisturbed")[1])


@contextmanager
def largest_file(size):
    """Limit the size of files in the block [bytes], like a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [300, 450, 4000])
def test_a_full_disk_is_exit_4_and_leaves_the_record_as_it_was(capsys, tmp_path, cheap, size):
    volume, undisturbed = cheap
    # The disk is full when the run resumes: for run.json, for an image, or for what is made of all.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.run.executor.side_by_side", lambda *_: stop())
        start(volume, tmp_path / "out")
    (folder,) = (tmp_path / "out").iterdir()
    before = (folder / "run.json").read_bytes()
    capsys.readouterr()
    with largest_file(size):
        assert go_on(folder) == 4
    line = next(line for line in capsys.readouterr().err.splitlines() if "error" in line)
    assert re.match(r"bench.attack: error: cannot write .*: File too large; ", line)
    assert json.loads((folder / "run.json").read_bytes())["config"] == json.loads(before)["config"]
    assert go_on(folder) == 1
    assert contents(folder) == undisturbed


def stop():
    raise KeyboardInterrupt


def test_a_folder_that_cannot_be_written_is_exit_4(capsys, cheap):
    """Permissions stop every user but root; /proc stops root too."""
    volume, _ = cheap
    if not Path("/proc/self").is_dir():
        pytest.skip("no folder here that nobody can write to")
    code, _ = start(volume, Path("/proc/self/runs"))
    line = capsys.readouterr().err.splitlines()[-1]
    assert code == 4
    assert line.startswith("bench.attack: error: cannot write /proc/self/runs")


def test_an_odd_environment(trial):
    """No HOME, no language, no terminal, a read-only working folder, odd characters in every path."""
    odd = trial.folder / "a b" / "größe ☃"
    odd.mkdir(parents=True)
    volume = write_volume(odd / "volume.h5")
    kept = {name: value for name, value in environment(trial.cache).items() if name in _NEEDED or "JAX" in name}
    command = [sys.executable, "-m", "bench.attack", *trial.flags, "--data", volume, "--output", odd / "runs"]
    done = subprocess.run(
        list(map(str, command)),
        cwd="/proc",
        env=kept | {"LANG": "C", "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    (folder,) = (odd / "runs").iterdir()
    assert (folder / "report.html").stat().st_size > 1000
    assert "größe ☃" in done.stderr.decode()
