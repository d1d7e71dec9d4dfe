"""Rank methods by their runs, as files and a static page: python -m bench.leaderboard ACTION [PATH ...] --board DIR.

add RUN ... writes an entry for each method of finished runs or dossiers, unless flags speak against it.  page writes
index.html of all entries: only entries of the same images and protocol share a ranking.  score ENTRY [RUN] verifies an
entry as bench.verify verifies its run; RUN is where the run or its dossier is now.
"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from bench.plan.errors import DONE, SOME_FAILED, UsageError
from bench.shell.arguments import HelpFormatter, Parser, one_of
from bench.shell.command import execute
from bench.shell.flags import add_debug, add_device, add_found
from data_prep.process import as_process

_PAGE = "index.html"
# How many paths each action takes, at least and at most.
_PATHS: dict[str, tuple[int, int | None, str]] = {
    "add": (1, None, "runs or dossiers"),
    "page": (0, 0, "no path, but --board"),
    "score": (1, 2, "an entry, and its run if it has moved"),
}


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return execute(parser(), "bench.leaderboard", "free some memory", _work, argv)


def parser() -> Parser:
    """Build the parser of the command line."""
    made = Parser(
        prog="python -m bench.leaderboard",
        examples=(
            'add runs/L1 runs/UNET.zip --board board --despite "not converged"',
            "page --board board",
            "score board/ENTRY.json --data /path/to/fastmri",
        ),
        description=__doc__,
        epilog="Exit codes: score 0 verified, 1 something differs; others as for bench.attack.",
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument(
        "action", type=one_of(tuple(_PATHS)), metavar="ACTION", help=f"what to do: one of {', '.join(_PATHS)}"
    )
    made.add_argument("paths", nargs="*", metavar="PATH", help="add: runs or dossiers; score: an entry, and its run")
    made.add_argument("--board", default="board", metavar="DIR", help="folder of the entries and the page")
    made.add_argument(
        "--despite",
        nargs="+",
        default=[],
        metavar="FLAG",
        help="add: flags of the runs that their entries may have and then list; without it a run with flags is refused",
    )
    add_found(made)
    add_device(made)
    add_debug(made)
    return made


def _work(arguments: Namespace, argv: list[str]) -> int:
    least, most, words = _PATHS[arguments.action]
    paths, folder = [Path(path) for path in arguments.paths], Path(arguments.board)
    if len(paths) < least or (most is not None and len(paths) > most):
        raise UsageError(f"{arguments.action}: takes {words} (see python -m bench.leaderboard --help)")
    if arguments.action == "score":
        return _score(arguments, paths)
    from bench.page.leaderboard import leaderboard  # these import JAX
    from bench.proof import board
    from bench.record.records import RunFolder

    if arguments.action == "add":
        print(*board.add(paths, folder, arguments.despite), sep="\n")
    else:
        RunFolder(folder).write(_PAGE, leaderboard(board.entries(folder)))
        print(folder / _PAGE)
    return DONE


def _score(arguments: Namespace, paths: list[Path]) -> int:
    from bench.proof.board import verify_entry  # these import JAX
    from bench.slices.sources import check_device

    check_device(arguments.device)
    result = verify_entry(paths[0], paths[1] if len(paths) > 1 else None, arguments.data, arguments.weights)
    print(*result.sentences, *result.differences, result.verdict, sep="\n")
    return SOME_FAILED if result.differences else DONE


if __name__ == "__main__":
    as_process(main)
