"""What a reconstruction keeps of small features: python -m bench.features --method l1."""

from __future__ import annotations

import sys
from argparse import Namespace

from bench.plan.catalogue import METHODS
from bench.plan.errors import UsageError
from bench.shell.arguments import HelpFormatter, Parser, flags_besides, integer, number, one_of
from bench.shell.command import execute
from bench.shell.flags import add_data, add_device, add_sampling, add_settings
from data_prep.process import as_process

# Names only: what they stand for imports JAX, which --help must not wait for.  A test holds them equal.
STUDIES = ("map", "sizes", "boxes", "worst", "optimisers")
SHAPES = ("square", "disc", "blob", "line", "lesion")
PRESETS = ("rc2021", "rc2021_code")
REFERENCES = ("maximum", "local")
_BESIDE_RESUME = ("--resume", "--device", "--json", "--debug")


def parser() -> Parser:
    """The command's arguments."""
    top = Parser(
        prog="python -m bench.features",
        description="Put small features into fully sampled scans, before the coils, and see what a reconstruction of "
        "the under-sampled scan keeps of them.",
        epilog="Without --data it runs on the built-in phantom.  What was stopped goes on with --resume.",
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    what = top.add_argument_group("what")
    what.add_argument(
        "--study",
        type=one_of(STUDIES),
        default="map",
        metavar="NAME",
        help="map = all places of one slice; sizes = places drawn at random, several images and sizes; boxes = real "
        "findings that radiologists drew boxes around; worst = the feature that is lost most easily, by gradients; "
        "optimisers = a coarse map of convdecoder with three optimisers, and with one of them from another start",
    )
    what.add_argument(
        "--method",
        type=one_of(METHODS),
        nargs="+",
        metavar="NAME",
        help=f"one or several of {', '.join(METHODS)}; l1 if not given",
    )
    add_settings(what, "change a method's configuration, such as lam=0.005; of several methods as l1.lam=0.005")
    what.add_argument("--weights", metavar="FILE", help="of a trained method; the shipped ones if not given")
    feature = top.add_argument_group("feature")
    feature.add_argument(
        "--preset",
        type=one_of(PRESETS),
        metavar="NAME",
        help="rc2021 = 3 x 3 pixels filled with the largest value, as the ICML 2021 paper says; rc2021_code = what its "
        "code ran: a constant in each coil's image; other flags change a preset",
    )
    feature.add_argument(
        "--shape", type=one_of(SHAPES), metavar="S", help=f"one of {', '.join(SHAPES)}; square if not given"
    )
    feature.add_argument("--size", type=number(1), metavar="PIXELS", help="3 if not given")
    feature.add_argument(
        "--contrast", type=number(0, open_low=True), metavar="C", help="amplitude, relative [-]; 0.3 if not given"
    )
    feature.add_argument(
        "--relative-to",
        type=one_of(REFERENCES),
        metavar="R",
        help="what the amplitude is relative to: maximum of the slice, or local mean; maximum if not given",
    )
    feature.add_argument(
        "--stride",
        type=integer(1),
        metavar="PIXELS",
        help="between places of a map; 4 if not given, 16 for optimisers",
    )
    feature.add_argument(
        "--sizes", type=number(1), nargs="+", default=[2.0, 3.0, 4.0, 5.0], metavar="PIXELS", help="of --study sizes"
    )
    feature.add_argument(
        "--placements", type=integer(1), default=10, metavar="N", help="of --study sizes, for each image and size"
    )
    feature.add_argument(
        "--draws",
        type=integer(0),
        metavar="N",
        help="of noise, for detectability; 0 = that is not scored; 16 if not given, 0 for optimisers",
    )
    feature.add_argument(
        "--visibility",
        type=number(0),
        metavar="C",
        help="of --study worst: mean of any feature in the fully sampled image, in standard deviations of its noise; "
        "3 if not given",
    )
    data = top.add_argument_group("data")
    add_data(data)
    add_sampling(data)
    data.add_argument(
        "--image", type=integer(0), default=0, metavar="I", help="of map, worst and optimisers: which, from 0"
    )
    data.add_argument("--limit", type=integer(1), metavar="N", help="images of sizes (10 if not given) and boxes (all)")
    run = top.add_argument_group("run")
    run.add_argument("--seed", type=integer(0), default=0, metavar="N", help="of places and noise")
    add_device(run)
    run.add_argument(
        "--resume", metavar="RUN", help=f"go on with this study; beside it only {', '.join(_BESIDE_RESUME[1:])}"
    )
    output = top.add_argument_group("output")
    output.add_argument("--output", default="runs", metavar="DIR", help="each study makes a folder of its own in here")
    output.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    output.add_argument("--debug", action="store_true", help="show tracebacks")
    return top


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""

    def work(arguments: Namespace, argv: list[str]) -> int:
        if arguments.resume is not None:
            others = flags_besides(argv, _BESIDE_RESUME)
            if others:
                raise UsageError(f"{others[0]}: the study in {arguments.resume} goes on as it was; leave the flag out")
        if arguments.study == "worst" and arguments.draws is not None and arguments.draws < 2:
            raise UsageError("--draws: visibility is measured against noise; give at least 2")
        from bench.studies.features.session import run  # imports JAX

        return run(arguments, argv)

    advice = "use fewer coils or a smaller matrix"
    return execute(parser(), "bench.features", advice, work, sys.argv[1:] if argv is None else argv)


if __name__ == "__main__":
    as_process(main)
