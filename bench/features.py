"""Measure how much of small features a reconstruction keeps: python -m bench.features --method l1."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench.plan.errors import UsageError
from bench.shell.arguments import HelpFormatter, Parser, add_resume, check_resumed, integer, number, one_of
from bench.shell.command import execute
from bench.shell.flags import (
    add_data,
    add_debug,
    add_device,
    add_json,
    add_sampling,
    add_settings,
    check_findings,
    unattacked,
)
from data_prep.process import as_process
from jaxcs.catalogue import OF_KSPACE

if TYPE_CHECKING:
    from bench.studies.features.config import FeatureConfig

# Names only: the registries of these names import JAX, and --help must not wait for that.  A test holds them equal.
STUDIES = ("map", "sizes", "boxes", "worst", "optimisers")
SHAPES = ("square", "disc", "blob", "line", "lesion", "spade", "heart", "diamond", "club")
PRESETS = ("rc2021", "rc2021_code")
REFERENCES = ("maximum", "local")
# Default methods of studies, if they are not l1.
_ONLY = {"optimisers": "convdecoder"}
# Default for the smallest mean of a visible feature, in standard deviations of a pixel's noise [-].
_VISIBILITY = 3.0
# Default number of images in a study of sizes.
_IMAGES = 10
# Default distances of the places [pixels]: the coarse one for optimisers, because each place is a fit.
_COARSE, _STRIDE = 16, 4


def parser() -> Parser:
    """Build the parser of the command line."""
    top = Parser(
        prog="python -m bench.features",
        examples=(
            "--method l1 unet --stride 16",
            "--study sizes --method l1 unet --limit 2 --placements 3",
            "--resume runs/RUN",
        ),
        description="Put small features into fully sampled scans, before the coils, and measure how much of them a "
        "reconstruction of the under-sampled scan keeps.",
        epilog="Without --data it runs on the built-in phantom.  A stopped study goes on with --resume.",
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
        "findings that radiologists drew boxes around, or the lesions of the phantom brain; worst = the feature that "
        "is lost most easily, by gradients; "
        "optimisers = a coarse map of convdecoder with three optimisers, and with one of them from another start",
    )
    what.add_argument(
        "--method",
        type=one_of(OF_KSPACE),
        nargs="+",
        metavar="NAME",
        help=f"one or several of {', '.join(OF_KSPACE)}; l1 if not given",
    )
    add_settings(what, "change a method's configuration, such as lam=0.005; with several methods l1.lam=0.005")
    what.add_argument("--weights", metavar="FILE", help="weights of a trained method; the shipped weights if not given")
    feature = top.add_argument_group("feature")
    feature.add_argument(
        "--preset",
        type=one_of(PRESETS),
        metavar="NAME",
        help="rc2021 = 3 x 3 pixels filled with the largest value, as in the text of the ICML 2021 paper; rc2021_code "
        "= a constant in each coil's image, as in its code; other flags change a preset",
    )
    feature.add_argument(
        "--shape", type=one_of(SHAPES), metavar="S", help=f"one of {', '.join(SHAPES)}; square if not given"
    )
    feature.add_argument("--size", type=number(1), metavar="PIXELS", help="size of the feature; 3 if not given")
    feature.add_argument(
        "--contrast", type=number(0, open_low=True), metavar="C", help="amplitude, relative [-]; 0.3 if not given"
    )
    feature.add_argument(
        "--relative-to",
        type=one_of(REFERENCES),
        metavar="R",
        help="reference of the amplitude: maximum of the slice, or local mean; maximum if not given",
    )
    feature.add_argument(
        "--stride",
        type=integer(1),
        metavar="PIXELS",
        help="distance of the places of a map; 4 if not given, 16 for optimisers",
    )
    feature.add_argument(
        "--sizes",
        type=number(1),
        nargs="+",
        default=[2.0, 3.0, 4.0, 5.0],
        metavar="PIXELS",
        help="for --study sizes: sizes of the features",
    )
    feature.add_argument(
        "--placements",
        type=integer(1),
        default=10,
        metavar="N",
        help="for --study sizes: places for each image and size",
    )
    feature.add_argument(
        "--draws",
        type=integer(0),
        metavar="N",
        help="draws of noise for detectability; 0 = detectability is not scored; 16 if not given, 0 for optimisers",
    )
    feature.add_argument(
        "--visibility",
        type=number(0),
        metavar="C",
        help="for --study worst: smallest mean of a feature in the fully sampled image, in standard deviations of its "
        "noise; "
        "3 if not given",
    )
    data = top.add_argument_group("data")
    add_data(data)
    add_sampling(data)
    data.add_argument(
        "--image",
        type=integer(0),
        default=0,
        metavar="I",
        help="for map, worst and optimisers: index of the image, from 0",
    )
    data.add_argument(
        "--limit", type=integer(1), metavar="N", help="number of images, for sizes (10 if not given) and boxes (all)"
    )
    run = top.add_argument_group("run")
    run.add_argument("--seed", type=integer(0), default=0, metavar="N", help="seed of places and noise")
    add_device(run)
    add_resume(run, "study")
    output = top.add_argument_group("output")
    output.add_argument("--output", default="runs", metavar="DIR", help="each study makes a new folder in here")
    add_json(output)
    add_debug(output)
    return top


def configuration(arguments: Namespace) -> FeatureConfig:
    """Return the configuration that the arguments give.

    Raises:
        UsageError: arguments contradict each other.
    """
    from bench.studies.features.config import FeatureConfig  # these import JAX
    from jaxcs.features import insert

    study, names = arguments.study, list(dict.fromkeys(arguments.method or [_ONLY.get(arguments.study, "l1")]))
    if study == "worst" and arguments.draws is not None and arguments.draws < 2:
        raise UsageError("--draws: visibility is measured against noise; give at least 2")
    if study == "optimisers" and names != ["convdecoder"]:
        raise UsageError("--method: the study of optimisers is about convdecoder; leave the flag out")
    if study == "boxes":
        check_findings("--study boxes", arguments.phantom, arguments.data)
    one_image = study in ("map", "worst", "optimisers")
    if one_image and arguments.limit is not None:
        raise UsageError(f"--limit: --study {study} takes one image; choose it by --image")
    limit = arguments.image + 1 if one_image else arguments.limit or (None if study == "boxes" else _IMAGES)
    base = unattacked(
        arguments,
        method=names[0],
        settings=tuple(arguments.set),
        victims=tuple(names[1:]),
        weights=arguments.weights,
        limit=limit,
        seed=arguments.seed,
    )
    given = {"shape": arguments.shape, "size": arguments.size, "contrast": arguments.contrast}
    given |= {"reference": arguments.relative_to}
    start = insert.PRESETS[arguments.preset] if arguments.preset else insert.Insertion()
    return FeatureConfig(
        study=study,
        base=base,
        insertion=replace(start, **{name: value for name, value in given.items() if value is not None}),
        stride=arguments.stride or (_COARSE if study == "optimisers" else _STRIDE),
        image=arguments.image,
        sizes=tuple(arguments.sizes),
        placements=arguments.placements,
        # Each draw would take a fit with each optimiser.
        draws=arguments.draws if arguments.draws is not None else 0 if study == "optimisers" else 16,
        visibility=arguments.visibility if arguments.visibility is not None else _VISIBILITY,
    )


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""

    def work(arguments: Namespace, argv: list[str]) -> int:
        check_resumed(arguments.resume, argv, "study")
        from bench.studies.features.finish import tell
        from bench.studies.features.study import KIND, run  # these import JAX

        before = None if arguments.resume is None else KIND.stored(Path(arguments.resume))
        config = configuration(arguments) if before is None else before.config
        done = run(config, output=Path(arguments.output), device=arguments.device, resume=before, argv=argv)
        return tell(done, arguments.json)

    return execute(parser(), "bench.features", "use fewer coils or a smaller matrix", work, argv)


if __name__ == "__main__":
    as_process(main)
