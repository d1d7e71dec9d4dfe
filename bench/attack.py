"""Attack a reconstruction method and report how far it can be pushed: python -m bench.attack --method l1."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.plan.catalogue import ATTACKS, CHANGES, LOSSES, METHODS, NORMS, PRESETS
from bench.plan.config import RunConfig
from bench.plan.errors import DONE, UsageError
from bench.plan.like import LIKE
from bench.plan.shards import WHOLE
from bench.processes.distributed import ALONE, Team, connected, wanted
from bench.shell.arguments import HelpFormatter, Parser, flags_besides, integer, number, one_of, shard
from bench.shell.command import execute
from bench.shell.flags import (
    CENTER_FRACTION,
    add_data,
    add_device,
    add_processes,
    add_sampling,
    add_settings,
    add_shift,
    in_common,
    in_order,
    meeting,
)
from data_prep.process import as_process

if TYPE_CHECKING:
    from bench.record.stored import Stored

SEVERAL = ("all", "basis")
# The smallest side of a region, SSIM's window.
WINDOW = 7
# Those that change the object, and what is right with it.
OF_THE_OBJECT = ("shift", "rotation", "deformation", "bias")

# What decides no number.
BESIDE_RESUME = ("--resume", "--shard", "--batch", "--device", "--devices", "--dry-run", "--json", "--debug")


def _one_of_or_own(choices: tuple[str, ...]) -> Callable[[str], str]:
    """A type for one of `choices`, or MODULE:FUNCTION."""
    known = one_of(choices)
    return lambda text: text if ":" in text else known(text)


def parser() -> Parser:
    """The command's arguments."""
    top = Parser(
        prog="python -m bench.attack",
        description="Find the worst small perturbation of the measured k-space for a reconstruction method, by "
        "gradients through the whole method, and set it beside noise of equal norm.",
        epilog="Without --data it runs on the built-in phantom. Exit codes: 0 done, 1 done with failed images, "
        "2 usage, 3 bad input, 4 output or disk, 5 out of memory, 130 or 143 interrupted; what was stopped "
        "goes on with --resume.",
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    what = top.add_argument_group("what")
    what.add_argument(
        "--method",
        type=_one_of_or_own(METHODS + SEVERAL),
        default="l1",
        metavar="NAME",
        help=f"one of {', '.join(METHODS)}; all = l1, unet, varnet and convdecoder beside each other; basis = l1 with "
        "wavelets, Fourier and DCT; or MODULE:FUNCTION of your own, see docs/how-to/own-reconstruction.md",
    )
    what.add_argument(
        "--victims",
        type=_one_of_or_own((*METHODS, "all")),
        nargs="+",
        default=[],
        metavar="NAME",
        help="methods that are also scored under each perturbation; all = those of --method all",
    )
    what.add_argument(
        "--preset",
        type=one_of(PRESETS),
        metavar="NAME",
        help="named configuration of the method: rc2021, early_stopped (l1); published (ttt_unet, ttt_varnet); paper, "
        "original (convdecoder, deepdecoder, dip); attack2021, pathology2021, feature2021, brain2021 (convdecoder)",
    )
    add_settings(
        what,
        "change the method's configuration, such as lam=0.005 (relative to max|A^H y|), n_iters=100, basis=dct; "
        "of several methods as l1.lam=0.005",
    )
    what.add_argument(
        "--weights",
        metavar="FILE",
        help="of a trained method: a file of bench.train, a fastMRI checkpoint (.pt, .pth, .ckpt), or the name of "
        "shipped ones; if not given, the shipped ones for the phantom, or for --data those trained on T2 brains",
    )
    attack = top.add_argument_group("attack")
    attack.add_argument(
        "--like",
        type=one_of(tuple(LIKE)),
        metavar="PAPER",
        help=f"a published protocol, where no other flag says otherwise: one of {', '.join(LIKE)}",
    )
    attack.add_argument(
        "--attack",
        type=one_of((*ATTACKS, "rotation")),
        metavar="NAME",
        help=f"one of {', '.join(ATTACKS)}; rotation = the worst angle of a grid; if not given, scout, or apgd for "
        "networks, what fits a network, and --threat",
    )
    attack.add_argument(
        "--attack-preset",
        metavar="NAME",
        help="named configuration of the attack: bounded, published (two_step, region); genzel2020, rc2021_unet, "
        "rc2021_varnet (padam); deepmri, automap_fig2, automap_fig7, med50, also as NAME_printed, mri_vn "
        "and auto (momentum)",
    )
    attack.add_argument(
        "--threat",
        type=one_of(("noise", *CHANGES)),
        metavar="NAME",
        help=f"what is perturbed: noise = the data, see --norm; or a change of the scan: {', '.join(CHANGES)}; "
        "noise if not given",
    )
    attack.add_argument(
        "--eps",
        type=number(0),
        nargs="+",
        metavar="E",
        help="sizes of the perturbation: of noise relative to what --norm names [-], 0.01 0.02 0.03 0.05 0.08 if not "
        "given, but 0.01 0.02 0.05 for varnet and irim, and 0.05 for what fits a network; of shift and deformation "
        "in pixels, of rotation in degrees, of bias and maps relative [-], of phase in radians",
    )
    attack.add_argument(
        "--norm",
        type=one_of(NORMS),
        metavar="SET",
        help="the set of perturbations, all in the l2 norm: measured = of the measured entries, relative to them; "
        "kspace = of the whole k-space; per_coil = a ball for each coil; whitened = of the data whitened by the coils' "
        "noise; image = of the image, relative to the truth; measured if not given, or image for momentum",
    )
    attack.add_argument(
        "--steps", type=integer(1), metavar="N", help="gradient steps per epsilon; as the attack has it if not given"
    )
    attack.add_argument(
        "--step-size",
        type=number(0, open_low=True),
        metavar="S",
        help="step in units of the radius; as the attack has it if not given",
    )
    attack.add_argument(
        "--restarts",
        type=integer(1),
        metavar="N",
        help="starts per epsilon, of which the strongest is kept; as the attack has it if not given",
    )
    attack.add_argument(
        "--region",
        type=integer(0),
        nargs=4,
        metavar=("Y", "X", "ROWS", "COLUMNS"),
        help="box of the image [pixels] that is scored, and that the attack looks at",
    )
    attack.add_argument(
        "--aim",
        type=one_of(("image", "region")),
        metavar="A",
        help="with --region, what the attack looks at: image or region; region if not given",
    )
    attack.add_argument(
        "--check",
        action="store_true",
        help="gather more evidence: twice the steps, three more starts, and an attack without gradients",
    )
    attack.add_argument(
        "--method-seed",
        type=one_of(("known", "fresh")),
        default="known",
        metavar="S",
        help="what a fit draws at random, an un-trained network or the samples that are withheld: known to the attack, "
        "or drawn afresh where it is scored",
    )
    attack.add_argument(
        "--target",
        type=one_of(("truth", "clean")),
        metavar="T",
        help="drive the image away from truth or clean output; truth if not given",
    )
    attack.add_argument(
        "--loss",
        type=one_of(LOSSES),
        default="nmse",
        metavar="L",
        help="the error that the attack drives up: nmse = squared error; ssim = 1 - SSIM; row_error = squared error of "
        "each row relative to its own energy; max_error = largest error of a pixel; nmse if not given",
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
    add_sampling(data, center_fraction=None)
    add_shift(data)
    data.add_argument(
        "--only", metavar="FILE", help="a CSV list of cases, such as bench.hardest writes: of the data only these"
    )
    data.add_argument(
        "--limit",
        type=integer(1),
        metavar="N",
        help="slices to use; if not given, all of --data or --only, or of the phantom 10 (2 for varnet and what fits "
        "a network)",
    )
    run = top.add_argument_group("run")
    run.add_argument("--seed", type=integer(0), default=0, metavar="N", help="of random starts and noise")
    add_device(run)
    run.add_argument(
        "--devices",
        type=lambda text: 0 if text == "all" else integer(1)(text),
        metavar="N",
        help="devices of this machine that share the slices, or all; 1 if not given",
    )
    run.add_argument(
        "--batch",
        type=lambda text: 0 if text == "auto" else integer(1)(text),
        metavar="N",
        help="slices of one shape at once on each device, or auto: as many as its memory holds, by the compiler's "
        "estimate, but 1 on the CPU, where more gain nothing; auto if not given",
    )
    run.add_argument(
        "--resume",
        metavar="RUN",
        help=f"go on with the run in this folder, as it was begun; beside it only {', '.join(BESIDE_RESUME[1:])}",
    )
    run.add_argument(
        "--shard",
        type=shard,
        default=WHOLE,
        metavar="I/N",
        help="only the I-th of N parts of the images, such as 2/8; all parts share a folder in --output, and the last "
        "one to end makes the report",
    )
    add_processes(run, "each a part of the images")
    run.add_argument("--dry-run", action="store_true", help="say what would be done, with memory and time, and stop")
    output = top.add_argument_group("output")
    output.add_argument("--output", default="runs", metavar="DIR", help="each run makes a folder of its own in here")
    output.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    output.add_argument("--save-perturbations", action="store_true", help="write perturbations.npz")
    output.add_argument("--debug", action="store_true", help="show tracebacks")
    return top


def configuration(arguments: Namespace) -> RunConfig:
    """The arguments that decide the numbers.  Raises UsageError where they contradict each other."""
    protocol = dict(LIKE[arguments.like].fields) if arguments.like else {}

    def chosen(name: str, otherwise: Any) -> Any:
        given = getattr(arguments, name)
        return given if given is not None else protocol.get(name, otherwise)

    rotation = arguments.attack == "rotation"
    threat = arguments.threat or ("rotation" if rotation else "noise")
    _check(arguments, threat)
    if threat in CHANGES:
        protocol.pop("eps", None)
    region = None if arguments.region is None else tuple(arguments.region)
    return RunConfig(
        method=arguments.method,
        preset=arguments.preset,
        settings=tuple(arguments.set),
        victims=tuple(arguments.victims),
        weights=arguments.weights,
        attack="grid" if rotation else arguments.attack or "default",
        attack_preset=arguments.attack_preset,
        steps=arguments.steps,
        step_size=arguments.step_size,
        restarts=arguments.restarts,
        like=arguments.like,
        method_seed=arguments.method_seed,
        threat=threat,
        eps=tuple(sorted(set(chosen("eps", ())))),
        norm=chosen("norm", ""),
        target=chosen("target", "truth"),
        loss=arguments.loss,
        region=region,
        aim=arguments.aim or "",
        maps=arguments.maps,
        check=arguments.check,
        data=arguments.data,
        phantom=arguments.phantom,
        only=arguments.only,
        shift=in_order(arguments.shift),
        mask=arguments.mask,
        acceleration=arguments.acceleration,
        center_fraction=chosen("center_fraction", CENTER_FRACTION),
        limit=arguments.limit,
        seed=arguments.seed,
    )


def _check(arguments: Namespace, threat: str) -> None:
    """Raise UsageError where flags contradict each other."""
    if arguments.attack == "two_step" and arguments.target is not None:
        raise UsageError("--target: two_step has constants of its own; leave it out, or use --attack pgd")
    if arguments.attack == "two_step" and threat != "noise":
        raise UsageError(f"--threat {threat}: two_step perturbs k-space alone; use another attack")
    if arguments.attack == "rotation" and threat != "rotation":
        raise UsageError(f"--threat {threat}: --attack rotation turns the object; leave one of the two out")
    if arguments.attack == "grid" and threat != "rotation":
        raise UsageError(f"--attack grid: --threat {threat} has more than one parameter; use --threat rotation")
    if threat != "noise" and arguments.norm is not None:
        raise UsageError(f"--norm: {threat} has a size of its own; leave it out, or use --threat noise")
    if threat in OF_THE_OBJECT and arguments.target == "clean":
        raise UsageError(f"--target clean: {threat} changes the object, and what is right with it; leave it out")
    if arguments.attack == "momentum" and arguments.norm not in (None, "image"):
        raise UsageError("--attack momentum: it perturbs the image; use --norm image")
    if arguments.region is not None and min(arguments.region[2:]) < WINDOW:
        raise UsageError(f"--region: SSIM needs a box of at least {WINDOW} x {WINDOW} pixels")
    if arguments.aim is not None and arguments.region is None:
        raise UsageError("--aim: names what --region is for; give --region Y X ROWS COLUMNS")


def _check_resume(arguments: Namespace, argv: list[str]) -> None:
    """Raise UsageError if --resume stands beside a flag that decides numbers or files."""
    others = flags_besides(argv, BESIDE_RESUME)
    if arguments.resume is not None and others:
        raise UsageError(f"{others[0]}: the run in {arguments.resume} goes on as it was begun; leave the flag out")


def _before(arguments: Namespace) -> Stored | None:
    """The run of --resume."""
    if arguments.resume is None:
        return None
    from bench.record.stored import stored

    return stored(Path(arguments.resume))


def _run(config: RunConfig, before: Stored | None, arguments: Namespace, argv: list[str], team: Team) -> int:
    from bench.run.finish import exit_code, tell, tell_part  # these import JAX
    from bench.run.run import Done, carry_out, folder_of, open_run
    from bench.run.teamwork import run_together

    done: Done | None = None
    if team != ALONE:  # --resume is none of its flags
        done = run_together(
            config,
            output=Path(arguments.output),
            device=arguments.device,
            devices=arguments.devices,
            batch=arguments.batch,
            save_perturbations=arguments.save_perturbations,
            dry_run=arguments.dry_run,
            argv=argv,
            team=team,
        )
    else:
        opened = open_run(
            config,
            device=arguments.device,
            devices=arguments.devices,
            batch=arguments.batch,
            save_perturbations=arguments.save_perturbations,
            shard=arguments.shard,
            resume=before,
            argv=argv,
        )
        if not arguments.dry_run:
            done = carry_out(opened, lambda: folder_of(opened, Path(arguments.output)))
    if done is None:
        return DONE
    if done.record is None:
        return tell_part(done.folder, str(arguments.shard), done.failed, arguments.json)
    return exit_code(done.record.run.failed) if team.process > 0 else tell(done.record, arguments.json)


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""

    def work(arguments: Namespace, argv: list[str]) -> int:
        _check_resume(arguments, argv)
        before = _before(arguments)
        config = configuration(arguments) if before is None else before.plan.config
        if wanted(meeting(arguments)) and arguments.shard != WHOLE:
            raise UsageError(f"--shard {arguments.shard}: each process has its part already; leave one of the two out")
        with connected(meeting(arguments), in_common(arguments)) as team:
            return _run(config, before, arguments, argv, team)

    advice = "use a smaller --batch or fewer coils"
    return execute(parser(), "bench.attack", advice, work, sys.argv[1:] if argv is None else argv)


if __name__ == "__main__":
    as_process(main)
