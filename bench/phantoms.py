"""Score a method on the FDA's test phantoms, clean and under attack: python -m bench.phantoms --method sense.

The phantoms and the seven scores are those of MRI-IQ-ETK (RST26MD03.01; Tan et al. 2024): geometric accuracy,
uniformity, ghosting, sharpness, signal-to-noise ratio, high-contrast resolution and low-contrast detectability.  Eight
simulated coils scan the phantoms.  Beside the clean scores stand those with noise and under the worst perturbation that
was found, of equal norm; each phantom has its own attack, on the squared error.
"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from bench.plan.config import RunConfig
from bench.plan.errors import DONE, UsageError
from bench.shell.arguments import HelpFormatter, Parser, epsilon, integer, number, one_of
from bench.shell.command import execute
from bench.shell.flags import CENTER_FRACTION, add_debug, add_device
from bench.shell.method_flags import add_method_settings
from data_prep.process import as_process
from jaxcs.catalogue import METHODS, OF_KSPACE

_METHODS = tuple(name for name in OF_KSPACE if not (METHODS[name].fitted or METHODS[name].one_coil))


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return execute(parser(), "bench.phantoms", "choose a method that needs less", _work, argv)


def parser() -> Parser:
    """Build the parser of the command line."""
    made = Parser(
        prog="python -m bench.phantoms",
        examples=("--method sense --eps 0.02", "--method unet --set smoothing=0.02 draws=4 --output unet.json"),
        description=__doc__,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument(
        "--method", type=one_of(_METHODS), default="l1", metavar="M", help=f"{', '.join(_METHODS)}; l1 if not given"
    )
    add_method_settings(made)
    made.add_argument(
        "--weights", metavar="FILE",
        help="weights of a network: a file, or the name of shipped weights; if not given, those for phantom knees",
    )  # fmt: skip
    made.add_argument(
        "--eps", type=epsilon, default=0.05, metavar="E",
        help="size of the perturbation, relative to the data; 0.05 if not given",
    )  # fmt: skip
    made.add_argument("--acceleration", type=number(1), default=4.0, metavar="R", help="random columns; 4 if not given")
    made.add_argument("--steps", type=integer(1), metavar="N", help="steps of the attack; its default if not given")
    made.add_argument("--seed", type=integer(0), default=0, metavar="N", help="seed of mask, noise and search")
    made.add_argument("--output", metavar="FILE.json", help="write a record of the scores and of what decided them")
    add_device(made)
    add_debug(made)
    return made


def _work(arguments: Namespace, argv: list[str]) -> int:
    from bench.record.holding import check_free, held_beside
    from bench.record.provenance import device, versions
    from bench.record.records import RunFolder
    from bench.slices.sources import check_device  # these import JAX
    from bench.studies.phantoms.scored import carry_out
    from bench.studies.phantoms.told import markdown

    check_device(arguments.device)
    output = None if arguments.output is None else Path(arguments.output)
    if output is not None and output.suffix.lower() != ".json":
        raise UsageError(f"--output {output}: is written as .json; give another name")
    config = RunConfig(
        method=arguments.method,
        settings=tuple(dict(arguments.set).items()),
        weights=arguments.weights,
        steps=arguments.steps,
        eps=(arguments.eps,),
        mask="random",
        acceleration=arguments.acceleration,
        center_fraction=CENTER_FRACTION,
        seed=arguments.seed,
    )
    if output is None:
        print(markdown(carry_out(config)))
        return DONE
    with held_beside(output, "record"):
        check_free(output, argv)
        found = {"argv": argv, "versions": versions(), "device": device()} | carry_out(config)
        print(markdown(found))
        RunFolder(output.parent).write_json(output.name, found)
    return DONE


if __name__ == "__main__":
    as_process(main)
