"""The flags of bench.attack."""

from __future__ import annotations

from argparse import Action, ArgumentError, ArgumentParser, ArgumentTypeError, Namespace
from typing import Any

from bench.plan.config import BESIDE, BOXES
from bench.plan.like import LIKE
from bench.plan.shards import WHOLE
from bench.shell.arguments import HelpFormatter, Parser, integer, label, number, one_of, shard
from bench.shell.flags import (
    add_accept,
    add_batch,
    add_data,
    add_debug,
    add_device,
    add_json,
    add_processes,
    add_sampling,
    add_shift,
    add_views,
)
from bench.shell.method_flags import (
    add_method_settings,
    add_methods,
    add_networks,
    add_preset,
    one_of_or_own,
    presets_of,
)
from bench.shell.repeating import add_config
from jaxcs.catalogue import (
    ATTACK_GROUP,
    ATTACKS,
    CHANGES,
    LARGEST_EPSILON,
    LOSSES,
    METHOD_GROUP,
    METHODS,
    NORMS,
    MethodLine,
)

# Flags that decide no number, and may stand beside --resume.
BESIDE_RESUME = (
    "--resume",
    "--shard",
    "--batch",
    "--device",
    "--precision",
    "--devices",
    "--dry-run",
    "--json",
    "--debug",
)
_SLOW = tuple(name for name, line in METHODS.items() if line.slow)


def _sizes() -> str:
    """The sizes of noise if none are given, in words."""
    usual = MethodLine("").eps
    names: dict[tuple[float, ...], list[str]] = {}
    for name, line in METHODS.items():
        if line.eps != usual:
            names.setdefault(line.eps, []).append(name)
    others = ", and ".join(f"{_spaced(eps)} for {', '.join(of)}" for eps, of in names.items())
    return f"{_spaced(usual)} if not given, but {others}"


def _spaced(eps: tuple[float, ...]) -> str:
    return " ".join(f"{value:g}" for value in eps)


def _units() -> str:
    """The units of changes in words."""
    names: dict[str, list[str]] = {}
    for name, line in CHANGES.items():
        names.setdefault(line.unit, []).append(name)
    return "; ".join(f"{', '.join(of)} [{unit}]" for unit, of in names.items())


class _Region(Action):
    """Keeps the word for boxes of each slice, or a tuple of the four numbers of a box."""

    def __call__(self, parser: ArgumentParser, namespace: Namespace, values: Any, option: str | None = None) -> None:
        word = values[0] if values in ([BOXES], [BESIDE]) else None
        if word is None and (len(values) != 4 or BOXES in values or BESIDE in values):
            raise ArgumentError(self, f"give Y X ROWS COLUMNS, {BOXES} or {BESIDE}")
        try:
            setattr(namespace, self.dest, word or tuple(map(integer(0), values)))
        except ArgumentTypeError as error:
            raise ArgumentError(self, str(error)) from error


