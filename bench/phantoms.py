"""Score a method on the FDA's test phantoms, clean and under attack: python -m bench.phantoms --method sense.

The phantoms and the seven scores are those of MRI-IQ-ETK (RST26MD03.01; Tan et al. 2024): geometric accuracy,
uniformity, ghosting, sharpness, signal-to-noise ratio, high-contrast resolution and low-contrast detectability.  Eight
simulated coils scan the phantoms.  Beside the clean scores stand those with noise and under the worst perturbation that
was found, of equal norm; each phantom has its own attack, on the squared error.
"""

from __future__ import annotations

from argparse import Namespace

from bench.plan.errors import DONE, UsageError
from bench.shell.arguments import HelpFormatter, Parser, integer, number, one_of
from bench.shell.command import execute
from bench.shell.flags import CENTER_FRACTION, add_debug, add_device
from data_prep.process import as_process
from jaxcs.catalogue import LARGEST_EPSILON, METHODS, OF_KSPACE

_METHODS = tuple(name for name in OF_KSPACE if not (METHODS[name].fitted or METHODS[name].one_coil))


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return execute(parser(), "bench.phantoms", "choose a method that needs less", _work, argv)


def parser() -> Parser:
    """Build the parser of the command line."""
    made = Parser(
        prog="python -m bench.phantoms",
        examples=("--method sense --eps 0.02", "--method unet --weights unet-phantom-knee --eps 0.05"),
        description=__doc__,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument(
        "--method", type=one_of(_METHODS), default="l1", metavar="M", help=f"{', '.join(_METHODS)}; l1 if not given"
    )
    made.add_argument("--weights", metavar="FILE", help="weights of a network: a file, or the name of shipped weights")
    made.add_argument(
        "--eps", type=number(0, LARGEST_EPSILON, open_low=True), default=0.05, metavar="E",
        help="size of the perturbation, relative to the data; 0.05 if not given",
    )  # fmt: skip
    made.add_argument("--acceleration", type=number(1), default=4.0, metavar="R", help="random columns; 4 if not given")
    made.add_argument("--steps", type=integer(1), metavar="N", help="steps of the attack; its default if not given")
    made.add_argument("--seed", type=integer(0), default=0, metavar="N", help="seed of mask, noise and search")
    add_device(made)
    add_debug(made)
    return made


def _work(arguments: Namespace, argv: list[str]) -> int:
    from bench.slices.sources import check_device  # these import JAX
    from bench.studies.phantoms.scored import GRID, Settings, scores
    from jaxcs import load_weights, masks

    if METHODS[arguments.method].trained and arguments.weights is None:
        raise UsageError(f"--method {arguments.method}: is a network; give --weights")
    check_device(arguments.device)
    try:
        weights = None if arguments.weights is None else load_weights(arguments.weights)
    except ValueError as error:
        raise UsageError(f"--weights: {error}") from error
    try:
        mask = masks.random(GRID.shape[1], arguments.acceleration, CENTER_FRACTION, arguments.seed)
    except ValueError as error:
        raise UsageError(f"--acceleration {arguments.acceleration:g}: {error}") from error
    print(scores(Settings(arguments.method, weights, mask, arguments.eps, arguments.steps, arguments.seed)))
    return DONE


if __name__ == "__main__":
    as_process(main)
