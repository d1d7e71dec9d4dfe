"""The --help of every command, and its output when its work fails."""

import os
import shlex
import sys
from importlib import import_module

import pytest

from bench.__main__ import COMMANDS
from bench.plan.errors import UsageError
from bench.shell.arguments import Parser
from bench.shell.command import execute
from data_prep.ending import Advice


@pytest.mark.parametrize(("error", "code", "line"), [(UsageError("no"), 2, "no"), (KeyboardInterrupt(), 130, "Ctrl-C")])
def test_below_the_error_stands_our_advice_and_no_library_s(error, code, line, capsys):
    def work(arguments, argv):
        # JAX adds such a note to every exception that passes through it, also to a signal's exception.
        error.add_note("For simplicity, JAX has removed its internal frames")
        error.add_note(Advice("python -m bench.attack --resume runs/one"))
        raise error

    parser = Parser(prog="bench.test")
    parser.set_defaults(device="auto")
    assert execute(parser, "bench.test", "", work, []) == code
    first, second = capsys.readouterr().err.splitlines()
    assert line in first
    assert second == "python -m bench.attack --resume runs/one"


def test_a_python_without_the_packages_is_named(capsys):
    def work(arguments, argv):
        import_module("no_such_package.part")

    parser = Parser(prog="bench.test")
    parser.set_defaults(device="auto")
    assert execute(parser, "bench.test", "", work, []) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"no_such_package is not installed for {sys.executable}; start the command with the Python" in line


@pytest.mark.parametrize("length", [1, 1_000_000])
def test_a_reader_that_has_seen_enough_is_no_error(length, capsys, monkeypatch):
    reads, writes = os.pipe()
    os.close(reads)
    monkeypatch.setattr(sys, "stdout", os.fdopen(writes, "w"))
    parser = Parser(prog="bench.test")
    parser.set_defaults(device="auto")
    assert execute(parser, "bench.test", "", lambda arguments, argv: print("x" * length) or 0, []) == 141
    sys.stdout.close()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", COMMANDS)
def test_help_ends_with_examples_that_the_command_takes(name):
    parser = import_module(COMMANDS[name].module).parser()
    lines = parser.format_help().partition("\nexamples:\n")[2].splitlines()
    assert 2 <= len(lines) <= 3
    for line in lines:
        command = f"  {parser.prog}"
        assert line.startswith(command)
        parser.parse_args(shlex.split(line.removeprefix(command).partition(">")[0]))
