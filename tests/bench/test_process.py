"""The process of every command: its streams, the signals that end it, its exit.

`python -m tests.helpers.signals --count 50` is the long form of the test of signals at the first moments.
"""

import os
import signal
import subprocess
import sys
import time

import pytest

from bench.__main__ import COMMANDS
from data_prep.progress import Progress
from tests.helpers.signals import ROOT, hearing_ctrl_c, problem, stopped

BEGIN = "import os, signal, sys, threading, time\nfrom data_prep.process import as_process, at_stop, leaving, named\n"


def started(body, redirect="", **options):
    """Start a process whose command is `body`; the shell redirects its streams by `redirect`."""
    code = BEGIN + "def main():\n" + "".join(f"    {line}\n" for line in body.splitlines()) + "as_process(main)\n"
    with hearing_ctrl_c():
        return subprocess.Popen(
            ["sh", "-c", f'exec "$0" -c "$1" {redirect}', sys.executable, code],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )


def ended(process):
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def told(body, number, *more):
    """Send signals to a working process; returns its exit code, its stderr, and the time until it ended [s]."""
    process = started(body)
    assert process.stdout.readline() == "at work\n"
    begun = time.monotonic()
    for one in (number, *more):
        process.send_signal(one)
        time.sleep(0.2)
    code, _, err = ended(process)
    return code, err, time.monotonic() - begun


@pytest.mark.parametrize(
    ("redirect", "out", "err"),
    [
        (">&-", "", "message\n"),
        ("2>&-", "result\n", ""),
        (">&- 2>&- <&-", "", ""),
        ("2>/dev/full", "result\n", ""),
    ],
)
def test_streams_that_are_closed_or_full_lose_words_and_no_more(tmp_path, redirect, out, err):
    path = tmp_path / "file"
    body = (
        f"with open({str(path)!r}, 'w') as file:\n"
        "    print('result')\n"
        "    print('message', file=sys.stderr)\n"
        "    os.system('echo child')\n"
        "return 3"
    )
    code, found, said = ended(started(body, redirect))
    assert code == 3
    assert found.replace("child\n", "") == out
    assert said == err
    # A closed stream leaves its number to the next file.
    assert path.read_text() == ""


@pytest.mark.parametrize("flush", [True, False])
def test_standard_output_on_a_full_disk_is_exit_4_and_one_line(flush):
    body = f"from data_prep.ending import in_one_line\ndef work():\n    print('result', flush={flush})\n    return 0\n"
    body += "return in_one_line('bench.test', work, lambda error: None, '', False)"
    code, _, err = ended(started(body, ">/dev/full"))
    assert code == 4
    problem = "cannot write to standard output: No space left on device; direct it to where there is room"
    assert err == f"bench.test: error: {problem}\n"


def test_a_command_goes_on_when_its_reader_has_seen_enough(tmp_path):
    body = (
        "for number in range(3):\n"
        "    print('line', flush=True)\n"
        "    time.sleep(0.1)\n"
        f"open({str(tmp_path / 'done')!r}, 'w')\n"
        "return 0"
    )
    with started(body) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 128 + signal.SIGPIPE
    assert (tmp_path / "done").exists()


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_message_is_there_at_once(tmp_path, unbuffered):
    """PYTHONUNBUFFERED, which containers set, must not keep it until the end."""
    path = tmp_path / "err"
    body = f"print('now', file=sys.stderr); print(repr(open({str(path)!r}).read()), flush=True)"
    process = started(body, f"2>{path}", env=os.environ | {"PYTHONUNBUFFERED": unbuffered})
    assert ended(process)[1] == "'now\\n'\n"


def test_what_the_terminal_cannot_show_is_written_out():
    body = "print('gr\\u00f6\\udcff')\nprint('gr\\u00f6\\udcff', file=sys.stderr)\nreturn 0"
    code, out, err = ended(started(body, env=os.environ | {"PYTHONIOENCODING": "ascii"}))
    assert (code, out, err) == (0, "gr\\xf6\\udcff\n", "gr\\xf6\\udcff\n")


@pytest.mark.parametrize(("number", "words"), [(signal.SIGTERM, "SIGTERM"), (signal.SIGINT, "Ctrl-C")])
def test_a_signal_ends_what_swallows_every_exception(number, words):
    """JAX swallows exceptions in the same way when it calls Python.

    The registered work is done, and the outermost command is printed.
    """
    body = (
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from data_prep.process import hear_signals\n"
        "hear_signals()\n"
        "with named('bench.test'), at_stop(lambda: 'go on'), at_stop(lambda: print('inner', file=sys.stderr)):\n"
        "    print('at work', flush=True)\n"
        "    while True:\n"
        "        try: time.sleep(0.01)\n"
        "        except BaseException: pass"
    )
    code, err, seconds = told(body, number)
    assert code == 128 + number
    assert seconds < 2
    assert err == f"inner\nbench.test: error: stopped by {words}\ngo on\n"


def test_work_takes_its_leave_if_it_does_so_in_time():
    body = (
        "with leaving() as told_to_leave:\n"
        "    print('at work', flush=True)\n"
        "    while not told_to_leave(): time.sleep(0.01)\n"
        "    print('saved', file=sys.stderr)\n"
        "raise AssertionError('is not said')"
    )
    code, err, _ = told(body.replace("raise", "from data_prep.process import hold; hold(); raise"), signal.SIGTERM)
    assert (code, err) == (143, "saved\npython: error: stopped by SIGTERM\n")


@pytest.mark.parametrize(
    ("more", "least", "most"), [((), 2.5, 5), ((signal.SIGTERM,), 2.5, 5), ((signal.SIGINT,), 0, 2)]
)
def test_work_that_never_leaves_is_ended_and_at_once_by_a_second_ctrl_c(more, least, most):
    body = "with leaving():\n    print('at work', flush=True)\n    time.sleep(60)"
    code, _, seconds = told(body, signal.SIGTERM, *more)
    assert code == 143
    assert least < seconds < most


@pytest.mark.parametrize(("name", "moment"), [("attack", 0.1), ("attack", 0.5), ("train", 0.8), ("convert", 0.3)])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_at_the_first_moments_too(tmp_path, name, moment, number):
    assert problem(stopped(name, tmp_path, number, moment), number) is None


# Files of commands: each starts itself.
COMMANDS_OF_BENCH = sorted(
    path.stem
    for path in (ROOT / "bench").glob("*.py")
    if path.stem != "__main__" and "__main__" in path.read_text(encoding="utf-8")
)


def test_every_command_is_a_process_of_this_kind_and_has_its_help_without_numpy():
    modules = [f"bench.{name}" for name in COMMANDS_OF_BENCH] + ["data_prep.__main__"]
    assert set(modules) == {command.module for command in COMMANDS.values()}
    code = f"import importlib, sys\nfor name in {modules}: importlib.import_module(name).parser().format_help()\n"
    code += "assert 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    for name in modules:
        assert (ROOT / f"{name.replace('.', '/')}.py").read_text().rstrip().endswith("    as_process(main)"), name


def test_progress_needs_no_stream(monkeypatch):
    """A program without a console has no stderr."""
    monkeypatch.setattr(sys, "stderr", None)
    progress = Progress(2, "images", interval=0)
    progress.advance("one")
    progress.advance("two")
