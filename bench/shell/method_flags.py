"""The flags that choose and configure a method."""

from __future__ import annotations

import os
from argparse import _ActionsContainer, _ArgumentGroup
from collections.abc import Callable, Mapping

from bench.plan.several import SEVERAL
from bench.shell.arguments import NamedOnce, label, one_of, setting
from bench.shell.flags import add_settings
from jaxcs.catalogue import METHOD_GROUP, METHODS, NETWORKS, AttackLine, MethodLine, installed

# The weights decide the configuration of other methods.
_FREE = {name: line for name, line in METHODS.items() if name not in NETWORKS}
_PRESETS = tuple(dict.fromkeys(preset for line in _FREE.values() for preset in line.presets))
_METHOD_NAMES = ", ".join(METHODS)
_OTHER_METHODS = (
    "a method that an installed package adds; or MODULE:NAME or FILE.py:NAME, a function or PyTorch module of yours; "
    "or deepinv:NAME, a reconstruction of DeepInverse, see docs/how-to/own-reconstruction.md"
)
_OF_HUB = "hf:OWNER/REPO[/FILE][@REVISION] of the Hugging Face hub"
_IF_NO_WEIGHTS = (
    "if not given, the shipped weights for the phantom, or for --data those trained on brains; the repository has "
    "those trained on T2 brains, as unet's and varnet's are, and no package"
)


def add_methods(group: _ArgumentGroup) -> None:
    """Add --method for one or several methods; the default is none."""
    several = "; ".join(f"{name} = {meaning}" for name, meaning in SEVERAL.items())
    group.add_argument(
        "--method",
        type=one_of_or_own((*METHODS, *SEVERAL), METHOD_GROUP),
        nargs="+",
        default=[],
        metavar="NAME",
        help=f"one or several of {_METHOD_NAMES}; {several}; {_OTHER_METHODS}; each is scored under its own "
        "perturbations, with --victims also under the others'; l1 if not given",
    )


def add_method(group: _ArgumentGroup, words: str) -> None:
    """Add --method for one method.

    Args:
        group: the group of arguments.
        words: what happens if the flag is not given.
    """
    group.add_argument(
        "--method",
        type=one_of_or_own(tuple(METHODS), METHOD_GROUP),
        metavar="NAME",
        help=f"one of {_METHOD_NAMES}; {_OTHER_METHODS}; {words}",
    )


def add_preset(group: _ArgumentGroup) -> None:
    """Add --preset."""
    group.add_argument(
        "--preset",
        type=_one_of_or_of_package(_PRESETS, METHOD_GROUP),
        metavar="NAME",
        help=f"named configuration of the method: {presets_of(_FREE)}",
    )


def add_method_settings(group: _ActionsContainer, words: str = "") -> None:
    """Add --set; words: more about it."""
    add_settings(
        group,
        "change the method's configuration, such as lam=0.005 (relative to max|A^H y|), n_iters=100, basis=dct" + words,
    )


def add_weights(group: _ArgumentGroup) -> None:
    """Add --weights for the network of one method."""
    group.add_argument(
        "--weights",
        metavar="FILE",
        help="weights of a trained method: a file of bench.train, a fastMRI checkpoint (.pt, .pth, .ckpt), the "
        f"name of shipped weights, or {_OF_HUB}; {_IF_NO_WEIGHTS}",
    )


def add_networks(group: _ArgumentGroup) -> None:
    """Add --weights for several networks, each with a name; the name of a file alone is empty."""
    group.add_argument(
        "--weights",
        type=_named_weights,
        nargs="+",
        action=NamedOnce,
        default=[],
        metavar="NAME=FILE",
        help="weights of trained methods: files of bench.train, fastMRI checkpoints (.pt, .pth, .ckpt), names of "
        f"shipped weights, or {_OF_HUB}; several of one method are each attacked, and NAME tells them apart; FILE "
        "alone for one; "
        f"{_IF_NO_WEIGHTS}",
    )


def one_of_or_own(choices: tuple[str, ...], group: str) -> Callable[[str], str]:
    """Make a type for one of `choices`, a name that an installed package adds, or MODULE:NAME."""

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


def _named_weights(text: str) -> tuple[str, str]:
    """Parse FILE, whose name is empty, or NAME=FILE; a path may have an equals sign."""
    name, equals, _ = text.partition("=")
    if not equals or "/" in name or os.path.exists(text):
        return "", text
    name, file = setting(text)
    return label(name), file


def _one_of_or_of_package(choices: tuple[str, ...], group: str) -> Callable[[str], str]:
    """A type for one of `choices`, or if installed packages add something, any name."""
    known = one_of(choices)
    return lambda text: text if text not in choices and installed(group) else known(text)
