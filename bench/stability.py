"""Test the stability of reconstructions as Antun et al. (PNAS 2020): python -m bench.stability --method unet."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from bench.plan.errors import UsageError
from bench.shell.arguments import HelpFormatter, NamedOnce, Parser, add_resume, check_resumed, integer, one_of, setting
from bench.shell.command import execute
from bench.shell.flags import add_data, add_debug, add_device, add_json, add_shift, in_order
from bench.studies.stability.worlds import (
    ANTUN,
    AUTO,
    COMPARATORS,
    PROTOCOLS,
    RESIDUALS,
    SEVERAL,
    STUDIES,
    WORLDS,
    is_network,
    names_of,
    unsuited,
)
from data_prep.process import as_process

if TYPE_CHECKING:
    from bench.studies.stability.config import StabilityConfig

# Default number of images: each takes minutes.
_IMAGES = 2


def parser() -> Parser:
    """Build the parser of the command line."""
    top = Parser(
        prog="python -m bench.stability",
        examples=(
            "--method unet --study perturbation --sweep --limit 1",
            "--like antun2020 --limit 1",
            "--resume runs/RUN",
        ),
        description="Test the stability of reconstructions in three ways: small perturbations of the image, text and "
        "symbols in the image, and more samples. Each method is tested with its own sampling, beside a method of "
        "sparsity and beside controls.",
        epilog="Without --data it runs on the built-in phantom. A stopped study goes on with --resume.",
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    what = top.add_argument_group("what")
    what.add_argument(
        "--method",
        type=one_of((*WORLDS, *SEVERAL)),
        nargs="+",
        metavar="NAME",
        help=f"one or several of {', '.join(WORLDS)}; ell50 and med50 = fbpconvnet on sinograms; antun = "
        f"{', '.join(ANTUN)}, the paper's networks; all; if not given, unet, or with --like the paper's networks",
    )
    what.add_argument(
        "--study",
        type=one_of(STUDIES),
        nargs="+",
        default=list(STUDIES),
        metavar="NAME",
        help="perturbation = each method under its worst small perturbation, under that of another and under noise; "
        "structure = text and the suits of cards in the image; samples = from few to many samples; all if not given",
    )
    what.add_argument(
        "--weights",
        type=setting,
        nargs="+",
        action=NamedOnce,
        default=[],
        metavar="NAME=FILE",
        help="weights of a network; the shipped weights if not given",
    )
    what.add_argument(
        "--comparator",
        type=one_of(COMPARATORS),
        metavar="NAME",
        help=f"the method of sparsity beside each tested method: {', '.join(COMPARATORS)}; if not given, tv for "
        "sinograms, shearlets for one coil, and bpdn",
    )
    attack = top.add_argument_group("attack")
    attack.add_argument(
        "--like",
        type=one_of(PROTOCOLS),
        metavar="PAPER",
        help="antun2020 = the paper's protocol: its networks with its sampling, constants and numbers of steps; a line "
        "for each difference that remains",
    )
    attack.add_argument(
        "--constants",
        type=one_of(("published", AUTO)),
        default="published",
        metavar="KIND",
        help="constants of the attack of the paper: published, for the networks that have them, or auto, which follow "
        "from the largest singular value of the method",
    )
    attack.add_argument(
        "--sweep",
        action="store_true",
        help="repeat the attack on each method with other constants, around those of --constants: step, penalty, "
        "momentum and number of steps",
    )
    attack.add_argument(
        "--residual",
        type=one_of(RESIDUALS),
        default="magnitude",
        metavar="KIND",
        help="what the attack changes, and what the gain is of: magnitude, or complex, the complex images of methods "
        "that give them; the paper has complex for deepmri and mri_vn",
    )
    attack.add_argument(
        "--steps",
        type=integer(1),
        metavar="N",
        help="number of steps of the attack; that of the constants if not given",
    )
    data = top.add_argument_group("data")
    add_data(data)
    add_shift(data)
    data.add_argument("--limit", type=integer(1), default=_IMAGES, metavar="N", help="number of images")
    run = top.add_argument_group("run")
    run.add_argument("--seed", type=integer(0), default=0, metavar="N", help="seed of starting points and noise")
    add_device(run)
    add_resume(run, "study")
    output = top.add_argument_group("output")
    output.add_argument("--output", default="runs", metavar="DIR", help="each study makes a new folder in here")
    add_json(output, "one JSON object instead of the tables")
    add_debug(output)
    return top


def configuration(arguments: Namespace) -> StabilityConfig:
    """Return the configuration that the arguments give.

    Raises:
        UsageError: arguments contradict each other.
    """
    from bench.studies.stability.config import StabilityConfig

    methods = names_of(tuple(arguments.method or (ANTUN if arguments.like else ("unet",))))
    sinograms = [name for name in methods if WORLDS[name].phantom]
    if arguments.shift and sinograms:
        raise UsageError(f"--shift: the sinograms of {sinograms[0]} have no shifts; leave the flag or the method out")
    if arguments.like and not set(methods) <= set(ANTUN):
        raise UsageError(f"--like {arguments.like}: is about {', '.join(ANTUN)}; name some of these in --method")
    if arguments.like and arguments.constants == AUTO:
        raise UsageError(f"--constants auto: --like {arguments.like} has the published ones; leave one of the two out")
    for name, _ in arguments.weights:
        if name not in methods:
            raise UsageError(f"--weights {name}: is not tested; add it to --method, or leave it out")
        if not is_network(name):
            raise UsageError(f"--weights {name}: is not trained; leave it out")
    for name in methods if arguments.comparator else ():
        reason = unsuited(name, arguments.comparator)
        if reason is not None:
            raise UsageError(f"--comparator {arguments.comparator}: {reason}")
    studies = tuple(study for study in STUDIES if study in arguments.study)
    if studies == ("samples",) and not any(WORLDS[name].accelerations for name in methods):
        raise UsageError(f"--study samples: {methods[0]} is for one mask; choose another study or method")
    of_perturbation = {
        "--sweep": arguments.sweep,
        "--constants auto": arguments.constants == AUTO,
        "--residual complex": arguments.residual != "magnitude",
    }
    for flag, given in of_perturbation.items():
        if given and "perturbation" not in studies:
            raise UsageError(f"{flag}: is about the attack; add perturbation to --study, or leave the flag out")
    return StabilityConfig(
        studies=studies,
        methods=methods,
        weights=tuple(sorted(dict(arguments.weights).items())),
        constants=arguments.constants,
        steps=arguments.steps,
        data=arguments.data,
        phantom=arguments.phantom,
        limit=arguments.limit,
        seed=arguments.seed,
        acquisition=tuple(arguments.acquisition),
        sweep=arguments.sweep,
        comparator=arguments.comparator,
        shift=in_order(arguments.shift),
        like=arguments.like,
        residual=None if arguments.residual == "magnitude" else arguments.residual,
    )


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""

    def work(arguments: Namespace, argv: list[str]) -> int:
        check_resumed(arguments.resume, argv, "study")
        from bench.studies.stability.finish import tell
        from bench.studies.stability.study import KIND, run  # these import JAX

        before = None if arguments.resume is None else KIND.stored(Path(arguments.resume))
        config = configuration(arguments) if before is None else before.config
        done = run(config, output=Path(arguments.output), device=arguments.device, resume=before, argv=argv)
        return tell(done, arguments.json)

    return execute(parser(), "bench.stability", "use fewer coils or a smaller matrix", work, argv)


if __name__ == "__main__":
    as_process(main)
