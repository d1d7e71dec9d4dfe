"""Several processes that meet by jax.distributed: one run of all processes, and the consequences of losing one."""

import json
import re
import shlex
import signal
import time

import pytest

from bench import attack, merge, train
from bench.processes import distributed
from tests import processes
from tests.cheap_run import FLAGS, cheapen, contents, start, write_volume
from tests.processes import attack_together, ended, flags, free_port

IMAGES = 5
# Faults that a process has instead of its first image, and little patience with lost processes.
DIES = "executor._attack_batch = lambda *all: os.kill(os.getpid(), 9)"
FAILS = "executor._attack_batch = lambda *all: exec('raise MemoryError')"
HANGS = "import time; executor._attack_batch = lambda *all: time.sleep(100)"
SHORT = "distributed.HEARTBEAT = 4"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Data, and the run of one process."""
    folder = tmp_path_factory.mktemp("together")
    volume = write_volume(folder / "volume.h5", IMAGES)
    with pytest.MonkeyPatch.context() as patch:
        cheapen(patch)
        _, run = start(volume, folder / "whole")
    return volume, run


def arguments(volume, output, *more):
    return [*FLAGS, "--data", volume, "--output", output, "--save-perturbations", *more]


def merged(output):
    """Find the merged run among its parts."""
    (run,) = (path for path in output.iterdir() if not re.search(r"-\d+of\d+-", path.name))
    return run


def test_processes_together_make_the_run_of_one(tmp_path, whole):
    """Three processes, of which one has fewer images than the others; other tests have two processes."""
    volume, one = whole
    first, *others = ended(attack_together(3, arguments(volume, tmp_path, "--json")))
    # The second image cannot be used, which process 1 and the whole run report.
    assert [first.code, *(other.code for other in others)] == [1, 1, 0], first.err
    assert [other.out for other in others] == ["", ""]
    record, run = json.loads(first.out), merged(tmp_path)
    assert record["folder"] == str(run)
    assert contents(run) == contents(one)
    assert len(list(tmp_path.iterdir())) == 3 + 1
    assert record["argv"] == [*map(str, arguments(volume, tmp_path, "--json"))]


@pytest.mark.parametrize(("fault", "code"), [(DIES, -signal.SIGKILL), (FAILS, 5)])
def test_who_is_lost_costs_the_others_nothing(tmp_path, whole, monkeypatch, fault, code):
    volume, one = whole
    output = tmp_path / "runs"
    patches = {0: SHORT, 1: f"{SHORT}; {fault}"}
    first, second = ended(attack_together(2, arguments(volume, output), patches))
    assert (first.code, second.code) == (3, code)
    assert first.out == ""
    error, *commands = first.err.splitlines()[-3:]
    assert error == "bench.attack: error: 1 of 2 parts are not done, and not put together; go on by"
    # The printed commands complete the run.
    cheapen(monkeypatch)
    mains = {"bench.attack": attack.main, "bench.merge": merge.main}
    for command in commands:
        python, flag, module, *words = shlex.split(command)
        assert (python, flag) == ("python", "-m")
        assert mains[module](words) == 1
    assert contents(merged(output)) == contents(one)


def test_with_the_first_all_end_and_can_go_on(tmp_path, whole):
    volume, _ = whole
    # The process waits until the other process has its folder, which the other process prints.
    both = f"import glob, time; begun = lambda: len(glob.glob({str(tmp_path / '*' / 'run.json')!r})) == 2"
    dies = (
        "executor._attack_batch = lambda *all: ([time.sleep(0.1) for _ in iter(begun, True)], os.kill(os.getpid(), 9))"
    )
    first, second = ended(attack_together(2, arguments(volume, tmp_path), {0: f"{both}; {dies}", 1: HANGS}))
    assert first.code == -signal.SIGKILL
    assert second.code == -signal.SIGABRT  # JAX's own signal
    assert re.search(r"process 1 of 2 writes \S+-2of2-\S+; where it is stopped, bench.attack --resume", second.err)


def test_all_obey_sigterm(tmp_path, whole):
    volume, _ = whole
    started = attack_together(2, arguments(volume, tmp_path), {0: HANGS, 1: HANGS})
    until = time.monotonic() + 60
    while len(list(tmp_path.glob("*/run.json"))) < 2 and time.monotonic() < until:
        time.sleep(0.1)
    time.sleep(0.5)
    for process in started:
        process.send_signal(signal.SIGTERM)
    begun = time.monotonic()
    found = ended(started)
    assert time.monotonic() - begun < 6
    assert [one.code for one in found] == [143, 143]
    for index, one in enumerate(found, 1):
        assert re.search(rf"python -m bench.attack --resume \S+-{index}of2-", one.err.splitlines()[-1])


@pytest.mark.parametrize("main", [attack.main, train.main])
@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (["--coordinator", "here:1", "--process", "0"], "--coordinator: needs --processes too; give --coordinator"),
        (["--coordinator", "here:1", "--processes", "2", "--process", "2"], "--process 2: counts from 0 to 1"),
        (["--coordinator", "here", "--processes", "2", "--process", "0"], "'here' is not HOST:PORT"),
    ],
)
def test_mistakes_are_one_line(tmp_path, capsys, main, given, problem):
    assert main([*given, "--output", str(tmp_path)]) == 2
    assert problem in capsys.readouterr().err.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def test_no_cluster_is_one_line(tmp_path):
    for process in ended(
        processes.start(
            [["-m", f"bench.{name}", "--distributed", "--output", tmp_path] for name in ("attack", "train")]
        )
    ):
        assert process.code == 2
        assert (
            "--distributed: JAX finds no cluster here; give --coordinator HOST:PORT" in (process.err.splitlines()[-1])
        )
    assert list(tmp_path.iterdir()) == []


def test_a_process_has_its_part_already(tmp_path, capsys):
    assert attack.main(["--distributed", "--shard", "1/2", "--output", str(tmp_path)]) == 2
    assert "--shard 1/2: each process has its part already" in capsys.readouterr().err


def test_a_coordinator_that_is_not_there_is_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(distributed, "BEGIN", 1)
    assert attack.main([*flags(2, 1, free_port()), "--output", str(tmp_path)]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert "nobody answers there (Connection refused); name a free port of process 0's machine" in line
