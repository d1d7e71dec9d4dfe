"""Several processes that meet by jax.distributed: one run of all processes, and the consequences of losing one."""

import json
import signal
import time

import pytest

from bench import attack, train
from bench.processes import distributed
from tests.helpers import processes
from tests.helpers.cheap_run import FLAGS, cheapen, contents, go_on, whole_run
from tests.helpers.processes import attack_together, ended, flags, free_port

IMAGES = 5
# Faults that a process has instead of its first image, of which it tells another one by a file; and little patience
# with lost processes.
DIES = "executor._attack_batch = lambda *all: (open({0!r}, 'w'), os.kill(os.getpid(), 9))"
FAILS = "executor._attack_batch = lambda *all: (open({0!r}, 'w'), exec('raise MemoryError'))"
TOLD = "import time; do = executor._attack_batch; executor._attack_batch = lambda *all: ([time.sleep(0.1) for _ in iter(lambda: os.path.exists({0!r}), True)], do(*all))[1]"  # noqa: E501
HANGS = "import time; executor._attack_batch = lambda *all: time.sleep(100)"
SHORT = "distributed.HEARTBEAT = 4"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Data, and the run of one process."""
    return whole_run(tmp_path_factory.mktemp("together"), IMAGES)


def arguments(volume, output, *more):
    return [*FLAGS, "--data", volume, "--output", output, "--save-perturbations", *more]


def test_processes_together_make_the_run_of_one(tmp_path, whole):
    """Three processes, of which one has fewer images than the others; other tests have two processes."""
    volume, one = whole
    first, *others = ended(attack_together(3, arguments(volume, tmp_path, "--json")))
    # The second image cannot be used.
    assert [first.code, *(other.code for other in others)] == [1, 1, 1], first.err
    assert [other.out for other in others] == ["", ""]
    record = json.loads(first.out)
    (run,) = tmp_path.iterdir()
    assert record["folder"] == str(run)
    assert contents(run) == contents(one)
    assert record["argv"] == [*map(str, arguments(volume, tmp_path, "--json"))]


@pytest.mark.parametrize(("fault", "code"), [(DIES, -signal.SIGKILL), (FAILS, 5)])
def test_the_images_of_a_process_that_is_lost_are_done_by_the_others(tmp_path, whole, fault, code):
    volume, one = whole
    output = tmp_path / "runs"
    told = str(tmp_path / "told")
    patches = {0: f"{SHORT}; {TOLD.format(told)}", 1: f"{SHORT}; {fault.format(told)}"}
    first, second = ended(attack_together(2, arguments(volume, output, "--json"), patches))
    assert (first.code, second.code) == (1, code), first.err
    (run,) = output.iterdir()
    assert json.loads(first.out)["folder"] == str(run)
    assert contents(run) == contents(one)


def test_with_the_first_all_end_and_the_run_goes_on(tmp_path, whole, monkeypatch):
    volume, one = whole
    output, told = tmp_path / "runs", str(tmp_path / "told")
    # The second process has begun its images, so that it no longer needs all others.
    hangs = f"import time; executor._attack_batch = lambda *all: (open({told!r}, 'w'), time.sleep(100))"
    dies = f"import time; executor._attack_batch = lambda *all: ([time.sleep(0.1) for _ in iter(lambda: os.path.exists({told!r}), True)], os.kill(os.getpid(), 9))"  # noqa: E501
    first, second = ended(attack_together(2, arguments(volume, output), {0: dies, 1: hangs}))
    assert first.code == -signal.SIGKILL
    # One line, and not the trace with which JAX aborts a process whose service is gone.
    (run,) = output.iterdir()
    assert second.code == 1, second.err
    assert second.err.splitlines()[-2:] == [
        "bench.attack: error: process 0 has ended; its own messages say why",
        f"python -m bench.attack --resume {run}",
    ]
    cheapen(monkeypatch)
    assert go_on(run) == 1
    assert contents(run) == contents(one)


def test_all_obey_sigterm(tmp_path, whole):
    volume, _ = whole
    started = attack_together(2, arguments(volume, tmp_path), {0: HANGS, 1: HANGS})
    until = time.monotonic() + 60
    while not any('"resumed"' in path.read_text() for path in tmp_path.glob("*/run.json")) and time.monotonic() < until:
        time.sleep(0.1)
    time.sleep(0.5)
    for process in started:
        process.send_signal(signal.SIGTERM)
    begun = time.monotonic()
    found = ended(started)
    assert time.monotonic() - begun < 6
    assert [one.code for one in found] == [143, 143]
    (run,) = tmp_path.iterdir()
    assert [one.err.splitlines()[-1] for one in found] == [f"python -m bench.attack --resume {run}"] * 2


WRONG = "from bench.run import teamwork; from bench.plan.errors import InputFileError; teamwork.open_run = lambda *a, **k: exec('raise InputFileError(\"no\")')"  # noqa: E501


def test_a_mistake_in_one_ends_all_in_one_line_each(tmp_path, whole):
    volume, _ = whole
    found = ended(attack_together(2, arguments(volume, tmp_path / "runs"), {1: WRONG}))
    assert [one.code for one in found] == [1, 3], found
    last = [one.err.splitlines()[-1] for one in found]
    assert last == [
        "bench.attack: error: process 1 has ended; its own messages say why",
        "bench.attack: error: no",
    ]
    assert not (tmp_path / "runs").exists()


def test_where_the_first_cannot_write_the_others_do_not_wait(tmp_path, whole):
    volume, _ = whole
    (tmp_path / "file").write_text("")
    first, second = ended(attack_together(2, arguments(volume, tmp_path / "file")))
    assert (first.code, second.code) == (4, 1)
    assert second.err.splitlines()[-1] == "bench.attack: error: process 0 has ended; its own messages say why"


# A process of one that meets nobody; prints the GPUs that JAX is told to use.
LOCAL = """
import sys
from bench.processes.distributed import Meeting, connected
with connected(Meeting(False, sys.argv[1], 1, 0), {}):
    import jax
    print(jax.config.read("jax_cuda_visible_devices"))
"""


def test_processes_on_one_machine_are_told_their_gpus_by_jax_s_variable():
    (found,) = ended(processes.start([["-c", LOCAL, f"localhost:{free_port()}"]], {"JAX_LOCAL_DEVICE_IDS": "3"}))
    assert (found.code, found.out) == (0, "3\n"), found.err


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
