"""Command-line arguments: the parser is built without importing JAX, so that --help answers at once."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from bench.plan.criteria import Criterion, parse
from bench.plan.errors import UsageError
from bench.plan.shards import Shard
from jaxcs.catalogue import LARGEST_EPSILON
from jaxcs.names import did_you_mean

# Flags that may stand beside --resume of a study, because they decide no number.
BESIDE_STUDY = ("--resume", "--device", "--precision", "--json", "--debug")


class HelpFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Adds its default to each help text, unless the default is None, [] or False."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return action.help if action.default in (None, [], False) else super()._get_help_string(action)


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that reports a mistake in one line, and whose --help ends with examples.

    Args:
        examples: command lines without the command's name.
    """

    def __init__(self, *args: Any, examples: Sequence[str] = (), **options: Any) -> None:
        super().__init__(*args, **options)
        self.examples = tuple(examples)

    def format_help(self) -> str:
        """Return the text of --help."""
        lines = [f"  {self.prog} {example}".rstrip() + "\n" for example in self.examples]
        return super().format_help() + ("\nexamples:\n" + "".join(lines) if lines else "")

    def error(self, message: str) -> NoReturn:
        """Report a mistake.

        Raises:
            UsageError: always, with the command whose --help lists the flags.
        """
        raise UsageError(f"{message} (see {self.prog} --help)")


def one_of(choices: Sequence[str]) -> Callable[[str], str]:
    """Make a type that accepts one of `choices`, and suggests the nearest for any other text."""

    def parse(text: str) -> str:
        if text in choices:
            return text
        raise argparse.ArgumentTypeError(f"unknown name {text!r}{did_you_mean(text, choices)}")

    return parse


def number(low: float, high: float = math.inf, *, open_low: bool = False) -> Callable[[str], float]:
    """Make a type for finite numbers in [low, high], or in (low, high] if `open_low`."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
        inside = low < value if open_low else low <= value
        if not math.isfinite(value):
            raise argparse.ArgumentTypeError(f"{text} is not a finite number")
        if not (inside and value <= high):
            bound = f"{'above' if open_low else 'at least'} {low:g}" + (
                f" and at most {high:g}" if high < math.inf else ""
            )
            raise argparse.ArgumentTypeError(f"{text} must be {bound}")
        return value

    return parse


# A size of a perturbation above 0.
epsilon = number(0, LARGEST_EPSILON, open_low=True)


def integer(low: int) -> Callable[[str], int]:
    """Make a type for whole numbers of at least `low`."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
        if value < low:
            raise argparse.ArgumentTypeError(f"{text} must be at least {low}")
        return value

    return parse


def setting(text: str) -> tuple[str, str]:
    """Parse NAME=VALUE."""
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE, such as lam=0.005")
    return name, value


class NamedOnce(argparse.Action):
    """Collects (NAME, VALUE) of a flag that may be repeated, and refuses a name that is there twice."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        """Add the values to those that the flag has; raises UsageError for a second value of a name."""
        given = [*getattr(namespace, self.dest), *values]
        names = [name for name, _ in given]
        for name in names:
            if name and names.count(name) > 1:
                raise UsageError(f"{option_string} {name}: is named twice; name it once")
        setattr(namespace, self.dest, given)


def printable_word(text: str) -> str:
    """Parse a word that may stand in a message."""
    if not text or not text.isprintable():
        raise argparse.ArgumentTypeError(f"{text!r} is no name")
    return text


def label(text: str) -> str:
    """Parse a name for files, tables and figures."""
    if not re.fullmatch(r"\w[\w.+-]{0,39}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no name: at most 40 letters, digits and _ . + -")
    return text


def criterion(text: str) -> Criterion:
    """Parse a criterion such as psnr_loss<3."""
    try:
        return parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def address(text: str) -> str:
    """Parse HOST:PORT."""
    host, colon, port = text.rpartition(":")
    if not (host and colon and port.isdecimal() and 0 < int(port) < 65536):
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT, such as node1:12345")
    return text


def shard(text: str) -> Shard:
    """Parse I/N, part I of N parts."""
    part, slash, of = text.partition("/")
    if not (slash and part.isdecimal() and of.isdecimal() and 1 <= int(part) <= int(of)):
        raise argparse.ArgumentTypeError(f"{text!r} is not I/N with I from 1 to N, such as 2/8")
    return Shard(int(part), int(of))


def add_resume(group: argparse._ActionsContainer, what: str, allowed: Sequence[str] = BESIDE_STUDY) -> None:
    """Add --resume.

    Args:
        group: the group of arguments.
        what: what goes on, for the help text.
        allowed: flags that may stand beside it, --resume first.
    """
    words = f"go on with the {what} in this folder; other flags allowed: {', '.join(allowed[1:])}"
    group.add_argument("--resume", metavar="RUN", help=words)


def check_resumed(resume: str | None, argv: list[str], what: str, allowed: tuple[str, ...] = BESIDE_STUDY) -> None:
    """Check that no flag beside --resume decides numbers or files.

    Args:
        resume: the folder of --resume, None if it is not given.
        argv: the command line.
        what: what goes on, for the message.
        allowed: flags that may stand beside it.

    Raises:
        UsageError: another flag is there.
    """
    others = [] if resume is None else flags_besides(argv, allowed)
    if others:
        raise UsageError(f"{others[0]}: the {what} in {resume} goes on as it was begun; leave the flag out")


def flags_besides(argv: list[str], allowed: tuple[str, ...]) -> list[str]:
    """Return the flags of a command line that are not in `allowed`."""
    given = [word.partition("=")[0] for word in argv if word.startswith("--")]
    return [flag for flag in given if flag not in allowed]
