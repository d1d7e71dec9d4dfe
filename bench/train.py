"""Train a network and export its weights: python -m bench.train --method varnet."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from bench.plan.config import Sampling
from bench.plan.errors import UsageError
from bench.processes.distributed import connected
from bench.shell.arguments import HelpFormatter, Parser, add_resume, flags_besides, integer, number, one_of
from bench.shell.command import execute
from bench.shell.flags import (
    add_data,
    add_debug,
    add_device,
    add_processes,
    add_sampling,
    add_shift,
    add_views,
    check_kind,
    in_common,
    in_order,
    meeting,
    phantom_of,
)
from bench.training.config import TrainConfig
from bench.training.trackers import TRACKERS
from data_prep.process import as_process
from jaxcs.catalogue import LARGEST_EPSILON, METHODS, NETWORKS

VARIANTS = tuple(dict.fromkeys(preset for name in NETWORKS for preset in METHODS[name].presets))
_BY_SSIM = " and ".join(name for name in NETWORKS if METHODS[name].published_loss == "ssim")
# Names only; a test holds them equal to the registry.
LOSSES = ("l1", "l2", "ssim")
_BFLOAT16 = "bfloat16 = parameters and images of the convolutions are rounded to it"
_BESIDE_RESUME = (
    "--resume", "--device", "--precision", "--distributed", "--coordinator", "--processes", "--process", "--debug",
)  # fmt: skip


def parser() -> Parser:
    """Build the parser of the command line."""
    top = Parser(
        prog="python -m bench.train",
        examples=(
            "--method unet --images 40 --steps 200",
            "--method varnet --data train/ --validation val/ --batch 2",
            "--resume runs/RUN",
        ),
        description="Train a network. The best weights so far are always in RUN/weights.safetensors, which "
        "bench.attack --weights takes; an interrupted run goes on with --resume RUN.",
        epilog="Without --data it trains on the built-in phantom. Exit codes: as for bench.attack.",
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    what = top.add_argument_group("what")
    what.add_argument("--method", type=one_of(NETWORKS), default="varnet", metavar="NAME", help=" or ".join(NETWORKS))
    what.add_argument(
        "--variant",
        type=one_of(VARIANTS),
        default="small",
        metavar="NAME",
        help="small, half (of Morshuis et al., unet and varnet), u1 to u5 (unet) or v1 to v5 (varnet) of the ICML 2021 "
        "paper, tiny and p64 (automap), rixez (mri_vn, as a port of it is), paper (the published network of others; "
        "unet_complex, of the width that test-time training was published with)",
    )
    what.add_argument("--initial", metavar="WEIGHTS", help="start from these weights")
    data = top.add_argument_group("data")
    add_data(data, ct=True, several=True)
    data.add_argument("--validation", metavar="PATH", help="validation data; needed for fastMRI files")
    data.add_argument(
        "--images",
        type=integer(1),
        metavar="N",
        help="number of training images; all, or 300 of the phantom, if not given",
    )
    data.add_argument(
        "--validation-images",
        type=integer(1),
        metavar="N",
        help="number of validation images; all, or 16 of the phantom, if not given",
    )
    data.add_argument(
        "--rows",
        type=integer(0),
        default=0,
        metavar="N",
        help="number of image rows of an example, at a random place; 0 for all",
    )
    add_shift(data)
    data.add_argument(
        "--shifted", type=number(0, 1), default=1.0, metavar="S", help="share of the scans that --shift changes"
    )
    add_sampling(data)
    add_views(data)
    training = top.add_argument_group("training")
    training.add_argument(
        "--loss",
        type=one_of(LOSSES),
        metavar="NAME",
        help=f"l1, l2 or ssim; if not given ssim for {_BY_SSIM}, else l1",
    )
    training.add_argument("--steps", type=integer(1), default=3000, metavar="N", help="optimiser steps")
    training.add_argument("--batch", type=integer(1), default=1, metavar="N", help="examples at once")
    training.add_argument("--accumulate", type=integer(1), default=1, metavar="N", help="batches per optimiser step")
    training.add_argument(
        "--learning-rate", type=number(0, open_low=True), default=1e-3, metavar="R", help="peak learning rate of Adam"
    )
    training.add_argument(
        "--adversarial-eps",
        type=number(0, LARGEST_EPSILON),
        default=0.0,
        metavar="E",
        help="attack every example at this epsilon; 0: none",
    )
    training.add_argument(
        "--adversarial-steps", type=integer(1), default=2, metavar="K", help="gradient steps of that attack"
    )
    training.add_argument(
        "--jitter", type=number(0), default=0.0, metavar="E", help="largest relative norm of noise on the data; 0: none"
    )
    training.add_argument(
        "--self-supervised",
        type=number(0),
        default=0.0,
        metavar="W",
        help="weight of a second loss, which test-time training needs: the misfit of the image to the measured data in "
        "the 1-norm, relative to the data; 0: none",
    )
    run = top.add_argument_group("run")
    run.add_argument("--every", type=integer(1), default=250, metavar="N", help="steps between validations")
    run.add_argument(
        "--patience",
        type=integer(1),
        default=20,
        metavar="N",
        help="validations without improvement before the training stops",
    )
    run.add_argument("--seed", type=integer(0), default=0, metavar="N", help="seed of weights, order, masks and noise")
    add_device(run, _BFLOAT16)
    add_resume(run, "training", _BESIDE_RESUME)
    add_processes(run, "each a part of every batch, with one --output for all")
    output = top.add_argument_group("output")
    output.add_argument("--output", default="runs", metavar="DIR", help="each run makes a new folder in here")
    output.add_argument(
        "--licence", default="Apache-2.0", metavar="TEXT", help="licence of the weights, for their card"
    )
    output.add_argument(
        "--log",
        type=one_of(tuple(TRACKERS)),
        metavar="NAME",
        help=f"follow the training in {' or '.join(TRACKERS)} too, an extra of the same name to install; --resume goes "
        "on with it",
    )
    add_debug(output)
    return top


def configuration(arguments: Namespace) -> TrainConfig:
    """Return the configuration that the arguments give.

    Raises:
        UsageError: arguments contradict each other.
    """
    values = vars(arguments)
    names = TrainConfig.__dataclass_fields__
    config = {name: values[name] for name in names}
    config |= {"acquisition": tuple(arguments.acquisition)}
    for name, usual in zip(Sampling._fields, METHODS[arguments.method].sampling, strict=True):
        config[name] = usual if config[name] is None else config[name]
    # The precision of products is a setting of JAX, which the record has among the versions.
    config |= {"precision": "bfloat16" if arguments.precision == "bfloat16" else "float32"}
    config |= {"loss": arguments.loss or METHODS[arguments.method].published_loss, "shift": in_order(arguments.shift)}
    config["phantom"] = tuple(arguments.phantom or [phantom_of(None, arguments.method)])
    for family in config["phantom"]:
        check_kind(arguments.method, family, arguments.data, arguments.views)
        if config["phantom"].count(family) > 1:
            raise UsageError(f"--phantom {family}: is named twice; name it once")
    if arguments.shifted != 1 and not arguments.shift:
        raise UsageError("--shifted: is the share of the scans that --shift changes; give --shift too")
    if "thickness" in dict(arguments.shift):
        raise UsageError("--shift thickness: a training reads no neighbouring slices; train on a file of such slices")
    if arguments.rows and config["mask"] == "poisson":
        raise UsageError(
            "--rows: a poisson mask under-samples rows too, so that a band of them is no scan; use another --mask"
        )
    if arguments.self_supervised and arguments.method in ("unet", "dagan", "automap"):
        raise UsageError(
            f"--self-supervised: {arguments.method} gives a magnitude, which has no k-space; use --method "
            "unet_complex, varnet or irim"
        )
    if METHODS[arguments.method].prior:
        _check_prior(arguments)
    if arguments.rows and METHODS[arguments.method].one_mask:
        raise UsageError(f"--rows: {arguments.method} is for one size; leave the flag out")
    return TrainConfig(**config)


def _check_prior(arguments: Namespace) -> None:
    """Raise UsageError for a flag that a network of images has no use for."""
    given = {
        "--loss": arguments.loss not in (None, METHODS[arguments.method].published_loss),
        "--adversarial-eps": arguments.adversarial_eps > 0,
        "--jitter": arguments.jitter > 0,
        "--self-supervised": arguments.self_supervised > 0,
    }
    for flag, is_given in given.items():
        if is_given:
            raise UsageError(
                f"{flag}: {arguments.method} is trained to denoise images, and reconstructs nothing meanwhile; leave "
                "the flag out"
            )


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""

    def work(arguments: Namespace, argv: list[str]) -> int:
        others = [] if arguments.resume is None else flags_besides(argv, _BESIDE_RESUME)
        if arguments.resume is not None and arguments.precision == "bfloat16":
            others.append("--precision bfloat16")
        if others:
            raise UsageError(
                f"{others[0]}: the training in {arguments.resume} goes on as it was begun; leave the flag out, or "
                f"begin another from its weights, with --initial {arguments.resume}/weights.safetensors"
            )
        with connected(meeting(arguments), in_common(arguments)) as team:
            from bench.training.session import go_on, run  # imports JAX

            if arguments.resume is not None:
                return go_on(Path(arguments.resume), device=arguments.device, team=team)
            config, output = configuration(arguments), Path(arguments.output)
            return run(config, tracker=arguments.log, output=output, device=arguments.device, argv=argv, team=team)

    return execute(parser(), "bench.train", "use a smaller --batch", work, argv)


if __name__ == "__main__":
    as_process(main)
