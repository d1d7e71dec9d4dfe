"""Fit one perturbation to many slices, and apply it to others: python -m bench.universal --method unet.

The attacks of bench.attack know the slice; this one does not.  It maximises the mean loss over the first slices, and
the table has the scores of these (fitted) and of the others (held out), beside noise of equal norm.  All slices have
one shape and number of coils.  Each gets the part of the perturbation that its mask measures, scaled to epsilon times
the norm of its own data.
"""

from __future__ import annotations

import io
import sys
from argparse import Namespace
from pathlib import Path

from bench.plan.config import RunConfig
from bench.plan.errors import DONE
from bench.shell.arguments import HelpFormatter, Parser, epsilon, integer, one_of
from bench.shell.command import execute
from bench.shell.flags import add_data, add_debug, add_device, add_sampling, add_shift, in_order, of_data
from bench.shell.method_flags import add_method_settings, add_weights
from data_prep.process import as_process
from jaxcs.catalogue import LOSSES, METHODS, OF_KSPACE

RECORD, DIRECTION = "universal.json", "universal.npz"
_METHODS = tuple(name for name in OF_KSPACE if not METHODS[name].fitted)


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return execute(parser(), "bench.universal", "use fewer slices with --fit", _work, argv)


def parser() -> Parser:
    """Build the parser of the command line."""
    made = Parser(
        prog="python -m bench.universal",
        examples=("--method unet --fit 10 --limit 25", "--method l1 --loss ssim --eps 0.02 --output runs/universal-l1"),
        description=__doc__,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument(
        "--method", type=one_of(_METHODS), default="unet", metavar="M", help=f"{', '.join(_METHODS)}; unet if not given"
    )
    what = made.add_argument_group("what")
    add_weights(what)
    add_method_settings(what)
    made.add_argument(
        "--eps", type=epsilon, default=0.05, metavar="E",
        help="norm of the perturbation of each slice, relative to its measured data; 0.05 if not given",
    )  # fmt: skip
    made.add_argument("--steps", type=integer(1), default=20, metavar="N", help="steps of the attack; 20 if not given")
    made.add_argument(
        "--loss", type=one_of(tuple(LOSSES)), default="nmse", metavar="L",
        help=f"the error whose mean over slices the attack drives up: {', '.join(LOSSES)}; nmse if not given",
    )  # fmt: skip
    made.add_argument(
        "--fit", type=integer(1), default=10, metavar="N",
        help="number of slices to fit it to, the first; 10 if not given",
    )  # fmt: skip
    made.add_argument("--limit", type=integer(2), default=25, metavar="N", help="number of all slices; 25 if not given")
    data = made.add_argument_group("data")
    add_data(data)
    add_sampling(data)
    add_shift(data)
    made.add_argument("--seed", type=integer(0), default=0, metavar="N", help="seed of the start and of noise")
    made.add_argument(
        "--output", default="runs/universal", metavar="DIR", help="folder of the record; runs/universal if not given"
    )
    add_device(made)
    add_debug(made)
    return made


def _work(arguments: Namespace, argv: list[str]) -> int:
    import numpy as np

    from bench.record.holding import check_free, held_beside
    from bench.record.records import RunFolder
    from bench.slices.own_mask import settled
    from bench.slices.sources import check_device  # these import JAX
    from bench.studies.universal.study import carry_out, markdown

    check_device(arguments.device)
    config = RunConfig(
        method=arguments.method,
        settings=tuple(dict(arguments.set).items()),
        weights=arguments.weights,
        attack="apgd",
        steps=arguments.steps,
        eps=(arguments.eps,),
        loss=arguments.loss,
        shift=in_order(arguments.shift),
        limit=arguments.limit,
        seed=arguments.seed,
        **of_data(arguments),
    )
    path = Path(arguments.output)
    with held_beside(path / RECORD, "study"):
        check_free(path / RECORD, argv)
        found = carry_out(settled(config, argv), arguments.fit)
        folder, content = RunFolder(path), io.BytesIO()
        np.savez(content, direction=found.direction)
        folder.write(DIRECTION, content.getvalue())
        folder.write_json(RECORD, {"argv": argv} | found.record)
    print(markdown(found.record))
    print(f"record and perturbation in {path}", file=sys.stderr)
    return DONE


if __name__ == "__main__":
    as_process(main)
