"""The commands by their names: jaxcs COMMAND, python -m jaxcs COMMAND or python -m bench COMMAND."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import NamedTuple, NoReturn

import jaxcs
from data_prep.process import as_process, begin
from jaxcs.names import did_you_mean, printable

_USAGE = 2


class Command(NamedTuple):
    """A command.

    Attributes:
        module: name of the module that has its `main`.
        words: its purpose in a few words.
    """

    module: str
    words: str


COMMANDS = {
    "attack": Command(
        "bench.attack", "find the worst small perturbation for a reconstruction, beside noise of equal norm"
    ),
    "reconstruct": Command("bench.reconstruct", "reconstruct data to files: HDF5, NIfTI, BART or DICOM"),
    "report": Command("bench.report", "make the report page of runs again"),
    "compare": Command("bench.compare", "compare runs in Markdown tables"),
    "dossier": Command("bench.dossier", "gather a run, its software and its hashes in one file for a regulator"),
    "verify": Command("bench.verify", "find what was changed in a run or its dossier, and score it again"),
    "inspect": Command("bench.inspect", "map what an image of a run hallucinates, and where it is sensitive"),
    "leaderboard": Command("bench.leaderboard", "rank methods whose runs share data and protocol, as files and a page"),
    "convert": Command(
        "data_prep.__main__", "convert scanners' files for attack --data, check files, and estimate coil maps"
    ),
    "train": Command("bench.train", "train a network and export its weights"),
    "tune": Command("bench.tune", "choose settings of a method on training data"),
    "features": Command("bench.features", "measure how much of small features a reconstruction keeps"),
    "phantoms": Command("bench.phantoms", "score a method on the FDA's test phantoms, clean and under attack"),
    "stability": Command(
        "bench.stability", "test reconstructions by tiny perturbations, symbols in the image, and more samples"
    ),
    "shift": Command("bench.shift", "measure methods on data unlike the data that they were made for"),
    "ttt": Command("bench.ttt", "measure test-time training across a shift of the data"),
    "defend": Command("bench.defend", "compare defences of a network by clean accuracy and worst case"),
    "universal": Command("bench.universal", "fit one perturbation to many slices, and apply it to others"),
    "hardest": Command("bench.hardest", "list the images that a method reconstructs worst"),
    "convergence": Command("bench.convergence", "measure whether more iterations save a reconstruction"),
    "claims": Command("bench.claims", "compare published claims with the results of runs"),
    "conformal": Command(
        "bench.conformal", "bound scores without the truth, and see whether the bounds survive attacks"
    ),
    "cite": Command("bench.cite", "print BibTeX for the publications that a run rests on"),
    "export": Command("bench.export", "write a method as StableHLO that runs without this project"),
    "speed": Command("bench.speed", "time the main work and the same work in other programs"),
    "merge": Command("bench.merge", "merge the parts of a run into one run"),
    "cards": Command("bench.cards", "ship trained weights with their cards"),
}


def main(argv: list[str] | None = None) -> int:
    """Run the command that the first argument names.

    Args:
        argv: the arguments, or None for those of this process.

    Returns:
        The command's exit code.
    """
    given = sys.argv[1:] if argv is None else argv
    if not given or given[0] in ("-h", "--help"):
        print(listing())
        return 0
    if given[0] == "--version":
        print(f"jaxcs {jaxcs.__version__}")
        return 0
    if given[0] not in COMMANDS:
        hint = did_you_mean(given[0], COMMANDS)
        print(printable(f"jaxcs: error: unknown command {given[0]!r}{hint} (see jaxcs --help)"), file=sys.stderr)
        return _USAGE
    # Commands import JAX when they begin to work, so that the list above does not wait for it.
    code: int = import_module(COMMANDS[given[0]].module).main(given[1:])
    return code


def listing() -> str:
    """Return the list of all commands, a line each."""
    lines = ["usage: jaxcs COMMAND ...   (without the console script: python -m jaxcs COMMAND ...)", ""]
    width = max(map(len, COMMANDS))
    lines += [f"  {name:<{width}}  {command.words}" for name, command in COMMANDS.items()]
    lines += ["", "jaxcs COMMAND --help lists its flags; jaxcs --version prints the version.", "For a first run:", ""]
    return "\n".join([*lines, "  jaxcs attack --method l1"])


def run() -> NoReturn:
    """Run the console script."""
    begin("jaxcs")
    as_process(main)


if __name__ == "__main__":
    run()