def parser() -> Parser:
    """Build the parser of the command line."""
    top = Parser(
        prog="python -m bench.attack",
        examples=(
            "--method l1 unet varnet --limit 2 --eps 0.02 0.05",
            "--method unet --weights u3=first.pt u4=second.pt --data brain/ --name width",
            "--config runs/RUN/run.json --method tv",
        ),
        description="Find the worst small perturbation of the measured k-space for a reconstruction method, by "
        "gradients through the whole method, and set it beside noise of equal norm.",
        epilog="Without --data it runs on the built-in phantom. Exit codes: 0 done, 1 done with failed images or a "
        "missed --accept, 2 usage, 3 bad input, 4 output or disk, 5 out of memory, 130 or 143 interrupted; a stopped "
        "run goes on with --resume. bench.compare sets finished runs beside each other in tables, bench.report in a "
        "page.",
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    what = top.add_argument_group("what")
    add_config(what)
    add_methods(what)
    what.add_argument(
        "--victims",
        type=one_of_or_own((*METHODS, "all"), METHOD_GROUP),
        nargs="+",
        default=[],
        metavar="NAME",
        help="methods that are scored under each perturbation, with those of --method; all = those of --method all",
    )
    add_preset(what)
    add_method_settings(what, "; with several methods l1.lam=0.005")
    add_networks(what)
    attack = top.add_argument_group("attack")
    attack.add_argument(
        "--like",
        type=one_of(tuple(LIKE)),
        metavar="PAPER",
        help=f"a published protocol, which decides what no other flag does: one of {', '.join(LIKE)}",
    )
    attack.add_argument(
        "--attack",
        type=one_of_or_own((*ATTACKS, "rotation"), ATTACK_GROUP),
        metavar="NAME",
        help=f"one of {', '.join(ATTACKS)}; rotation = the worst angle of a grid; an attack that an installed package "
        "adds; or MODULE:NAME or FILE.py:NAME, a function of yours, see docs/how-to/own-attack.md; if not given, the "
        "attack that suits the method and --threat: scout, or apgd for networks",
    )
    attack.add_argument(
        "--attack-preset", metavar="NAME", help=f"named configuration of the attack: {presets_of(ATTACKS)}"
    )
    attack.add_argument(
        "--threat",
        type=one_of(("noise", *CHANGES)),
        metavar="NAME",
        help=f"set of perturbations: noise = of the data, see --norm; or a change of the scan: {', '.join(CHANGES)}; "
        "noise if not given",
    )
    attack.add_argument(
        "--eps",
        type=number(0, LARGEST_EPSILON),
        nargs="+",
        metavar="E",
        help=f"sizes of the perturbation: noise relative to the quantity of --norm [-], {_sizes()}; {_units()}",
    )
    attack.add_argument(
        "--norm",
        type=one_of(tuple(NORMS)),
        metavar="SET",
        help="the set of perturbations, all in the l2 norm: "
        f"{'; '.join(f'{name} = {line.words}' for name, line in NORMS.items())}; measured if not given, or image for "
        "momentum",
    )
    attack.add_argument(
        "--steps", type=integer(1), metavar="N", help="gradient steps per epsilon; the attack's default if not given"
    )
    attack.add_argument(
        "--step-size",
        type=number(0, open_low=True),
        metavar="S",
        help="step in units of the radius; the attack's default if not given",
    )
    attack.add_argument(
        "--restarts",
        type=integer(1),
        metavar="N",
        help="starts per epsilon, of which the strongest is kept; the attack's default if not given",
    )
    attack.add_argument(
        "--region",
        nargs="+",
        action=_Region,
        metavar=("boxes | beside | Y", "X ROWS COLUMNS"),
        help="part of the image that is scored and attacked: a box [pixels]; boxes = the boxes that radiologists "
        "drew in each slice, all together; or beside = boxes of the same sizes beside them, as a control; slices "
        "without a box are left out",
    )
    attack.add_argument(
        "--aim",
        type=one_of(("image", "region")),
        metavar="A",
        help="with --region, the part that is attacked: image or region; region if not given",
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
        help="random draws: an un-trained network, the samples that a fit withholds, the noise of a sampler; known to "
        "the attack, or fresh when it is scored",
    )
    attack.add_argument(
        "--target",
        type=one_of(("truth", "clean")),
        metavar="T",
        help="drive the image away from truth or clean output; truth if not given",
    )
    attack.add_argument(
        "--loss",
        type=one_of(tuple(LOSSES)),
        default="nmse",
        metavar="L",
        help="the error that the attack drives up: "
        f"{'; '.join(f'{name} = {words}' for name, words in LOSSES.items())}; nmse if not given",
    )
    attack.add_argument(
        "--stealth",
        type=number(0, 1, open_low=True),
        metavar="LOSS",
        help="the most SSIM of the whole image that the attack may cost, such as 0.01: the attack does the most harm "
        "that SSIM does not show, in the region with --region; any if not given",
    )
    attack.add_argument(
        "--maps",
        type=one_of(("fixed", "reestimated")),
        default="fixed",
        metavar="M",
        help="coil maps: fixed at those of the clean data, or reestimated from the perturbed data within the attack",
    )
    data = top.add_argument_group("data")
    add_data(data, ct=True)
    add_views(data)
    add_sampling(data)
    add_shift(data)
    data.add_argument(
        "--only", metavar="FILE", help="use only the cases of this CSV list, such as bench.hardest writes"
    )
    data.add_argument(
        "--limit",
        type=integer(1),
        metavar="N",
        help="number of slices to use; if not given, all of --data or --only, or of the phantom 10 "
        f"(2 for {', '.join(_SLOW)} and what fits a network)",
    )
    run = top.add_argument_group("run")
    run.add_argument("--seed", type=integer(0), default=0, metavar="N", help="seed of random starts and noise")
    add_device(run)
    run.add_argument(
        "--devices",
        type=lambda text: 0 if text == "all" else integer(1)(text),
        metavar="N",
        help="devices of this machine that share the slices, or all; 1 if not given",
    )
    add_batch(run)
    run.add_argument(
        "--resume",
        metavar="RUN",
        help=f"go on with the run in this folder, as it was begun; other flags allowed: {', '.join(BESIDE_RESUME[1:])}",
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
    output.add_argument("--output", default="runs", metavar="DIR", help="each run makes a new folder in here")
    output.add_argument(
        "--name",
        type=label,
        metavar="NAME",
        help="label of the run in its folder's name, record, table, page and in bench.compare; it changes no number",
    )
    add_accept(output, "the run keeps it, and bench.report judges by it again")
    add_json(output)
    output.add_argument("--save-perturbations", action="store_true", help="write perturbations.npz")
    add_debug(output)
    return top
