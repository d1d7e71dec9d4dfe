"""Progress within an image: a line says what is computed, how long, and how long it took before."""

import io
import sys
import time

import pytest

from bench.run.stages import Stages
from data_prep.progress import Progress


def logged(monkeypatch):
    """Give what is written to stderr, from within a test: pytest sets its own stream before."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    return stream


def wait_for(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_stage_that_takes_long_is_told_while_it_lasts(monkeypatch):
    log = logged(monkeypatch)
    progress = Progress(2, "images", patience=0)
    with Stages(progress, period=0.01) as stages:
        with stages.group(["a.h5:0", "a.h5:1"]) as begins:
            begins("attack on unet (1 of 2)")
            wait_for(lambda: "attack on unet" in log.getvalue())
        assert stages.text() == ""
    first = log.getvalue().splitlines()[0]
    assert first.startswith("0/2 images; a.h5:0 and 1 more: attack on unet (1 of 2), 0 s so far, none is done yet")


def test_the_time_of_images_before_is_the_expectation(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("bench.run.stages.time.monotonic", lambda: clock[0])
    stages = Stages(Progress(9, "images"))
    # The first group also compiles.
    for took in (500.0, 90.0, 110.0):
        with stages.group(["a"]) as begins:
            begins("clean images")
            clock[0] += took
    with stages.group(["b"]) as begins, stages.group(["c"]) as others:
        begins("attack on l1")
        clock[0] += 40
        others("attack on tv")
        assert stages.text() == "b: attack on l1, 40 s so far, 100 s were taken by those before, 1 more at work"


def test_a_group_that_fails_is_at_work_no_more():
    stages = Stages(Progress(1, "images"))

    def fail():
        with stages.group(["a"]) as begins:
            begins("clean images")
            raise MemoryError

    with pytest.raises(MemoryError):
        fail()
    assert stages.text() == ""


def test_a_log_hears_of_it_only_after_a_while(monkeypatch):
    log = logged(monkeypatch)
    progress = Progress(3, "images", patience=1000)
    progress.remark("a: attack on l1")
    assert log.getvalue() == ""


def test_a_terminal_shows_one_line_of_its_width(monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "60")
    progress = Progress(2, "images")
    progress.remark("a: " + "long " * 50)
    shown = terminal.getvalue().removeprefix("\r\x1b[K")
    assert len(shown) == 59
    assert "\n" not in shown


def test_slow_work_is_told_by_the_time_of_a_unit(monkeypatch):
    log = logged(monkeypatch)
    clock = [0.0]
    monkeypatch.setattr("data_prep.progress.time.monotonic", lambda: clock[0])
    progress = Progress(4, "images")
    clock[0] = 150.0
    progress.advance("worst so far 3.00 dB PSNR lost")
    assert log.getvalue() == "1/4 images, 150 s each, 450 s left, worst so far 3.00 dB PSNR lost\n"
