"""Commands of README.md and the documentation are taken by their parsers, and each is run or listed with a reason."""

import importlib
import re
import shlex
import sys
import tomllib

import pytest

from bench.__main__ import COMMANDS
from bench.plan.errors import UsageError
from data_prep.__main__ import parser as data_prep_parser
from tests.helpers.places import ROOT

sys.path.insert(0, str(ROOT / "docs"))
import commands as documented

sys.path.pop(0)

PAGES = documented.pages()


def parser_of(module):
    return data_prep_parser() if module == "data_prep" else importlib.import_module(module).parser()


def calls(text):
    """Module and words of each call of a command of ours in a command line."""
    for part in re.split(r"&&|\|| & |;", re.sub(r"\$\([^)]*\)", "FILE", text)):
        words = shlex.split(part)
        if "-m" in words:
            module, *rest = words[words.index("-m") + 1 :]
            if module == "data_prep" or module.startswith("bench."):
                yield module, rest


def check(module, words, where, capsys):
    """Fail if the parser of a command does not take these words."""
    try:
        parser_of(module).parse_args(words)
    except (SystemExit, UsageError) as error:
        pytest.fail(f"{where}: {error} {capsys.readouterr().err}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_of_blocks_are_taken_by_their_parsers(page, capsys):
    for command in documented.commands(page):
        if command.language != "sh":
            compile(command.text, command.page, "exec")
            continue
        for text in (command.text, documented.small(command)):
            for module, words in calls(text):
                check(module, words, f"{page}: {text}", capsys)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_blocks_are_commands_programs_output_or_settings(page):
    for language, text in documented.blocks(page):
        assert language in ("sh", "python", "text", "toml"), page
        if language == "toml":
            tomllib.loads(text)


def test_every_command_is_run_or_has_a_reason():
    found = [command for page in PAGES for command in documented.commands(page)]
    assert len(found) > 80
    reasons = [reason for *_, reason in documented.NOT_RUN]
    given = [documented.why_not(command) for command in found]
    assert not set(reasons) - set(given), "a reason is for no command any more"
    for reason in reasons:
        for path in re.findall(r"tests/[\w/]+\.py|\.ci/run", reason):
            assert (ROOT / path).exists(), path
    for pattern, _ in documented.ADDED:
        assert any(re.search(pattern, command.text) for command in found), pattern


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_and_flags_within_sentences_are_known(page, capsys):
    known = "\n".join(parser_of(line.module).format_help() for line in COMMANDS.values())
    known += (ROOT / "data_prep" / "__main__.py").read_text(encoding="utf-8")
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for code in re.findall(r"`([^`]+)`", text):
        words = " ".join(code.split())
        # A lone flag names what it is for, and capitals stand for what the reader has.
        spelled_out = not re.search(r"[A-Z]{2}|\b[A-Z]\b|--[\w-]+$", words)
        if re.search(r"(^|-m )(bench\.\w+|data_prep) --?\w", words) and spelled_out:
            full = words if "-m " in words else f"python -m {words}"
            for module, rest in calls(full):
                check(module, rest, f"{page}: {words}", capsys)
        if re.match(r"(--|bench\.|(\.venv/bin/)?python -m (bench|data_prep))", words):
            for flag in re.findall(r"(?<!\S)--[a-z][\w-]*", words):
                assert flag in known or flag.startswith("--xla"), f"{page}: no command of ours has {flag}"
