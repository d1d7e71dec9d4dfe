"""The flags that choose and configure a method."""

from __future__ import annotations

from argparse import _ArgumentGroup
from collections.abc import Callable, Mapping

from bench.shell.arguments import one_of
from bench.shell.flags import add_settings
from jaxcs.catalogue import METHOD_GROUP, METHODS, NETWORKS, AttackLine, MethodLine, installed

# The weights decide the configuration of other methods.
_FREE = {name: line for name, line in METHODS.items() if name not in NETWORKS}
_PRESETS = tuple(dict.fromkeys(preset for line in _FREE.values() for preset in line.presets))


def add_method(group: _ArgumentGroup, several: Mapping[str, str], words: str = "") -> None:
    """Add --method.

    Args:
        group: the group of arguments.
        several: names for several methods, each with what it means in words.
        words: what happens if the flag is not given; the default is then None, otherwise l1.
    """
    more = "".join(f"; {name} = {meaning}" for name, meaning in several.items())
    group.add_argument(
        "--method",
        type=one_of_or_own((*METHODS, *several), METHOD_GROUP),
        default=None if words else "l1",
        metavar="NAME",
        help=f"one of {', '.join(METHODS)}{more}; a method that an installed package adds; or MODULE:FUNCTION, a "
        f"function of yours, see docs/how-to/own-reconstruction.md{words}",
    )


def add_preset(group: _ArgumentGroup) -> None:
    """Add --preset."""
    group.add_argument(
        "--preset",
        type=_one_of_or_of_package(_PRESETS, METHOD_GROUP),
        metavar="NAME",
        help=f"named configuration of the method: {presets_of(_FREE)}",
    )


def add_configuration(group: _ArgumentGroup, words: str = "") -> None:
    """Add --set and --weights.

    Args:
        group: the group of arguments.
        words: more about --set.
    """
    add_settings(
        group,
        "change the method's configuration, such as lam=0.005 (relative to max|A^H y|), n_iters=100, basis=dct" + words,
    )
    group.add_argument(
        "--weights",
        metavar="FILE",
        help="weights of a trained method: a file of bench.train, a fastMRI checkpoint (.pt, .pth, .ckpt), or the "
        "name of shipped weights; if not given, the shipped weights for the phantom, or for --data those trained on T2 "
        "brains",
    )


def one_of_or_own(choices: tuple[str, ...], group: str) -> Callable[[str], str]:
    """Make a type for one of `choices`, a name that an installed package adds, or MODULE:FUNCTION."""

    def parse(text: str) -> str:
        if text in choices or ":" in text:
            return text
        return one_of((*choices, *installed(group)))(text)

    return parse


def presets_of(lines: Mapping[str, MethodLine | AttackLine]) -> str:
    """Return the presets of all lines that have some, each beside the names that have the same."""
    names: dict[tuple[str, ...], list[str]] = {}
    for name, line in lines.items():
        if line.presets:
            names.setdefault(line.presets, []).append(name)
    return "; ".join(f"{', '.join(presets)} ({', '.join(of)})" for presets, of in names.items())


def _one_of_or_of_package(choices: tuple[str, ...], group: str) -> Callable[[str], str]:
    """A type for one of `choices`, or if installed packages add something, any name."""
    known = one_of(choices)
    return lambda text: text if text not in choices and installed(group) else known(text)
