"""Attack a reconstruction method and report how far it can be pushed: python -m bench.attack --method l1."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentDefaultsHelpFormatter, Namespace

from bench.harness.arguments import Parser, integer, number, one_of, setting
from bench.harness.command import execute
from bench.harness.config import RunConfig
from bench.harness.errors import UsageError
from bench.harness.flags import add_data, add_device, add_sampling

# Names only: the registries they stand for import JAX, which --help must not wait for.  A test holds them equal.
METHODS = ("zero_filled", "sense", "l1", "tv", "unet", "varnet", "convdecoder", "deepdecoder", "dip")
NETWORKS = ("unet", "varnet")
UNTRAINED = ("convdecoder", "deepdecoder", "dip")
PRESETS = ("rc2021", "paper", "attack2021", "pathology2021", "feature2021", "brain2021", "original")
ATTACKS = ("pgd", "noise", "two_step")
ATTACK_PRESETS = ("bounded", "published")
NORMS = ("measured", "kspace", "per_coil", "image")


def parser() -> Parser:
    """The command's arguments."""
    top = Parser(
        prog="python -m bench.attack",
        description="Find the worst small perturbation of the measured k-space for a reconstruction method, by "
        "gradients through the whole method, and set it beside noise of equal norm.",
        epilog="Without --data it runs on the built-in phantom. Exit codes: 0 done, 1 done with failed images, "
        "2 usage, 3 bad input, 4 output or disk, 5 out of memory, 130 or 143 interrupted.",
        formatter_class=ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    what = top.add_argument_group("what")
    what.add_argument(
        "--method", type=one_of(METHODS), default="l1", metavar="NAME", help=f"one of {', '.join(METHODS)}"
    )
    what.add_argument(
        "--preset",
        type=one_of(PRESETS),
        metavar="NAME",
        help="named configuration of the method: rc2021 (l1); paper, original (convdecoder, deepdecoder, dip); "
        "attack2021, pathology2021, feature2021, brain2021 (convdecoder)",
    )
    what.add_argument(
        "--set",
        type=setting,
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME=VALUE",
        help="change the method's configuration, such as lam=0.005 (relative to max|A^H y|), n_iters=100, basis=dct",
    )
    what.add_argument(
        "--weights",
        metavar="FILE",
        help="of a trained method: a file of bench.train, a fastMRI checkpoint (.pt, .pth, .ckpt), or the name of "
        "shipped ones; if not given, the shipped ones for the phantom, or for --data those trained on T2 brains",
    )
    attack = top.add_argument_group("attack")
    attack.add_argument(
        "--attack", type=one_of(ATTACKS), default="pgd", metavar="NAME", help=f"one of {', '.join(ATTACKS)}"
    )
    attack.add_argument(
        "--attack-preset",
        type=one_of(ATTACK_PRESETS),
        default="bounded",
        metavar="NAME",
        help="of two_step: with a distance that saturates, or as published",
    )
    attack.add_argument(
        "--eps",
        type=number(0),
        nargs="+",
        metavar="E",
        help="sizes of the perturbation, relative to what --norm names [-]; 0.01 0.02 0.03 0.05 0.08 if not given, or "
        "0.05 for un-trained networks, of which each image is a fit",
    )
    attack.add_argument(
        "--norm",
        type=one_of(NORMS),
        default="measured",
        metavar="SET",
        help="the set of perturbations, all in the l2 norm: measured = of the measured entries, relative to them; "
        "kspace = of the whole k-space; per_coil = a ball for each coil; image = of the image, relative to the truth",
    )
    attack.add_argument(
        "--steps", type=integer(1), metavar="N", help="gradient steps per epsilon; 5, or 10 on a network, if not given"
    )
    attack.add_argument(
        "--step-size",
        type=number(0, open_low=True),
        metavar="S",
        help="step in units of the radius; 4, or 1 on a network, if not given",
    )
    attack.add_argument(
        "--restarts",
        type=integer(1),
        metavar="N",
        help="starts per epsilon, of which the strongest is kept; 1 if not given",
    )
    attack.add_argument(
        "--method-seed",
        type=one_of(("known", "fresh")),
        default="known",
        metavar="S",
        help="random network of an un-trained method: known to the attack, or drawn afresh where it is scored",
    )
    attack.add_argument(
        "--target",
        type=one_of(("truth", "clean")),
        metavar="T",
        help="drive the image away from truth or clean output; truth if not given",
    )
    attack.add_argument(
        "--maps",
        type=one_of(("fixed", "reestimated")),
        default="fixed",
        metavar="M",
        help="coil maps: fixed at those of the clean data, or reestimated from the perturbed data within the attack",
    )
    data = top.add_argument_group("data")
    add_data(data)
    add_sampling(data)
    data.add_argument(
        "--limit",
        type=integer(1),
        metavar="N",
        help="slices to use; all of --data, or of the phantom 10 (2 for varnet and un-trained ones), if not given",
    )
    run = top.add_argument_group("run")
    run.add_argument("--seed", type=integer(0), default=0, metavar="N", help="of random starts and noise")
    add_device(run)
    run.add_argument(
        "--batch", type=integer(1), default=1, metavar="N", help="slices of one shape computed side by side"
    )
    run.add_argument("--dry-run", action="store_true", help="say what would be done, with memory and time, and stop")
    output = top.add_argument_group("output")
    output.add_argument("--output", default="runs", metavar="DIR", help="each run makes a folder of its own in here")
    output.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    output.add_argument("--save-perturbations", action="store_true", help="write perturbations.npz")
    output.add_argument("--debug", action="store_true", help="show tracebacks")
    return top


def configuration(arguments: Namespace) -> RunConfig:
    """The arguments that decide the numbers."""
    if arguments.attack == "two_step":
        for name in ("steps", "step_size", "restarts", "target"):
            if getattr(arguments, name) is not None:
                flag = name.replace("_", "-")
                raise UsageError(f"--{flag}: two_step has constants of its own; leave it out, or use --attack pgd")
    # Reconstruction errors of the iterative methods are nearly quadratic in the perturbation, where large steps are a
    # power iteration; those of networks are not.
    steps, step_size = (10, 1.0) if arguments.method in NETWORKS + UNTRAINED else (5, 4.0)
    eps = arguments.eps or ([0.05] if arguments.method in UNTRAINED else [0.01, 0.02, 0.03, 0.05, 0.08])
    return RunConfig(
        method=arguments.method,
        preset=arguments.preset,
        settings=tuple(arguments.set),
        weights=arguments.weights,
        attack=arguments.attack,
        attack_preset=arguments.attack_preset,
        method_seed=arguments.method_seed,
        steps=arguments.steps or steps,
        step_size=arguments.step_size or step_size,
        restarts=arguments.restarts or 1,
        eps=tuple(sorted(set(eps))),
        norm=arguments.norm,
        target=arguments.target or "truth",
        maps=arguments.maps,
        data=arguments.data,
        phantom=arguments.phantom,
        mask=arguments.mask,
        acceleration=arguments.acceleration,
        center_fraction=arguments.center_fraction,
        limit=arguments.limit,
        seed=arguments.seed,
    )


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""

    def work(arguments: Namespace, argv: list[str]) -> int:
        from bench.harness.session import run  # imports JAX

        summary, exit_code = run(configuration(arguments), arguments, argv)
        if arguments.json and summary is not None:
            print(json.dumps(summary))
        return exit_code

    advice = "use a smaller --batch or fewer coils"
    return execute(parser(), "bench.attack", advice, work, sys.argv[1:] if argv is None else argv)


if __name__ == "__main__":
    sys.exit(main())
