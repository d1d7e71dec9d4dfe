"""Choose settings of a method on training data: python -m bench.tune --method l1 --try lam=0.001,0.002.

For each combination of values the command prints the mean SSIM and PSNR of clean reconstructions of training images;
bench.attack uses none of these images.  With --held-out the choice needs no ground truth: a part of the measured
samples is withheld, and the settings that predict them best are chosen, for example on a single under-sampled scan.
With --worst-case it also prints the means under attack, and the value that is best then.  Give the best value to
bench.attack by --set, or the file of --output to bench.shift by --tuned.
"""

from __future__ import annotations

import argparse
import json
import sys
from argparse import Namespace, RawDescriptionHelpFormatter
from pathlib import Path
from typing import TYPE_CHECKING

from bench.plan.errors import DONE, SOME_FAILED, UsageError
from bench.shell.arguments import Parser, epsilon, integer, one_of, setting
from bench.shell.command import execute
from bench.shell.flags import add_data, add_debug, add_device, add_json, add_sampling, add_settings, unattacked
from data_prep.process import as_process
from jaxcs.catalogue import NETWORKS, OF_KSPACE, OF_OTHER_WEIGHTS

if TYPE_CHECKING:
    from bench.studies.tuning.tuning import TuneConfig


def parser() -> Parser:
    """Build the parser of the command line."""
    top = Parser(
        prog="python -m bench.tune",
        examples=(
            "--method l1 --try lam=0.001,0.002,0.004 --images 4",
            "--method tv --try lam=0.001,0.01 --worst-case 0.05 --output tv.json",
            "--method l1 --try lam=0.0005,0.001,0.002,0.004 --images 1 --held-out 5",
        ),
        description=__doc__,
        formatter_class=RawDescriptionHelpFormatter,
    )
    what = top.add_argument_group("what")
    untrained = tuple(name for name in OF_KSPACE if name not in NETWORKS + OF_OTHER_WEIGHTS)
    what.add_argument(
        "--method",
        type=one_of(untrained),
        default="l1",
        metavar="NAME",
        help=f"one of {', '.join(untrained)}; l1 if not given",
    )
    what.add_argument(
        "--try",
        dest="grid",
        type=_values,
        nargs="+",
        action="extend",
        required=True,
        metavar="NAME=V,V,...",
        help="a setting and its values; all combinations of several settings are tried",
    )
    what.add_argument(
        "--random", type=integer(1), metavar="N", help="only N of the combinations, drawn at random; all if not given"
    )
    add_settings(what, "other settings of the method, the same for all")
    data = top.add_argument_group("data")
    add_data(data)
    add_sampling(data)
    data.add_argument(
        "--images", type=integer(1), default=20, metavar="N", help="number of training images; 20 if not given"
    )
    data.add_argument(
        "--held-out",
        type=integer(2),
        metavar="N",
        help="choose by the error at measured samples, each of N parts of which is withheld once; uses no ground truth",
    )
    attack = top.add_argument_group("attack")
    attack.add_argument(
        "--worst-case",
        type=epsilon,
        nargs="+",
        metavar="E",
        help="score each combination under attack too, at these epsilons, relative to the measured data [-]: by the "
        "attack that bench.attack chooses for the method, on the same images; takes many times as long",
    )
    attack.add_argument(
        "--steps", type=integer(1), metavar="N", help="gradient steps of the attack; its default if not given"
    )
    run = top.add_argument_group("run")
    run.add_argument("--seed", type=integer(0), default=0, metavar="N", help="seed of --random; 0 if not given")
    add_device(run)
    output = top.add_argument_group("output")
    output.add_argument(
        "--output", metavar="FILE.json", help="file of the scores and the choice; scores in it are not computed again"
    )
    add_json(output)
    add_debug(output)
    return top


def _values(text: str) -> tuple[str, tuple[str, ...]]:
    """A type that accepts NAME=V,V,..."""
    name, values = setting(text)
    found = tuple(values.split(","))
    if not all(found) or len(set(found)) < len(found):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=V,V,... of different values, such as lam=0.001,0.002")
    return name, found


def configuration(arguments: Namespace) -> TuneConfig:
    """Return the configuration that the flags give."""
    from bench.studies.tuning.tuning import TuneConfig  # imports JAX

    if arguments.held_out is not None and arguments.worst_case:
        raise UsageError("--held-out: chooses without ground truth, which --worst-case needs; leave one of the two out")
    return TuneConfig(
        base=unattacked(arguments, method=arguments.method, settings=tuple(arguments.set)),
        grid=tuple(arguments.grid),
        count=arguments.random,
        seed=arguments.seed,
        images=arguments.images,
        held_out=arguments.held_out,
        eps=tuple(arguments.worst_case or ()),
        steps=arguments.steps,
    )


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""

    def work(arguments: Namespace, argv: list[str]) -> int:
        from bench.studies.tuning.tuning import best_clean, tuned  # imports JAX
        from bench.studies.tuning.worst_case import best_under_attack, columns, sentence

        config = configuration(arguments)
        found = tuned(config, None if arguments.output is None else Path(arguments.output), arguments.device)
        asked = config.worst_case
        worst = [] if asked is None else best_under_attack(found["candidates"], asked)
        for reason in found["failed"].values():
            print(f"failed: {reason}", file=sys.stderr)
        code = SOME_FAILED if found["failed"] else DONE
        if arguments.json:
            print(json.dumps(found if asked is None else found | {"best_under_attack": worst}))
            return code
        candidates = found["candidates"]
        labels = [_label(one["settings"]) for one in candidates]
        more, meaning = ([], "") if asked is None else columns(candidates, asked)
        table = [
            ["settings", *labels],
            *_columns(candidates, {"held-out": "{:.4f}", "SSIM": "{:.4f}", "PSNR": "{:7.3f}"}),
            *more,
        ]
        marks = [
            f"({found['images']} training images)",
            *("best" if one["settings"] == found["best"] else "" for one in candidates),
        ]
        widths = [max(map(len, column)) for column in table]
        for *cells, mark in zip(*table, marks, strict=True):
            print("  ".join([*(cell.rjust(width) for cell, width in zip(cells, widths, strict=True)), mark]).rstrip())
        if config.held_out is not None and all("ssim" in one for one in candidates):
            chosen, best = next(one for one in candidates if one["settings"] == found["best"]), best_clean(candidates)
            print(
                f"chosen without ground truth: {_label(chosen['settings'])}, SSIM {chosen['ssim']:.4f}; with it: "
                f"{_label(best['settings'])}, SSIM {best['ssim']:.4f}"
            )
        if asked is not None:
            print(meaning)
        for one in worst:
            print(sentence(one, _label))
        return code

    return execute(parser(), "bench.tune", "use fewer coils or a smaller matrix", work, argv)


def _columns(candidates: list[dict], styles: dict[str, str]) -> list[list[str]]:
    """A column for each score that the candidates have."""
    names = {head: head.lower().replace("-", "_") for head in styles}
    return [
        [head, *(styles[head].format(one[name]) if name in one else "-" for one in candidates)]
        for head, name in names.items()
        if any(name in one for one in candidates)
    ]


def _label(settings: dict[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in settings.items())


if __name__ == "__main__":
    as_process(main)
