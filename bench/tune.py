"""Choose one setting of a method on training data: python -m bench.tune --method l1 --setting lam --values 0.001 0.002.

For each value it prints the mean SSIM and PSNR of clean reconstructions of training images, which share none with those
that bench.attack uses.  The best value is then given to bench.attack by --set.
"""

from __future__ import annotations

import json
import sys
from argparse import Namespace, RawDescriptionHelpFormatter
from typing import Any

from bench.attack import METHODS, NETWORKS
from bench.harness.arguments import Parser, integer, one_of, setting
from bench.harness.command import execute
from bench.harness.flags import add_data, add_device, add_sampling


def parser() -> Parser:
    """The command's arguments."""
    top = Parser(prog="python -m bench.tune", description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    what = top.add_argument_group("what")
    untrained = tuple(name for name in METHODS if name not in NETWORKS)
    what.add_argument(
        "--method", type=one_of(untrained), default="l1", metavar="NAME", help=f"one of {', '.join(untrained)}"
    )
    what.add_argument("--setting", default="lam", metavar="NAME", help="what is chosen; lam if not given")
    what.add_argument("--values", nargs="+", required=True, metavar="V", help="what it may be")
    what.add_argument(
        "--set", type=setting, nargs="+", default=[], metavar="NAME=VALUE", help="other settings of the method"
    )
    data = top.add_argument_group("data")
    add_data(data)
    add_sampling(data)
    data.add_argument("--images", type=integer(1), default=20, metavar="N", help="training images; 20 if not given")
    run = top.add_argument_group("run")
    add_device(run)
    run.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    run.add_argument("--debug", action="store_true", help="show tracebacks")
    return top


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""

    def work(arguments: Namespace, argv: list[str]) -> int:
        from bench.harness.tuning import Candidate, best, scores  # imports JAX

        found: list[Candidate] = scores(arguments)
        chosen = best(found)
        if arguments.json:
            rows: list[dict[str, Any]] = [one._asdict() for one in found]
            print(json.dumps({"setting": arguments.setting, "best": chosen.value, "candidates": rows}))
            return 0
        print(f"{arguments.setting:>12}    SSIM     PSNR  ({chosen.n} training images)")
        for one in found:
            mark = "  best" if one is chosen else ""
            print(f"{one.value:>12}  {one.ssim:.4f}  {one.psnr:7.3f}{mark}")
        return 0

    advice = "use fewer coils or a smaller matrix"
    return execute(parser(), "bench.tune", advice, work, sys.argv[1:] if argv is None else argv)


if __name__ == "__main__":
    sys.exit(main())
